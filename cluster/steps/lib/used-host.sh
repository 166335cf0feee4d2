#!/usr/bin/env bash
# shellcheck disable=SC2153 # settings and what files.sh sets
# What somebody left on a host, or puts there later, that would break a cluster.
# preflight refuses a host for it before the first change on any; system finds what
# came since. ADDRESS, ROLE, HOST_NAME, RUNTIME_KIND, FIREWALLD, SELINUX, MODULES, CLUSTER_POD_CIDR.
# The table with each choice and its reason: docs/hosts.md.
readonly CNI_FOLDER=/etc/cni/net.d CNI_FILE=10-flannel.conflist RUNTIME_FOLDER="/var/lib/${RUNTIME_KIND}"
# The kubelet's own defaults (hard eviction): below them it takes no Pods.
readonly NODE_FREE_PERCENT=10 IMAGE_FREE_PERCENT=15 INODES_FREE_PERCENT=5
PROBLEMS=() # each: item, tab, found, tab, expected, tab, what to do
NOTES=()    # what the host is taken with
ADDRESSES=''

problem() { PROBLEMS+=("$1"$'\t'"$2"$'\t'"$3"$'\t'"$4"); } # ITEM FOUND EXPECTED ADVICE
tell_differences() {
  local entry item found expected
  for entry in "${PROBLEMS[@]+"${PROBLEMS[@]}"}"; do
    IFS=$'\t' read -r item found expected _ < <(printf '%s\n' "${entry}")
    differs "${item}" "${expected}" "${found}"
  done
}
tell_problems() {
  local entry item found expected advice
  for entry in "${PROBLEMS[@]+"${PROBLEMS[@]}"}"; do
    IFS=$'\t' read -r item found expected advice < <(printf '%s\n' "${entry}")
    printf '%s: %s: found %s; expected %s. To go on: %s.\n' "${HOST_NAME}" "${item}" "${found}" "${expected}" "${advice}" >&2
  done
}
read_addresses() { ADDRESSES="$(card_addresses)"; } # ADDRESSES: `card address/bits`, one a line

# What breaks a cluster whenever it comes.
look_at_used() {
  look_at_cni
  look_at_second_address
  look_at_command_line
  look_at_kubelet_unit
  look_at_masked systemd-sysctl.service systemd-modules-load.service
  look_at_file_systems
  look_at_room
  look_at_filter
}
# What is in the way of a host that is to become a Node.
look_at_left() {
  look_at_kubelet_flags
  look_at_masked containerd.service kubelet.service
  [[ "${RUNTIME_KIND}" == containerd ]] || look_at_masked "${RUNTIME_KIND}.service"
  look_at_links
  look_at_containers
  look_at_folders
}

