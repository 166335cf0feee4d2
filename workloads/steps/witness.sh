#!/usr/bin/env bash
# uses: message-file.sh
# This step shows, when it is undone, that a Pod's preStop hook ran: what it wrote is read after the Pod's end and before the host's reset.
# MESSAGE_FILE is where the Pod's hooks write on this host. apply prints the path; FRESH=yes empties the file, once before undo.
# The file stays.
readonly SHOWN_BYTES=65536

check() { :; }
apply() {
  if [[ "${FRESH:-no}" == yes ]] && ! recorded 'emptied' >/dev/null; then
    look_at_message_file
    case "${KIND}" in
    absent) ;;
    file) empty_message_file || die "can't empty ${MESSAGE_FILE}: the line above says why" ;;
    *) log "not emptied: $(refused)" ;;
    esac
    record 'emptied' yes # not again while the Pod writes
  fi
  printf '%s\n' "${MESSAGE_FILE}"
}
undo() {
  look_at_message_file
  case "${KIND}" in
  absent) printf 'no message file on %s\n' "${WHERE}" ;;
  file)
    printf 'message file on %s:\n' "${WHERE}"
    end_of_message_file -c "${SHOWN_BYTES}" || log "can't read ${MESSAGE_FILE}: the line above says why"
    ;;
  *) printf 'message file on %s: %s\n' "${WHERE}" "$(refused)" ;;
  esac
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
