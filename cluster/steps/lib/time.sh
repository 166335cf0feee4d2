#!/usr/bin/env bash
# How the time zone is set, and the clock kept right.
# Time zone (TIMEZONE, empty: as it is) and clock (chronyd running; NTP_SERVERS in place of the servers in its files, empty: as they are).
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
# Servers may be set in files that it takes in as well: `include PATTERN`, and chronyd 4's `confdir FOLDERS` (its `sourcedir` is marked as a whole).
find_chrony_files() { # CHRONY_FILES, without CHRONY_CONFIG
  local pattern='^[[:space:]]*(include|confdir)[[:space:]]+/' files=("${CHRONY_CONFIG}") i line word path paths=()
  CHRONY_FILES=()
  for ((i = 0; i < ${#files[@]} && i < 32; i++)); do # one that is taken in may take in others
    read_file "${files[i]}" || continue
    while IFS= read -r line; do
      [[ "${line,,}" =~ ${pattern} ]] || continue
      word="${BASH_REMATCH[1]}"
      read -r -a paths < <(printf '%s\n' "${line}")
      for path in "${paths[@]:1}"; do
        [[ "${path}" == /* ]] || break # a comment
        [[ "${word}" == include ]] || path+='/*.conf'
        while IFS= read -r path; do
          path="${path#"${ROOT}"}"
          [[ -f "${ROOT}${path}" && " ${files[*]} " != *" ${path} "* ]] || continue
          files+=("${path}") CHRONY_FILES+=("${path}")
        done < <(compgen -G "${ROOT}${path}")
      done
    done < <(printf '%s\n' "${TEXT}")
  done
}
# chronyd reads its directives without case, and behind blanks.
readonly SERVER_LINE='[[:space:]]*([Ss][Ee][Rr][Vv][Ee][Rr]|[Pp][Oo][Oo][Ll]|[Pp][Ee][Ee][Rr]|[Ss][Oo][Uu][Rr][Cc][Ee][Dd][Ii][Rr])[[:space:]]'
servers_marked() { without_block "$1" | sed -E "s/^${SERVER_LINE}/${MARK}&/"; } # PATH
servers_config() { # CHRONY_CONFIG with other servers marked, ours in a block
  servers_marked "${CHRONY_CONFIG}"
  printf '%s\n' "${BLOCK_BEGIN}"
  printf 'server %s iburst\n' "${NTP_SERVERS[@]+"${NTP_SERVERS[@]}"}"
  printf '%s\n' "${BLOCK_END}"
}
# Where ntpd keeps the time, it stays so: the two would fight over the clock.
uses_chronyd() { unit_exists chronyd.service && [[ "$(unit_active ntpd.service)" != active ]]; }
servers_of_before() { without_block "$1" | sed "s/^${MARK}//"; } # PATH
restore_servers() {
  local item
  while read -r item; do
    [[ -n "${item}" ]] || continue
    owe 'restart chronyd'
    restore_edited "${item#time servers in }" servers_of_before "${item#time servers in }"
    forget "${item}"
  done < <(recorded_names values 'time servers in ')
  if [[ -z "${CHRONY_CONFIG}" ]] || ! is_kept "${CHRONY_CONFIG}"; then return 0; fi
  owe 'restart chronyd'
  restore_edited "${CHRONY_CONFIG}" servers_of_before "${CHRONY_CONFIG}"
}
each_chrony_file() { # COMMAND, for each but CHRONY_CONFIG that sets servers
  local path
  find_chrony_files
  for path in "${CHRONY_FILES[@]+"${CHRONY_FILES[@]}"}"; do
    if read_file "${path}" && [[ $'\n'"${TEXT}" =~ $'\n'${SERVER_LINE} ]]; then "$1" "${path}"; fi
  done
}
compare_servers() { compare_edited "$1" servers_marked "$1"; } # PATH
mark_servers() {                                               # PATH
  record "time servers in $1" yes
  edit_file "$1" 'restart chronyd' servers_marked "$1"
}
clock_check() {
  find_chrony_config
  [[ -n "${ENABLED[chronyd.service]}" && "${ACTIVE[ntpd.service]-}" != active ]] || return 0
  if [[ -n "${CHRONY_CONFIG}" && -n "${NTP_SERVERS[*]-}" ]]; then
    compare_edited "${CHRONY_CONFIG}" servers_config
    each_chrony_file compare_servers
  fi
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
    each_chrony_file mark_servers
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
