#!/usr/bin/env bash
# How a snapshot becomes the data of the etcd on this host again, in the place and under the certificates that are there.
# Each state on the way can be seen in the file system, and the same restore run again goes on from it:
#   WORK_FOLDER/new/member            made from the snapshot; etcd still has its own data
#   WORK_FOLDER/new and old/member    in between the two renames: a data folder beside them is none that anybody wrote in
#   WORK_FOLDER/old/member            etcd has the restored data; the old is thrown away when the cluster answers, else it comes back
# ASIDE has the snapshot's name, and the static Pods' manifests while they are away.
readonly ASIDE="${CLUSTER}/restore"
readonly STATIC_PODS=(etcd kube-apiserver kube-controller-manager kube-scheduler)
readonly STOP_SECONDS=180 START_SECONDS=300 # an API server ends its requests first, and has 30 s before it is killed; kubeadm waits 240 for its start

is_newer() { [[ "$1" != "$2" && "$(printf '%s\n' "$1" "$2" | sort -V | tail -n 1)" == "$1" ]]; } # VERSION THAN
refuse() { die "snapshot ${NAME}: $*. Nothing was changed"; }
# All that speaks against it, before anything is changed.
expect_restorable() {
  local file="${SNAPSHOTS}/${NAME}.db" list found
  expect_control_plane
  list="$(snapshot_names | tail -n 5 | paste -s -d ' ')"
  [[ -f "${file}" ]] || die "no snapshot ${NAME} on this host; the last ones are: ${list:-none}. See npm run etcd -- list"
  found="$(about "${NAME}" ca)"
  [[ "${found}" == "$(ca_digest)" ]] ||
    refuse "it is of cluster $(about "${NAME}" cluster) with CA ${found:0:19}..., expected $(cluster_value id) with CA $(ca_digest | cut -c 1-19)...: no certificate and no token in it is good here. Choose one of this cluster: npm run etcd -- list"
  found="$(version_in_tag "$(image_of etcd)")"
  ! is_newer "$(about "${NAME}" etcd | cut -d . -f 1,2)" "${found%.*}" || refuse "it is of etcd $(about "${NAME}" etcd), expected ${found} or older, which runs here. Choose an older snapshot: npm run etcd -- list"
  is_whole "${file}" || refuse "it is damaged or cut short: found $(stat -c %s -- "${file}") bytes whose SHA-256 is not the one at their end, expected $(about "${NAME}" size) bytes as etcd sent them. Choose another one: npm run etcd -- list"
  [[ "$(unit_active kubelet.service)" == active ]] || die "the kubelet is $(unit_active kubelet.service), expected active: it stops and starts etcd. Nothing was changed. First: systemctl start kubelet"
  find_tools
  expect_only_member
  expect_room "${ROOT}${ETCD_DATA}" $((2 * $(stat -c %s -- "${file}") + 64 * 1048576))
}
# The others would go on with data of their own. Where etcd does not answer, the endpoint's configuration says how many there are.
expect_only_member() {
  local list count
  list="$(ask_etcd 20 member list -w simple 2>/dev/null)" || list="$(sed -n 's/^ *server //p' -- "${ROOT}/etc/haproxy/haproxy.cfg" 2>/dev/null || true)"
  count="$(printf '%s\n' "${list}" | grep -c .)" || true
  ((count <= 1)) || refuse "this etcd has ${count} members, expected this one alone: a snapshot is restored onto one control plane. Take the others out of hosts first, then pulumi up; they join again afterwards"
}
# What a person wants to know before they say yes: lines of KEY tab VALUE.
look_before() {
  local now
  expect_restorable
  now="$(revision_now)"
  printf '%s\t%s\n' taken "$(about "${NAME}" taken)" revision "$(about "${NAME}" revision)" now "${now:-unknown}"
  [[ ! -e "${ASIDE}/name" ]] || printf 'cut off\t%s\n' "$(<"${ASIDE}/name")"
  [[ -z "${now}" ]] || created_since "$(about "${NAME}" taken)" "$(about "${NAME}" revision)"
}
# Objects that the cluster has, and the snapshot has not, by second and revision: one that was changed later, and made in the very second of the snapshot, may be told too.
created_since() { # TIME REVISION
  local kind answer
  for kind in nodes namespaces deployments daemonsets statefulsets services configmaps secrets persistentvolumeclaims pods; do
    answer="$(kube /etc/kubernetes/admin.conf get "${kind}" --all-namespaces --no-headers -o 'custom-columns=T:.metadata.creationTimestamp,V:.metadata.resourceVersion,K:.kind,N:.metadata.namespace,M:.metadata.name' 2>/dev/null)" || {
      printf 'unknown\t%s\n' "${kind}"
      continue
    }
    printf '%s\n' "${answer}" | awk -v since="$1" -v revision="$2" '$1 >= since && $2 + 0 > revision + 0 { print "created\t" $3, ($4 == "<none>" ? "" : $4 "/") $5 }'
  done
}

