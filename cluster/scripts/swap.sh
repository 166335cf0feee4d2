#!/usr/bin/env bash
# Swap off, now and after a reboot: the kubelet refuses to start with swap on (failSwapOn, default true).
# systemd needs no reload: it starts a swap unit of its old list only at boot, when it reads fstab anyway.
# fstab's swap lines get a mark in front that undo takes away; the devices that were on are recorded with their priority.
readonly MARK='#kubeadm-lab# '
readonly SWAP_LINE='[[:space:]]*[^#[:space:]][^[:space:]]*[[:space:]]+[^[:space:]]+[[:space:]]+swap([[:space:]]|$)'

active_swaps() { # device priority
  local device priority is_header=yes
  [[ -e "${ROOT}/proc/swaps" ]] || return 0 # a kernel without swap
  while read -r device _ _ _ priority; do
    [[ "${is_header}" == yes ]] || printf '%s %s\n' "${device}" "${priority}"
    is_header=no
  done <"${ROOT}/proc/swaps"
}
fstab_without_swap() { sed -E "s,^${SWAP_LINE},${MARK}&," -- "${ROOT}/etc/fstab"; }
memory_kib() { awk -v name="$1:" '$1 == name { print $2 }' "${ROOT}/proc/meminfo"; }

swap_check() {
  local device devices=''
  while read -r device _; do devices+=" ${device}"; done < <(active_swaps)
  [[ -z "${devices}" ]] || differs 'swap' 'off' "${devices# }"
  compare_edited_lines "${SWAP_LINE}" /etc/fstab fstab_without_swap
}
swap_apply() {
  local device priority used available
  [[ ! -f "${ROOT}/etc/fstab" ]] || edit_file /etc/fstab '' fstab_without_swap
  used=$(($(memory_kib SwapTotal) - $(memory_kib SwapFree))) available="$(memory_kib MemAvailable)"
  while read -r device priority; do
    [[ -n "${device}" ]] || continue
    ((used < available)) || die "swap holds $((used / 1024)) MB and only $((available / 1024)) MB of memory are available: stop what uses it, then run again"
    record "swap ${device}" "${priority}"
    timeout 120 swapoff -- "${device}" || die "swapoff ${device}: not done in 120 s. Compare used swap with available memory: free -m"
    log "swap off: ${device}"
  done < <(active_swaps)
}
swap_undo() {
  local name device priority
  restore_edited /etc/fstab sed "s|^${MARK}||" -- "${ROOT}/etc/fstab"
  while read -r name; do
    [[ -n "${name}" ]] || continue
    device="${name#swap }" priority="$(recorded "${name}")"
    if [[ ! -e "${device}" ]]; then
      log "swap stays off: ${device} is gone"
    elif ! active_swaps | grep "^${device} " >/dev/null; then
      case "${priority}" in
      -*) timeout 120 swapon -- "${device}" ;; # the kernel's own choice
      *) timeout 120 swapon -p "${priority}" -- "${device}" ;;
      esac || die "swapon ${device} failed; compare /proc/swaps with the swap lines of /etc/fstab"
      log "swap on again: ${device}"
    fi
    forget "${name}"
  done < <(recorded_names values 'swap ')
}
