#!/usr/bin/env bash
# How a host gets into a cluster and out again: claim_cluster before kubeadm changes anything, release_cluster takes away all that came since.
# init, join and leave use it. Every part of a release can be repeated, and none needs a living API server.
readonly KUBELET_CONF=/etc/kubernetes/kubelet.conf
# shellcheck disable=SC2034 # common.sh reads it
readonly WORK="${CLUSTER}" # what an undo undoes (common.sh)
# Inner folders first. What the RPMs own was there before and stays; /var/lib/containerd is not the cluster's.
readonly CLUSTER_FOLDERS=(/etc/kubernetes/manifests /etc/kubernetes/pki /etc/kubernetes/tmp /etc/kubernetes /etc/cni/net.d /etc/cni /var/lib/etcd
  /var/lib/kubelet/{pods,plugins,plugins_registry,pki,device-plugins,pod-resources,checkpoints} /var/lib/kubelet /var/lib/cni/{networks,flannel,results,cache} /var/lib/cni
  /var/lib/kube-proxy /var/lib/dockershim /run/flannel /var/log/pods /var/log/containers /opt/cni/bin /opt/cni /usr/libexec/kubernetes)
# Files in them that kubeadm, the kubelet or flannel write anew where they are: a copy of each that was there is kept (of one level, and below a MB).
readonly OVERWRITTEN=(/etc/cni/net.d /var/lib/kubelet) OVERWRITTEN_FILES=(/opt/cni/bin/flannel)
# Those of them that may be links: written through, a link would lose what it leads to. So it is put aside, and comes back.
readonly PUT_ASIDE=(/etc/cni/net.d/10-flannel.conflist /opt/cni/bin/flannel /var/lib/kubelet/kubeadm-flags.env)
# What the kubelet (protectKernelDefaults off), kube-proxy and the bridge plugin set.
readonly CLUSTER_SYSCTLS=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes
  net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/netfilter/nf_conntrack_max net/netfilter/nf_conntrack_tcp_timeout_established
  net/netfilter/nf_conntrack_tcp_timeout_close_wait net/netfilter/nf_conntrack_tcp_be_liberal)

