#!/usr/bin/env bash
# Copies of what kubeadm left on a Node's host: the kubelet step compares with them and puts them back. init and join keep them anew when they bring the host to something else.
readonly KUBELET_FILES=(/var/lib/kubelet/kubeadm-flags.env /var/lib/kubelet/config.yaml /etc/kubernetes/kubelet.conf /etc/sysconfig/kubelet)

keep_files() {
  local path
  rm -rf -- "${KEPT:?}/new"
  (umask 077 && mkdir -p -- "${KEPT}/new")
  for path in "${KUBELET_FILES[@]}" /etc/kubernetes/manifests/{etcd,kube-apiserver,kube-controller-manager,kube-scheduler}.yaml; do
    [[ -f "${ROOT}${path}" ]] || continue
    encode "${path}"
    cp -a -- "${ROOT}${path}" "${KEPT}/new/${ENCODED}"
  done
  rm -rf -- "${KEPT:?}/files" # one that is cut off here has none, and the kubelet step keeps what is there then
  mv -T -- "${KEPT}/new" "${KEPT}/files"
}
