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
# Over the new and empty etcd that kubeadm init has made.
restore_rescued() {
  NAME="$(<"${RESCUE}/name")"
  (umask 077 && mkdir -p -- "${SNAPSHOTS}")
  cp -p -- "${RESCUE}/${NAME}.about" "${RESCUE}/${NAME}.db" "${SNAPSHOTS}/" || die "can't write ${SNAPSHOTS}: the line above says why"
  restore_snapshot >/dev/null
  has_bump || log 'this etcd is older than 3.5.10: restart the kubelets (systemctl restart kubelet) and what watches the API server, which do not notice the restore'
}
end_rescue() { rm -rf -- "${RESCUE:?}"; }