pod_cgroups() { find "${ROOT}/sys/fs/cgroup" -depth -type d -path '*/kubepods*' 2>/dev/null || true; }
claim_cluster() { # ID NODE SOCKET ROLE
  local signs name value
  signs="$(cluster_signs "$4")"
  [[ -z "${signs}" ]] || die "this host is in a cluster that is not $1: found ${signs//$'\n'/, }; expected none. Nothing was changed. If that cluster may go: kubeadm reset, remove what is left of these files, then run again"
  rm -rf -- "${CLUSTER:?}.new"
  (umask 077 && mkdir -p -- "${CLUSTER}.new/folders" "${CLUSTER}.new/sysctls")
  remember_folders "${CLUSTER}.new/folders" "${CLUSTER_FOLDERS[@]}"
  for name in "${CLUSTER_SYSCTLS[@]}"; do
    value="$(cat -- "${ROOT}/proc/sys/${name}" 2>/dev/null)" || continue # not in this kernel
    encode "${name}"
    printf '%s\n' "${value}" >"${CLUSTER}.new/sysctls/${ENCODED}"
  done
  keep_overwritten "${CLUSTER}.new/files"
  network_now >"${CLUSTER}.new/network"
  pod_cgroups >"${CLUSTER}.new/cgroups"
  printf '%s' "${CLAIM_AS:-${STEP}}" >"${CLUSTER}.new/step"
  printf '%s' "${STEP}" >"${CLUSTER}.new/by"
  printf '%s' "$4" >"${CLUSTER}.new/role"
  printf '%s' "$2" >"${CLUSTER}.new/node"
  printf '%s' "$3" >"${CLUSTER}.new/socket"
  put_owner "${CLUSTER}.new"
  printf '%s' "$1" >"${CLUSTER}.new/id"
  mv -T -- "${CLUSTER}.new" "${CLUSTER}"
  for name in "${PUT_ASIDE[@]}"; do
    [[ -L "${ROOT}${name}" ]] || continue
    rm -f -- "${ROOT}${name}"
    log "${name} was a link: it is put aside, so that nothing writes through it, and comes back when this host leaves"
  done
}
keep_overwritten() { # STORE
  local path
  mkdir -p -- "$1"
  while IFS= read -r path; do
    encode "${path#"${ROOT}"}"
    cp -a -- "${path}" "$1/${ENCODED}"
  done < <(find -H "${OVERWRITTEN[@]/#/${ROOT}}" "${OVERWRITTEN_FILES[@]/#/${ROOT}}" -maxdepth 1 -type f \( -size -2048 -o -path "*${OVERWRITTEN_FILES[0]}" \) 2>/dev/null)
  for path in "${PUT_ASIDE[@]}"; do
    [[ -L "${ROOT}${path}" ]] || continue
    encode "${path}"
    cp -a -- "${ROOT}${path}" "$1/${ENCODED}"
  done
}
restore_overwritten() { # STORE
  local copy path
  for copy in "$1"/*; do
    path="${copy##*/}"
    path="${path//%2F//}"
    path="${ROOT}${path//%25/%}"
    [[ (-f "${copy}" || -L "${copy}") && -d "${path%/*}" ]] || continue
    if [[ -f "${path}" && ! -L "${path}" && ! -L "${copy}" ]] && cmp -s -- "${copy}" "${path}" && [[ "$(stat -c '%a %u:%g' -- "${copy}")" == "$(stat -c '%a %u:%g' -- "${path}")" ]]; then continue; fi
    cp -a --remove-destination -- "${copy}" "${path}.kubeadm-lab-new"
    mv -fT -- "${path}.kubeadm-lab-new" "${path}"
    log "restored ${path#"${ROOT}"}"
  done
}
set_cluster_value() { # NAME VALUE: beside the id, whole or not at all
  printf '%s' "$2" >"${CLUSTER}/new"
  mv -f -- "${CLUSTER}/new" "${CLUSTER}/$1"
}

