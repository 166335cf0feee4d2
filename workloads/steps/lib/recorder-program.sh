#!/usr/bin/env bash
# What the recorder does while it runs: recorder.sh writes these functions with their values into a file of the host, and systemd runs it at each boot.
readonly LARGEST_FILE_KB=65536 # of one stream; a day of a small cluster is about 1 MB
readonly API_SECONDS=1800      # for a cluster that is only being made, or boots
readonly GOOD_ERROR_MS=40      # a calm lab's, 24 November 2026: a request takes up to twice as long
readonly CLOCK_REQUESTS=20     # five on a calm host

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
raw() { HOME="${FOLDER}/.kubectl" timeout "$1" kubectl --kubeconfig "${ROOT}/etc/kubernetes/admin.conf" --cache-dir "${FOLDER}/.kubectl" get --raw "$2"; }
version_in() { if [[ "$1" =~ \"resourceVersion\":\"([0-9]+)\" ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi; }
# Follows a list without a gap: from the version of the list, then from that of the last object, again when the server ends the watch or the host boots.
# A server that no longer has that version sends every Pod as it is now; of events, only new ones.
follow() { # pods|events
  local path="/api/v1/namespaces/${NAMESPACE}/$1" version='' line begun isKnown=no
  if [[ -s "${FOLDER}/$1.jsonl" ]]; then
    version="$(version_in "$(tail -n 1 -- "${FOLDER}/$1.jsonl")")"
    isKnown=yes
    [[ -z "${version}" ]] || note "following $1 from version ${version}"
  fi
  while :; do
    if [[ -z "${version}" && ("${isKnown}" == no || "$1" == events) ]]; then
      version="$(version_in "$(raw 10 "${path}?limit=1" 2>&1)")" || true
      if [[ -z "${version}" ]]; then
        sleep 0.5
        continue
      fi
      note "following $1 from version ${version}"
    fi
    uptime_now
    begun="${UPTIME}"
    while IFS= read -r line; do
      printf '{"at":%s,"host":"%s","from":"%s","data":%s}\n' "$(now)" "${WHERE}" "$1" "${line}" >>"${FOLDER}/$1.jsonl"
      isKnown=yes begun=-9
      if [[ "${line}" == '{"type":"ERROR"'* ]]; then broken "$1"; else version="$(version_in "${line}")"; fi
    done < <(raw 3700 "${path}?watch=1&timeoutSeconds=3600${version:+&resourceVersion=${version}}" 2>/dev/null |
      sed -u -E 's/,"managedFields":\[.*\]\},"(spec|involvedObject)"/},"\1"/')
    ! is_before $((begun + 6)) || broken "$1" # refused at once: no server, or one that does not know the version
    sleep 1
  done
}
broken() { # pods|events: said once
  [[ -z "${version}" ]] || note "the watch of $1 broke, and what happened until the next line of this kind is not recorded"
  version=''
}
# The API server says the time in whole seconds, so each answer bounds how far this host is ahead of it, from both sides. The next request is sent where
# the server's second should change: its answer takes away half of what is left. Few requests, since Pods start meanwhile.
# Once this host has joined: before, all hosts are busy and answer late.
measure_clock() {
  local low='' high='' before after answer server least most width=0 end asked=0 pattern=$'[Dd]ate: ([^\r\n]+)'
  uptime_now
  end=$((UPTIME + API_SECONDS))
  while ((asked < CLOCK_REQUESTS)) && is_before "${end}"; do
    if [[ ! -e "${ROOT}/etc/kubernetes/kubelet.conf" ]]; then
      sleep 1
      continue
    fi
    before="$(now)"
    answer="$(curl --silent --insecure --head --max-time 2 "https://${REFERENCE_ADDRESS}:6443/healthz" 2>/dev/null)"
    after="$(now)"
    if [[ ! "${answer}" =~ ${pattern} ]]; then
      sleep 2
      continue
    fi
    server="$(date -d "${BASH_REMATCH[1]}" +%s)000"
    asked=$((asked + 1))
    # It was between server and server + 999 there when it was between before and after here.
    least=$((before - server - 1000)) most=$((after - server))
    if [[ -z "${low}" ]] || ((least > high || most < low)); then # the first, or a clock was set meanwhile
      low="${least}" high="${most}"
    else
      if ((least > low)); then low="${least}"; fi
      if ((most < high)); then high="${most}"; fi
    fi
    width=$((high - low))
    ((width > 2 * GOOD_ERROR_MS)) || break
    sleep "$(printf '0.%03d' $(((1000 - ($(now) + (after - before) / 2 - (low + high) / 2) % 1000) % 1000)))"
  done
  if [[ -z "${low}" ]]; then
    note "the clock of ${REFERENCE} could not be measured: no answer from https://${REFERENCE_ADDRESS}:6443/healthz"
  else
    printf '{"at":%s,"host":"%s","from":"clock","data":{"reference":"%s","offsetMs":%d,"errorMs":%d}}\n' "$(now)" "${WHERE}" "${REFERENCE}" "$(((low + high) / 2))" "$(((width + 1) / 2))" >>"${FOLDER}/clock.jsonl"
  fi
}
# Whatever ends is begun again: containerd may be restarted.
hear() { # FROM COMMAND...
  local from="$1"
  shift
  while :; do
    "$@" 2>/dev/null | stamp_text "${from}"
    sleep 2 # and with the unit itself nobody is told
    note "the stream ${from} ended, and is heard again: what happened meanwhile is not recorded"
  done
}
containerd_events() { ctr --namespace k8s.io events | grep --line-buffered -vF '/snapshot/'; }
# A line a container's event, with what tells whose it is: those of the kubelet's have labels for that.
docker_events() {
  local name format='{"nano":"{{.TimeNano}}","action":{{json .Action}},"id":"{{.ID}}"'
  for name in io.kubernetes.pod.uid io.kubernetes.container.name execID exitCode signal; do
    format+=",\"${name##*.}\":\"{{index .Actor.Attributes \"${name}\"}}\""
  done
  docker events --filter type=container --filter "label=io.kubernetes.pod.namespace=${NAMESPACE}" --format "${format}}" | tee >(server_logs)
}
containerd_log() {
  journalctl --lines 0 --follow --output cat --unit containerd |
    grep --line-buffered -E 'msg="(RunPodSandbox|CreateContainer|StopContainer|Stop container|Kill container|StopPodSandbox)' |
    tee >(server_logs)
}
# An httpGet hook is seen only by the server that answers: the kubelet calls itself kube-lifecycle/VERSION, and a server that logs its clients to stdout or
# stderr tells. Looked at when a container is about to stop: what comes of its hooks is there by then, and its log still is.
server_logs() {
  local line
  while IFS= read -r line; do
    # Side by side: with a Pod its log goes.
    if [[ "${line}" =~ StopContainer\ for\ [^a-z0-9]*([a-z0-9]+)[^a-z0-9]*\ with || "${line}" =~ \"action\":\"kill\",\"id\":\"([a-z0-9]+)\" ]]; then server_log "${BASH_REMATCH[1]}" & fi
  done
}
server_log() { # CONTAINER
  local early late
  early="$(kubelet_requests "$1")"
  sleep 0.2 # the line of preStop may be on its way
  late="$(kubelet_requests "$1")"
  [[ -z "${late:-${early}}" ]] || printf '%s\n' "${late:-${early}}" | stamp_text request
}
# A line of containerd's is `TIME STREAM TAG LINE`; Docker's, in JSON, is made one.
kubelet_requests() { # CONTAINER
  sed -n -e '/kube-lifecycle\//!d' -e 's/^{"log":"\(.*\)\\n","stream":"\([a-z]*\)".*"time":"\([^"]*\)".*}$/\3 \2 F \1/' -e 's/\\"/"/g' -e "s/^/$1 /p" \
    "${ROOT}"/var/log/containers/*_"${NAMESPACE}"_*-"$1".log 2>/dev/null || true
}
hear_file() {
  local heard=0 before
  before="$(tr -dc 0-9 <"${FOLDER}/.lines")"
  if [[ -f "${FOLDER}/file.jsonl" ]]; then heard="$(wc -l <"${FOLDER}/file.jsonl")"; fi
  exec 7<> <(:) # nothing ever comes: a pause without a process
  until [[ -d "${ROOT}${MESSAGE_FILE%/*}" ]]; do read -r -t 0.02 -u 7 || true; done
  exec 7<&-
  look_at_message_file
  if [[ "${KIND}" != file && "${KIND}" != absent ]]; then
    note "what is written to the message file is not recorded: $(refused)"
    return 0
  fi
  # -s: a file that is still missing is looked for this often.
  with_message_file ro tail -n "+$((before + heard + 1))" -s 0.02 -F -- 2>/dev/null | stamp_text file
}
listen() {
  ulimit -f "${LARGEST_FILE_KB}"
  if [[ "${ROLE}" == control-plane ]]; then
    follow pods &
    follow events &
  else
    hear_file &
    if [[ "${RUNTIME_KIND}" == containerd ]]; then
      hear runtime containerd_events &
      hear journal containerd_log &
    else
      hear runtime docker_events &
    fi
    measure_clock &
  fi
  touch "${FOLDER}/listening"
  wait
}
# The content of the message file, line by line, before and after.
record_message_file() { # start|end
  [[ "${ROLE}" == worker ]] || return 0
  rm -f -- "${FOLDER}/file-$1.jsonl"
  look_at_message_file
  if [[ "${KIND}" == file ]]; then end_of_message_file -n 1000 | stamp_text "file-$1"; fi
}
end_recording() { # WHY
  [[ -e "${FOLDER}/end.jsonl" ]] || printf '{"at":%s,"host":"%s","from":"end","data":"%s"}\n' "$(now)" "${WHERE}" "$1" >"${FOLDER}/end.jsonl"
}
# Once at each boot, and once a day: records until UNTIL; removes a recording that nobody fetched in time, and itself.
run_recorder() {
  local boot seconds code=0
  cd "${FOLDER}" || return 0
  if [[ -e end.jsonl ]]; then
    [[ -z "$(find end.jsonl -mtime "+$((KEPT_DAYS - 1))")" ]] || remove_recording
    return 0
  fi
  seconds="$((UNTIL - $(date +%s)))"
  if ((seconds > 0)); then
    boot="$(</proc/sys/kernel/random/boot_id)"
    if [[ "$(cat .boot 2>/dev/null)" == "${boot}" ]]; then
      note 'the recorder was started again: what happened here meanwhile is not recorded'
    elif [[ -e .boot ]]; then
      note 'the host was started again, and the recorder with it: what happened here meanwhile is not recorded'
    fi
    printf '%s' "${boot}" >.boot
    trap ':' TERM
    timeout "${seconds}" bash "${PROGRAM}" listen || code=$?
    if [[ "${code}" != 124 ]]; then
      trap '' TERM # systemd goes on until none is left that it has not told, and this line's own process is new
      [[ -e end.jsonl ]] || note 'the recorder was stopped'
      return 0
    fi
  fi
  end_recording 'its time was over'
  record_message_file end
}
program() {
  printf '#!/usr/bin/env bash\n'
  declare -p ROOT STATE WHERE ROLE NAMESPACE MESSAGE_FILE REFERENCE REFERENCE_ADDRESS RUNTIME_KIND BOUND_SECONDS UNTIL FOLDER PROGRAM UNIT UNIT_FILE KEPT_DAYS LARGEST_FILE_KB API_SECONDS GOOD_ERROR_MS CLOCK_REQUESTS
  declare -f uptime_now is_before now stamp_text note raw version_in follow broken measure_clock hear containerd_events docker_events containerd_log server_logs server_log kubelet_requests hear_file listen record_message_file end_recording \
    look_at_message_file refused enter_message_folder with_message_file jailed end_of_message_file remove_recording run_recorder
  printf '%s\n' "\"\${1:-run_recorder}\"" exit # expanded when it runs
}
