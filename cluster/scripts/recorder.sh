#!/usr/bin/env bash
# uses: kubectl.sh recordings.sh
# Records the life of Pods as this host sees it, in a transient unit that outlives the pulumi run and ends by itself after BOUND_SECONDS.
# ROLE control-plane: Pods and events of NAMESPACE, as the API server sends them. ROLE worker: what containerd does, what servers log of httpGet hooks,
# what is written to MESSAGE_FILE,
# and how far this host's clock is from that of REFERENCE (the control plane, at REFERENCE_ADDRESS). Each line is stamped with its arrival in ms.
# Nothing touches the Pods: the recorder only listens. docs/recording.md has the format.
# undo stops the unit and leaves the recording in /var/log, for `npm run lifecycle -- fetch`.
readonly UNIT=kubeadm-lab-recorder
readonly PROGRAM="${STATE}/${STEP}/program"
readonly LIST_SECONDS=60          # an API server that has just started may need some
readonly LARGEST_FILE_KB=65536    # of one stream; a day of a small cluster is about 1 MB

# The unit's program: these functions, with these values.
now() { date +%s%3N; }
# What it reads, line by line, as JSON text.
stamp_text() { # FROM
  local line
  while IFS= read -r line; do
    line="${line//\\/\\\\}"
    line="${line//\"/\\\"}"
    line="${line//$'\t'/\\t}"
    printf '{"at":%s,"host":"%s","from":"%s","data":"%s"}\n' "$(now)" "${WHERE}" "$1" "${line//[$'\001'-$'\037']/ }"
  done >>"${FOLDER}/$1.jsonl"
}
note() { printf '%s\n' "$*" | stamp_text note; }
raw() { timeout "$1" kubectl --kubeconfig "${ROOT}/etc/kubernetes/admin.conf" --cache-dir "${FOLDER}/.kubectl" get --raw "$2"; }
# Follows a list without a gap: from the version of the list, then from that of the last object, again when the server ends the watch.
follow() { # pods|events
  local path="/api/v1/namespaces/${NAMESPACE}/$1" version='' line
  while :; do
    if [[ -z "${version}" ]]; then
      line="$(raw 10 "${path}?limit=1" 2>&1)" || true
      if ! [[ "${line}" =~ \"metadata\":\{\"resourceVersion\":\"([0-9]+)\" ]]; then
        sleep 0.5
        continue
      fi
      version="${BASH_REMATCH[1]}"
      note "following $1 from version ${version}"
    fi
    while IFS= read -r line; do
      printf '{"at":%s,"host":"%s","from":"%s","data":%s}\n' "$(now)" "${WHERE}" "$1" "${line}" >>"${FOLDER}/$1.jsonl"
      if [[ "${line}" == '{"type":"ERROR"'* ]]; then
        version=''
        note "the watch of $1 broke, and what happened until the next line of this kind is not recorded"
      elif [[ "${line}" =~ \"resourceVersion\":\"([0-9]+)\" ]]; then
        version="${BASH_REMATCH[1]}"
      fi
    done < <(raw 3700 "${path}?watch=1&timeoutSeconds=3600&resourceVersion=${version}" 2>/dev/null |
      sed -u -E 's/,"managedFields":\[.*\]\},"(spec|involvedObject)"/},"\1"/')
    sleep 0.2
  done
}
# The API server says the time in whole seconds: the moment when its second changes tells its clock to about the length of one request.
clock_offset() {
  local before='' previous after last='' answer tries
  for ((tries = 0; tries < 100; tries++)); do
    previous="${before:-}"
    before="$(now)"
    answer="$(curl --silent --insecure --head --max-time 2 "https://${REFERENCE_ADDRESS}:6443/healthz" 2>/dev/null | sed -n 's/^[Dd]ate: //p' | tr -d '\r')"
    after="$(now)"
    if [[ -n "${last}" && -n "${answer}" && "${answer}" != "${last}" ]]; then
      printf '{"at":%s,"host":"%s","from":"clock","data":{"reference":"%s","offsetMs":%d,"errorMs":%d}}\n' "${after}" "${WHERE}" "${REFERENCE}" \
        "$(((previous + after) / 2 - $(date -d "${answer}" +%s) * 1000))" "$(((after - previous) / 2 + 1))" >>"${FOLDER}/clock.jsonl"
      return 0
    fi
    last="${answer}"
    sleep 0.01
  done
  note "the clock of ${REFERENCE} could not be measured: no answer from https://${REFERENCE_ADDRESS}:6443/healthz"
}
# An httpGet hook is seen only by the server that answers: the kubelet calls itself kube-lifecycle/VERSION, and a server that logs its clients to stdout or
# stderr tells. Looked at when a container is about to stop: what comes of its hooks is there by then, and its log still is.
server_logs() {
  local line id
  while IFS= read -r line; do
    [[ "${line}" =~ StopContainer\ for\ [^a-z0-9]*([a-z0-9]+)[^a-z0-9]*\ with ]] || continue
    id="${BASH_REMATCH[1]}"
    sleep 0.2 # the line of preStop may be on its way
    sed -n "/kube-lifecycle\//s/^/${id} /p" "${ROOT}"/var/log/containers/*_"${NAMESPACE}"_*-"${id}".log 2>/dev/null | stamp_text request
  done
}
listen() {
  ulimit -f "${LARGEST_FILE_KB}"
  if [[ "${ROLE}" == control-plane ]]; then
    follow pods &
    follow events &
  else
    # -s: a file whose folder is still missing is looked for this often.
    tail -n 0 -s 0.02 -F -- "${ROOT}${MESSAGE_FILE}" 2>/dev/null | stamp_text file &
    if command -v ctr >/dev/null; then ctr --namespace k8s.io events 2>/dev/null | grep --line-buffered -vF '/snapshot/' | stamp_text runtime & else note 'no ctr on this host: no times of the container runtime'; fi
    journalctl --lines 0 --follow --output cat --unit containerd 2>/dev/null |
      grep --line-buffered -E 'msg="(RunPodSandbox|CreateContainer|StopContainer|Stop container|Kill container|StopPodSandbox)' |
      tee >(server_logs) | stamp_text journal &
    clock_offset &
  fi
  touch "${FOLDER}/listening"
  wait
}

program() {
  declare -p ROOT WHERE ROLE NAMESPACE MESSAGE_FILE REFERENCE REFERENCE_ADDRESS FOLDER LARGEST_FILE_KB
  declare -f now stamp_text note raw follow clock_offset server_logs listen
  printf 'listen\n'
}
is_following() { # once per list of the API server
  [[ -e "${FOLDER}/listening" ]] || return 1
  [[ "${ROLE}" != control-plane ]] || [[ "$(tail -n +"$((NOTES + 1))" -- "${FOLDER}/note.jsonl" 2>/dev/null | grep -c '"following ')" -ge 2 ]]
}

check() {
  recorded 'started' >/dev/null || differs "unit ${UNIT}" 'started' 'never started'
  [[ -d "${FOLDER}" ]] || differs "folder ${FOLDER#"${ROOT}"}" 'present' 'absent'
}
apply() {
  if ! recorded 'started' >/dev/null || [[ ! -d "${FOLDER}" ]]; then
    stop_unit
    rm -rf -- "${FOLDER:?}"
    (umask 077 && mkdir -p -- "${FOLDER}")
    printf '{"schema":"kubeadm-lab/recording","version":1,"at":%s,"host":"%s","role":"%s","namespace":"%s","messageFile":"%s"}\n' \
      "$(now)" "${WHERE}" "${ROLE}" "${NAMESPACE}" "${MESSAGE_FILE}" >"${FOLDER}/header.jsonl"
    message_file start
    record 'started' yes
  fi
  if [[ "$(cat -- "${PROGRAM}" 2>/dev/null)" != "$(program)" || "$(unit_active "${UNIT}.service")" != active ]]; then start_recording; fi
  printf '%s\n' "${FOLDER#"${ROOT}"}"
}
start_recording() {
  stop_unit
  rm -f -- "${FOLDER}/listening"
  : >>"${FOLDER}/note.jsonl"
  NOTES="$(wc -l <"${FOLDER}/note.jsonl")"
  program >"${PROGRAM}"
  # timeout, not RuntimeMaxSec: systemd 219 has none.
  systemd-run --quiet --unit="${UNIT}" -- timeout "${BOUND_SECONDS}" bash "${PROGRAM}" 2>&1 || die "systemd-run could not start ${UNIT}; the line above says why"
  wait_for "${LIST_SECONDS}" is_following || die "the recorder does not listen after ${LIST_SECONDS} s; see journalctl -u ${UNIT}, or turn it off with demoRecordHours: 0"
}
stop_unit() {
  timeout 30 systemctl stop -- "${UNIT}.service" 2>/dev/null || true # gone already: at its bound, or with a reboot
  timeout 10 systemctl reset-failed -- "${UNIT}.service" 2>/dev/null || true
}
# The content of the message file, line by line, before and after.
message_file() { # start|end
  [[ "${ROLE}" == worker ]] || return 0
  if [[ -f "${ROOT}${MESSAGE_FILE}" ]]; then tail -n 1000 -- "${ROOT}${MESSAGE_FILE}" | stamp_text "file-$1"; fi
}
undo() {
  if recorded 'started' >/dev/null && [[ -d "${FOLDER}" ]]; then
    sleep 0.3 # what is on its way
    stop_unit
    message_file end
    printf '{"at":%s,"host":"%s","from":"end","data":"stopped"}\n' "$(now)" "${WHERE}" >"${FOLDER}/end.jsonl"
    rm -rf -- "${FOLDER:?}/.kubectl" "${FOLDER:?}/listening"
    printf 'recording kept on %s in %s until: npm run lifecycle -- fetch\n' "${WHERE}" "${FOLDER#"${ROOT}"}"
  else
    stop_unit
  fi
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