# A Node that is Ready keeps its name from joining again, for the 40 s until the control plane misses it. So a join that comes anew says that it is not.
# Only a try: the cluster may be gone.
# Through --raw: a kubelet may write its Node's status but not read it (nodes/status), which kubectl patch does first.
leave_node() {
  local path
  [[ "${STEP}" == join && -e "${ROOT}${KUBELET_CONF}" ]] && was_joined && command -v kubectl >/dev/null || return 0
  path="/api/v1/nodes/$(cluster_value node)"
  kube "${KUBELET_CONF}" get --raw "${path}" 2>/dev/null | sed -n 's/\("type":"Ready","status":\)"True"/\1"Unknown"/p' |
    kube "${KUBELET_CONF}" replace --raw "${path}/status" -f - >/dev/null 2>&1 || true
}
# All at once, and killed: stopped one after the other, as kubeadm reset does it, they take most of a release's time.
remove_pods() {
  local socket
  socket="$(cluster_value socket)"
  if is_dockershim; then # the kubelet's containers are called k8s_...
    timeout 120 docker ps -aq --filter name=^/k8s_ 2>/dev/null | timeout 120 xargs -r -n 4 -P 8 docker rm -f >/dev/null 2>&1 || true
    return 0
  fi
  [[ -n "${socket}" ]] && command -v crictl >/dev/null || return 0
  timeout 120 crictl --runtime-endpoint "${socket}" pods -q 2>/dev/null | timeout 120 xargs -r -n 1 -P 8 crictl --runtime-endpoint "${socket}" rmp -f >/dev/null 2>&1 || true
}
# For the containers that are left. It would also empty folders, across mounts that it could not unmount (k/k#120376) and whatever was there before, so it runs
# where these folders are covered: all of /var/lib, since up to 1.19 it unmounts the kubelet's folder itself. clear_folders does the rest.
# Without remove-etcd-member: nothing of an etcd is its business. Without a kubeconfig: it would wait for a dead API server.
covered() { # ROOT COMMAND...: to be called where mounts are this process's own
  local folder
  mount --make-rslave / || return # what is unmounted here stays on the host, and what the host unmounts goes here too
  for folder in "$1"/etc/kubernetes "$1"/run/kubernetes "$1"/var/lib; do [[ ! -d "${folder}" ]] || mount -t tmpfs -o size=1m kubeadm-lab "${folder}" || return; done
  "${@:2}"
}
kubeadm_reset() {
  local socket status=0
  command -v kubeadm >/dev/null || return 0
  socket="$(cluster_value socket)"
  timeout 180 unshare --mount bash -c "$(declare -f covered)"$'\ncovered "$@"' bash "${ROOT}" kubeadm reset --force --skip-phases remove-etcd-member --kubeconfig "${CLUSTER}/none" ${socket:+--cri-socket "${socket}"} >"${CLUSTER}/reset.log" 2>&1 || status=$?
  ((status != 0)) || return 0
  tail -n 10 -- "${CLUSTER}/reset.log" >&2
  log "kubeadm reset failed (exit status ${status}); going on by hand"
}
remove_cgroups() {
  timeout 60 systemctl stop kubepods.slice >/dev/null 2>&1 || true
  pod_cgroups | grep -Fxv -f "${CLUSTER}/cgroups" | xargs -r -d '\n' rmdir -- 2>/dev/null || true
}
restore_cluster_sysctls() {
  local file target before
  for file in "${CLUSTER}"/sysctls/*; do
    target="${file##*/}"
    target="${ROOT}/proc/sys/${target//%2F//}"
    [[ -e "${file}" && -e "${target}" ]] || continue
    before="$(<"${file}")"
    [[ "$(<"${target}")" == "${before}" ]] || (printf '%s\n' "${before}" >"${target}") 2>/dev/null || log "sysctl ${target#"${ROOT}/proc/sys/"} stays at $(<"${target}"); it was ${before}"
  done
}
# What an undo does. A cluster without an owner was claimed by a version before: its id and its Node tell whose it is.
release_own() {
  cluster_is_claimed || return 0
  if ! read_owner "${CLUSTER}" && [[ "$(cluster_value id) $(cluster_value node)" != "${CLUSTER_ID} ${WHERE}" ]]; then
    log "left alone: this host is Node $(cluster_value node) of $(cluster_value id), and not ${WHERE} of ${CLUSTER_ID}"
    return 0
  fi
  release_cluster
}
release_cluster() {
  log "resetting this host: it leaves $(cluster_value id)"
  rm -f -- "${CLUSTER}/finished" # first: a reset that dies in the middle is done again, by the next apply too
  ! has_function leave_etcd || leave_etcd # while its etcd still runs
  if unit_exists kubelet.service; then
    timeout 120 systemctl stop kubelet.service || die 'the kubelet did not stop in 120 s; see journalctl -u kubelet'
  fi
  leave_node
  remove_pods
  note_flannel "${CLUSTER}/flannel"
  find_new "${CLUSTER}/folders" "${CLUSTER_FOLDERS[@]}"
  let_go "${TREES[@]+"${TREES[@]}"}" # first, so that a host with a mount in use is not half gone
  kubeadm_reset
  ! is_dockershim || rm -f -- "${ROOT}/run/dockershim.sock"
  clear_folders "${CLUSTER}/folders" "${CLUSTER_FOLDERS[@]}"
  restore_overwritten "${CLUSTER}/files"
  remove_links "${CLUSTER}/network"
  remove_rules "${CLUSTER}/network" "${CLUSTER}/flannel"
  remove_cgroups
  restore_cluster_sysctls
  rm -rf -- "${CLUSTER:?}.gone"
  mv -T -- "${CLUSTER}" "${CLUSTER}.gone" # from here on the host is nobody's
  rm -rf -- "${CLUSTER:?}.gone"
  drop_kubectl_cache
  rmdir -- "${STATE}" 2>/dev/null || true
}
