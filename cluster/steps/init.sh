#!/usr/bin/env bash
# uses: cluster-signs.sh folders.sh network-rules.sh kubectl.sh reset.sh kubeadm.sh kept-files.sh kept-scripts.sh upgrade.sh etcd-tools.sh etcd-members.sh etcd-data.sh rescue.sh certificates.sh api-address.sh
# This step makes a host the control plane, by kubeadm init.
# CLUSTER_ID, KUBEADM_CONFIG (text), IGNORE_PREFLIGHT_ERRORS, TIMEOUT_SECONDS, NODE_NAME, NODE_POD_CIDR (this Node's own range, or empty).
# KUBERNETES_VERSION, PAUSE_IMAGE: upgrade.sh. A cluster that is done is brought to another version or configuration in place, by kubeadm upgrade apply, after a snapshot of its etcd.
# HOST_INSTALLED: tells one installation of the host from another (scripts.sh). One that was installed anew is made the same control plane again from a snapshot (rescue.sh), and is none without it.
# Where other control planes go on it joined them before this step ran, and this step finds it done (cluster/rejoin.ts).
# It is never reset, also when its API server does not answer; one that a killed run left half-done is reset first; somebody else's is not touched.
# Prints the CA's hash (sha256:...), which joins pin, and a line `node version`. undo resets.
readonly ADMIN_CONF=/etc/kubernetes/admin.conf
readonly CHANGES_KEPT=5 # snapshots of etcd from before a change: of these the oldest go

