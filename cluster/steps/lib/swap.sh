#!/usr/bin/env bash
# How swap is turned off, now and after a reboot: the kubelet refuses to start with swap on (failSwapOn, default true).
# systemd needs no reload: it starts a swap unit of its old list only at boot, when it reads fstab anyway.
# fstab's swap lines get a mark in front that undo takes away, as a swapon in rc.local does; units that turn swap on (a .swap file, one that a generator makes of
# a GPT partition or of zram) are masked, services for it disabled; the devices that were on are recorded with their priority.
readonly SWAP_UNITS=/etc/systemd/system RC_LOCAL=/etc/rc.d/rc.local
# rc.local comes last of all at a boot: what it does against this step counts. The colon: a branch with nothing but a comment is no shell.
RC_ACTS='swapon[[:space:]]|sysctl[[:space:]][^#]*net[./]ipv4[./]ip_forward=0|echo[[:space:]]+0[[:space:]]*>+[[:space:]]*/proc/sys/net/ipv4/ip_forward'
[[ "${SELINUX:-}" != permissive ]] || RC_ACTS+='|setenforce[[:space:]]+(1|[Ee]nforcing)'
readonly RC_MARK=": ${MARK}" RC_LINE="[[:space:]]*([^#[:space:]]*/)?(${RC_ACTS})"
readonly SWAP_LINE='[[:space:]]*[^#[:space:]][^[:space:]]*[[:space:]]+[^[:space:]]+[[:space:]]+swap([[:space:]]|$)'

active_swaps() { # PRIORITY DEVICE, one a line
  local device priority is_header=yes
  [[ -e "${ROOT}/proc/swaps" ]] || return 0 # a kernel without swap
  while read -r device _ _ _ priority; do
    unescape "${device}"
    [[ "${is_header}" == yes ]] || printf '%s %s\n' "${priority}" "${UNESCAPED}"
    is_header=no
  done <"${ROOT}/proc/swaps"
}
fstab_without_swap() { sed -E "s,^${SWAP_LINE},${MARK}&," -- "${ROOT}/etc/fstab"; }
rc_without_acts() { sed -E "s,^${RC_LINE},${RC_MARK}&," -- "${ROOT}${RC_LOCAL}"; }
rc_with_acts() { sed "s|^${RC_MARK}||" -- "${ROOT}${RC_LOCAL}"; }
rc_runs() { [[ -f "${ROOT}${RC_LOCAL}" && -x "${ROOT}${RC_LOCAL}" ]]; }
# What systemd starts at boot: the units that a target's folder links to. Those of fstab are left out: their lines are marked.
find_boot_swaps() { # BOOT_SWAPS: .swap units; BOOT_SERVICES: services that turn swap on
  local link unit folder
  BOOT_SWAPS=() BOOT_SERVICES=()
  for link in "${ROOT}"/{etc,run,usr/local/lib,usr/lib,lib}/systemd/system/*.{wants,requires}/*.swap "${ROOT}"/run/systemd/generator{,.early,.late}/*.{wants,requires}/*.swap; do
    unit="${link##*/}"
    if [[ ! -L "${link}" && ! -e "${link}" ]] || is_masked "${unit}" || [[ " ${BOOT_SWAPS[*]-} " == *" ${unit} "* ]]; then continue; fi
    ! read_file "/run/systemd/generator/${unit}" || [[ "${TEXT}" != *'SourcePath=/etc/fstab'* ]] || continue
    BOOT_SWAPS+=("${unit}")
  done
  for link in "${ROOT}${SWAP_UNITS}"/*.{wants,requires}/*{swap,zram}*.service; do
    unit="${link##*/}"
    if [[ ! -L "${link}" && ! -e "${link}" ]] || is_masked "${unit}" || [[ " ${BOOT_SERVICES[*]-} " == *" ${unit} "* ]]; then continue; fi
    for folder in /etc /run /usr/lib /lib; do
      read_file "${folder}/systemd/system/${unit}" || continue
      # By name, or by what it runs: swap in a name alone says nothing.
      case "${unit} ${TEXT}" in
      zram*\ * | *zram.service\ * | dphys-swapfile.service\ * | swapspace.service\ * | systemd-swap.service\ * | *swapon*) BOOT_SERVICES+=("${unit}") ;;
      esac
      break
    done
  done
}
memory_kib() { awk -v name="$1:" '$1 == name { print int($2) }' "${ROOT}/proc/meminfo"; }

