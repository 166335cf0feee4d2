#!/usr/bin/env bash
# uses: api-address.sh cards.sh endpoint-free.sh cluster-signs.sh clock.sh kubectl.sh missing-images.sh packet-filter.sh repositories.sh selinux.sh upgrade-plan.sh used-host.sh
# This step looks at a host before anything is changed on any, and changes nothing itself; its undo comes when all else is undone. apply reports every problem at once, then fails; without one it prints facts (key=value).
# HOST_NAME, ADDRESS, ROLE (control-plane or worker), CLUSTER_ID, MINIMUM_CPUS, MINIMUM_MEMORY_MB (both for the control plane), RELEASE_MINOR, KERNEL_OVERRIDE (yes or no),
# MAXIMUM_CLOCK_SKEW_SECONDS, and what used-host.sh wants. May be left out: TIME_SOURCE (a URL; its Date is what the clock is compared with when chronyd does not know), TIME_PROXY (its proxy),
# CLUSTER_POD_CIDR, SERVICE_CIDR (CIDRs), PROXIES (array of http://HOST:PORT that the host must reach).
# ENDPOINT, ENDPOINT_PORT, CONTROL_PLANES (array of addresses), together or none: an address under which these answer, and which nobody else may have.
# KUBERNETES_VERSION, UPGRADES (yes or no): whether another version than the cluster's is brought to it in place. REMOVED_APIS (array of RESOURCE.VERSION.GROUP, for the control plane): what that version's minor no longer has; KUBEADM_API, such as v1beta4; IMAGES (full names): what its upgrade pulls.
# PACKAGES (array of name-version): what its upgrade installs; REPOSITORIES: the texts of the .repo files that these come from.
# A host that is in this cluster already passes, where that version can follow the one that it has.
changes_nothing() { :; }
# What later steps write anew, and folders that they write in.
readonly WRITTEN=(/etc/hosts /etc/hostname /etc/fstab /etc/selinux/config /etc/crictl.yaml /etc/containerd/config.toml /etc/docker/daemon.json /etc/sysctl.d/99-kubeadm-lab.conf
  /etc/modules-load.d/kubeadm-lab.conf /etc/NetworkManager/conf.d/kubeadm-lab.conf /etc/yum/pluginconf.d/versionlock.list /etc/dnf/plugins/versionlock.list
  /etc/yum.repos.d /etc/systemd/system /etc/kubernetes /etc/cni/net.d /opt/cni/bin /usr/bin /var/lib /var/lib/kubelet /var/lib/rpm /run/lock)
CLOCK='not compared: no time source' KERNEL_NUMBER=0 LOOKED=no

is_ours() { [[ "$(cluster_value id)" == "${CLUSTER_ID}" ]]; }
meminfo() { awk -v name="$1:" '$1 == name { print int($2 / 1024) }' "${ROOT}/proc/meminfo"; } # MB
kernel() { uname -r; }