api_answers() { kube "${ADMIN_CONF}" get --raw /readyz; }
check() {
  if [[ "$(cluster_value id)" != "${CLUSTER_ID}" || -z "$(cluster_value finished)" ]]; then
    differs 'cluster' "${CLUSTER_ID}" "$(cluster_value id)$(cluster_is_claimed && [[ -z "$(cluster_value finished)" ]] && printf ' (half-done)')"
  else
    api_answers >/dev/null 2>&1 || differs 'API server' 'ready' 'no answer'
  fi
}
apply() {
  local hash
  if is_done; then
    own "${CLUSTER}"
    end_rescue # of a run that was killed just before it
    keep_going
  else
    expect_no_other_answer
    expect_not_half_joined
    if is_to_be_rescued; then expect_fitting_rescue; else expect_first_time; fi
    start_afresh control-plane "${KUBEADM_CONFIG}"
    if is_to_be_rescued; then
      lay_pki
      lay_data
    fi
    log 'kubeadm init begins the cluster' # whatever ends it from here on, its error names the host
    begin_kubeadm "${TIMEOUT_SECONDS}" "${KUBEADM_CONFIG}" init --skip-token-print || die "kubeadm init failed (bound: ${TIMEOUT_SECONDS} s): ${LAST_SEEN}"
    hash="$(grep -Eo 'sha256:[0-9a-f]{64}' -- "${CLUSTER}/kubeadm.log" | tail -n 1)" || die 'kubeadm printed no CA hash: is this a release that init.sh knows?'
    finish_init "${hash}"
    end_rescue
  fi
  cluster_value ca && printf '\n'
  version_line
}
# A second cluster under the address of one that goes on would be worse than one without this host.
expect_no_other_answer() {
  local server code
  server="$(wanted_server)"
  [[ -n "${server}" ]] && ! cluster_is_claimed || return 0 # one that a killed run left half-done answers itself
  code="$(curl --silent --insecure --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' -- "${server}/readyz")" || true
  [[ "${code}" != 200 ]] ||
    die "an API server answers at ${server}, and this host is in no cluster. Nothing was changed. Where other control planes of this cluster go on: their hosts must be reached by SSH, then pulumi up joins this one there. Where it is another cluster's: choose another address for apiEndpoint"
}
# Nor may one begin while those that have the data are away.
expect_not_half_joined() {
  [[ "$(cluster_value step) $(cluster_value by)" != 'init join' || -n "$(cluster_value finished)" ]] ||
    die "this host was joining the other control planes of ${CLUSTER_ID} when a run was cut off, and none of them is there to go on with: none is reached, or none of those that are has an API server that is ready. Nothing was changed. Bring them up, then run pulumi up: it goes on there"
}
# Of a control plane that the state knows nothing may be made anew by the way: what its workers run would be lost.
expect_first_time() {
  [[ "${AGAIN:-no}" == no ]] || cluster_is_claimed ||
    die "this host was the control plane of ${CLUSTER_ID}, and is in no cluster any more: it was installed anew, or reset by somebody else. Nothing was changed. To bring the cluster back from a snapshot that was fetched: npm run etcd -- restore STACK FILE, then pulumi up. To begin anew, with all that ran on it gone: pulumi up --replace '**-control-plane-init'"
}
keep_going() {
  expect_same_version
  if ! wait_for 5 api_answers; then
    start_unit kubelet.service || true
    wait_for "${TIMEOUT_SECONDS}" api_answers || die "the cluster is there, but its API server has not answered in ${TIMEOUT_SECONDS} s; last: ${LAST_SEEN}. It was not reset. See journalctl -u kubelet and $(list_containers)"
  fi
  if needs_upgrade || [[ "$(cluster_value config)" != "$(checksum "${KUBEADM_CONFIG}")" ]]; then change_cluster; fi
}
change_cluster() {
  local wanted from before
  lock_kept "${LOCK_SECONDS}" # a renewal of certificates would stop etcd or the API server in the middle
  [[ -n "${KUBERNETES_VERSION:-}" ]] || {
    log 'kubeadm configuration: not the one that made this cluster; the cluster stays as it is. To use the new one: onVersionChange: upgrade, or destroy, then up'
    return 0
  }
  expect_kubeadm
  expect_movable
  wanted="${KUBERNETES_VERSION} $(checksum "${KUBEADM_CONFIG}")" from="$(cluster_version)"
  snapshot_first "${wanted}"
  begin_upgrade
  if [[ "$(cluster_value upgraded)" != "${wanted}" ]]; then
    if [[ "${from}" == "${KUBERNETES_VERSION}" ]]; then log 'kubeadm configuration: not the one that the cluster has; it is applied in place'; else log "upgrading the control plane in place: ${from} -> ${KUBERNETES_VERSION}"; fi
    keep_backup_names
    prepare_move
    certify_names "${KUBEADM_CONFIG}"
    upload_configuration "${from}"
    # Certificates are the kubelet and the kubeconfig step's: renewed here, the stack's own kubeconfig would be another in the middle.
    apply_upgrade || die "kubeadm upgrade apply failed (bound: ${APPLY_SECONDS} s): ${LAST_SEEN}. Run pulumi up again: it goes on there. The snapshot of before: npm run etcd -- list"
    wait_for "${TIMEOUT_SECONDS}" api_answers || die "the control plane has ${KUBERNETES_VERSION}, and its API server has not answered in ${TIMEOUT_SECONDS} s; last: ${LAST_SEEN}. See $(list_containers)"
    remove_backups
    # It reads its configuration when it starts; with another version, or another address, it starts anew anyway.
    [[ "${from}" != "${KUBERNETES_VERSION}" ]] || moves || restart_kube_proxy
    move_endpoint
    set_cluster_value upgraded "${wanted}"
  fi
  before="$(static_pods)"
  bring_kubelet
  wait_until_settled "${before}"
  set_cluster_value config "$(checksum "${KUBEADM_CONFIG}")"
}
# Where a run was cut off, the control plane may just be coming back: kubeadm gives the Job that it tries first 15 s, which is too short for that.
apply_upgrade() {
  local end ignored
  uptime_now
  end=$((UPTIME + TIMEOUT_SECONDS))
  ignored="$(ignored_errors)"
  until run_kubeadm "${APPLY_SECONDS}" upgrade apply "v${KUBERNETES_VERSION}" --yes --certificate-renewal=false ${ignored:+--ignore-preflight-errors "${ignored}"}; do
    { [[ "${LAST_SEEN}" == *CreateJob* ]] && is_before "${end}"; } || return 1
    log "the cluster does not run a Job yet; trying again in 5 s (bound: ${TIMEOUT_SECONDS} s)"
    sleep 5
  done
}
# What the cluster keeps of its configuration is what kubeadm upgrade goes by. It names the version that there is until that is another one.
upload_configuration() { # FROM
  local config
  config="$(printf '%s\n' "${KUBEADM_CONFIG}" | sed "s/^kubernetesVersion: .*/kubernetesVersion: v$1/")"
  write_config "${config}" || die "can't write ${CONFIG_FILE}"
  run_kubeadm 120 init phase upload-config all --config "${CONFIG_FILE}" || die "kubeadm init phase upload-config failed: ${LAST_SEEN}"
  run_kubeadm 120 init phase addon kube-proxy --config "${CONFIG_FILE}" || die "kubeadm init phase addon kube-proxy failed: ${LAST_SEEN}"
  rm -f -- "${CONFIG_FILE}"
}
snapshot_first() { # WANTED: once for each change, however often it is tried
  [[ "$(cluster_value snapshot)" != "$1" ]] || return 0
  (take_snapshot upgrade && log "snapshot of etcd before the change: ${TAKEN}" && prune_snapshots upgrade "${CHANGES_KEPT}") ||
    die 'no snapshot of etcd before the change: the lines above say why. Nothing was changed'
  set_cluster_value snapshot "$1"
}
# kubeadm leaves a token that is good for 24 hours; joins get their own, for minutes. Its end and the Pod CIDR side by side: each kubectl takes 0.2 s.
finish_init() { # CA
  local removal
  remove_token &
  removal="$!"
  [[ -z "${NODE_POD_CIDR}" ]] || give_node_pod_cidr "${ADMIN_CONF}" "${NODE_NAME}" "${NODE_POD_CIDR}" 60
  wait "${removal}" || die "kubeadm's own join token is still there: the line above says why"
  set_cluster_value ca "$1"
  set_cluster_value config "$(checksum "${KUBEADM_CONFIG}")"
  [[ -z "${KUBERNETES_VERSION:-}" ]] || set_cluster_value version "${KUBERNETES_VERSION}"
  set_cluster_value finished yes
}
remove_token() {
  wait_for 60 kube "${ADMIN_CONF}" -n kube-system delete secret --field-selector type=bootstrap.kubernetes.io/token && return 0
  log "kubectl delete secret: ${LAST_SEEN}"
  return 1
}
undo() {
  release_own
  end_rescue # of which nobody wants a control plane any more
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
