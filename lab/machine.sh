# What the lab needs of the machine, and what it changes there.
# shellcheck shell=bash

# What the lab rests on, found out before anything is made or changed.
check_machine() {
  local problems=() c bits folder
  [[ "$(uname -s)" == Linux && "$(uname -m)" == x86_64 ]] || problems+=("found $(uname -sm), needs Linux x86_64")
  [[ "$(id -u)" == 0 ]] || problems+=("runs as $(id -un), needs root: it makes namespaces, mounts and network links")
  bits="$((16#$(awk '/^CapBnd/ {print $2}' /proc/self/status)))"
  for c in 12:NET_ADMIN 21:SYS_ADMIN 18:SYS_CHROOT 27:MKNOD; do
    ((bits >> ${c%:*} & 1)) || problems+=("lacks CAP_${c#*:}; an unprivileged container can't carry the lab")
  done
  grep -qw overlay /proc/filesystems || modprobe --dry-run overlay 2>/dev/null || problems+=('the kernel has no overlay file system')
  [[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]] || modprobe --dry-run br_netfilter 2>/dev/null || problems+=('the kernel has no br_netfilter')
  [[ -e /dev/fuse && -e /dev/kmsg && -e /dev/loop-control ]] || problems+=('needs /dev/fuse, /dev/kmsg and /dev/loop-control')
  [[ "$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)" -ge 6000 ]] || problems+=('less than 6 GiB of memory; three hosts with a cluster use about 4')
  folder="${CACHE}"
  until [[ -d "${folder}" ]]; do folder="$(dirname -- "${folder}")"; done
  [[ "$(df --output=avail -BG -- "${folder}" | tail -n 1 | tr -dc 0-9)" -ge 15 ]] || problems+=("less than 15 GB free for ${CACHE}")
  command -v go >/dev/null || problems+=('found no go on PATH; install Go 1.26.6 or newer. sudo has a PATH of its own')
  command -v npm >/dev/null || problems+=('found no npm on PATH; install Node.js 20 or newer. sudo has a PATH of its own')
  # As far as the lines above let it be looked at.
  if [[ ${#problems[@]} -eq 0 ]]; then mapfile -t problems < <(cgroups_problems); fi
  [[ ${#problems[@]} -eq 0 ]] || { printf 'error: %s\n' "${problems[@]}" >&2; die 'this machine cannot carry the lab; nothing was changed'; }
}

load_modules() {
  grep -qw overlay /proc/filesystems || modprobe overlay
  [[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]] || modprobe br_netfilter
}

# systemd and containerd of every host share the machine's limit for root, 128 by default: too few for more than three.
# Raised while a lab is up; the last of the machine's labs gives it back, unless somebody else has changed it since.
readonly INOTIFY=/proc/sys/fs/inotify/max_user_instances INOTIFY_WANTED=1024 LABS=/run/kubeadm-lab
raise_inotify() {
  mkdir -p -- "${LABS}/up"
  if [[ "$(cat "${INOTIFY}")" -lt "${INOTIFY_WANTED}" ]]; then
    [[ -s "${LABS}/max_user_instances" ]] || cat -- "${INOTIFY}" >"${LABS}/max_user_instances"
    printf '%s\n' "${INOTIFY_WANTED}" >"${INOTIFY}"
  fi
  : >"${LABS}/up/$(lab_hash)"
}
restore_inotify() {
  [[ -d "${LABS}" ]] || return 0
  rm -f -- "${LABS}/up/$(lab_hash)"
  rmdir -- "${LABS}/up" 2>/dev/null || return 0 # another lab is up
  if [[ -s "${LABS}/max_user_instances" && "$(cat "${INOTIFY}")" == "${INOTIFY_WANTED}" ]]; then cat -- "${LABS}/max_user_instances" >"${INOTIFY}"; fi
  rm -rf -- "${LABS:?}"
}