# The runtime takes the first file by name, and any other one as long as flannel's is not there: Pods that start then keep addresses that nobody else reaches.
look_at_cni() {
  local file name found=''
  for file in "${ROOT}${CNI_FOLDER}"/*; do
    name="${file##*/}"
    case "${name}" in *.conf | *.conflist | *.json) ;; *) continue ;; esac
    [[ -s "${file}" && "${name}" != "${CNI_FILE}" ]] || continue
    if [[ -e "${ROOT}${CNI_FOLDER}/${CNI_FILE}" && "${name}" > "${CNI_FILE}" ]]; then continue; fi
    found+=", ${CNI_FOLDER}/${name}"
  done
  [[ -z "${found}" ]] || problem 'CNI configuration' "${found#, }" "none but flannel's" 'if nothing here needs it, move it out of that folder; the runtime would take it in place of flannel'
}
look_at_second_address() {
  local card address found=''
  while read -r card address; do [[ "${address%/*}" != "${ADDRESS}" ]] || found+=" ${card}"; done < <(printf '%s\n' "${ADDRESSES}")
  case "${found}" in
  *\ *\ *) problem 'address' "${ADDRESS} on${found}" 'on one card' "take it away from all but one: ip address delete ${ADDRESS} dev <card>, and where the system's network configuration sets it" ;;
  ' lo') problem 'address' "${ADDRESS} on lo" 'on a card' 'give it to the card that the hosts share, not to lo' ;;
  esac
}
# What no file can set right.
look_at_command_line() {
  local word name value advice='take it out of the boot loader: grubby --update-kernel=ALL --remove-args=<word>'
  local words=()
  read_file /proc/cmdline || return 0
  read -r -a words < <(printf '%s\n' "${TEXT}") || true
  for word in "${words[@]+"${words[@]}"}"; do
    value="${word#*=}"
    case "${word}" in
    enforcing=1) [[ "${SELINUX}" != permissive || " ${words[*]} " == *' selinux=0 '* || ! -d "${ROOT}/sys/fs/selinux" ]] || problem 'SELinux at boot' "${word} on the kernel's command line" 'permissive' "${advice}; or set selinux: keep" ;;
    modprobe.blacklist=* | module_blacklist=*)
      for name in "${MODULES[@]+"${MODULES[@]}"}"; do [[ ",${value//-/_}," != *",${name//-/_},"* ]] || problem "module ${name} at boot" "${word} on the kernel's command line" 'loaded' "${advice}"; done
      ;;
    systemd.hostname=*) [[ "${value}" == "${HOST_NAME}" ]] || problem 'host name at boot' "${word} on the kernel's command line" "${HOST_NAME}" "${advice}" ;;
    esac
  done
}
# Flags that kubeadm or this program gives the kubelet, with other values; one that is only beside them is noted.
look_at_flags() { # PATH TEXT
  local line rest flag value expected pattern='--([a-z][a-z0-9-]*)(=|[[:space:]]+)?["'\'']?([^[:space:]"'\'']*)'
  while IFS= read -r line; do
    [[ "${line}" != [[:space:]]* ]] || line="${line#"${line%%[![:space:]]*}"}"
    [[ "${line}" != [#\;]* ]] || continue
    rest="${line}"
    while [[ "${rest}" =~ ${pattern} ]]; do
      flag="${BASH_REMATCH[1]}" value="${BASH_REMATCH[3]}"
      rest="${rest#*"--${flag}"}"
      case "${flag}" in
      hostname-override) expected="${HOST_NAME}" ;;
      node-ip) expected="${ADDRESS}" ;;
      cgroup-driver) expected=systemd ;;
      config) expected=/var/lib/kubelet/config.yaml ;;
      kubeconfig) expected=/etc/kubernetes/kubelet.conf ;;
      bootstrap-kubeconfig) expected=/etc/kubernetes/bootstrap-kubelet.conf ;;
      container-runtime | container-runtime-endpoint | image-service-endpoint | network-plugin | cni-bin-dir | cni-conf-dir | root-dir | cert-dir | pod-manifest-path | cluster-dns | cluster-domain | healthz-port | port | read-only-port | anonymous-auth | client-ca-file | register-node | resolv-conf | fail-swap-on) expected='' ;;
      *)
        NOTES+=("$1 gives the kubelet --${flag}")
        continue
        ;;
      esac
      [[ -n "${expected}" && "${value}" == "${expected}" ]] ||
        problem 'kubelet flags' "--${flag}${value:+=${value}} in $1" "${expected:-left to kubeadm}" "another kubelet's: take it out of that file, or move the file away"
    done
  done < <(printf '%s\n' "$2")
}
look_at_kubelet_flags() {
  local file
  for file in /etc/sysconfig/kubelet /etc/default/kubelet; do ! read_file "${file}" || look_at_flags "${file}" "${TEXT}"; done
}
look_at_kubelet_unit() {
  local file text
  for file in "${ROOT}"/{etc,run}/systemd/system/kubelet.service{,.d/*.conf}; do
    if [[ "${file}" -ef /dev/null ]] || ! read_file "${file#"${ROOT}"}"; then continue; fi
    text="${TEXT}" file="${file#"${ROOT}"}"
    if [[ $'\n'"${text}" == *$'\n'ExecStart=* && "${text}" != *KUBELET_KUBEADM_ARGS* ]]; then
      problem 'kubelet unit' "${file} with an ExecStart of its own" "the package's" "another kubelet's: move it away, then systemctl daemon-reload"
    else
      look_at_flags "${file}" "${text}"
    fi
  done
}
look_at_masked() { # UNITS
  local unit
  for unit in "$@"; do ! is_masked "${unit}" || problem 'unit' "${unit} is masked" 'one that can start' "systemctl unmask ${unit}"; done
}
# Each file system below what a cluster uses; the last mount at the longest point is the one.
look_at_file_systems() {
  local path point options best chosen named=' '
  local mounts=()
  ! read_file /proc/self/mounts || mapfile -t mounts < <(printf '%s\n' "${TEXT%$'\n'}")
  for path in /var/lib/kubelet "${RUNTIME_FOLDER}" /var/lib/etcd /opt/cni/bin /etc /run; do
    best='' chosen=''
    [[ "${path}" != /var/lib/etcd || "${ROLE}" == control-plane ]] || continue
    for point in "${mounts[@]+"${mounts[@]}"}"; do
      point="${point#* }" options="${point#* * }"
      point="${point%% *}" options="${options%% *}"
      [[ "${path}/" == "${point%/}/"* && ${#point} -ge ${#best} ]] || continue
      best="${point}" chosen=",${options},"
    done
    [[ "${named}" != *" ${best} "* ]] || continue
    case "${path} ${chosen}" in
    *,ro,*) problem 'file system' "${best} is read-only" 'one that can be written' "it holds ${path}: mount -o remount,rw ${best}, and look at dmesg for why" && named+="${best} " ;;
    /etc\ * | /run\ * | /var/lib/etcd\ *) ;;
    *,noexec,*) problem 'file system' "${best} is noexec" 'one that programs may run from' "it holds ${path}: take noexec out of its line in /etc/fstab, then mount -o remount,exec ${best}" && named+="${best} " ;;
    *,nosuid,* | *,nodev,*) NOTES+=("${path} is on ${best}, which is nosuid or nodev") ;;
    esac
  done
}
nearest_folder() { # PATH: NEAREST is it, or the parent that is there
  NEAREST="$1"
  while [[ -n "${NEAREST}" && ! -e "${ROOT}${NEAREST}" ]]; do NEAREST="${NEAREST%/*}"; done
}
look_at_room() {
  local path least size free inodes left
  local paths=()
  for path in /var/lib/kubelet "${RUNTIME_FOLDER}"; do
    nearest_folder "${path}"
    paths+=("${ROOT}${NEAREST}/")
  done
  {
    read -r _
    for path in /var/lib/kubelet "${RUNTIME_FOLDER}"; do
      read -r size free inodes left || break
      least="${NODE_FREE_PERCENT}"
      [[ "${path}" == /var/lib/kubelet ]] || least="${IMAGE_FREE_PERCENT}"
      [[ ! "${size}" =~ ^[1-9][0-9]*$ || ! "${free}" =~ ^[0-9]+$ ]] || ((free * 100 >= size * least)) ||
        problem "room for ${path}" "$((free * 100 / size)) %" "at least ${least} %, below which the kubelet takes no Pods" "make room: du -xh / | sort -h | tail, journalctl --vacuum-size=100M"
      [[ ! "${inodes}" =~ ^[1-9][0-9]*$ || ! "${left}" =~ ^[0-9]+$ ]] || ((left * 100 >= inodes * INODES_FREE_PERCENT)) ||
        problem "inodes for ${path}" "$((left * 100 / inodes)) %" "at least ${INODES_FREE_PERCENT} %, below which the kubelet takes no Pods" 'look for a folder with very many files: find /var -xdev -type d -size +1M'
    done
  } < <(df -k --output=size,avail,itotal,iavail -- "${paths[@]}" 2>/dev/null || true)
}
# The other networks' links keep their routes and ports: the bridge plugin refuses a cni0 with another address, and two vxlans fight over a port.
look_at_links() {
  local path name found='' vxlan
  for path in "${ROOT}"/sys/class/net/*; do
    name="${path##*/}"
    case "${name}" in cni0 | cbr0 | flannel0 | flannel.* | flannel-* | kube-ipvs0 | kube-bridge | cilium_* | weave | vxlan.calico | vxlan-v6.calico | antrea-* | ovn-k8s-*) found+=" ${name}" ;; esac
  done
  vxlan="$(ip -d -o link show type vxlan 2>/dev/null | sed -n 's/^[0-9]*: \([^:@]*\).* dstport 8472 .*/\1/p')" || true
  for name in ${vxlan}; do [[ " ${found} " == *" ${name} "* ]] || found+=" ${name}"; done
  [[ -z "${found}" ]] || problem 'links' "${found# }" "none of another Pod network" "if no other cluster uses this host: for link in${found}; do ip link delete \${link}; done"
}
# Containers that go on below containerd while its package and configuration are replaced; those of a runtime that stays as it is are noted.
look_at_containers() {
  local folder name count=0 running=''
  for folder in "${ROOT}"/run/containerd/io.containerd.runtime.*/*/*; do
    [[ -d "${folder}" ]] || continue
    name="${folder%/*}"
    count=$((count + 1))
    [[ " ${running} " == *" ${name##*/} "* ]] || running+=" ${name##*/}"
  done
  ((count == 0)) || problem 'containers' "${count} running below containerd (${running# }; moby is Docker's)" 'none' 'its package and configuration are replaced: stop them, or choose another host'
  for name in crio podman docker cri-dockerd; do
    [[ ! -S "${ROOT}/run/${name}.sock" && ! -S "${ROOT}/run/${name}/${name}.sock" ]] || [[ "${name}" == "${RUNTIME_KIND}" ]] || NOTES+=("${name} is here too, and is left alone")
  done
}
# What kubeadm would stop at in the middle, or the kubelet run.
look_at_folders() {
  local path found
  if [[ "${ROLE}" == control-plane ]]; then
    entries /var/lib/etcd
    case "${ENTRIES}" in
    '' | *' member '*) ;; # a member is another cluster's
    ' lost+found ') NOTES+=('/var/lib/etcd is a file system of its own') ;;
    *)
      found="${ENTRIES// lost+found / }"
      found="${found# }"
      problem '/var/lib/etcd' "${found% }" 'nothing' 'move these files out of it'
      ;;
    esac
  fi
  entries /etc/kubernetes/manifests
  found="${ENTRIES# }"
  [[ -z "${found}" || "${found}" == *.yaml\ * ]] || problem '/etc/kubernetes/manifests' "${found% }" 'nothing' 'the kubelet would run these: move them out of it'
  for path in /var/lib/kubelet/cpu_manager_state /var/lib/kubelet/memory_manager_state; do
    ! read_file "${path}" || [[ "${TEXT}" =~ \"policyName\":\"[Nn]one\" ]] || problem 'kubelet state' "${path} of another policy" 'none' "another kubelet's, and the next one stops at it: rm ${path}"
  done
}
entries() { # FOLDER: ENTRIES are the names in it, each with spaces around; empty where there are none
  local file
  ENTRIES=''
  for file in "${ROOT}$1"/* "${ROOT}$1"/.[!.]*; do [[ ! -e "${file}" && ! -L "${file}" ]] || ENTRIES+="${file##*/} "; done
  ENTRIES="${ENTRIES:+ ${ENTRIES}}"
}
