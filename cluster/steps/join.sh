#!/usr/bin/env bash
# uses: cluster-signs.sh folders.sh network-rules.sh kubectl.sh reset.sh kubeadm.sh kept-files.sh clock.sh kept-scripts.sh upgrade.sh api-address.sh etcd-tools.sh etcd-members.sh
# This step makes a host a worker, or one more control plane (ROLE: control-plane), by kubeadm join.
# CLUSTER_ID, JOIN_CONFIG (text with the token: a secret), IGNORE_PREFLIGHT_ERRORS, TIMEOUT_SECONDS,
# NODE_NAME, NODE_POD_CIDR (this Node's own range, or empty), MAXIMUM_CLOCK_SKEW_SECONDS (default 5).
# KUBELET_CONFIG: tells one configuration of the kubelets from another; HOST_INSTALLED one installation of the host (scripts.sh). KUBERNETES_VERSION, PAUSE_IMAGE: upgrade.sh; who sends this has drained the Node before (cluster/drain.ts).
# CLAIM_AS, KUBEADM_CONFIG (may be left out): the first control plane's host joins as what init made (cluster/rejoin.ts); KUBEADM_CONFIG where that is what the cluster has.
# A host that is in this cluster (same id, same CA) stays as it is, or is upgraded in place; one of a cluster since made anew, or half-joined, is reset first; somebody else's is not touched.
# It waits for nothing but the control plane: flannel is another step's work, which may have to wait for this one's end (docs/design.md).
# Prints a line `node version`. undo resets.

