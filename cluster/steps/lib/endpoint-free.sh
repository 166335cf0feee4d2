#!/usr/bin/env bash
# shellcheck disable=SC2153 # settings
# Whether the address of several control planes may be carried here: nobody else has it, nothing of somebody else's would have to make room, and it is not another one of this cluster's
# than before. ENDPOINT, ENDPOINT_PORT, CONTROL_PLANES (array of addresses), together or none; ADDRESS, ROLE, UPGRADES. After read_cards.

look_at_endpoint() {
  look_at_own_address
  look_at_holder
}
# What can't become another: found before the services that carry it change, on which the whole cluster goes.
look_at_own_address() {
  local found own="https://${ADDRESS}:6443" wanted
  wanted="${own}"
  [[ -z "${ENDPOINT:-}" ]] || wanted="https://${ENDPOINT}:${ENDPOINT_PORT}"
  [[ -n "${ENDPOINT:-}" || -d "${STATE}/endpoint" ]] && is_ours && [[ "${ROLE}" == control-plane && -n "$(cluster_value finished)" ]] || return 0
  found="$(server_in /etc/kubernetes/kubelet.conf)"
  [[ -n "${found}" && "${found}" != "${wanted}" ]] || return 0
  if [[ "${found}" != "${own}" && -n "${ENDPOINT:-}" ]]; then
    problem 'endpoint' "${found}" "${wanted}" 'one address can not become another: set apiEndpoint as it was, go down to one control plane, take apiEndpoint out, pulumi up, and only then set the new one'
  elif [[ -z "${ENDPOINT:-}" ]] && (($(grep -c '^ *server ' -- "${ROOT}/etc/haproxy/haproxy.cfg" 2>/dev/null || true) > 1)); then
    problem 'endpoint' "several control planes at ${found}" "one, before apiEndpoint goes" 'set apiEndpoint as it was, take the others out of hosts, pulumi up, and only then take apiEndpoint out'
  elif [[ "${UPGRADES}" != yes ]]; then
    problem 'endpoint' "${found}" "${wanted}" 'the address is changed in place with onVersionChange: upgrade only; set that, or destroy, then up'
  fi
}
# Nobody may have it but a control plane of ours. Who has an address answers for it on the wire, whatever a firewall lets through.
look_at_holder() {
  local unit holder peer expected='an address that no machine has' advice='choose another address for apiEndpoint'
  [[ -n "${ENDPOINT:-}" && ! -d "${STATE}/endpoint" ]] || return 0 # else this host is among those that carry it
  if [[ $'\n'"${ADDRESSES}/" =~ [[:space:]]"${ENDPOINT}"/ ]]; then
    problem 'endpoint' "${ENDPOINT} on a card of this host" "${expected}" "take it off that card, or ${advice}"
    return 0
  fi
  for unit in haproxy.service keepalived.service; do
    [[ "$(unit_active "${unit}")" != active ]] || problem 'unit' "${unit} running, which is not ours" 'not running' "it would get another configuration: stop it (systemctl disable --now ${unit}), or choose another host"
  done
  holder="$(neighbour "${ENDPOINT}")"
  [[ -n "${holder}" ]] || return 0
  for peer in "${CONTROL_PLANES[@]+"${CONTROL_PLANES[@]}"}"; do [[ "$(neighbour "${peer}")" != "${holder}" ]] || return 0; done
  problem 'endpoint' "${ENDPOINT} in use by the machine with ${holder}" "${expected}" "${advice}"
}
# The hardware address that answers for an address of this network; nothing where none does. The kernel forgets what it knows of it, and asks anew: 3 s where nobody answers.
neighbour() { # ADDRESS
  local entry end
  uptime_now
  end=$((UPTIME + 10))
  ip -4 neighbour flush to "$1" >/dev/null 2>&1 || true
  timeout 2 bash -c "</dev/tcp/\"\$1\"/6443" - "$1" >/dev/null 2>&1 || true # whatever comes of it
  while entry="$(ip -4 neighbour show to "$1" 2>/dev/null | head -n 1)" && [[ "${entry}" =~ (STALE|DELAY|PROBE|INCOMPLETE) ]]; do
    is_before "${end}" || break
    sleep 0.5
  done
  [[ ! "${entry}" =~ lladdr\ ([0-9a-f:]+) ]] || printf '%s' "${BASH_REMATCH[1]}"
}
