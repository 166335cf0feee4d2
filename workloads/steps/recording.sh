#!/usr/bin/env bash
# uses: recording-folder.sh
# This step prints what the recorder wrote on this host, the recording, by gzip and base64: as JSON lines a Pod's life is about 80 kB, packed 8.
# READY_UID, where it is set, is a Pod's: its Ready is waited for, since the recorder may hear of it a little later than Pulumi did.
# undo removes it and the timer that would, unless the recorder is still writing.
takes_no_lock() { :; } # two may read at once, and a removal is done when it is done twice

check() { [[ -f "${FOLDER}/header.jsonl" ]] || differs "recording ${FOLDER#"${ROOT}"}" 'present' 'absent'; }
is_heard() { grep -q "\"uid\":\"${READY_UID}\".*\"type\":\"Ready\",\"status\":\"True\"" -- "${FOLDER}/pods.jsonl"; }
apply() {
  local stream
  [[ -f "${FOLDER}/header.jsonl" ]] || die "no recording in ${FOLDER#"${ROOT}"}: none was made (demoRecordHours), it was fetched before, or it ended more than ${KEPT_DAYS} days ago"
  [[ -z "${READY_UID:-}" ]] || wait_for 5 is_heard || log "Pod ${READY_UID} is not Ready in the recording"
  for stream in header clock note pods events runtime journal request pause file-start file file-end end; do
    [[ ! -f "${FOLDER}/${stream}.jsonl" ]] || cat -- "${FOLDER}/${stream}.jsonl"
  done | gzip -9 | base64 -w 0
  printf '\n'
}
undo() {
  [[ -f "${FOLDER}/end.jsonl" ]] || { log 'the recorder still writes: its recording stays'; return 0; }
  remove_recording
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
