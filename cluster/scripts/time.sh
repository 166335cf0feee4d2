#!/usr/bin/env bash
# Time zone (TIMEZONE, empty: as it is) and clock (chronyd running; NTP_SERVERS in place of the servers in its file, empty: as they are).
# The zone is set through the link itself: timedatectl makes the kernel's clock jump on some hosts (lab), and needs D-Bus.
readonly ZONES=/usr/share/zoneinfo

zone_now() { readlink -f -- "${ROOT}/etc/localtime" || true; }
zone_check() {
  local found
  [[ -n "${TIMEZONE}" ]] || return 0
  found="$(zone_now)"
  [[ "${found}" == "${ROOT}${ZONES}/${TIMEZONE}" || "${found}" == "$(readlink -f -- "${ROOT}${ZONES}/${TIMEZONE}")" ]] || differs 'time zone' "${TIMEZONE}" "${found#"${ROOT}${ZONES}/"}"
}
zone_apply() {
  if [[ -z "${TIMEZONE}" ]]; then
    restore_file /etc/localtime
    return 0
  fi
  [[ -f "${ROOT}${ZONES}/${TIMEZONE}" ]] || die "time zone ${TIMEZONE}: not in ${ZONES}. Choose one of: timedatectl list-timezones"
  [[ "$(zone_now)" != "$(readlink -f -- "${ROOT}${ZONES}/${TIMEZONE}")" ]] || return 0
  keep_original /etc/localtime
  ln -sfn -- "..${ZONES}/${TIMEZONE}" "${ROOT}/etc/localtime.kubeadm-lab-new"
  mv -fT -- "${ROOT}/etc/localtime.kubeadm-lab-new" "${ROOT}/etc/localtime"
  log "time zone: ${TIMEZONE}"
}

chrony_config() { # prints its path; nothing where chrony is not installed
  local file
  for file in /etc/chrony.conf /etc/chrony/chrony.conf; do
    [[ ! -f "${ROOT}${file}" ]] || { printf '%s' "${file}" && return 0; }
  done
}
servers_config() { # PATH: other servers marked, ours in a block
  without_block "$1" | sed -E "s/^(server|pool)[[:space:]]/${MARK}&/"
  printf '%s\n' "${BLOCK_BEGIN}"
  printf 'server %s iburst\n' "${NTP_SERVERS[@]+"${NTP_SERVERS[@]}"}"
  printf '%s\n' "${BLOCK_END}"
}
# Where ntpd keeps the time, it stays so: the two would fight over the clock.
uses_chronyd() { unit_exists chronyd.service && [[ "$(unit_active ntpd.service)" != active ]]; }
restore_servers() { # PATH
  is_kept "${1:-none}" || return 0
  owe 'restart chronyd'
  without_block "$1" | sed "s/^${MARK}//" | restore_edited "$1"
}
clock_check() {
  local config
  config="$(chrony_config)"
  [[ -n "${ENABLED[chronyd.service]}" && "${ACTIVE[ntpd.service]-}" != active ]] || return 0
  [[ -z "${config}" || -z "${NTP_SERVERS[*]-}" ]] || servers_config "${config}" | compare_file "${config}"
  [[ "${ACTIVE[chronyd.service]-}" == active ]] || differs 'chronyd running' 'active' "${ACTIVE[chronyd.service]-}"
  [[ "${ENABLED[chronyd.service]}" == enabled ]] || differs 'chronyd at boot' 'enabled' "${ENABLED[chronyd.service]}"
  ! is_due 'restart chronyd' || differs 'chronyd restart' 'done' 'due'
}
clock_apply() {
  local config
  config="$(chrony_config)"
  if ! uses_chronyd; then
    log 'chronyd is not used here (not installed, or ntpd runs): the clock is left to what keeps it now'
    return 0
  fi
  if [[ -n "${config}" && -n "${NTP_SERVERS[*]-}" ]]; then
    edit_file "${config}" 'restart chronyd' servers_config "${config}"
  else
    restore_servers "${config}"
  fi
  keep_unit chronyd.service
  [[ "$(unit_enabled chronyd.service)" == enabled ]] || enable_units chronyd.service
  if is_due 'restart chronyd'; then
    restart_unit chronyd.service || die 'chronyd did not restart; see journalctl -u chronyd'
    paid 'restart chronyd'
  elif [[ "$(unit_active chronyd.service)" != active ]]; then
    start_unit chronyd.service || die 'chronyd did not start; see journalctl -u chronyd'
  fi
}
clock_undo() {
  restore_servers "$(chrony_config)"
  if is_due 'restart chronyd' && [[ "$(recorded 'active chronyd.service' || true)" == active ]] && unit_exists chronyd.service; then
    restart_unit chronyd.service || die 'chronyd did not restart; see journalctl -u chronyd'
  fi
  paid 'restart chronyd'
  restore_unit chronyd.service
}
