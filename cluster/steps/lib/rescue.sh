#!/usr/bin/env bash
# A control plane that was installed anew is made again from what `npm run etcd -- restore` has laid down here: the CAs and keys of the one that it was, and a snapshot of its etcd.
# With the same CAs everybody's certificates stay good, so workers come back without a join.
readonly RESCUE="${STATE}/rescue" # name: the snapshot's, written last; NAME.db, NAME.about, pki.tar: see RESCUE_FILES
readonly PKI=/etc/kubernetes/pki RESCUE_FILES=(ca.crt ca.key sa.key sa.pub front-proxy-ca.crt front-proxy-ca.key etcd/ca.crt etcd/ca.key) # all else in PKI kubeadm signs anew with these

is_to_be_rescued() { [[ -s "${RESCUE}/name" ]]; }
print_pki() { # a tar of them in base64
  local file
  for file in "${RESCUE_FILES[@]}"; do
    [[ -f "${ROOT}${PKI}/${file}" ]] || die "no ${PKI}/${file} on this host, without which a control plane can't be made anew from a snapshot. Bring it back, then run this again"
  done
  tar -C "${ROOT}${PKI}" -c -- "${RESCUE_FILES[@]}" | base64 -w 0
  printf '\n'
}
lay_pki() {
  mkdir -p -- "${ROOT}${PKI}/etcd"
  (umask 077 && tar -C "${ROOT}${PKI}" --no-same-owner --no-overwrite-dir -x -f "${RESCUE}/pki.tar" -- "${RESCUE_FILES[@]}") || die "can't write ${PKI}: the line above says why"
}
# All that speaks against it, before anything is changed.
expect_fitting_rescue() {
  local name about version
  name="$(<"${RESCUE}/name")" version="$(kubeadm version -o short 2>/dev/null)" || version=''
  about="${RESCUE}/${name}.about"
  [[ "$(value_in "${about}" cluster)" == "${CLUSTER_ID}" ]] ||
    die "the snapshot that was laid down here, ${name}, is of cluster $(value_in "${about}" cluster), expected ${CLUSTER_ID}. Nothing was changed. Lay down one of this cluster: npm run etcd -- restore STACK FILE"
  [[ "v$(value_in "${about}" kubernetes)" == "${version}" ]] ||
    die "the snapshot that was laid down here, ${name}, is of Kubernetes $(value_in "${about}" kubernetes), and kubeadm is ${version:-not there}. Nothing was changed. Set kubernetesVersion to that of the snapshot, or lay down another one: npm run etcd -- restore STACK FILE"
}
# The snapshot's data are there before etcd first starts. An API server on an empty etcd would tell kubelets, which its certificates let in, that they have no Pods: they would end them all.
lay_data() {
  local name image address pattern='advertiseAddress:[[:space:]]*"?([0-9a-fA-F.:]+)'
  name="$(<"${RESCUE}/name")"
  [[ "${KUBEADM_CONFIG}" =~ ${pattern} ]] || die 'the kubeadm configuration names no advertiseAddress'
  address="https://${BASH_REMATCH[1]}:2380"
  write_config "${KUBEADM_CONFIG}" || die "can't write ${CONFIG_FILE}"
  image="$(timeout 60 kubeadm config images list --config "${CONFIG_FILE}" 2>/dev/null | grep -m 1 '/etcd:')" || die 'kubeadm config images list names no image of etcd'
  find_tools_in "${image}"
  mkdir -p -- "${ROOT}${ETCD_DATA}"
  chmod 0700 -- "${ROOT}${ETCD_DATA}"
  clear_work_folder
  restored_into "${WORK_FOLDER}/making" "${RESCUE}/${name}.db" "$(value_in "${RESCUE}/${name}.about" revision)" "${NODE_NAME}" "${address}" || die "etcd can't restore ${name}: ${LAST_SEEN}. Lay down another one: npm run etcd -- restore STACK FILE"
  mv -T -- "${WORK_FOLDER}/making/member" "${ROOT}${ETCD_DATA}/member"
  rm -rf -- "${WORK_FOLDER:?}"
  log "etcd begins with the data of ${name}"
  has_bump || log 'this etcd is older than 3.5.10: restart the kubelets (systemctl restart kubelet) and what watches the API server, which do not notice the restore'
}
end_rescue() { rm -rf -- "${RESCUE:?}"; }
