#!/usr/bin/env bash
# uses: cluster-signs.sh folders.sh network-rules.sh kubectl.sh reset.sh kubeadm.sh
# This step makes a host the control plane, by kubeadm init.
# CLUSTER_ID, KUBEADM_CONFIG (text), IGNORE_PREFLIGHT_ERRORS, TIMEOUT_SECONDS, NODE_NAME, NODE_POD_CIDR (this Node's own range, or empty).
# A cluster that is done is never reset, also when its API server does not answer; one that a killed run left half-done is reset first; somebody else's is not touched.
# Prints the CA's hash (sha256:...), which joins pin, and a line `node version`. undo resets.
readonly ADMIN_CONF=/etc/kubernetes/admin.conf

api_answers() { kube "${ADMIN_CONF}" get --raw /readyz; }
check() {
  if [[ "$(cluster_value id)" != "${CLUSTER_ID}" || -z "$(cluster_value finished)" ]]; then
    differs 'cluster' "${CLUSTER_ID}" "$(cluster_value id)$(cluster_is_claimed && [[ -z "$(cluster_value finished)" ]] && printf ' (half-done)')"
  else
    api_answers >/dev/null 2>&1 || differs 'API server' 'ready' 'no answer'
  fi
}
apply() {
  if is_done; then
    own "${CLUSTER}"
    keep_going
  else
    start_afresh control-plane "${KUBEADM_CONFIG}"
    run_kubeadm "${TIMEOUT_SECONDS}" "${KUBEADM_CONFIG}" init --skip-token-print || die "kubeadm init failed (bound: ${TIMEOUT_SECONDS} s): ${LAST_SEEN}"
    finish_init
  fi
  cluster_value ca && printf '\n'
  version_line
}
keep_going() {
  [[ "$(cluster_value config)" == "$(checksum "${KUBEADM_CONFIG}")" ]] || log 'kubeadm configuration: not the one that made this cluster; the cluster stays as it is. To use the new one: destroy, then up'
  wait_for 5 api_answers && return 0
  start_unit kubelet.service || true
  wait_for "${TIMEOUT_SECONDS}" api_answers || die "the cluster is there, but its API server has not answered in ${TIMEOUT_SECONDS} s; last: ${LAST_SEEN}. It was not reset. See journalctl -u kubelet and $(list_containers)"
}
# kubeadm leaves a token that is good for 24 hours; joins get their own, for minutes. Its end and the Pod CIDR side by side: each kubectl takes 0.2 s.
finish_init() {
  local hash removal
  hash="$(grep -Eo 'sha256:[0-9a-f]{64}' -- "${CLUSTER}/kubeadm.log" | tail -n 1)" || die 'kubeadm printed no CA hash: is this a release that init.sh knows?'
  remove_token &
  removal="$!"
  [[ -z "${NODE_POD_CIDR}" ]] || give_node_pod_cidr "${ADMIN_CONF}" "${NODE_NAME}" "${NODE_POD_CIDR}" 60
  wait "${removal}" || die "kubeadm's own join token is still there: the line above says why"
  set_cluster_value ca "${hash}"
  set_cluster_value config "$(checksum "${KUBEADM_CONFIG}")"
  set_cluster_value finished yes
}
remove_token() {
  wait_for 60 kube "${ADMIN_CONF}" -n kube-system delete secret --field-selector type=bootstrap.kubernetes.io/token && return 0
  log "kubectl delete secret: ${LAST_SEEN}"
  return 1
}
undo() {
  release_own
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