look_at_tools() {
  local tool missing=''
  for tool in awk curl flock ip modprobe openssl rpm ss systemctl timeout yum; do command -v "${tool}" >/dev/null || missing+=" ${tool}"; done
  [[ -z "${missing}" ]] || problem 'commands' "no${missing}" 'CentOS 7 with systemd' 'install them, or choose a host with CentOS 7'
  [[ -d "${ROOT}/run/systemd/system" ]] || problem 'systemd' 'not running' 'systemd as PID 1' 'choose a host that systemd has booted'
}
look_at_owner() {
  local stack
  ! is_anothers_host || {
    stack="$(owner_text "${OWNER}")"
    # shellcheck disable=SC2153 # common.sh sets it
    problem 'owner' "$(owner_text "${FOUND}")" "nobody, or ${stack#* of }" "${OTHER_STACK}"
  }
}
look_at_cluster() {
  local id signs node
  ! is_anothers_host || return 0 # said already
  id="$(cluster_value id)" node="$(cluster_value node)"
  if [[ -n "${id}" && "${id}" != "${CLUSTER_ID}" ]]; then
    problem 'cluster' "${id}" "${CLUSTER_ID} or none" 'run pulumi destroy for that cluster first; or, where another control plane has become the first one in hosts, write the old one there again'
  elif [[ -n "${id}" && "${node}" != "${HOST_NAME}" && -n "$(cluster_value finished)" ]]; then # one that was cut off is reset by the next join
    problem 'host name' "Node ${node} of ${id}" "${HOST_NAME}" 'a Node cannot be renamed: give the host its old name in hosts, or destroy first'
  elif [[ -n "${id}" && "$(cluster_role)" != "${ROLE}" && -n "$(cluster_value finished)" ]]; then
    problem 'role' "$(cluster_role) of ${id}" "${ROLE}" 'a Node keeps its role: take the host out of hosts, run pulumi up, then write it in again with the other role'
  elif [[ -z "${id}" ]]; then
    signs="$(cluster_signs "${ROLE}")"
    [[ -z "${signs}" ]] || problem 'cluster' "one that is not ours, as $(hostname_now): ${signs//$'\n'/, }" 'none' 'choose another host; or, if that cluster may go, run kubeadm reset there and remove these files'
  fi
}
at_exit() {
  drop_kubectl_cache
  drop_ask_folder
}
hostname_now() { cat -- "${ROOT}/proc/sys/kernel/hostname"; }
look_at_address() {
  local found
  found="$(printf '%s\n' "${ADDRESSES}" | awk '$2 !~ /^127\./ { sub("/.*", "", $2); print $2 }' | paste -s -d ' ')"
  [[ " ${found} " == *" ${ADDRESS} "* ]] || problem 'address' "${found:-none}" "${ADDRESS}" 'correct address in hosts, or give it to one of the network cards'
}
look_at_size() {
  local cpus memory
  [[ "${ROLE}" == control-plane ]] || return 0
  cpus=$((10#0$(nproc | tr -dc 0-9))) memory="$(meminfo MemTotal)"
  ((cpus >= MINIMUM_CPUS)) || problem 'CPUs' "${cpus}" "at least ${MINIMUM_CPUS}" 'give the control plane more'
  ((memory >= MINIMUM_MEMORY_MB)) || problem 'memory' "${memory} MB" "at least ${MINIMUM_MEMORY_MB} MB" 'give the control plane more'
}
look_at_swap() {
  local used available
  used=$(($(meminfo SwapTotal) - $(meminfo SwapFree))) available="$(meminfo MemAvailable)"
  ((used == 0 || used < available)) || problem 'swap' "${used} MB in use, ${available} MB of memory available" 'room to turn swap off' 'stop what uses the memory, or give the host more'
}
# kubeadm's own check (system-validators): 3.10 passes up to 1.31; from 1.32 on it asks for 4.19, which the override leaves out. From 1.20 on the pids cgroup is needed.
look_at_kernel() {
  local major minor pids
  IFS=.- read -r major minor _ < <(kernel)
  KERNEL_NUMBER=$((10#0${major//[!0-9]/} * 100 + 10#0${minor%%[!0-9]*})) # 310 for 3.10
  if ((KERNEL_NUMBER < 310)); then
    problem 'kernel' "$(kernel)" "at least 3.10 for Kubernetes 1.${RELEASE_MINOR}" 'choose a host with CentOS 7 or newer'
  elif ((RELEASE_MINOR >= 32 && KERNEL_NUMBER < 419)) && [[ "${KERNEL_OVERRIDE}" != yes ]]; then
    problem 'kernel' "$(kernel)" "at least 4.19 for Kubernetes 1.${RELEASE_MINOR}" 'choose an older kubernetesVersion, or set allowUnsupportedKernel'
  fi
  if [[ -e "${ROOT}/sys/fs/cgroup/cgroup.controllers" ]]; then
    pids="$(grep -cw pids -- "${ROOT}/sys/fs/cgroup/cgroup.controllers")" || true
  else
    pids="$(awk '$1 == "pids" && $4 == 1' "${ROOT}/proc/cgroups" | wc -l)"
  fi
  ((RELEASE_MINOR < 20 || pids > 0)) || problem 'cgroups' 'no pids controller' 'pids' 'use the kernel of CentOS 7.7 or newer (3.10.0-1062)'
}
# An xfs made without d_type (old templates) can't hold overlayfs: containers fail with "snapshotter not loaded".
look_at_disk() {
  local mount_point
  [[ "$(stat -f -c %T -- "${ROOT}/var/lib")" == xfs ]] && command -v xfs_info >/dev/null || return 0
  mount_point="$(df --output=target -- "${ROOT}/var/lib" | tail -n 1)"
  ! xfs_info "${mount_point}" | grep -q 'ftype=0' || problem 'file system' "xfs with ftype=0 at ${mount_point}" 'ftype=1' 'make it anew with mkfs.xfs -n ftype=1; it cannot be changed in place'
}
# Found before the first change: afterwards a step would end half-way.
look_at_files() {
  local path found advice
  ! is_ours || return 0
  while IFS=$'\t' read -r path found advice; do
    case "${path}" in # changed only where it has what is to be changed
    /etc/fstab) grep -Eq '^[^#]*[[:space:]]swap([[:space:]]|$)' -- "${ROOT}/etc/fstab" || continue ;;
    "${SELINUX_CONFIG}") selinux_changes_config || continue ;;
    esac
    problem 'files' "${path}, ${found}" 'files and folders that can be written' "${advice}"
  done < <(obstacles "${WRITTEN[@]}")
  for path in /etc/kubernetes /etc/cni/net.d /opt/cni/bin /var/lib/etcd /var/lib/kubelet /var/lib/containerd /var/lib/docker; do
    if [[ -d "${ROOT}${path}" || (! -e "${ROOT}${path}" && ! -L "${ROOT}${path}") ]]; then continue; fi
    found='a file'
    [[ ! -L "${ROOT}${path}" ]] || found="a link to $(readlink -- "${ROOT}${path}"), where no folder is"
    problem 'folders' "${path}, ${found}" 'a folder, or a link to one' 'make the folder that it leads to, or remove it'
  done
}
look_at_ports() {
  local port ports=() users used
  if ! is_ours; then
    ports=(10250)
    [[ "${ROLE}" != control-plane ]] || ports=(6443 2379 2380 10250 10257 10259)
  fi
  [[ -z "${ENDPOINT_PORT:-}" || -d "${STATE}/endpoint" ]] || ports+=("${ENDPOINT_PORT}")
  ((${#ports[@]} > 0)) || return 0
  used="$(ss -ltnp 2>/dev/null)" || true
  for port in "${ports[@]}"; do
    [[ "${used}" == *":${port} "* ]] || continue
    users="$(printf '%s\n' "${used}" | awk -v end=":${port}" 'substr($4, length($4) - length(end) + 1) == end { print (sub(/.*users:\(\(/, "") ? $0 : "a process") }' | sed 's/",pid=.*/"/' | sort -u | paste -s -d ' ')"
    [[ -z "${users}" ]] || problem "port ${port}" "in use by ${users}" 'free' "stop what listens there: ss -ltnp | grep :${port}"
  done
}
overlap() { # CIDR CIDR; what is no CIDR overlaps nothing
  local cidr bits=32 numbers=()
  for cidr in "$1" "$2"; do
    [[ "${cidr}" =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)/([0-9]+)$ ]] || return 1
    numbers+=("$((((BASH_REMATCH[1] * 256 + BASH_REMATCH[2]) * 256 + BASH_REMATCH[3]) * 256 + BASH_REMATCH[4]))")
    ((bits <= BASH_REMATCH[5])) || bits="${BASH_REMATCH[5]}"
  done
  ((numbers[0] >> (32 - bits) == numbers[1] >> (32 - bits)))
}
# A card whose mask takes in the Pod or Service network swallows its traffic: 10.0.0.0/8 does both. So does a route that another Pod network left.
look_at_networks() {
  local link network range routes
  routes="$(ip -4 route show 2>/dev/null | awk '$1 ~ /^[0-9.]+(\/[0-9]+)?$/ && !/ proto kernel / { print ($1 ~ /\// ? $1 : $1 "/32"), $0 }')" || true
  for range in "${CLUSTER_POD_CIDR:-}" "${SERVICE_CIDR:-}"; do
    [[ -n "${range}" ]] || continue
    while read -r link network; do
      case "${link}" in cni0 | flannel.* | kube-ipvs0 | lo | '') continue ;; esac
      ! overlap "${network}" "${range}" || problem 'network' "${link} has ${network}, which overlaps ${range}" 'Pod and Service networks apart from the cards' 'choose other podCidr and serviceCidr, or a narrower mask'
    done < <(printf '%s\n' "${NETWORKS}")
    while read -r network link; do
      case " ${link} " in *' dev cni0 '* | *' dev flannel.'* | '  ') continue ;; esac
      ! overlap "${network}" "${range}" || problem 'route' "${link}, which overlaps ${range}" 'Pod and Service networks that no route leads elsewhere' "if another Pod network left it: ip route delete ${network}; else choose other podCidr and serviceCidr"
    done < <(printf '%s\n' "${routes}")
  done
}
# Else yum would say after minutes that every mirror failed, and not why.
look_at_proxies() {
  local proxy place
  for proxy in "${PROXIES[@]+"${PROXIES[@]}"}"; do
    place="${proxy#http://}"
    timeout 5 bash -c "</dev/tcp/\"\$1\"/\"\$2\"" - "${place%:*}" "${place##*:}" 2>/dev/null ||
      problem 'proxy' "no answer at ${proxy}" 'a proxy that this host reaches' "correct proxy in the stack's file, or open the way there"
  done
}
# chronyd knows the offset to a millisecond once it is synchronised; else the time source's Date, to a second. Ahead is positive.
look_at_clock() {
  local offset='' from='' answer whole
  if answer="$(timeout 10 chronyc -n tracking 2>/dev/null)" && [[ "${answer}" =~ Leap\ status\ *:\ Normal ]]; then
    offset="$(printf '%s\n' "${answer}" | sed -n 's/^System time *: \([0-9]*\.[0-9]\{3\}\)[0-9]* seconds \(slow\|fast\).*/\2\1/p')" from='chronyd'
    offset="${offset/slow/-}" offset="${offset/fast/}"
  elif [[ -n "${TIME_SOURCE:-}" ]]; then
    offset="$(seconds_ahead "${TIME_SOURCE}" "${TIME_PROXY:-}")" || offset=''
    from="${TIME_SOURCE}"
    [[ -n "${offset}" ]] || CLOCK="not compared: no answer from ${TIME_SOURCE}"
  fi
  [[ -n "${offset}" ]] || return 0
  [[ "${offset}" == -* ]] || offset="+${offset}"
  CLOCK="${offset} s by ${from}" whole="${offset:1}" # more than the bound by less than a second is let through
  ((10#${whole%%.*} <= MAXIMUM_CLOCK_SKEW_SECONDS)) ||
    problem 'clock' "${offset} s off (by ${from})" "at most ${MAXIMUM_CLOCK_SKEW_SECONDS} s" 'set it: chronyc makestep, or date -s; then see that chronyd runs and reaches its servers'
}
look_at_all() {
  LOOKED=yes
  read_cards
  look_at_tools
  look_at_owner
  look_at_cluster
  look_at_version
  look_at_address
  look_at_size
  look_at_swap
  look_at_kernel
  look_at_disk
  look_at_files
  look_at_ports
  look_at_endpoint
  look_at_networks
  look_at_proxies
  look_at_clock
  # shellcheck disable=SC2034 # used-host.sh reads it
  is_ours || TO_BE_WRITTEN=("${WRITTEN[@]}")
  look_at_used
  is_ours || look_at_left
}

# What no other host may have: the provider compares all of them, before any is changed. Not the board's product_uuid, which boards, containers and some clouds share:
# of what runs here nothing goes by it. Links that programs make may have one address everywhere (docker0).
print_alone() {
  local name mac seen=' ' id kind=refused
  ! is_ours || kind=noted
  if read_file /etc/machine-id && [[ "${TEXT%$'\n'}" =~ ^[0-9a-f]{32}$ ]]; then
    id="$(printf '%s' "${BASH_REMATCH[0]}" | sha256sum)" # itself it is not for everybody's eyes: man machine-id
    printf 'alone\tmachine-id (sha256)\t%s\tnoted\t%s\n' "${id:0:12}" \
      'this machine is a clone: a DHCP server that goes by it gives both one address, and logs and kubectl show one machine. Give each its own: rm /etc/machine-id && systemd-machine-id-setup && reboot'
  fi
  while read -r name _; do
    case "${name}" in lo | docker* | br-* | virbr* | cni* | flannel* | veth* | kube* | '') continue ;; esac
    if [[ "${seen}" == *" ${name} "* ]] || ! read_file "/sys/class/net/${name}/address"; then continue; fi
    seen+="${name} " mac="${TEXT%$'\n'}"
    [[ "${mac}" =~ ^[0-9a-f]{2}(:[0-9a-f]{2}){5}$ && "${mac}" != 00:00:00:00:00:00 ]] || continue
    printf 'alone\tMAC address of a card\t%s\t%s\t%s\n' "${mac}" "${kind}" \
      'one machine stands under two names in hosts: take one out; or it is a clone: give its card an address of its own, else each host gets the packets of the other'
  done < <(printf '%s\n' "${ADDRESSES}")
}

check() {
  [[ "${LOOKED}" == yes ]] || look_at_all # after apply, which has just done it
  tell_differences
}
apply() {
  look_at_all
  tell_problems
  print_facts # also of a host that is refused: a preview shows both
  print_alone
  ((${#PROBLEMS[@]} == 0)) || die "problems: ${#PROBLEMS[@]}; nothing was changed on this host"
}
runtime_found() { # such as: containerd 1.6.33
  local name version found=''
  for name in containerd dockerd crio; do
    [[ -x "${ROOT}/usr/bin/${name}" ]] || continue
    version="$(timeout 10 "${ROOT}/usr/bin/${name}" --version 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" || true
    found+=", ${name} ${version:-of unknown version}"
  done
  found="${found:-, none}"
  printf '%s' "${found#, }"
}
# What the matrix of releases (config/releases.ts) says of this host's own kernel; runtime and CNI were judged before any host was contacted.
kernel_verdict() {
  local entry item found expected
  for entry in "${PROBLEMS[@]+"${PROBLEMS[@]}"}"; do
    IFS=$'\t' read -r item found expected _ < <(printf '%s\n' "${entry}")
    [[ "${item}" == kernel || "${item}" == cgroups ]] || continue
    if ((KERNEL_NUMBER >= 310)) && [[ "${item}" == kernel ]]; then
      printf 'needs an override (allowUnsupportedKernel): %s %s, %s' "${item}" "${found}" "${expected}"
    else
      printf 'refused: %s %s, %s' "${item}" "${found}" "${expected}"
    fi
    return 0
  done
  if ((RELEASE_MINOR >= 32 && KERNEL_NUMBER < 419)); then printf 'goes only because of allowUnsupportedKernel'; else printf 'goes'; fi
}
cluster_found() {
  local id
  id="$(cluster_value id)"
  [[ -n "${id}" || -z "$(cluster_signs "${ROLE}")" ]] || id='one that is not ours'
  printf '%s' "${id:-none}"
}
print_facts() { # what a preview shows of a host
  printf 'os=%s\n' "$(sed -n 's/^PRETTY_NAME=["'"'"']\{0,1\}\([^"'"'"']*\)["'"'"']\{0,1\}$/\1/p' -- "${ROOT}/etc/os-release")"
  printf 'kernel=%s\ncpus=%s\nmemoryMb=%s\n' "$(kernel)" "$(nproc)" "$(meminfo MemTotal)"
  printf 'diskFreeGb=%s\n' "$(df --output=avail -BG -- "${ROOT}/var/lib" | tail -n 1 | tr -dc 0-9)"
  printf 'cards=%s\n' "$(printf '%s\n' "${ADDRESSES}" | awk '$1 != "lo" && $1 !~ /^(cni0|flannel)/' | paste -s -d ' ')"
  printf 'clock=%s\nruntime=%s\ncluster=%s\n' "${CLOCK}" "$(runtime_found)" "$(cluster_found)"
  printf 'kubernetes 1.%s=%s\n' "${RELEASE_MINOR}" "$(kernel_verdict)"
  print_upgrade
  ((${#NOTES[@]} == 0)) || printf 'noted=%s\n' "$(printf '%s\n' "${NOTES[@]}" | sort -u | paste -s -d ';' | sed 's/;/; /g')"
}
# A run that was killed while it brought the scripts has left them, and nothing else here, and no state knows of them.
undo() {
  [[ "$(ls -A -- "${STATE}" 2>/dev/null)" == scripts ]] || return 0
  take_lock scripts
  read_owner "${KEEPER}" || true
  if [[ "${FOUND}" == "${OWNER:-}" && -z "$(ls -A -- "${KEEPER}/used" 2>/dev/null)" ]]; then
    rm -rf -- "${KEEPER:?}"
    rmdir -- "${STATE}" 2>/dev/null || true
  fi
  rm -f -- "${ROOT}/run/lock/kubeadm-lab-scripts.lock"
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
