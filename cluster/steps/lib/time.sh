#!/usr/bin/env bash
# How the time zone is set, and the clock kept right.
# Time zone (TIMEZONE, empty: as it is) and clock (chronyd running; NTP_SERVERS in place of the servers in its file, empty: as they are).
# The zone is set through the link itself: timedatectl makes the kernel's clock jump on some hosts (lab), and needs D-Bus.
readonly ZONES=/usr/share/zoneinfo

is_zone() { [[ "${ROOT}/etc/localtime" -ef "${ROOT}${ZONES}/${TIMEZONE}" ]]; } # or another name of the same zone, which is a link to it, also a hard one
zone_check() {
  local found
  if [[ -z "${TIMEZONE}" ]] || is_zone; then return 0; fi
  found="$(readlink -f -- "${ROOT}/etc/localtime" || true)"
  found="${found#"${ROOT}"}"
  differs 'time zone' "${TIMEZONE}" "${found#"${ZONES}/"}"
}
zone_apply() {
  if [[ -z "${TIMEZONE}" ]]; then
    restore_file /etc/localtime
    return 0
  fi
  [[ -f "${ROOT}${ZONES}/${TIMEZONE}" ]] || die "time zone ${TIMEZONE}: not in ${ZONES}. Choose one of: timedatectl list-timezones"
  ! is_zone || return 0
  keep_original /etc/localtime
  ln -sfn -- "..${ZONES}/${TIMEZONE}" "${ROOT}/etc/localtime.kubeadm-lab-new" || cannot "can't write" /etc/localtime
  put_in_place /etc/localtime
  log "time zone: ${TIMEZONE}"
}

find_chrony_config() { # CHRONY_CONFIG: its path; empty where chrony is not installed
  for CHRONY_CONFIG in /etc/chrony.conf /etc/chrony/chrony.conf ''; do
    [[ ! -f "${ROOT}${CHRONY_CONFIG}" ]] || return 0
  done
}
servers_config() { # CHRONY_CONFIG with other servers marked, ours in a block; chronyd reads its directives without case, and behind blanks
  without_block "${CHRONY_CONFIG}" | sed -E "s/^[[:space:]]*(server|pool|peer|sourcedir)[[:space:]]/${MARK}&/I"
  printf '%s\n' "${BLOCK_BEGIN}"
  printf 'server %s iburst\n' "${NTP_SERVERS[@]+"${NTP_SERVERS[@]}"}"
  printf '%s\n' "${BLOCK_END}"
}
# Where ntpd keeps the time, it stays so: the two would fight over the clock.
uses_chronyd() { unit_exists chronyd.service && [[ "$(unit_active ntpd.service)" != active ]]; }
servers_of_before() { without_block "${CHRONY_CONFIG}" | sed "s/^${MARK}//"; }
restore_servers() {
  if [[ -z "${CHRONY_CONFIG}" ]] || ! is_kept "${CHRONY_CONFIG}"; then return 0; fi
  owe 'restart chronyd'
  restore_edited "${CHRONY_CONFIG}" servers_of_before
}
clock_check() {
  find_chrony_config
  [[ -n "${ENABLED[chronyd.service]}" && "${ACTIVE[ntpd.service]-}" != active ]] || return 0
  [[ -z "${CHRONY_CONFIG}" || -z "${NTP_SERVERS[*]-}" ]] || compare_edited "${CHRONY_CONFIG}" servers_config
  [[ "${ACTIVE[chronyd.service]-}" == active ]] || differs 'chronyd running' 'active' "${ACTIVE[chronyd.service]-}"
  [[ "${ENABLED[chronyd.service]}" == enabled ]] || differs 'chronyd at boot' 'enabled' "${ENABLED[chronyd.service]}"
  ! is_due 'restart chronyd' || differs 'chronyd restart' 'done' 'due'
}
clock_apply() {
  find_chrony_config
  if ! uses_chronyd; then
    log 'chronyd is not used here (not installed, or ntpd runs): the clock is left to what keeps it now'
    return 0
  fi
  if [[ -n "${CHRONY_CONFIG}" && -n "${NTP_SERVERS[*]-}" ]]; then
    edit_file "${CHRONY_CONFIG}" 'restart chronyd' servers_config
  else
    restore_servers
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
  find_chrony_config
  restore_servers
  if is_due 'restart chronyd' && [[ "$(recorded 'active chronyd.service' || true)" == active ]] && unit_exists chronyd.service; then
    restart_unit chronyd.service || die 'chronyd did not restart; see journalctl -u chronyd'
  fi
  paid 'restart chronyd'
  restore_unit chronyd.service
}
