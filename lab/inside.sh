#!/usr/bin/env bash
# What the lab does among its own namespaces (mount, pid, network): run by lab/lab through nsenter, never by hand.
# All that it makes there (mounts, network namespaces, processes, loop devices) ends with the lab's process 1.
# usage: inside.sh init | prepare | services IMAGES PACKAGES | host-start NAME | host-stop NAME | power NAME off|on | cable NAME out|in
set -euo pipefail
# shellcheck source=lab/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=lab/cgroups.sh
source "${PROJECT}/lab/cgroups.sh"
era_data

# modprobe in a host succeeds for these where the machine's kernel has them: NAME:CONFIG:PLACE. ip_vs is missing in many kernels.
readonly MODULES=(br_netfilter:BRIDGE_NETFILTER:net/bridge bridge:BRIDGE:net/bridge overlay:OVERLAY_FS:fs/overlayfs
  vxlan:VXLAN:drivers/net/vxlan veth:VETH:drivers/net nf_conntrack:NF_CONNTRACK:net/netfilter nf_tables:NF_TABLES:net/netfilter
  ip_set:IP_SET:net/netfilter/ipset ip_vs:IP_VS:net/netfilter/ipvs)

# Process 1: takes in orphans, does nothing else. Ended by `lab down`, or by whatever ends its keeper.
init_loop() {
  trap ':' CHLD
  while :; do sleep 3600 & wait || true; done
}

# A /run of our own: nspawn and `ip netns` keep files there that would outlive the lab on the machine's.
prepare() {
  mount -t tmpfs -o mode=0755 tmpfs /run
  mkdir -p /run/netns /run/lock
  cgroups_mount
  cgroups_lab
  ip link set lo up
  local card
  for card in "internal ${INTERNAL}" "external ${EXTERNAL}"; do
    ip link add "br-${card% *}" type bridge
    ip address add "${card#* }.1/24" dev "br-${card% *}"
    ip link set "br-${card% *}" up
  done
  # A kubelet with cloud providers asks this address for registry credentials at each start, and waits 20 s where nobody answers: it is refused at once.
  [[ "${DOCKER}" == no ]] || ip address add 169.254.169.254/32 dev br-external
}

