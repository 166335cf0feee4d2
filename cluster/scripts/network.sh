#!/usr/bin/env bash
# firewalld off (FIREWALLD=disable): each reload of it wipes the rules of kube-proxy and flannel. NetworkManager leaves the Pod network's links alone.
readonly NM_CONFIG=/etc/NetworkManager/conf.d/kubeadm-lab.conf
readonly NM_TEXT=$'[keyfile]\nunmanaged-devices+=interface-name:cni0;interface-name:flannel.*;interface-name:kube-ipvs0;interface-name:veth*\n'

firewalld_check() {
  [[ "${FIREWALLD}" == disable ]] || return 0
  [[ "${ACTIVE[firewalld.service]-}" != active ]] || differs 'firewalld running' 'inactive' 'active'
  [[ "${ENABLED[firewalld.service]}" != enabled ]] || differs 'firewalld at boot' 'disabled' 'enabled'
}
firewalld_apply() {
  if [[ "${FIREWALLD}" != disable ]]; then
    restore_unit firewalld.service
    return 0
  fi
  [[ "$(unit_active firewalld.service)" == active || "$(unit_enabled firewalld.service)" == enabled ]] || return 0
  keep_unit firewalld.service
  timeout 120 systemctl stop firewalld.service || die 'firewalld did not stop in 120 s; see journalctl -u firewalld'
  disable_unit firewalld.service
  log 'firewalld: stopped and disabled'
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
