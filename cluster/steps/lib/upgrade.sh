#!/usr/bin/env bash
# How init and join bring a host that is in the cluster already to another version of Kubernetes, in place.
# KUBERNETES_VERSION: the one that is wanted; empty where another version is another cluster. PAUSE_IMAGE: what sandboxes run there.
# What is done is written down beside the cluster's id, so that a run that was killed goes on: `upgrading` from the first change on, `upgraded` when kubeadm has done the control plane, `version` when all of it is done.
readonly KUBELET_FLAGS=/var/lib/kubelet/kubeadm-flags.env
# shellcheck disable=SC2034 # init.sh and join.sh wait so long
readonly APPLY_SECONDS=$((3 * ${TIMEOUT_SECONDS:-0})) # of a control plane: each component is waited for by itself

needs_upgrade() { [[ -n "${KUBERNETES_VERSION:-}" && ("$(cluster_version)" != "${KUBERNETES_VERSION}" || -n "$(cluster_value upgrading)") ]]; }
# Where another version makes another cluster, init was undone before it is here again; else the state never knew which version it had.
expect_same_version() {
  [[ -z "${KUBERNETES_VERSION:-}" ]] || return 0
  local found wanted
  found="$(cluster_version)" wanted="$(kubeadm version -o short 2>/dev/null)" || wanted=''
  [[ -z "${found}" || -z "${wanted}" || "${found}" == "${wanted#v}" ]] ||
    die "this cluster has Kubernetes ${found}, expected ${wanted#v}. Nothing was changed in it. To upgrade it: onVersionChange: upgrade. To make it anew, with all that runs on it gone: pulumi up --replace '**-control-plane-init'"
}
expect_kubeadm() {
  local found
  found="$(kubeadm version -o short 2>/dev/null)" || found=none
  [[ "${found}" == "v${KUBERNETES_VERSION}" ]] || die "kubeadm is ${found}, expected v${KUBERNETES_VERSION}, which the packages step installs. Nothing was changed"
}
# The packages step, as it was applied last, with the kubelet in it: the pins, locks and records are its own.
bring_kubelet() {
  local pause
  if [[ "$(kubelet_version)" != "${KUBERNETES_VERSION}" ]]; then
    find_kept_script packages || die "this host does not keep the packages step's script and settings. To bring them again: pulumi up --replace '**-${NODE_NAME}-packages'"
    run_kept_script apply packages WITH_KUBELET=yes || die "the kubelet of ${KUBERNETES_VERSION} was not installed: the lines above say why"
    [[ "$(kubelet_version)" == "${KUBERNETES_VERSION}" ]] || die "the packages step has run, and the kubelet is $(kubelet_version), expected ${KUBERNETES_VERSION}. See rpm -q kubelet, yum versionlock list"
  fi
  # Else the kubelet would take the image that all sandboxes run for one that nobody needs. kubeadm leaves the flag as it was.
  pause="$(sed -n 's/.*--pod-infra-container-image=\([^" ]*\).*/\1/p' -- "${ROOT}${KUBELET_FLAGS}" 2>/dev/null)" || pause=''
  [[ -z "${pause}" || "${pause}" == "${PAUSE_IMAGE}" ]] || sed -i "s|--pod-infra-container-image=[^\" ]*|--pod-infra-container-image=${PAUSE_IMAGE}|" -- "${ROOT}${KUBELET_FLAGS}"
  restart_unit kubelet.service || die 'the kubelet does not restart; see journalctl -u kubelet'
  wait_for 60 kubelet_answers ||
    die "the kubelet of ${KUBERNETES_VERSION} runs, and has not answered at ${HEALTHZ} in 60 s. See journalctl -u kubelet"
  keep_files
  set_cluster_value version "${KUBERNETES_VERSION}"
  rm -f -- "${CLUSTER:?}/upgrading" "${CLUSTER:?}/backups"
}
# From here on there is no way back to the version of before; the preflight refuses one. What kubeadm left for that is no longer what is wanted, and must not be put back in
# the middle; nor does it count any more which configuration the host had. A host of a version before this says its version only by its kubelet, which is another in the middle.
begin_upgrade() {
  [[ -n "$(cluster_value version)" ]] || set_cluster_value version "$(cluster_version)"
  set_cluster_value upgrading "${KUBERNETES_VERSION}"
  rm -rf -- "${KEPT:?}/files"
  rm -f -- "${CLUSTER:?}/config" "${CLUSTER:?}/kubelet-config"
}
# kubeadm leaves copies of manifests and of etcd's data there, all of the cluster's secrets among them.
keep_backup_names() { # of before the first try
  [[ -e "${CLUSTER}/backups" ]] || set_cluster_value backups "$(ls -A -- "${ROOT}/etc/kubernetes/tmp" 2>/dev/null || true)"
}
remove_backups() {
  local name theirs
  theirs="$(cluster_value backups)"
  while read -r name; do
    [[ "${name}" != kubeadm-* ]] || has_line "${theirs}"$'\n' "${name}" || rm -rf -- "${ROOT}/etc/kubernetes/tmp/${name:?}"
  done < <(ls -A -- "${ROOT}/etc/kubernetes/tmp" 2>/dev/null)
  rmdir -- "${ROOT}/etc/kubernetes/tmp" 2>/dev/null || true
}
# A kubelet of another minor starts the static Pods anew, some seconds after its own start: the API server goes once more, and comes again. Whether it will go nobody knows;
# when it has come as another container, and etcd as well, a moment is enough.
readonly SETTLED_SECONDS=10 MOMENT_SECONDS=2
static_pods() { # the containers of etcd and the API server; - for one that does not run
  local etcd api
  etcd="$(containers etcd)" api="$(containers kube-apiserver)"
  printf '%s %s' "${etcd:--}" "${api:--}"
}
wait_until_settled() { # STATIC_PODS: before the kubelet's start
  local quiet end enough="${SETTLED_SECONDS}"
  uptime_now
  quiet="${UPTIME}" end=$((UPTIME + TIMEOUT_SECONDS))
  while is_before $((quiet + enough)); do
    if ! api_is_ready; then
      is_before "${end}" || die "the kubelet has ${KUBERNETES_VERSION}, and the API server has not answered for ${enough} s on end in ${TIMEOUT_SECONDS} s. See $(list_containers)"
      quiet="${UPTIME}"
    elif [[ "${enough}" == "${SETTLED_SECONDS}" ]] && are_other_containers "$1" "$(static_pods)"; then
      enough="${MOMENT_SECONDS}"
    fi
    sleep 0.5
  done
}
are_other_containers() { # BEFORE NOW: each of two words is there, and is another
  local etcd api old_etcd old_api
  read -r old_etcd old_api < <(printf '%s\n' "$1")
  read -r etcd api < <(printf '%s\n' "$2")
  [[ " $1 $2 " != *' - '* && "${etcd}" != "${old_etcd}" && "${api}" != "${old_api}" ]]
}