registry_file() { # IMAGES HTTP
  cat <<EOF
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $1}, maintenance: {readonly: {enabled: true}}}
http: {$2}
EOF
}
# Registry, yum repository and an answering name server on the lab's network, each in a loop so that a crash is not the end.
keep() { # NAME COMMAND...
  local name="$1"
  shift
  (
    while :; do
      "$@" >>"${LAB}/log/${name}.log" 2>&1 </dev/null || true
      sleep 1
    done
  ) >/dev/null 2>&1 </dev/null &
}
services() {
  local images="$1" packages="$2" coredns="$3" name byte names
  registry_file "${images}" "addr: \"${REGISTRY}\"" >/run/registry.yml
  keep registry docker-registry serve /run/registry.yml
  if ((${#REGISTRY_NAMES[@]} > 0)); then
    registry_file "${images}" "addr: \"${INTERNAL}.1:443\", tls: {certificate: ${LAB}/registry.crt, key: ${LAB}/registry.key}" >/run/registry-tls.yml
    keep registry-tls docker-registry serve /run/registry-tls.yml
  fi
  # With an unreachable name server each yum command takes 20 s and CoreDNS of the cluster does not start without any.
  # Two blocks: in one, CoreDNS would ask template before hosts, whatever their order here.
  mapfile -t names < <(hosts | cut -d' ' -f1)
  { printf '%s ' "${names[@]}" ${REGISTRY_NAMES[@]+"${REGISTRY_NAMES[@]}"}
    printf '{\n  bind %s.1 %s.1\n  hosts {\n' "${INTERNAL}" "${EXTERNAL}"
    hosts | while read -r name byte; do printf '    %s.%s %s\n' "${INTERNAL}" "${byte}" "${name}"; done
    for name in ${REGISTRY_NAMES[@]+"${REGISTRY_NAMES[@]}"}; do printf '    %s.1 %s\n' "${INTERNAL}" "${name}"; done
    printf '  }\n}\n. {\n  bind %s.1 %s.1\n  template ANY ANY {\n    rcode NXDOMAIN\n  }\n}\n' "${INTERNAL}" "${EXTERNAL}"; } >/run/Corefile
  keep packages busybox httpd -f -p "${PACKAGES}" -h "${packages}"
  keep dns "${coredns}" -conf /run/Corefile
  host_sizes
}

# /proc tells every host the size of the whole machine; lxcfs tells the reader that of its control groups (lab/host-files binds it there).
host_sizes() {
  local i
  mkdir -p /run/lxcfs
  # One that died leaves its mount, over which the next can't mount; hosts see the next one's after a reset.
  keep lxcfs sh -c 'umount --lazy /run/lxcfs 2>/dev/null; exec lxcfs --foreground --disable-swap --pidfile=/run/lxcfs.pid /run/lxcfs'
  for ((i = 0; i < 100; i++)); do
    [[ ! -e /run/lxcfs/proc/meminfo ]] || return 0
    sleep 0.1
  done
  die "lxcfs shows nothing after 10 s; see ${LAB}/log/lxcfs.log"
}

host_network() { # NAME BYTE: eth0 external with the default route, eth1 internal, as on the seed's page
  local name="$1" byte="$2" card link kind prefix
  ip netns add "${name}"
  ip -n "${name}" link set lo up
  for card in "eth0 external ${EXTERNAL}" "eth1 internal ${INTERNAL}"; do
    read -r link kind prefix <<<"${card}"
    ip link add "${link}-${byte}" type veth peer name "${link}" netns "${name}"
    ip link set "${link}-${byte}" master "br-${kind}" up
    ip -n "${name}" address add "${prefix}.${byte}/24" dev "${link}"
    ip -n "${name}" link set "${link}" up
  done
  ip -n "${name}" route add default via "${EXTERNAL}.1"
}

# A sparse disk of the seed's size holds all that the host writes, so `df` and a full disk are real.
host_disk() { # NAME
  local name="$1" dir="${LAB}/hosts/$1"
  mkdir -p -- "${dir}/disk" "${dir}/root"
  rm -f -- "${dir}/disk.img"
  truncate -s "${HOST_DISK}" -- "${dir}/disk.img"
  mkfs.ext4 -q -m 0 -O ^has_journal -E lazy_itable_init=1,nodiscard -- "${dir}/disk.img"
  mount -o loop,discard -- "${dir}/disk.img" "${dir}/disk"
  mkdir -- "${dir}"/disk/{upper,work}
  # Not on the overlay: containerd's own overlays need a plain file system. Modes as containerd and the kubelet want them.
  mkdir -m 0700 -- "${dir}/disk/containerd"
  mkdir -m 0755 -- "${dir}/disk/kubelet"
  mkdir -m 0710 -- "${dir}/disk/docker"
  mount -t overlay overlay -o "lowerdir=$(cat "${LAB}/rootfs"),upperdir=${dir}/disk/upper,workdir=${dir}/disk/work" "${dir}/root"
}

# What makes this host this host: name, keys, and the settings that only the lab can give.
host_identity() { # NAME
  local name="$1" root="${LAB}/hosts/$1/root" files="${PROJECT}/lab/host-files"
  printf '%s\n' "${name}" >"${root}/etc/hostname"
  printf '%s' "${name}" | md5sum | cut -c1-32 >"${root}/etc/machine-id"
  printf 'nameserver %s.1\n' "${INTERNAL}" >"${root}/etc/resolv.conf"
  install -d -m 0700 -- "${root}/root/.ssh"
  install -m 0600 -- "${LAB}/id_ed25519.pub" "${root}/root/.ssh/authorized_keys"
  install -m 0600 -- "${LAB}/hosts/${name}/ssh_host_ed25519_key" "${root}/etc/ssh/"
  install -m 0644 -- "${LAB}/hosts/${name}/ssh_host_ed25519_key.pub" "${root}/etc/ssh/"
  cp -r -- "${files}/." "${root}/"
  [[ ! -e "${LAB}/registry-ca.crt" ]] || cat -- "${LAB}/registry-ca.crt" >>"${root}/etc/ssl/certs/ca-certificates.crt"
  host_kernel "${root}"
  ln -sf /etc/systemd/system/lab-host.service -t "$(mkdir -p "${root}/etc/systemd/system/sysinit.target.wants" && printf '%s' "${root}/etc/systemd/system/sysinit.target.wants")"
}

# The machine's kernel, as a host's modprobe and kubeadm's preflight (which reads /boot where there is no /proc/config.gz) look for it.
# Here and not in the hosts' file system, which so outlives an upgrade of the kernel.
host_kernel() { # ROOT
  local root="$1" kernel config entry module name place
  kernel="$(uname -r)"
  config="$(zcat /proc/config.gz 2>/dev/null || cat "/boot/config-${kernel}" 2>/dev/null || true)"
  install -d -- "${root}/lib/modules/${kernel}"
  for entry in "${MODULES[@]}"; do
    IFS=: read -r name module place <<<"${entry}"
    [[ $'\n'"${config}"$'\n' != *$'\n'"CONFIG_${module}="[ym]$'\n'* ]] || printf 'kernel/%s/%s.ko\n' "${place}" "${name}"
  done >"${root}/lib/modules/${kernel}/modules.builtin"
  : >"${root}/lib/modules/${kernel}/modules.order"
  : >"${root}/lib/modules/${kernel}/modules.builtin.modinfo"
  chroot "${root}" depmod "${kernel}"
  [[ ! -r "/boot/config-${kernel}" ]] || install -D -m 0644 -t "${root}/boot" -- "/boot/config-${kernel}"
}

# Becomes the host. In a process of its own, because v2 forbids a group that has a process to hand controllers on: the loop around
# it must stay outside. Groups of the last boot go first, for the same reason: they hand controllers on, so that no process may enter.
host_boot() { # NAME
  local name="$1" root="${LAB}/hosts/$1/root" disk="${LAB}/hosts/$1/disk" docker=()
  [[ "${DOCKER}" == no ]] || docker=(--bind="${disk}/docker:/var/lib/docker")
  cgroups_remove "${name}"
  cgroups_enter "${name}"
  # CAP_SYS_TIME: a host must never move the machine's clock. API_VFS_WRITABLE: the kubelet writes sysctls (see lab-host).
  SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 SYSTEMD_NSPAWN_USE_CGNS=1 exec systemd-nspawn --quiet --boot --machine="${name}" --directory="${root}" \
    --network-namespace-path="/run/netns/${name}" --register=no --keep-unit --resolv-conf=off --link-journal=no --console=read-only --capability=all \
    --drop-capability=CAP_SYS_TIME --system-call-filter='@keyring bpf @privileged @mount' --bind=/dev/kmsg --bind=/dev/fuse --bind=/run/lxcfs/proc:/run/lab-proc \
    --bind="${disk}/containerd:/var/lib/containerd" --bind="${disk}/kubelet:/var/lib/kubelet" ${docker[@]+"${docker[@]}"}
}

# One boot after another: nspawn ends with 133 when the host rebooted itself, anything else is a power-off.
host_run() { # NAME
  local name="$1" rc=133
  while [[ "${rc}" == 133 ]]; do
    rc=0
    bash "${PROJECT}/lab/inside.sh" host-boot "${name}" >>"${LAB}/log/${name}.log" 2>&1 </dev/null || rc=$?
  done
  printf '%s nspawn ended with %s\n' "${name}" "${rc}" >>"${LAB}/log/${name}.log"
}

host_start() {
  host_network "$1" "$(host_byte "$1")"
  host_disk "$1"
  host_identity "$1"
  host_runs "$1"
}
host_runs() { # NAME
  local name="$1"
  setsid bash "${PROJECT}/lab/inside.sh" host-run "${name}" >/dev/null 2>&1 </dev/null &
  printf '%s\n' "$!" >"/run/${name}.pid"
}

# At once, as when the power fails.
host_off() { # NAME
  local name="$1" pid
  if pid="$(cat "/run/${name}.pid" 2>/dev/null)"; then
    kill -KILL -- "-${pid}" 2>/dev/null || true # its process group: the loop and nspawn, not the host inside
    cgroups_kill "${name}"
    rm -f -- "/run/${name}.pid"
  fi
}
host_network_off() { # NAME
  local name="$1"
  [[ ! -e "/run/netns/${name}" ]] || ip netns delete "${name}"
  # A namespace may live on for a moment, and its cards with it: the next start makes them anew.
  ip link delete "eth0-$(host_byte "${name}")" 2>/dev/null || true
  ip link delete "eth1-$(host_byte "${name}")" 2>/dev/null || true
}
# Its disk is thrown away.
host_stop() {
  local name="$1" dir="${LAB}/hosts/$1" i
  host_off "${name}"
  for ((i = 0; i < 100; i++)); do
    if { ! mountpoint -q "${dir}/root" || umount "${dir}/root"; } 2>/dev/null && { ! mountpoint -q "${dir}/disk" || umount "${dir}/disk"; } 2>/dev/null; then break; fi
    sleep 0.1
  done
  ! mountpoint -q "${dir}/disk" || die "${name}: its disk is still in use 10 s after its end: $(fuser -m "${dir}/disk" 2>/dev/null)"
  host_network_off "${name}"
  rm -f -- "${dir}/disk.img"
  cgroups_remove "${name}"
}

# Its disk stays. What the host had written and not yet synced is there all the same: the machine's kernel lives on.
power() { # NAME off|on
  host_off "$1"
  host_network_off "$1"
  [[ "$2" == on ]] || return 0
  host_network "$1" "$(host_byte "$1")"
  host_runs "$1"
}
hardware_address() { grep -oE 'link/ether [0-9a-f:]+' | cut -d' ' -f2; }
# Out: what goes to the host and what comes from it is dropped without a word, as by a switch that died; each side goes on knowing the other's hardware address.
cable() { # NAME out|in
  local name="$1" card link kind prefix byte
  byte="$(host_byte "${name}")"
  for card in "eth0 external ${EXTERNAL}" "eth1 internal ${INTERNAL}"; do
    read -r link kind prefix <<<"${card}"
    if [[ "$2" == out ]]; then
      ip neighbour replace "${prefix}.${byte}" lladdr "$(ip -n "${name}" -o link show dev "${link}" | hardware_address)" nud permanent dev "br-${kind}"
      ip -n "${name}" neighbour replace "${prefix}.1" lladdr "$(ip -o link show dev "br-${kind}" | hardware_address)" nud permanent dev "${link}"
      ip link set "${link}-${byte}" nomaster
    else
      ip link set "${link}-${byte}" master "br-${kind}"
      ip neighbour delete "${prefix}.${byte}" dev "br-${kind}" 2>/dev/null || true
      ip -n "${name}" neighbour delete "${prefix}.1" dev "${link}" 2>/dev/null || true
    fi
  done
}

case "${1:?}" in
  init) init_loop ;;
  prepare) prepare ;;
  services) services "$2" "$3" "$4" ;;
  host-start) host_start "$2" ;;
  host-run) host_run "$2" ;;
  host-boot) host_boot "$2" ;;
  host-stop) host_stop "$2" ;;
  power) power "$2" "$3" ;;
  cable) cable "$2" "$3" ;;
  *) die "inside.sh: no function $1" ;;
esac
