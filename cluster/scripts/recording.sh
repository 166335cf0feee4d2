#!/usr/bin/env bash
# uses: recordings.sh
# Prints this host's recording, gzip and base64: as JSON lines a Pod's life is about 80 kB, packed 8. Changes nothing.
# undo removes it, unless the recorder is still writing.
looks_only() { :; } # takes no lock, records nothing

check() { [[ -f "${FOLDER}/header.jsonl" ]] || differs "recording ${FOLDER#"${ROOT}"}" 'present' 'absent'; }
apply() {
  local stream
  [[ -f "${FOLDER}/header.jsonl" ]] || die "no recording in ${FOLDER#"${ROOT}"}: none was made (demoRecordHours), or it was fetched before"
  for stream in header clock note pods events runtime journal request pause file-start file file-end end; do
    [[ ! -f "${FOLDER}/${stream}.jsonl" ]] || cat -- "${FOLDER}/${stream}.jsonl"
  done | gzip -9 | base64 -w 0
  printf '\n'
}
undo() {
  [[ -f "${FOLDER}/end.jsonl" ]] || { log 'the recorder still writes: its recording stays'; return 0; }
  rm -rf -- "${FOLDER:?}"
  rmdir -- "${FOLDER%/*}" 2>/dev/null || true # holds something else
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
