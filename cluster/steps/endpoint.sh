#!/usr/bin/env bash
# uses: cards.sh cluster-signs.sh
# shellcheck disable=SC2153 # settings
# This step keeps the address under which the control planes answer: keepalived carries it to one of them, and haproxy there hands each connection to one whose API server is ready.
# ADDRESS (this host's own), ENDPOINT, PORT, PEERS (array of the others' addresses), HAPROXY_CONFIG, KEEPALIVED_CONFIG (texts; in the second @CARD@ stands for the card that has ADDRESS,
# and a line @PEERS@ for the peers).
# undo takes the address off this host, and gives both files and both units back as they were.
readonly UNITS=(haproxy.service keepalived.service) # in the order of their start
readonly HAPROXY_FILE=/etc/haproxy/haproxy.cfg KEEPALIVED_FILE=/etc/keepalived/keepalived.conf

find_card() { # CARD: the one that has ADDRESS
  local card address
  CARD=''
  read_cards
  while read -r card address; do [[ "${address%/*}" != "${ADDRESS}" ]] || CARD="${card}"; done < <(printf '%s\n' "${ADDRESSES}")
  [[ -n "${CARD}" ]] || die "no card has ${ADDRESS}; found $(printf '%s\n' "${ADDRESSES}" | paste -s -d ' '). Correct address in hosts"
}
# Peers that have left stay in the list: while they leave, a host that no longer listened to them would carry the address beside them. Nobody minds one that is gone.
keepalived_config() {
  local peer text="${KEEPALIVED_CONFIG//@CARD@/${CARD}}" list=' ' block=''
  for peer in "${PEERS[@]+"${PEERS[@]}"}" $(former_peers); do
    [[ "${list}" != *" ${peer} "* && "${peer}" != "${ADDRESS}" ]] || continue
    list+="${peer} " block+=$'\n'"        ${peer}"
  done
  [[ -z "${block}" ]] || block="    unicast_peer {${block}"$'\n    }\n'
  printf '%s' "${text/@PEERS@$'\n'/${block}}"
}
former_peers() { # only of a file of ours, and only what are addresses
  ! is_kept "${KEEPALIVED_FILE}" || sed -n '/^    unicast_peer {$/,/^    }$/s/^        \([0-9.]*\)$/\1/p' -- "${ROOT}${KEEPALIVED_FILE}" 2>/dev/null || true
}
# Any answer of an API server's TLS counts: which one is ready is haproxy's business.
endpoint_answers() { curl --silent --insecure --noproxy '*' --max-time 5 --output /dev/null -- "https://${ENDPOINT}:${PORT}/readyz"; }
in_cluster() { [[ -n "$(cluster_value finished)" ]]; }

check() {
  local unit found
  find_card
  compare_file "${HAPROXY_FILE}" 0644 "${HAPROXY_CONFIG%$'\n'}"$'\n'
  compare_file "${KEEPALIVED_FILE}" 0644 "$(keepalived_config)"$'\n'
  look_at_active "${UNITS[@]}"
  look_at_enabled "${UNITS[@]}"
  for unit in "${UNITS[@]}"; do
    found="${ACTIVE[${unit}]-}"
    [[ "${found}" == active ]] || differs "${unit%.service} running" 'active' "${found:-not installed}"
    found="${ENABLED[${unit}]}"
    [[ "${found}" == enabled ]] || differs "${unit%.service} at boot" 'enabled' "${found:-not installed}"
    ! is_due "restart ${unit}" || differs "${unit%.service} restart" 'done' 'due'
  done
  ! in_cluster || ! api_is_ready || endpoint_answers || differs "endpoint ${ENDPOINT}:${PORT}" 'answers' 'no answer'
}
apply() {
  local unit
  find_card
  for unit in "${UNITS[@]}"; do
    unit_exists "${unit}" || die "${unit} is not on this host; the packages step installs it"
    keep_unit "${unit}"
  done
  write_file "${HAPROXY_FILE}" 0644 "${HAPROXY_CONFIG%$'\n'}"$'\n' 'restart haproxy.service'
  write_file "${KEEPALIVED_FILE}" 0644 "$(keepalived_config)"$'\n' 'restart keepalived.service'
  timeout 30 haproxy -c -q -f "${ROOT}${HAPROXY_FILE}" >&2 || die "haproxy does not take ${HAPROXY_FILE}: the lines above say why"
  [[ "$(unit_enabled "${UNITS[0]}")" == enabled && "$(unit_enabled "${UNITS[1]}")" == enabled ]] || enable_units "${UNITS[@]}"
  for unit in "${UNITS[@]}"; do bring_up "${unit}"; done
  if in_cluster && api_is_ready && ! wait_for 10 endpoint_answers; then
    restart_unit keepalived.service || service_failed keepalived.service # it does not miss an address that somebody took away
    wait_for 30 endpoint_answers || die "the API server here is ready, and ${ENDPOINT}:${PORT} does not answer in 30 s. See ip address show dev ${CARD} on each control plane, journalctl -u keepalived -u haproxy"
  fi
}
bring_up() { # UNIT. A reload keeps haproxy's connections, and keepalived's address where it is
  if is_due "restart $1" && [[ "$(unit_active "$1")" == active ]]; then
    timeout 60 systemctl reload -- "$1" || restart_unit "$1" || service_failed "$1"
  elif [[ "$(unit_active "$1")" != active ]]; then
    start_unit "$1" || service_failed "$1"
  fi
  paid "restart $1"
}
service_failed() { # UNIT
  journalctl -u "$1" -n 15 --no-pager -o cat >&2 || true
  die "$1 does not start. The lines above are the end of journalctl -u $1"
}
undo() {
  if [[ -d "${RECORDS}" ]]; then
    ! unit_exists keepalived.service || timeout 60 systemctl stop -- keepalived.service || die 'keepalived did not stop in 60 s; see journalctl -u keepalived'
    remove_address
    restore_file "${HAPROXY_FILE}"
    restore_file "${KEEPALIVED_FILE}"
    restore_unit keepalived.service
    restore_unit haproxy.service
  fi
  finish_undo
}
# A keepalived that was killed leaves it. The preflight saw to it that no host had it before.
remove_address() {
  local card address
  read_cards
  while read -r card address; do
    [[ "${address}" != "${ENDPOINT}/32" ]] || timeout 10 ip address delete "${address}" dev "${card}" || log "${ENDPOINT} stays on ${card}; run: ip address delete ${address} dev ${card}"
  done < <(printf '%s\n' "${ADDRESSES}")
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
