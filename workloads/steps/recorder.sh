#!/usr/bin/env bash
# uses: kubectl.sh recording-folder.sh message-file.sh recorder-program.sh
# This step starts and stops the recorder: a unit of its own, which records what this host sees of Pods, outlives the pulumi run and reboots, and ends by itself after BOUND_SECONDS.
# ROLE control-plane: Pods and events of NAMESPACE, as the API server sends them. ROLE worker: what the container runtime does (RUNTIME_KIND), what servers log of
# httpGet hooks, what is written to MESSAGE_FILE, and how far this host's clock is from that of REFERENCE (the control plane, at REFERENCE_ADDRESS). Each line is stamped with its arrival in ms.
# Nothing touches the Pods: the recorder only listens (recorder-program.sh). docs/recording.md has the format.
# undo stops it and leaves the recording in /var/log, for `npm run lifecycle -- fetch`; a timer removes it after KEPT_DAYS.
readonly PROGRAM="${FOLDER}/.program" # not among this step's records, which undo removes
readonly LIST_SECONDS=60              # an API server that has just started may need some
readonly CPU_QUOTA=50% # of one CPU, whatever there is to hear; docs/recording.md has what it takes

service() {
  printf '%s\n' '[Unit]' 'Description=Records the life of Pods for kubeadm-lab' 'After=containerd.service docker.service' 'Before=kubelet.service' '' \
    '[Service]' "ExecStart=/bin/bash ${PROGRAM}" "CPUQuota=${CPU_QUOTA}" '' '[Install]' 'WantedBy=multi-user.target'
}
timer() {
  printf '%s\n' '[Unit]' "Description=Removes the recording of kubeadm-lab ${KEPT_DAYS} days after its end" '' \
    '[Timer]' 'OnCalendar=daily' 'Persistent=true' '' '[Install]' 'WantedBy=timers.target'
}
is_following() { # once per list of the API server
  [[ -e "${FOLDER}/listening" ]] || return 1
  [[ "${ROLE}" != control-plane ]] || [[ "$(tail -n +"$((NOTES + 1))" -- "${FOLDER}/note.jsonl" 2>/dev/null | grep -c '"following ')" -ge 2 ]]
}

check() { # an end by itself is none of a repair's business, and neither is a recording that was fetched
  recorded 'started' >/dev/null || differs "unit ${UNIT}" 'started' 'never started'
}
apply() {
  if ! recorded 'started' >/dev/null || [[ ! -d "${FOLDER}" ]]; then
    stop_unit
    rm -rf -- "${FOLDER:?}"
    (umask 077 && mkdir -p -- "${FOLDER}")
    # The release and the time zone, by which kubectl on this host words what it prints.
    [[ "$(kubelet --version 2>/dev/null)" =~ v[0-9]+(\.[0-9]+)+ ]] || true
    printf '{"schema":"kubeadm-lab/recording","version":1,"at":%s,"host":"%s","role":"%s","namespace":"%s","messageFile":"%s","kubernetes":"%s","zone":"%s"}\n' \
      "$(now)" "${WHERE}" "${ROLE}" "${NAMESPACE}" "${MESSAGE_FILE}" "${BASH_REMATCH[0]:-}" "$(date +%z)" >"${FOLDER}/header.jsonl"
    look_at_message_file
    if [[ "${KIND}" == file ]]; then end_of_message_file -n +1 | wc -l; else printf '0\n'; fi >"${FOLDER}/.lines"
    record_message_file start
    record 'started' yes
  fi
  UNTIL="$(cat -- "${FOLDER}/.until" 2>/dev/null)" || true # never started
  if [[ "$(cat -- "${PROGRAM}" 2>/dev/null)" != "$(program)" || ("$(unit_active "${UNIT}.service")" != active && ! -e "${FOLDER}/end.jsonl") ]]; then start_recording; fi
  printf '%s\n' "${FOLDER#"${ROOT}"}"
}
start_recording() {
  stop_unit
  rm -f -- "${FOLDER}"/{listening,end.jsonl,file-end.jsonl}
  : >>"${FOLDER}/note.jsonl"
  NOTES="$(wc -l <"${FOLDER}/note.jsonl")"
  UNTIL="$(($(date +%s) + BOUND_SECONDS))"
  printf '%s' "${UNTIL}" >"${FOLDER}/.until"
  program >"${PROGRAM}"
  mkdir -p -- "${UNIT_FILE%/*}"
  service >"${UNIT_FILE}.service"
  timer >"${UNIT_FILE}.timer"
  timeout 30 systemctl daemon-reload || die 'systemd could not read its units again; see journalctl -b _PID=1'
  enable_units "${UNIT}.service" "${UNIT}.timer"
  start_unit "${UNIT}.timer" || die "can't start ${UNIT}.timer; see systemctl status ${UNIT}.timer"
  start_unit "${UNIT}.service" || die "can't start ${UNIT}; see journalctl -u ${UNIT}"
  wait_for "${LIST_SECONDS}" is_following || die "the recorder does not listen after ${LIST_SECONDS} s; see journalctl -u ${UNIT}, or turn it off with demoRecordHours: 0"
}
stop_unit() {
  timeout 30 systemctl stop -- "${UNIT}.service" 2>/dev/null || true # gone already, or at its bound
  timeout 10 systemctl reset-failed -- "${UNIT}.service" 2>/dev/null || true
}
undo() {
  if recorded 'started' >/dev/null && [[ -d "${FOLDER}" ]]; then
    [[ -e "${FOLDER}/end.jsonl" ]] || sleep 0.3 # what is on its way
    end_recording 'stopped'
    stop_unit
    record_message_file end
    timeout 30 systemctl disable --quiet --no-reload -- "${UNIT}.service" 2>/dev/null || true # nothing to record at the next boot; the timer goes on
    rm -rf -- "${FOLDER:?}/.kubectl" "${FOLDER:?}/listening"
    printf 'recording kept on %s in %s for %s days, or until: npm run lifecycle -- fetch\n' "${WHERE}" "${FOLDER#"${ROOT}"}" "${KEPT_DAYS}"
  else
    stop_unit
  fi
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