restore_snapshot() {
  local since
  expect_restorable
  lock_kept "${LOCK_SECONDS}" # the kubelet step puts manifests back
  lock_snapshots
  take_back_another
  (umask 077 && mkdir -p -- "${MANIFESTS_ASIDE}")
  printf '%s' "${NAME}" >"${ASIDE}/name"
  [[ -d "${WORK_FOLDER}/old/member" ]] || make_data
  stop_control_plane || {
    start_control_plane
    die "${LAST_SEEN} did not stop in ${STOP_SECONDS} s, and was left as it was. See $(list_containers); then run this again"
  }
  put_in_restored
  log "etcd has the data of ${NAME}; starting"
  since="$(date -u +%FT%TZ)"
  start_control_plane
  wait_for "${START_SECONDS}" answers || give_up "the cluster did not answer in ${START_SECONDS} s with the data of the snapshot; last: ${LAST_SEEN}"
  mv -T -- "${WORK_FOLDER}/old" "${WORK_FOLDER}/gone" # first: what is half removed must not come back
  rm -rf -- "${WORK_FOLDER:?}" "${ASIDE:?}"
  log "the cluster answers at revision $(revision_now)"
  wait_for_nodes "${since}"
  has_bump || printf 'clients are to be started again\n'
}
# Another restore was cut off here, and this one is of another snapshot: first its own data back.
take_back_another() {
  [[ -e "${ASIDE}/name" && "$(<"${ASIDE}/name")" != "${NAME}" ]] || return 0
  log "the restore of $(<"${ASIDE}/name") was cut off: taken back first"
  stop_control_plane || die "${LAST_SEEN} did not stop in ${STOP_SECONDS} s; see $(list_containers)"
  take_out_restored
  start_control_plane
  rm -rf -- "${WORK_FOLDER:?}" "${ASIDE:?}"
}
make_data() {
  clear_work_folder
  restored_into "${WORK_FOLDER}/making" "${SNAPSHOTS}/${NAME}.db" "$(about "${NAME}" revision)" "$(etcd_flag name)" "$(etcd_flag initial-advertise-peer-urls)" || {
    rm -rf -- "${WORK_FOLDER:?}" "${ASIDE:?}"
    refuse "etcd can't restore it: ${LAST_SEEN}. Choose another one: npm run etcd -- list"
  }
  mv -T -- "${WORK_FOLDER}/making" "${WORK_FOLDER}/new"
}
# Without that the kubelets are restarted first, or they would not hear that these Pods are to end.
renew_pods() {
  local label
  for label in 'k8s-app in (kube-proxy,kube-dns)' app=flannel; do
    kube /etc/kubernetes/admin.conf delete pods --all-namespaces --wait=false -l "${label}" >&2 || die "can't delete the Pods with ${label}: see kubectl get pods --all-namespaces"
  done
}
stop_control_plane() {
  local pod file
  for pod in "${STATIC_PODS[@]}"; do
    file="${ROOT}${MANIFESTS}/${pod}.yaml"
    [[ -e "${file}" ]] || continue
    cp -a -- "${file}" "${MANIFESTS_ASIDE}/.new"
    mv -f -- "${MANIFESTS_ASIDE}/.new" "${MANIFESTS_ASIDE}/${pod}.yaml"
    rm -f -- "${file}"
  done
  wait_for "${STOP_SECONDS}" is_stopped
}
is_stopped() {
  local pod
  for pod in kube-apiserver etcd; do
    [[ -z "$(containers "${pod}")" ]] || { printf '%s' "${pod}" && return 1; }
  done
}
put_in_restored() {
  [[ -d "${WORK_FOLDER}/new/member" ]] || return 0 # done before
  mkdir -p -- "${WORK_FOLDER}/old"
  if [[ -d "${WORK_FOLDER}/old/member" ]]; then
    rm -rf -- "${ROOT}${ETCD_DATA:?}/member"
  elif [[ -d "${ROOT}${ETCD_DATA}/member" ]]; then
    mv -T -- "${ROOT}${ETCD_DATA}/member" "${WORK_FOLDER}/old/member"
  else
    mkdir -p -- "${WORK_FOLDER}/old/member" # there was none
  fi
  mv -T -- "${WORK_FOLDER}/new/member" "${ROOT}${ETCD_DATA}/member"
}
take_out_restored() {
  [[ -d "${WORK_FOLDER}/old/member" ]] || return 0
  if [[ -d "${WORK_FOLDER}/new/member" ]]; then
    rm -rf -- "${ROOT}${ETCD_DATA:?}/member"
  else # by a rename: of data that are half removed nobody could tell
    mkdir -p -- "${WORK_FOLDER}/new"
    mv -T -- "${ROOT}${ETCD_DATA}/member" "${WORK_FOLDER}/new/member"
  fi
  mv -T -- "${WORK_FOLDER}/old/member" "${ROOT}${ETCD_DATA}/member"
}
start_control_plane() {
  local pod fresh
  for pod in "${STATIC_PODS[@]}"; do
    [[ -e "${MANIFESTS_ASIDE}/${pod}.yaml" && ! -e "${ROOT}${MANIFESTS}/${pod}.yaml" ]] || continue
    fresh="${ROOT}${MANIFESTS}/.${pod}.yaml.kubeadm-lab-new" # the kubelet would run any other file among its manifests
    cp -a -- "${MANIFESTS_ASIDE}/${pod}.yaml" "${fresh}"
    mv -fT -- "${fresh}" "${ROOT}${MANIFESTS}/${pod}.yaml"
  done
}
answers() {
  ask_etcd 5 endpoint health 2>&1 || return 1
  api_is_ready || { printf 'etcd is healthy, the API server is not ready' && return 1; }
}
give_up() { # REASON: the data of before come back
  log "$1; the data of before are put back"
  stop_control_plane || die "${LAST_SEEN} did not stop either. The old data are in ${WORK_FOLDER#"${ROOT}"}/old, the manifests in ${MANIFESTS_ASIDE#"${ROOT}"}. End what runs ($(list_containers)), then run this again"
  take_out_restored
  start_control_plane
  wait_for "${START_SECONDS}" answers || die "$1. The data of before are back, and don't answer either; last: ${LAST_SEEN}. See $(list_containers)"
  rm -rf -- "${WORK_FOLDER:?}" "${ASIDE:?}"
  die "$1. The data of before are back, and the cluster answers. See $(list_containers), or choose another snapshot"
}
# Ready alone may be what the snapshot says; a lease is renewed every 10 s by a kubelet that reaches the API server.
wait_for_nodes() { # SINCE
  wait_for 120 nodes_are_back "$1" || log "these Nodes have not been heard of for 120 s: ${LAST_SEEN:-no answer}. On each: journalctl -u kubelet"
}
nodes_are_back() { # SINCE
  local answer
  answer="$(kube /etc/kubernetes/admin.conf get leases --namespace kube-node-lease --no-headers -o 'custom-columns=N:.metadata.name,T:.spec.renewTime' 2>&1)" || { printf '%s' "${answer##*$'\n'}" && return 1; }
  answer="$(printf '%s\n' "${answer}" | awk -v since="$1" '$2 < since { print $1 }' | paste -s -d ' ')"
  printf '%s' "${answer}"
  [[ -z "${answer}" ]]
}
