#!/usr/bin/env bash
# uses: cluster-signs.sh kept-files.sh certificates.sh kubectl.sh
# This step keeps what kubeadm left on a Node's host as it was: the kubelet's flags, configuration and kubeconfig, a control plane's static Pods, certificates; and flannel's file, without
# which no Pod has a network. CLUSTER_ID, TIMEOUT_SECONDS (for flannel's start); KUBERNETES_VERSION, which init or join has brought the host to: with another one what kubeadm left is kept anew.
# The first apply keeps a copy of each file beside the cluster's id, where a reset takes it along; later ones put back what was changed.
# Only the kubelet's own files restart it, and Pods go on; a static Pod starts anew by itself when its manifest changes. No undo: nothing outlives the reset.
takes_no_lock() { :; } # lock_kept instead: one in /run/lock would stay after the reset
readonly SUBNET_FILE=/run/flannel/subnet.env
readonly READY='jsonpath={range .status.conditions[?(@.type=="Ready")]}{.lastHeartbeatTime} {.status} {.reason}: {.message}{end}'
readonly OPEN='jsonpath={range .status.conditions[?(@.type=="Ready")]}Ready {.status}{end}{range .spec.taints[*]} {.key}{end}'

at_exit() { drop_kubectl_cache; }
is_member() { [[ "$(cluster_value id)" == "${CLUSTER_ID}" && -n "$(cluster_value finished)" ]]; }
kept_files() { # COPY PATH, one a line
  local copy name
  for copy in "${KEPT}"/files/*; do
    [[ -e "${copy}" ]] || continue
    name="${copy##*/}"
    name="${name//%2F//}"
    printf '%s %s\n' "${copy}" "${name//%25/%}"
  done
}
kubelet_found() { # active, or what it is instead
  local found
  found="$(unit_active kubelet.service)"
  if [[ "${found}" == active ]]; then
    if ! kubelet_answers; then found="no answer at ${HEALTHZ}"; elif is_replaced; then found="${found}, ${REPLACED}"; fi
  fi
  printf '%s' "${found}"
}
readonly REPLACED='from a file that was replaced since'
is_replaced() { # by another package, such as another version's
  local pid
  pid="$(systemctl show --property MainPID -- kubelet.service 2>/dev/null)" || return 1
  [[ "${pid}" =~ ^MainPID=([1-9][0-9]*)$ && "$(readlink -- "${ROOT}/proc/${BASH_REMATCH[1]}/exe" 2>/dev/null)" == *' (deleted)' ]]
}
check() {
  local copy path copies=() paths=() modes found i
  if ! is_member; then
    found="$(cluster_value id)"
    differs 'cluster' "${CLUSTER_ID}" "${found:-none}"
    return 0
  fi
  found="$(cluster_version)"
  [[ "${found}" == "${KUBERNETES_VERSION}" ]] || differs 'Kubernetes' "${KUBERNETES_VERSION}" "${found:-not installed}"
  if [[ ! -d "${KEPT}/files" ]]; then
    differs "kubeadm's files" 'kept' 'not kept'
    return 0
  fi
  while read -r copy path; do
    read_file "${copy#"${ROOT}"}" || true
    compare_file "${path}" - "${TEXT}"
    [[ ! -f "${ROOT}${path}" ]] || copies+=("${copy}") paths+=("${path}")
  done < <(kept_files)
  ((${#copies[@]} == 0)) || mapfile -t modes < <(stat -c %a -- "${copies[@]}")
  for ((i = 0; i < ${#paths[@]}; i++)); do expect_mode "${paths[i]}" "${modes[i]}"; done
  [[ ! -e "${KEPT}/restart" ]] || differs 'kubelet restart' 'done' 'due'
  found="$(kubelet_found)"
  [[ "${found}" == active ]] || differs 'kubelet running' 'active' "${found:-not installed}"
  ! has_own_api_server || api_is_ready || differs 'API server' 'ready' 'no answer'
  [[ -s "${ROOT}${SUBNET_FILE}" ]] || differs "file ${SUBNET_FILE}" 'present' 'absent'
  certificates_check
}
apply() {
  local isNew=no
  is_member || die "this host is no longer in ${CLUSTER_ID}: it was reset, or made anew. $(join_again)"
  [[ -e "${ROOT}${CLIENT_CERTIFICATE}" ]] || die "the kubelet's certificate ${CLIENT_CERTIFICATE} is gone: this host was reset by somebody else. $(join_again)"
  lock_kept "${LOCK_SECONDS}"
  if [[ -d "${KEPT}/files" ]]; then
    put_back_files
  else
    keep_files
    isNew=yes
  fi
  renew_certificates
  start_kubelet
  restart_static_pods
  ! has_own_api_server || wait_for 120 api_is_ready || die "this control plane's API server is not ready after 120 s, or its etcd is not. See $(list_containers)"
  wait_for_flannel
  [[ "${isNew}" == no || "$(cluster_value step)" != join ]] || wait_until_open
  tell_ending_cas
}
join_again() {
  if [[ "$(cluster_value step)" == init ]]; then
    printf 'Run pulumi destroy, then pulumi up'
  else
    printf "To let it join again: pulumi up --replace '**-%s-%s-join'" "${HOST_NAME}" "$(cluster_role)"
  fi
}
# Where somebody has upgraded the control plane: an older etcd does not start with a newer one's data, and an older API server does not know what a newer one has written.
expect_none_newer() {
  local copy path ours found
  while read -r copy path; do
    [[ "${path}" == */manifests/etcd.yaml || "${path}" == */manifests/kube-apiserver.yaml ]] || continue
    ours="$(version_in_manifest "${copy}")" found="$(version_in_manifest "${ROOT}${path}")"
    [[ -z "${ours}" || -z "${found}" || "$(printf '%s\n' "${found}" "${ours}" | sort -V | tail -n 1)" == "${ours}" ]] ||
      die "${path} has version ${found}, expected ${ours}: somebody has upgraded this control plane, and it can't go back. Nothing was changed. Set kubernetesVersion to the version that it was upgraded to (kubectl version), then pulumi up"
  done < <(kept_files)
}
version_in_manifest() { { sed -n 's/^ *image: *.*:v\{0,1\}\([0-9][0-9.]*\).*/\1/p' -- "$1" 2>/dev/null || true; } | head -n 1; } # FILE
# Where several answer under one address, nothing else tells that this one does not. Where there is one, all else does.
has_own_api_server() { is_joined_control_plane || [[ "$(cluster_role)" == control-plane && -d "${STATE}/endpoint" ]]; }
put_back_files() {
  local copy path fresh
  expect_none_newer
  while read -r copy path; do
    if ! cmp -s -- "${copy}" "${ROOT}${path}"; then
      [[ " ${KUBELET_FILES[*]} " != *" ${path} "* ]] || : >"${KEPT}/restart"
      mkdir -p -- "${ROOT}${path%/*}"
      fresh="${ROOT}${path%/*}/.${path##*/}.kubeadm-lab-new" # the kubelet would run any other file among its manifests
      cp -a -- "${copy}" "${fresh}"
      mv -fT -- "${fresh}" "${ROOT}${path}"
      log "put back ${path}"
    elif [[ "$(stat -c %a -- "${copy}")" != "$(stat -c %a -- "${ROOT}${path}")" ]]; then
      chmod --reference="${copy}" -- "${ROOT}${path}"
      log "mode of ${path}: as before"
    fi
  done < <(kept_files)
}
start_kubelet() {
  local found since
  found="$(kubelet_found)"
  since="$(date -u +%FT%TZ)" # as the kubelet stamps it
  if [[ -e "${KEPT}/restart" || "${found}" == no\ answer* || "${found}" == *"${REPLACED}" ]]; then
    restart_unit kubelet.service || die 'the kubelet does not restart; see journalctl -u kubelet'
  elif [[ "${found}" != active ]]; then
    start_unit kubelet.service || die 'the kubelet does not start; see journalctl -u kubelet'
  else
    return 0
  fi
  wait_for 60 is_healthy || die "the kubelet runs, and has not answered at ${HEALTHZ} in 60 s. See journalctl -u kubelet"
  rm -f -- "${KEPT}/restart"
  wait_for_client_certificate
  wait_for_node "${since}"
}
# A kubelet that starts reports its Node as not Ready for some seconds, which the next look would find. Only a try: the rest is the node step's to tell.
wait_for_node() { # SINCE
  wait_for 60 node_is_ready "$1" || true
  [[ "${LAST_SEEN}" == *' True '* ]] || log "Node $(cluster_value node) after the start of its kubelet: ${LAST_SEEN:-no status}"
}
node_is_ready() { # SINCE: what was reported before does not count. An API server that does not answer is not waited for
  local answer
  answer="$(kube /etc/kubernetes/kubelet.conf get node "$(cluster_value node)" -o "${READY}" 2>&1)" || {
    printf '%s' "${answer##*$'\n'}"
    return 0
  }
  answer="${answer##*$'\n'}" # kubectl's warnings come first
  printf '%s' "${answer}"
  [[ "${answer}" == [0-9]*' True '* && ! "${answer%% *}" < "$1" ]]
}
# Ready comes before flannel has a subnet; a Pod that starts in between loses 12 s (lab).
wait_for_flannel() {
  wait_for "${TIMEOUT_SECONDS}" test -s "${ROOT}${SUBNET_FILE}" && return 0
  LAST_SEEN="$(kube /etc/kubernetes/kubelet.conf get node "$(cluster_value node)" -o "${READY}" 2>&1 | tail -n 1)" || true
  die "flannel has not started on this host: no ${SUBNET_FILE} within ${TIMEOUT_SECONDS} s; Node Ready: ${LAST_SEEN:-no answer}. See kubectl -n kube-flannel get pods -o wide"
}
# A Pod that is made before the control plane takes its own taint away can't be scheduled, says so in an event, and is tried again only after some seconds.
# Only a try: a Node that does not become Ready is the node step's to tell.
wait_until_open() {
  wait_for 60 is_open || log "Node $(cluster_value node) is not open for Pods after 60 s; last seen: ${LAST_SEEN:-no answer}"
}
is_open() {
  local answer
  answer="$(kube /etc/kubernetes/kubelet.conf get node "$(cluster_value node)" -o "${OPEN}" 2>&1)" || return 1
  answer="${answer##*$'\n'}"
  printf '%s' "${answer}"
  [[ "${answer}" == 'Ready True'* && ! "${answer}" =~ node.kubernetes.io/(not-ready|network-unavailable) ]] # a cordon is somebody's wish
}
is_healthy() { [[ "$(kubelet_found)" == active ]]; }
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