swap_check() {
  local device devices=''
  while read -r _ device; do devices+=" ${device}"; done < <(active_swaps)
  [[ -z "${devices}" ]] || differs 'swap' 'off' "${devices# }"
  compare_edited_lines "${SWAP_LINE}" /etc/fstab fstab_without_swap
  ! rc_runs || compare_edited_lines "${RC_LINE}" "${RC_LOCAL}" rc_without_acts
  find_boot_swaps
  single_spaced "${BOOT_SWAPS[*]-} ${BOOT_SERVICES[*]-}"
  [[ -z "${WORDS}" ]] || differs 'swap at boot' 'off' "${WORDS}"
}
swap_apply() {
  local device priority used available unit
  [[ ! -f "${ROOT}/etc/fstab" ]] || edit_file /etc/fstab '' fstab_without_swap
  ! rc_runs || edit_file "${RC_LOCAL}" '' rc_without_acts
  find_boot_swaps
  for unit in "${BOOT_SWAPS[@]+"${BOOT_SWAPS[@]}"}"; do mask_unit "${unit}"; done
  for unit in "${BOOT_SERVICES[@]+"${BOOT_SERVICES[@]}"}"; do
    keep_unit "${unit}"
    disable_unit "${unit}"
    log "disabled ${unit}: it turns swap on at boot"
  done
  used=$(($(memory_kib SwapTotal) - $(memory_kib SwapFree))) available="$(memory_kib MemAvailable)"
  while read -r priority device; do
    [[ -n "${device}" ]] || continue
    ((used < available)) || die "swap holds $((used / 1024)) MB and only $((available / 1024)) MB of memory are available: stop what uses it, then run again"
    record "swap ${device}" "${priority}"
    timeout 120 swapoff -- "${device}" || die "swapoff ${device}: not done in 120 s. Compare used swap with available memory: free -m"
    log "swap off: ${device}"
  done < <(active_swaps)
}
swap_undo() {
  local name device priority
  while read -r name; do
    # Enabled again, and not started: the swap it had made is turned on below.
    case "${name}" in *swap*.service | *zram*.service) [[ "$(recorded "${name}")" != enabled ]] || ! unit_exists "${name#enabled }" || enable_units "${name#enabled }" ;; *) continue ;; esac
    forget "active ${name#enabled }"
    forget "${name}"
  done < <(recorded_names values 'enabled ')
  unmask_units '[.]swap$'
  restore_edited "${RC_LOCAL}" rc_with_acts
  restore_edited /etc/fstab sed "s|^${MARK}||" -- "${ROOT}/etc/fstab"
  while read -r name; do
    [[ -n "${name}" ]] || continue
    device="${name#swap }" priority="$(recorded "${name}")"
    if [[ ! -e "${device}" ]]; then
      log "swap stays off: ${device} is gone"
    elif ! active_swaps | cut -d ' ' -f 2- | grep -Fx -- "${device}" >/dev/null; then
      case "${priority}" in
      -*) timeout 120 swapon -- "${device}" ;; # the kernel's own choice
      *) timeout 120 swapon -p "${priority}" -- "${device}" ;;
      esac || die "swapon ${device} failed; compare /proc/swaps with the swap lines of /etc/fstab"
      log "swap on again: ${device}"
    fi
    forget "${name}"
  done < <(recorded_names values 'swap ')
}
