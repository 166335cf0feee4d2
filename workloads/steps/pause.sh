#!/usr/bin/env bash
# uses: cluster-signs.sh recording-folder.sh
# This step looks at what a Pod's containers share, from inside and from this host, where the Pods of PODS run (containers one and two each).
# Prints rows: POD, what, value for the pause container, for one, for two; a value of - where there is none. Then it ends a container, and pause itself,
# and prints the Pod's IP before and after: the Pods are there for that. Where this host records, the rows are in the recording too. Nothing to undo.
takes_no_lock() { :; } # one a cluster, and nothing is recorded
readonly SANDBOX_SECONDS=60

ctl() { timeout 20 crictl "$@"; }
row() {
  local cells
  cells="$(printf '%s\t%s\t%s\t%s\t%s' "${POD}" "$1" "${2:--}" "${3:--}" "${4:--}")"
  printf '%s\n' "${cells}"
  [[ -d "${FOLDER}" ]] || return 0
  cells="${cells//\\/\\\\}" cells="${cells//\"/\\\"}"
  printf '{"at":%s,"host":"%s","from":"pause","data":"%s"}\n' "$(date +%s%3N)" "${WHERE}" "${cells//$'\t'/\\t}" >>"${FOLDER}/pause.jsonl"
}
sandbox() { # POD: its id; nothing while there is none
  local id
  if is_dockershim; then
    id="$(by_labels io.kubernetes.docker.type=podsandbox "io.kubernetes.pod.name=$1")"
  else
    id="$(ctl pods --name "^$1\$" --state Ready --quiet | head -n 1)"
  fi
  [[ -n "${id}" ]] && printf '%s\n' "${id}"
}
container() { # SANDBOX NAME
  local id
  if is_dockershim; then
    id="$(by_labels "io.kubernetes.sandbox.id=$1" "io.kubernetes.container.name=$2")"
  else
    id="$(ctl ps --pod "$1" --name "^$2\$" --state Running --quiet | head -n 1)"
  fi
  [[ -n "${id}" ]] && printf '%s\n' "${id}"
}
by_labels() { timeout 20 docker ps --no-trunc --quiet "${@/#/--filter=label=}" | head -n 1; } # the newest that runs
pid_of() {
  if is_dockershim; then timeout 20 docker inspect --format '{{.State.Pid}}' "$1"; else ctl inspect --output go-template --template '{{.info.pid}}' "$1"; fi
}
pause_pid() { if is_dockershim; then pid_of "$1"; else ctl inspectp --output go-template --template '{{.info.pid}}' "$1"; fi; }
ip_of() { # Docker itself knows of no network: a CNI plugin made it
  if is_dockershim; then
    nsenter --target "$(pid_of "$1")" --net -- ip -4 -o address show dev eth0 | awk '{ sub(/\/.*/, "", $4); print $4 }'
  else
    ctl inspectp --output go-template --template '{{.status.network.ip}}' "$1"
  fi
}
run_in() { if is_dockershim; then timeout 20 docker exec "$@"; else ctl exec "$@"; fi; } # CONTAINER COMMAND...
inside() { # CONTAINER COMMAND: what it prints, on one line
  local text
  text="$(run_in "$1" /bin/sh -c "$2" 2>&1)" || text="failed: ${text}"
  printf '%s' "${text//[$'\n\t']/ }"
}
namespace() { readlink "/proc/$1/ns/$2" | tr -dc 0-9; }
# Ids and pids of the Pod as it is now.
find_containers() {
  wait_for "${SANDBOX_SECONDS}" sandbox "${POD}" || die "no sandbox of Pod ${POD} on this host after ${SANDBOX_SECONDS} s. See: kubectl get pods -o wide"
  SANDBOX="${LAST_SEEN}"
  wait_for "${SANDBOX_SECONDS}" container "${SANDBOX}" one || die "container one of ${POD} does not run. See: kubectl describe pod ${POD}"
  ONE="${LAST_SEEN}"
  wait_for "${SANDBOX_SECONDS}" container "${SANDBOX}" two || die "container two of ${POD} does not run. See: kubectl describe pod ${POD}"
  TWO="${LAST_SEEN}"
  PAUSE_PID="$(pause_pid "${SANDBOX}")" ONE_PID="$(pid_of "${ONE}")" TWO_PID="$(pid_of "${TWO}")"
}
show() {
  local kind queue
  for kind in net ipc uts pid mnt; do row "namespace ${kind}$([[ "${kind}" != uts ]] || ! is_dockershim || printf ', Docker')" "$(namespace "${PAUSE_PID}" "${kind}")" "$(namespace "${ONE_PID}" "${kind}")" "$(namespace "${TWO_PID}" "${kind}")"; done
  row 'localhost' - 'serves on port 8080' "$(inside "${TWO}" 'wget -qO- http://127.0.0.1:8080/hello')"
  row 'volume' - "$(inside "${ONE}" 'cat /shared/hello')" "$(inside "${TWO}" 'cat /shared/hello')"
  row 'host name' "$(! is_dockershim || nsenter --target "${PAUSE_PID}" --uts -- hostname)" "$(inside "${ONE}" hostname)" "$(inside "${TWO}" hostname)"
  queue="$(nsenter --target "${ONE_PID}" --ipc -- ipcmk --queue | tr -dc 0-9)"
  row 'SysV queues' "made number ${queue} in one" "$(inside "${ONE}" 'tail -n +2 /proc/sysvipc/msg | wc -l')" "$(inside "${TWO}" 'tail -n +2 /proc/sysvipc/msg | wc -l')"
  nsenter --target "${ONE_PID}" --ipc -- ipcrm --queue-id "${queue}"
  row 'shared memory' - "$(inside "${ONE}" 'echo written by one >/dev/shm/note; cat /dev/shm/note')" "$(inside "${TWO}" 'cat /dev/shm/note')"
  row 'process 1' "$(cat "/proc/${PAUSE_PID}/comm")" "$(inside "${ONE}" 'cat /proc/1/comm')" "$(inside "${TWO}" 'cat /proc/1/comm')"
  row "sees the other's process" - "$(inside "${ONE}" 'cat /proc/[0-9]*/cmdline | tr "\0" " " | grep -c "[s]leep 3600" || true')" "$(inside "${TWO}" 'cat /proc/[0-9]*/cmdline | tr "\0" " " | grep -c "[h]ttpd -f" || true')"
}
is_other() { # COMMAND... prints something else than OLD
  local now
  now="$("${@:2}")" && [[ "${now}" != "$1" ]]
}
restart_containers() {
  local before
  before="$(ip_of "${SANDBOX}")"
  kill -KILL "${TWO_PID}"
  wait_for "${SANDBOX_SECONDS}" is_other "${TWO}" container "${SANDBOX}" two || die "container two of ${POD} was not started again"
  row 'IP when a container restarts' "${before}" "$(ip_of "${SANDBOX}")" -
  kill -KILL "${PAUSE_PID}"
  wait_for "${SANDBOX_SECONDS}" is_other "${SANDBOX}" sandbox "${POD}" || die "${POD} got no new sandbox"
  find_containers
  row 'IP when pause dies' "${before}" "$(ip_of "${SANDBOX}")" -
}
check() {
  local command=crictl
  ! is_dockershim || command=docker
  command -v "${command}" >/dev/null || differs "command ${command}" 'present' 'absent'
}
apply() {
  for POD in "${PODS[@]}"; do
    find_containers
    show
    restart_containers
  done
}
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
