#!/usr/bin/env bash
# How firewalld is kept off, and NetworkManager from the Pod network's links.
# FIREWALLD=disable: each reload of firewalld wipes the rules of kube-proxy and flannel.
readonly NM_CONFIG=/etc/NetworkManager/conf.d/kubeadm-lab.conf
readonly NM_TEXT=$'[keyfile]\nunmanaged-devices+=interface-name:cni0;interface-name:flannel.*;interface-name:kube-ipvs0;interface-name:veth*\n'

firewalld_check() {
  [[ "${FIREWALLD}" == disable ]] || return 0
  [[ "${ACTIVE[firewalld.service]-}" != active ]] || differs 'firewalld running' 'inactive' 'active'
  case "${ENABLED[firewalld.service]}" in
  '') ;;
  enabled) differs 'firewalld at boot' 'disabled' 'enabled' ;;
  *) firewalld_stays_off || differs 'firewalld at boot' 'disabled' "started by ${STARTS_FIREWALLD}" ;;
  esac
}
# Disabled, it is started all the same by a unit that wants it.
firewalld_stays_off() { # else STARTS_FIREWALLD names such units
  local file
  ! is_masked firewalld.service || return 0
  STARTS_FIREWALLD="$(grep -lsE '^(Wants|Requires|Requisite|BindsTo)=(.*[[:space:]])?firewalld(\.service)?([[:space:]]|$)' -- \
    "${ROOT}"/{etc,usr/lib}/systemd/system/*.{service,target,timer,socket} "${ROOT}"/{etc,usr/lib}/systemd/system/*.d/*.conf)" || true
  for file in "${ROOT}"/etc/systemd/system/*.{wants,requires}/firewalld.service; do [[ ! -L "${file}" ]] || STARTS_FIREWALLD+=$'\n'"${file}"; done
  STARTS_FIREWALLD="${STARTS_FIREWALLD//"${ROOT}"/}"
  STARTS_FIREWALLD="${STARTS_FIREWALLD#$'\n'}"
  [[ -z "${STARTS_FIREWALLD}" ]]
}
firewalld_apply() {
  if [[ "${FIREWALLD}" != disable ]]; then
    firewalld_undo
    return 0
  fi
  if [[ "$(unit_active firewalld.service)" == active || "$(unit_enabled firewalld.service)" == enabled ]]; then
    keep_unit firewalld.service
    timeout 120 systemctl stop firewalld.service || die 'firewalld did not stop in 120 s; see journalctl -u firewalld'
    disable_unit firewalld.service
    log 'firewalld: stopped and disabled'
  fi
  [[ -z "$(unit_enabled firewalld.service)" ]] || firewalld_stays_off || mask_unit firewalld.service
}
firewalld_undo() {
  unmask_units '^firewalld[.]service$'
  restore_unit firewalld.service
}

nm_runs() { [[ "$(unit_active NetworkManager.service)" == active ]]; }
nm_reload() {
  is_due 'reload NetworkManager' || return 0
  if nm_runs; then timeout 30 nmcli general reload >/dev/null 2>&1 || timeout 30 systemctl reload NetworkManager.service || die 'NetworkManager did not reload; see journalctl -u NetworkManager'; fi
  paid 'reload NetworkManager'
}
nm_check() {
  [[ "${ACTIVE[NetworkManager.service]-}" != active ]] || compare_file "${NM_CONFIG}" 0644 "${NM_TEXT}"
  ! is_due 'reload NetworkManager' || differs 'NetworkManager reload' 'done' 'due'
}
nm_apply() {
  ! nm_runs || write_file "${NM_CONFIG}" 0644 "${NM_TEXT}" 'reload NetworkManager'
  nm_reload
}
nm_undo() {
  ! is_kept "${NM_CONFIG}" || owe 'reload NetworkManager'
  restore_file "${NM_CONFIG}"
  nm_reload
}
