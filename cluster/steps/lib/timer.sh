#!/usr/bin/env bash
# A timer of systemd's that runs a program of this step's records. The step brings service, timer and program as functions that print them: timer_service, timer_timer, timer_program.
readonly UNIT="kubeadm-lab-${STEP}" PROGRAM="/var/lib/kubeadm-lab/${STEP}/program"
readonly UNIT_PATH="/etc/systemd/system/${UNIT}"

# The program runs without the step: variables and functions that it needs, then COMMAND.
program_of() { # COMMAND VARIABLES... -- FUNCTIONS...
  local command="$1" names=()
  shift
  while [[ "$1" != -- ]]; do names+=("$1") && shift; done
  shift
  printf '#!/usr/bin/env bash\nset -euo pipefail\numask 077\n'
  declare -p ROOT STATE WHERE STEP CLUSTER "${names[@]}"
  declare -f log die seen encode cluster_is_claimed cluster_value cluster_role is_dockershim "$@"
  printf '%s\n' "PATH='${PATH}' ${command}" exit
}
check_timer() { # ITEM WANTED: what a run of it that failed is called, such as `last snapshot` and `taken`
  compare_file "${UNIT_PATH}.service" 0644 "$(timer_service)"$'\n'
  compare_file "${UNIT_PATH}.timer" 0644 "$(timer_timer)"$'\n'
  compare_file "${PROGRAM}" 0600 "$(timer_program)"$'\n'
  [[ "$(unit_active "${UNIT}.timer")" == active ]] || differs "${UNIT}.timer running" 'active' "$(unit_active "${UNIT}.timer")"
  [[ "$(unit_enabled "${UNIT}.timer")" == enabled ]] || differs "${UNIT}.timer at boot" 'enabled' "$(unit_enabled "${UNIT}.timer")"
  [[ "$(unit_active "${UNIT}.service")" != failed ]] || differs "$1" "$2" 'failed'
}
apply_timer() { # FAILURE: how the error of a first run begins
  if ! holds "${PROGRAM}" "$(timer_program)"$'\n'; then # among this step's records, which go as a whole
    owe 'start timer'
    (umask 077 && timer_program >"${ROOT}${PROGRAM}")
  fi
  write_file "${UNIT_PATH}.service" 0644 "$(timer_service)"$'\n' 'start timer'
  write_file "${UNIT_PATH}.timer" 0644 "$(timer_timer)"$'\n' 'start timer'
  if is_due 'start timer'; then timeout 60 systemctl daemon-reload || die 'systemd could not read its units again; see journalctl -b _PID=1'; fi
  [[ "$(unit_enabled "${UNIT}.timer")" == enabled ]] || enable_units "${UNIT}.timer"
  # A first run, so that a host where it can't be done is told now. The timer before it: systemd forgets when a service ran that no timer has loaded, and OnUnitActiveSec has nothing to count from.
  if is_due 'start timer' || [[ "$(unit_active "${UNIT}.service")" == failed ]]; then
    restart_unit "${UNIT}.timer" || die "can't start ${UNIT}.timer; see systemctl status ${UNIT}.timer"
    start_unit "${UNIT}.service" || die "$1: $(journalctl -u "${UNIT}.service" -n 20 -o cat --no-pager 2>/dev/null | grep 'error: ' | tail -n 1); see journalctl -u ${UNIT}"
    paid 'start timer'
  elif [[ "$(unit_active "${UNIT}.timer")" != active ]]; then
    start_unit "${UNIT}.timer" || die "can't start ${UNIT}.timer; see systemctl status ${UNIT}.timer"
  fi
}
undo_timer() {
  is_kept "${UNIT_PATH}.timer" || is_kept "${UNIT_PATH}.service" || return 0
  timeout 60 systemctl disable --quiet --no-reload -- "${UNIT}.timer" 2>/dev/null || true # gone already
  timeout 60 systemctl stop -- "${UNIT}.timer" "${UNIT}.service" 2>/dev/null || true
  timeout 10 systemctl reset-failed -- "${UNIT}.service" >/dev/null 2>&1 || true
  restore_file "${UNIT_PATH}.service"
  restore_file "${UNIT_PATH}.timer" # the last one: by it a run that died in between is done again
  timeout 60 systemctl daemon-reload || true
}
