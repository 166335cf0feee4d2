#!/usr/bin/env bash
# Prints the control plane's admin kubeconfig: a secret output. Changes nothing.
looks_only() { :; } # takes no lock, records nothing
readonly ADMIN_CONF="${ROOT}/etc/kubernetes/admin.conf"

check() { [[ -s "${ADMIN_CONF}" ]] || differs 'file /etc/kubernetes/admin.conf' 'present' 'absent'; }
apply() { cat -- "${ADMIN_CONF}" || die 'no /etc/kubernetes/admin.conf: this is not a control plane that kubeadm init has finished'; }
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
