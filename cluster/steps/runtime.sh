#!/usr/bin/env bash
# uses: cluster-signs.sh
# This step configures and starts the container runtime, and enables the kubelet (which waits, restarting, until kubeadm gives it a configuration).
# RUNTIME_KIND containerd: CONTAINERD_CONFIG, MIRRORS (array: registry, newline, its hosts.toml), CRICTL_CONFIG; docker: DOCKER_CONFIG (daemon.json).
# PROXY_DROP_IN (may be left out): text of a drop-in of the runtime's unit with HTTP_PROXY and the like.
# The runtime is restarted only when its configuration or that drop-in changed; mirrors are read at each pull (config_path).

readonly RUNTIME_UNIT="${RUNTIME_KIND}.service"
readonly PROXY_FILE="/etc/systemd/system/${RUNTIME_UNIT}.d/zz-kubeadm-lab-proxy.conf" # the last one wins: Docker's own manual says http-proxy.conf
# Calls HANDLER PATH TEXT [ACT] for each file that this step owns.
each_file() { # HANDLER
  local mirror
  [[ -z "${PROXY_DROP_IN:-}" ]] || "$1" "${PROXY_FILE}" "${PROXY_DROP_IN}" 'reload systemd'
  if [[ "${RUNTIME_KIND}" == docker ]]; then
    "$1" /etc/docker/daemon.json "${DOCKER_CONFIG:-}" 'restart the runtime'
    return 0
  fi
  "$1" /etc/containerd/config.toml "${CONTAINERD_CONFIG}" 'restart the runtime'
  for mirror in "${MIRRORS[@]+"${MIRRORS[@]}"}"; do "$1" "/etc/containerd/certs.d/${mirror%%$'\n'*}/hosts.toml" "${mirror#*$'\n'}"; done
  "$1" /etc/crictl.yaml "${CRICTL_CONFIG}"
}
write_one() { write_file "$1" 0644 "${2%$'\n'}"$'\n' "${3:-}"; }
compare_one() { compare_file "$1" 0644 "${2%$'\n'}"$'\n'; }
print_path() { printf '%s\n' "$1"; }
give_file_back() { # PATH
  case "$1" in
  "${PROXY_FILE}") owe 'reload systemd' ;;
  */config.toml | */daemon.json) owe 'restart the runtime' ;;
  esac
  restore_file "$1"
}
reload_systemd() {
  is_due 'reload systemd' || return 0
  owe 'restart the runtime'
  timeout 60 systemctl daemon-reload || die 'systemd did not read its files again; see journalctl -n 20'
  paid 'reload systemd'
}
runtime_answers() {
  if [[ "${RUNTIME_KIND}" == docker ]]; then timeout 10 docker version --format '{{.Server.Version}}'; else timeout 10 crictl version; fi
}

