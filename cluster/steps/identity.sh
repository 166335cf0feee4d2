#!/usr/bin/env bash
# This step gives a host its name, and a block in /etc/hosts with the internal address of every host.
# HOST_NAME: this host's name. HOSTS_BLOCK: lines `address name`; empty for no block.
# undo takes out the block and puts the old name back; lines that others wrote meanwhile stay.
# cloud-init sets both anew at each boot unless told to leave them; a HOSTNAME= in /etc/sysconfig/network is what network scripts set.
readonly KERNEL_NAME="${ROOT}/proc/sys/kernel/hostname"
readonly CLOUD=/etc/cloud/cloud.cfg CLOUD_FILE=/etc/cloud/cloud.cfg.d/zz-kubeadm-lab.cfg CLOUD_TEXT=$'preserve_hostname: true\nmanage_etc_hosts: false\n'
readonly NETWORK_FILE=/etc/sysconfig/network NAME_LINE='[[:space:]]*HOSTNAME='

# First in the file: the first line with a name wins, and a kubelet whose name means 127.0.1.1 or an external address registers with that.
hosts_file() {
  [[ -z "${HOSTS_BLOCK}" ]] || printf '%s\n%s\n%s\n' "${BLOCK_BEGIN}" "${HOSTS_BLOCK%$'\n'}" "${BLOCK_END}"
  without_block /etc/hosts
}
network_file() { # another HOSTNAME= marked
  local line name
  read_lines "${NETWORK_FILE}"
  for line in "${TEXT_LINES[@]+"${TEXT_LINES[@]}"}"; do
    name="${line#"${line%%[![:space:]]*}"}"
    if [[ "${name}" == HOSTNAME=* ]]; then
      name="${name#HOSTNAME=}"
      name="${name//[\"\'[:space:]]/}"
      [[ "${name}" == "${HOST_NAME}" ]] || line="${MARK}${line}"
    fi
    printf '%s\n' "${line}"
  done
}
# A kubelet takes its Node's name when it starts. One that started under another name can do nothing for its Node, and says so all the time, with both names; one that has just
# started may have said neither yet, and is better started once more than left.
owe_kubelet() { # NAME: the one that is wrong
  local pid
  [[ -e "${ROOT}/etc/kubernetes/kubelet.conf" ]] || return 0 # no Node
  pid="$(systemctl show -p MainPID -- kubelet.service 2>/dev/null)" || return 0
  pid="${pid#MainPID=}"
  [[ "${pid:-0}" != 0 ]] || return 0
  TEXT="$(timeout 20 journalctl -b -n 1000 -o cat --no-pager "_PID=${pid}" 2>/dev/null)" || TEXT=''
  if says_of_node "$1" || ! says_of_node "${HOST_NAME}"; then owe 'restart the kubelet'; fi
}
# As klog quotes it, in an error's text, and as it is asked for while the API server does not answer.
says_of_node() { [[ "${TEXT}" == *"node=\"$1\""* || "${TEXT}" == *"node \"$1\""* || "${TEXT}" == *"node \\\"$1\\\""* || "${TEXT}" == *"metadata.name%3D$1&"* ]]; } # NAME
restart_kubelet() {
  is_due 'restart the kubelet' || return 0
  restart_unit kubelet.service || die 'the kubelet does not restart; see journalctl -u kubelet'
  log 'the kubelet, which ran under another name, was restarted'
  paid 'restart the kubelet'
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
  [[ ! -f "${ROOT}${CLOUD}" ]] || compare_file "${CLOUD_FILE}" 0644 "${CLOUD_TEXT}"
  compare_edited_lines "${NAME_LINE}" "${NETWORK_FILE}" network_file
  found="$(<"${KERNEL_NAME}")"
  [[ "${found}" == "${HOST_NAME}" ]] || differs 'host name' "${HOST_NAME}" "${found}"
  ! is_due 'restart the kubelet' || differs 'kubelet restart' 'done' 'due'
}
apply() {
  local found
  edit_file /etc/hosts '' hosts_file
  write_file /etc/hostname - "${HOST_NAME}"$'\n' 'tell hostnamed'
  [[ ! -f "${ROOT}${CLOUD}" ]] || write_file "${CLOUD_FILE}" 0644 "${CLOUD_TEXT}"
  ! read_file "${NETWORK_FILE}" || [[ "${TEXT}" != *HOSTNAME=* ]] || edit_file "${NETWORK_FILE}" '' network_file
  found="$(<"${KERNEL_NAME}")"
  if [[ "${found}" != "${HOST_NAME}" ]]; then
    record 'host name' "${found}"
    owe_kubelet "${found}"
    set_name "${HOST_NAME}"
  fi
  tell_hostnamed
  restart_kubelet
}
undo() {
  local old
  restore_edited /etc/hosts without_block /etc/hosts
  restore_file /etc/hostname
  restore_file "${CLOUD_FILE}"
  restore_edited "${NETWORK_FILE}" sed "s|^${MARK}||" -- "${ROOT}${NETWORK_FILE}"
  if old="$(recorded 'host name')" && [[ "$(<"${KERNEL_NAME}")" == "${HOST_NAME}" ]]; then set_name "${old}"; fi
  tell_hostnamed
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
