#!/usr/bin/env bash
# uses: cluster-signs.sh kubectl.sh etcd-tools.sh etcd-members.sh
# This step hands the control plane's certificates to a host that joins as another one, through the cluster: kubeadm keeps them there in a Secret, under a key that only that host and
# the program have. No resource has this step: the join's hooks run it on the first control plane (cluster/hand-over.ts), those of init on another one (cluster/rejoin.ts).
# CLUSTER_ID, NEWCOMER (its Node's name), NEWCOMER_ADDRESS. apply: UPLOAD_CONFIG (text with the key: a secret), WITH_TOKEN (yes: it names a join token too, which is made; default no), KUBERNETES_VERSION (with which it joins; may be left out).
# undo: GAVE_UP (yes: the join has failed, and its etcd member goes too), TOKEN_ID (of that token, or left out).
takes_no_lock() { :; } # the joins come one after the other
readonly ADMIN=/etc/kubernetes/admin.conf CONFIG_FILE="${ROOT}/run/kubeadm-lab-${STEP}.yaml" # in memory (tmpfs), 0600
# kubeadm lets the Secret end after two hours by a bootstrap token that owns it, good for nothing else, and makes another one each time. Those of runs that were killed are known by their text.
readonly TOKENS='jsonpath={range .items[*]}{.metadata.name} {.data.description}{"\n"}{end}' OWNER_TEXT='Proxy for managing TTL for the kubeadm-certs secret'

at_exit() {
  rm -f -- "${CONFIG_FILE}"
  drop_kubectl_cache
}
# Whether this control plane can hand anything over, and whether it has the configuration that CONFIG_DIGEST (may be left out) stands for: another one is still to be applied.
check() {
  api_is_ready || differs 'API server' 'ready' 'no answer'
  [[ -z "${CONFIG_DIGEST:-}" || "$(cluster_value kubelet-config)" == "${CONFIG_DIGEST}" ]] || differs 'configuration' "${CONFIG_DIGEST}" "$(cluster_value kubelet-config)"
}
apply() {
  local answer
  expect_control_plane
  expect_version
  find_tools
  remove_left_member "${NEWCOMER}" "${NEWCOMER_ADDRESS}"
  rm -f -- "${CONFIG_FILE}"
  (umask 077 && printf '%s\n' "${UPLOAD_CONFIG}" >"${CONFIG_FILE}") || die "can't write ${CONFIG_FILE}"
  # It prints the key, at its end. Only its complaints are shown.
  answer="$(timeout 120 kubeadm init phase upload-certs --upload-certs --config "${CONFIG_FILE}" 2>&1)" ||
    die "kubeadm init phase upload-certs failed: $(printf '%s\n' "${answer}" | grep -Ei 'error|fail|timed out' | sed 's/[0-9a-f]\{64\}/<key>/g' | tail -n 2 | paste -s -d ' ')"
  [[ "${WITH_TOKEN:-no}" == no ]] || answer="$(timeout 60 kubeadm token create --config "${CONFIG_FILE}" 2>&1)" ||
    die "kubeadm token create failed: $(printf '%s\n' "${answer}" | grep -Ei 'error|fail|timed out' | sed 's/[a-z0-9]\{6\}\.[a-z0-9]\{16\}/<token>/g' | tail -n 2 | paste -s -d ' ')"
  leave_script # nothing of it is to be undone but by who has called it
}
# A host that joins brings its own kubelet, which must not be newer than this API server.
expect_version() {
  [[ -z "${KUBERNETES_VERSION:-}" || "$(cluster_version)" == "${KUBERNETES_VERSION}" ]] ||
    die "the cluster has Kubernetes $(cluster_version), and ${NEWCOMER} is to join with ${KUBERNETES_VERSION}. Nothing was changed. Set kubernetesVersion to $(cluster_version) and run pulumi up, then set it to ${KUBERNETES_VERSION}"
}
undo() {
  local owners=() name text owner_text answer status=0
  [[ -s "${ROOT}${ADMIN}" ]] || return 0
  if [[ "${GAVE_UP:-no}" == yes ]]; then (find_tools && remove_left_member "${NEWCOMER}" "${NEWCOMER_ADDRESS}") || status=1; fi
  owner_text="$(printf '%s' "${OWNER_TEXT}" | base64 -w 0)"
  while read -r name text; do
    [[ "${text}" != "${owner_text}" ]] || owners+=("${name}")
  done < <(kube "${ADMIN}" -n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token -o "${TOKENS}" 2>/dev/null || true)
  [[ -z "${TOKEN_ID:-}" ]] || owners+=("bootstrap-token-${TOKEN_ID}")
  answer="$(kube "${ADMIN}" -n kube-system delete secret kubeadm-certs "${owners[@]+"${owners[@]}"}" --ignore-not-found 2>&1)" || die "the Secret kubeadm-certs is still there, for two hours at most: ${answer##*$'\n'}"
  return "${status}"
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