wanted_ca() { [[ ! "${JOIN_CONFIG}" =~ sha256:[0-9a-f]{64} ]] || printf '%s' "${BASH_REMATCH[0]}"; }
is_joined() { is_done && [[ "$(cluster_value ca) $(cluster_role)" == "$(wanted_ca) ${ROLE:-worker}" ]]; }
check() {
  local found
  if is_joined; then
    found="$(server_in "${KUBELET_CONF}")"
    [[ -z "${found}" || -z "$(wanted_server)" || "${found}" == "$(wanted_server)" ]] || differs 'API server' "$(wanted_server)" "${found}"
  else
    differs 'cluster' "${CLUSTER_ID}" "$(cluster_value id) ($(cluster_value ca))"
    ! cluster_is_claimed || [[ -n "$(cluster_value finished)" ]] || differs 'join' 'ended' 'cut off'
  fi
  found="$(unit_active kubelet.service)"
  [[ "${found}" == active ]] || differs 'kubelet running' 'active' "${found}"
}
apply() {
  local end
  if is_joined; then
    own "${CLUSTER}"
    expect_same_version
    if needs_upgrade || has_other_config; then upgrade_member; fi
    [[ "$(cluster_value kubelet-config)" == "${KUBELET_CONFIG:-}" ]] || set_cluster_value kubelet-config "${KUBELET_CONFIG:-}"
    follow_endpoint
    [[ "$(unit_active kubelet.service)" == active ]] || start_unit kubelet.service || die 'the kubelet does not start; see journalctl -u kubelet'
  else
    expect_same_role
    compare_clocks
    start_afresh "${ROLE:-worker}" "${JOIN_CONFIG}"
    uptime_now
    end=$((UPTIME + TIMEOUT_SECONDS)) # what it took to leave an old cluster does not count
    join_until "${end}"
    uptime_now
    [[ -z "${NODE_POD_CIDR}" ]] || give_node_pod_cidr "${KUBELET_CONF}" "${NODE_NAME}" "${NODE_POD_CIDR}" $((end - UPTIME))
    set_cluster_value ca "$(wanted_ca)"
    [[ -z "${KUBERNETES_VERSION:-}" ]] || set_cluster_value version "${KUBERNETES_VERSION}"
    set_cluster_value kubelet-config "${KUBELET_CONFIG:-}"
    [[ -z "${KUBEADM_CONFIG:-}" ]] || set_cluster_value config "$(checksum "${KUBEADM_CONFIG}")"
    set_cluster_value finished yes
    set_cluster_value by "${CLAIMS_AS}" # behind it: before, one that is cut off here would pass for a cluster that was begun
  fi
  version_line
}
# One that goes on in the other role would leave an etcd member behind, or come back as one without data.
expect_same_role() {
  [[ -z "$(cluster_value finished)" || "$(cluster_value id) $(cluster_value step)" != "${CLUSTER_ID} ${CLAIMS_AS}" || "$(cluster_role)" == "${ROLE:-worker}" ]] ||
    die "this host is a $(cluster_role) of ${CLUSTER_ID}, expected a ${ROLE:-worker}, or none. Nothing was changed. Take it out of hosts, run pulumi up, then write it in again with its other role"
}
# The control planes answer under another address now.
follow_endpoint() {
  local found wanted
  found="$(server_in "${KUBELET_CONF}")" wanted="$(wanted_server)"
  [[ -n "${found}" && -n "${wanted}" && "${found}" != "${wanted}" ]] || return 0
  lock_kept "${LOCK_SECONDS}" # the kubelet step would put the old file back
  rm -rf -- "${KEPT:?}/files" # of a run that ends here: else the kubelet step puts the old address back
  : >"${KEPT}/restart"        # and does what is left
  point_at "${found}" "${wanted}"
  keep_files
  restart_unit kubelet.service || die 'the kubelet does not restart; see journalctl -u kubelet'
  wait_for 60 kubelet_answers || die "the kubelet was restarted for ${wanted}, and has not answered at ${HEALTHZ} in 60 s. See journalctl -u kubelet"
  rm -f -- "${KEPT}/restart"
}
# A host of a version before this does not say which it has.
has_other_config() {
  local had
  had="$(cluster_value kubelet-config)"
  [[ -n "${KUBERNETES_VERSION:-}" && -n "${had}" && "${had}" != "${KUBELET_CONFIG:-}" ]]
}
upgrade_member() {
  local before config
  expect_kubeadm
  if [[ "${ROLE:-worker}" == control-plane ]]; then expect_first_upgraded; else expect_newer_control_plane; fi
  expect_drained
  if needs_upgrade; then log "upgrading this Node in place: $(cluster_version) -> ${KUBERNETES_VERSION}"; else log 'kubelet configuration: another one; its kubelet takes it'; fi
  begin_upgrade
  if [[ "${ROLE:-worker}" == control-plane ]]; then
    lock_kept "${LOCK_SECONDS}" # a renewal of certificates would stop etcd or the API server in the middle
    keep_backup_names
    run_kubeadm "${APPLY_SECONDS}" upgrade node --certificate-renewal=false || upgrade_failed "${APPLY_SECONDS}"
    wait_for "${TIMEOUT_SECONDS}" api_is_ready || die "this control plane has ${KUBERNETES_VERSION}, and its API server is not ready after ${TIMEOUT_SECONDS} s. See $(list_containers)"
    remove_backups
    config="$(own_configuration)" # on a line of its own: its end would be nobody's otherwise
    certify_names "${config}"
    before="$(static_pods)"
    bring_kubelet
    wait_until_settled "${before}" # else the next one begins while this etcd is away
  else
    run_kubeadm "${TIMEOUT_SECONDS}" upgrade node || upgrade_failed "${TIMEOUT_SECONDS}"
    bring_kubelet
  fi
}
cluster_configuration() { kube "${KUBELET_CONF}" -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}'; }
# What the first control plane has put on the cluster, and what is this host's own of it.
own_configuration() {
  local found pattern='advertiseAddress: *"?([0-9.]+)' version='apiVersion: *([^[:space:]]+)'
  found="$(cluster_configuration 2>&1)" || die "the API server does not answer: ${found##*$'\n'}"
  [[ "${found}" =~ ${version} ]] || die "ConfigMap kubeadm-config: found no ClusterConfiguration: ${found:0:200}"
  printf '%s\n---\napiVersion: %s\nkind: InitConfiguration\n' "${found}" "${BASH_REMATCH[1]}"
  [[ ! "${JOIN_CONFIG}" =~ ${pattern} ]] || printf 'localAPIEndpoint:\n  advertiseAddress: %s\n' "${BASH_REMATCH[1]}"
  printf 'nodeRegistration:\n  name: %s\n  criSocket: "%s"\n' "${NODE_NAME}" "$(cluster_value socket)"
}
upgrade_failed() { die "kubeadm upgrade node failed (bound: $1 s): ${LAST_SEEN}. Run pulumi up again: it goes on there"; } # SECONDS
# kubeadm goes by the version that the cluster has on record, which the first control plane writes; only this host may be asked for (--target).
expect_first_upgraded() {
  local found pattern='kubernetesVersion: *v?([0-9.]+)'
  found="$(cluster_configuration 2>/dev/null)" || found=''
  [[ ! "${found}" =~ ${pattern} || "${BASH_REMATCH[1]}" == "${KUBERNETES_VERSION}" ]] ||
    die "the cluster has Kubernetes ${BASH_REMATCH[1]}, expected ${KUBERNETES_VERSION} there first. Nothing was changed. Run pulumi up for the whole stack"
}
# A kubelet must not be newer than its API server, as it would be where only this host is asked for (--target).
expect_newer_control_plane() {
  local found minor="${KUBERNETES_VERSION#*.}" pattern='"gitVersion": *"v1\.([0-9]+)\.'
  found="$(kube "${KUBELET_CONF}" get --raw /version 2>/dev/null)" || found=''
  [[ ! "${found}" =~ ${pattern} ]] || ((${minor%%.*} <= BASH_REMATCH[1])) ||
    die "the API server has Kubernetes 1.${BASH_REMATCH[1]}, expected ${KUBERNETES_VERSION} there first. Nothing was changed. Run pulumi up for the whole stack"
}
# Once the new kubelet is installed, the rest is done whatever the Node says.
expect_drained() {
  local answer
  [[ "$(kubelet_version)" != "${KUBERNETES_VERSION}" ]] || return 0
  answer="$(kube "${KUBELET_CONF}" get node "${NODE_NAME}" -o 'jsonpath={.metadata.annotations.kubeadm-lab/upgrade}' 2>&1)" || true
  [[ "${answer##*$'\n'}" == "${KUBERNETES_VERSION} drained" ]] || die "Node ${NODE_NAME} was not drained for ${KUBERNETES_VERSION} (found: ${answer:-nothing}), and is not upgraded. Nothing was changed. The program drains it through the API server: run pulumi up again when that answers"
}
# A host that died as a Ready Node, and comes back empty, is refused until the control plane has missed it (40 s). Anything else does not heal by waiting.
join_until() { # END: in UPTIME
  until uptime_now && begin_kubeadm $(($1 - UPTIME)) "${JOIN_CONFIG}" join; do
    { [[ "${LAST_SEEN}" == *'already exists in the cluster'* ]] && is_before $(($1 - 10)); } || die "kubeadm join failed (bound: ${TIMEOUT_SECONDS} s): ${LAST_SEEN}"
    log "Node ${NODE_NAME} is still Ready from before; trying again in 5 s"
    rm -f -- "${ROOT}/etc/kubernetes/pki/ca.crt" "${ROOT}/etc/kubernetes/bootstrap-kubelet.conf" # written before it was refused; the next try wants neither there
    [[ "${ROLE:-worker}" != control-plane ]] || rm -f -- "${ROOT}"/etc/kubernetes/manifests/{etcd,kube-apiserver,kube-controller-manager,kube-scheduler}.yaml
    sleep 5
  done
}
# A certificate of a control plane that is ahead is not valid yet here.
compare_clocks() {
  local pattern='apiServerEndpoint:[[:space:]]*"?([^"[:space:]]+)' bound="${MAXIMUM_CLOCK_SKEW_SECONDS:-5}" offset
  [[ "${JOIN_CONFIG}" =~ ${pattern} ]] || return 0
  offset="$(seconds_ahead "https://${BASH_REMATCH[1]}/version")" || return 0 # kubeadm says it better when there is no answer
  ((${offset#-} <= bound)) || die "clock: ${offset} s from the control plane's (${BASH_REMATCH[1]}), expected at most ${bound} s. Set it: chronyc makestep, or date -s"
}
undo() {
  release_own
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
