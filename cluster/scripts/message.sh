#!/usr/bin/env bash
# Prints MESSAGE_FILE, what the Pod's hooks wrote on this host. Changes nothing.
looks_only() { :; } # takes no lock, records nothing
readonly SHOWN_BYTES=65536 # the output is kept in the state

check() { [[ -f "${ROOT}${MESSAGE_FILE}" ]] || differs "file ${MESSAGE_FILE}" 'present' 'absent'; }
apply() {
  [[ -f "${ROOT}${MESSAGE_FILE}" ]] || die "no ${MESSAGE_FILE} on this host: the Pod's init container and postStart hook write it. See kubectl describe pod"
  tail -c "${SHOWN_BYTES}" -- "${ROOT}${MESSAGE_FILE}"
}
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
