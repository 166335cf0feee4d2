#!/usr/bin/env bash
# MESSAGE_FILE is where the Pod's hooks write on this host. apply prints the path; FRESH=yes empties the file, once before undo.
# undo runs when the Pod is gone and before the host is reset: it shows the file, the proof that preStop ran. The file stays.
readonly SHOWN_BYTES=65536

check() { :; }
apply() {
  if [[ "${FRESH:-no}" == yes ]] && ! recorded 'emptied' >/dev/null; then
    [[ ! -f "${ROOT}${MESSAGE_FILE}" ]] || : >"${ROOT}${MESSAGE_FILE}"
    record 'emptied' yes # not again while the Pod writes
  fi
  printf '%s\n' "${MESSAGE_FILE}"
}
undo() {
  if [[ -f "${ROOT}${MESSAGE_FILE}" ]]; then
    printf 'message file on %s:\n' "${WHERE}"
    tail -c "${SHOWN_BYTES}" -- "${ROOT}${MESSAGE_FILE}"
  else
    printf 'no message file on %s\n' "${WHERE}"
  fi
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
