#!/usr/bin/env bash
# A join token on the control plane, for one worker and 15 minutes. API_ENDPOINT: for messages; WORKER: goes into the token's description.
# Prints the token, then the CA's hash: a secret output. Each run makes a new one; tokens end by themselves, so there is nothing to undo.
looks_only() { :; } # takes no lock, records nothing
readonly TOKEN_PATTERN='--token ([a-z0-9]{6}\.[a-z0-9]{16}) .*(sha256:[0-9a-f]{64})'

create_token() { timeout 30 kubeadm token create --ttl 15m --description "kubeadm-lab: ${WORKER} joins" --print-join-command 2>/dev/null; }
check() { [[ -s "${ROOT}/etc/kubernetes/admin.conf" ]] || differs 'file /etc/kubernetes/admin.conf' 'present' 'absent'; }
apply() {
  [[ -s "${ROOT}/etc/kubernetes/admin.conf" ]] || die 'no /etc/kubernetes/admin.conf: this is not a control plane that kubeadm init has finished'
  wait_for 60 create_token || die "no join token in 60 s: does ${API_ENDPOINT} answer? Try on this host: kubeadm token list"
  [[ "${LAST_SEEN}" =~ ${TOKEN_PATTERN} ]] || die 'kubeadm token create printed no join command'
  printf '%s\n%s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
}
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
