#!/usr/bin/env bash
# Host name and a block in /etc/hosts with the internal address of every host.
# HOST_NAME: this host's name. HOSTS_BLOCK: lines `address name`.
# undo takes out the block and puts the old name back; lines that others wrote meanwhile stay.
readonly KERNEL_NAME="${ROOT}/proc/sys/kernel/hostname"

# First in the file: the first line with a name wins, and a kubelet whose name means 127.0.1.1 or an external address registers with that.
hosts_file() {
  printf '%s\n%s\n%s\n' "${BLOCK_BEGIN}" "${HOSTS_BLOCK%$'\n'}" "${BLOCK_END}"
  without_block /etc/hosts
}
# systemd-hostnamed keeps the old name until it is started again; it starts by itself when somebody asks it.
tell_hostnamed() {
  is_due 'tell hostnamed' || return 0
  systemctl try-restart systemd-hostnamed.service >/dev/null 2>&1 || true
  paid 'tell hostnamed'
}
set_name() { # NAME
  owe 'tell hostnamed'
  printf '%s\n' "$1" >"${KERNEL_NAME}" || die "can't set the host name $1; look at mount for a read-only /proc/sys"
  log "host name: $1"
}

check() {
  local found
  compare_edited /etc/hosts hosts_file
  compare_file /etc/hostname - "${HOST_NAME}"$'\n'
  found="$(<"${KERNEL_NAME}")"
  [[ "${found}" == "${HOST_NAME}" ]] || differs 'host name' "${HOST_NAME}" "${found}"
}
apply() {
  local found
  edit_file /etc/hosts '' hosts_file
  write_file /etc/hostname - "${HOST_NAME}"$'\n' 'tell hostnamed'
  found="$(<"${KERNEL_NAME}")"
  if [[ "${found}" != "${HOST_NAME}" ]]; then
    record 'host name' "${found}"
    set_name "${HOST_NAME}"
  fi
  tell_hostnamed
}
undo() {
  local old
  restore_edited /etc/hosts without_block /etc/hosts
  restore_file /etc/hostname
  if old="$(recorded 'host name')" && [[ "$(<"${KERNEL_NAME}")" == "${HOST_NAME}" ]]; then set_name "${old}"; fi
  tell_hostnamed
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
