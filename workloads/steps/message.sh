#!/usr/bin/env bash
# uses: message-file.sh
# This step prints what the Pod's hooks wrote on this host, MESSAGE_FILE. It changes nothing.
changes_nothing() { :; }
readonly SHOWN_BYTES=65536 # the output is kept in the state

check() {
  look_at_message_file
  [[ "${KIND}" == file ]] || differs "file ${MESSAGE_FILE}" 'present' "${KIND}"
}
apply() {
  look_at_message_file
  [[ "${KIND}" != absent ]] || die "no ${MESSAGE_FILE} on this host: the Pod's init container and postStart hook write it. See kubectl describe pod"
  [[ "${KIND}" == file ]] || die "$(refused)"
  end_of_message_file -c "${SHOWN_BYTES}" || die "can't read ${MESSAGE_FILE}: the line above says why"
}
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