check() {
  local found
  each_file compare_one
  ! is_due 'reload systemd' || differs 'systemd reload' 'done' 'due'
  ! is_due 'restart the runtime' || differs "${RUNTIME_KIND} restart" 'done' 'due'
  look_at_active "${RUNTIME_UNIT}"
  found="${ACTIVE[${RUNTIME_UNIT}]-}"
  [[ "${found}" == active ]] || differs "${RUNTIME_KIND} running" 'active' "${found:-not installed}"
  look_at_enabled "${RUNTIME_UNIT}" kubelet.service
  found="${ENABLED[${RUNTIME_UNIT}]}"
  [[ "${found}" == enabled ]] || differs "${RUNTIME_KIND} at boot" 'enabled' "${found:-not installed}"
  found="${ENABLED[kubelet.service]}"
  [[ "${found}" == enabled ]] || differs 'kubelet at boot' 'enabled' "${found:-not installed}"
}
apply() {
  local path wanted
  unit_exists "${RUNTIME_UNIT}" || die "${RUNTIME_UNIT} is not on this host; the packages step installs it"
  unit_exists kubelet.service || die 'kubelet.service is not on this host; the packages step installs it'
  [[ "${RUNTIME_KIND}" != docker ]] || keep_docker
  keep_unit "${RUNTIME_UNIT}"
  keep_unit kubelet.service
  each_file write_one
  wanted="$(each_file print_path)"$'\n'
  while read -r path; do # a file that is no longer in the settings, such as a mirror
    [[ -z "${path}" ]] || has_line "${wanted}" "${path}" || give_file_back "${path}"
  done < <(recorded_names files && recorded_names absent)
  [[ "$(unit_enabled "${RUNTIME_UNIT}")" == enabled && "$(unit_enabled kubelet.service)" == enabled ]] || enable_units "${RUNTIME_UNIT}" kubelet.service
  start_runtime
}
start_runtime() {
  local verb=start
  reload_systemd
  ! is_due 'restart the runtime' || verb=restart
  if [[ "${verb}" == restart || "$(unit_active "${RUNTIME_UNIT}")" != active ]]; then
    start_unit "${RUNTIME_UNIT}" "${verb}" || failed_to_start "${verb} failed"
  else
    verb=''
  fi
  wait_for 60 runtime_answers || failed_to_start "no answer in 60 s; last: ${LAST_SEEN:-nothing}"
  paid 'restart the runtime'
  [[ -z "${verb}" || "${RUNTIME_KIND}" != docker ]] || wait_for_api
}
# Docker took a control plane's Pods along, and what comes after this step asks its API server. Only a try: without the kubelet, another step's, it does not come back.
wait_for_api() {
  [[ -e "${ROOT}/etc/kubernetes/manifests/kube-apiserver.yaml" && "$(unit_active kubelet.service)" == active ]] || return 0
  log 'waiting for the API server, which went with Docker (bound: 180 s)'
  wait_for 180 api_is_ready || log "the API server is not ready 180 s after Docker's start; see docker ps -a, and journalctl -u kubelet"
}
failed_to_start() {
  journalctl -u "${RUNTIME_UNIT}" -n 15 --no-pager -o cat >&2 || true
  die "${RUNTIME_UNIT}: $1. The lines above are the end of journalctl -u ${RUNTIME_UNIT}"
}
# Docker's socket starts it again; its bridge, its rules and the socket's file stay when it stops.
keep_docker() {
  keep_unit docker.socket
  record 'docker.sock' "$([[ -e "${ROOT}/run/docker.sock" ]] && printf present || printf absent)"
  record 'docker0' "$([[ -e "${ROOT}/sys/class/net/docker0" ]] && printf present || printf absent)"
  record 'FORWARD policy' "$(timeout 30 iptables-save -t filter 2>/dev/null | awk '$1 == ":FORWARD" { print $2 }')"
}
give_docker_back() {
  restore_unit docker.socket
  [[ "$(recorded 'docker0' || true)" == absent && "$(unit_active docker.service)" != active ]] || return 0
  [[ ! -e "${ROOT}/sys/class/net/docker0" ]] || timeout 30 ip link delete docker0 || die "can't delete the link docker0 that Docker made; see ip -d link show docker0"
  [[ "$(recorded 'docker.sock' || true)" != absent ]] || rm -f -- "${ROOT}/run/docker.sock"
  remove_docker_rules
  # Docker sets it so that nothing is forwarded but what it allows.
  [[ "$(recorded 'FORWARD policy' || true)" != ACCEPT ]] || timeout 30 iptables -w -P FORWARD ACCEPT || log 'the policy of the chain FORWARD stays as Docker set it; it was ACCEPT'
}
# Theirs by the names that it gives its chains and its bridge. One command each: a rule that is gone meanwhile stops no other.
remove_docker_rules() {
  local tool table arguments
  for tool in iptables ip6tables; do
    for table in nat filter; do
      while read -r arguments; do
        [[ -z "${arguments}" ]] || printf '%s\n' "${arguments}" | xargs timeout 30 "${tool}" -w -t "${table}" 2>/dev/null || true
      done < <(timeout 30 "${tool}-save" -t "${table}" 2>/dev/null | awk '
        /^-A DOCKER/ { next }
        /^-A/ && (/ -[jg] DOCKER/ || / docker0( |$)/) { sub(/^-A/, "-D"); print }
        /^:DOCKER/ { chain = substr($1, 2); flushes = flushes "-F " chain "\n"; deletes = deletes "-X " chain "\n" }
        END { printf "%s%s", flushes, deletes }')
    done
  done
}
undo() {
  local path
  while read -r path; do
    [[ -z "${path}" ]] || give_file_back "${path}"
  done < <(recorded_names files && recorded_names absent)
  reload_systemd
  if is_due 'restart the runtime' && [[ "$(recorded "active ${RUNTIME_UNIT}" || true)" == active ]] && unit_exists "${RUNTIME_UNIT}"; then
    restart_unit "${RUNTIME_UNIT}" || failed_to_start 'restart with its own configuration failed'
  fi
  paid 'restart the runtime'
  restore_unit kubelet.service
  restore_unit "${RUNTIME_UNIT}"
  [[ "${RUNTIME_KIND}" != docker ]] || give_docker_back
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
