#!/usr/bin/env bash
# uses: cluster-signs.sh kubectl.sh etcd-tools.sh etcd-members.sh
# This step keeps labels and taints of a Node, waits until it is Ready, and drains it at its end: from the control plane, by kubectl.
# NODE_NAME, LABELS (array: key=value), TAINTS (array: key=value:effect or key:effect), TIMEOUT_SECONDS (until Ready), DRAIN_SECONDS (default 300).
# ROLE (may be left out): control-plane for one more, whose etcd member goes with it, and which is kept where the others could write nothing without it.
# Labels: those that are wanted, and those that an earlier apply set. Taints as a whole: one too many keeps Pods away.
# Left alone: what Kubernetes itself and a cordon write (node.kubernetes.io/...), but for a cordon of our own upgrade. undo drains and deletes the Node.
takes_no_lock() { :; } # several at once on one host; each has its state in the API
readonly ADMIN=/etc/kubernetes/admin.conf OURS=kubeadm-lab/labels # its annotation names the labels that apply set
readonly TEMPLATE=$'{{range $k, $v := .metadata.labels}}label\t{{$k}}\t{{$v}}\n{{end}}{{with .metadata.annotations}}{{with index . "kubeadm-lab/labels"}}set\t{{.}}\n{{end}}{{with index . "kubeadm-lab/upgrade"}}upgrade\t{{.}}\n{{end}}{{with index . "kubeadm-lab/cordoned-before"}}theirs\n{{end}}{{end}}{{range .spec.taints}}taint\t{{.key}}{{if .value}}={{.value}}{{end}}:{{.effect}}\n{{end}}{{if .spec.unschedulable}}cordoned\n{{end}}{{range .status.conditions}}{{if eq .type "Ready"}}ready\t{{.status}}\t{{.reason}}: {{.message}}\n{{end}}{{end}}'
declare -A HAS=() TAINTED=()
READY='' REASON='' SET_BEFORE='' CORDONED=no UPGRADING='' CORDONED_BEFORE=no

at_exit() { drop_kubectl_cache; }
# One kubectl for all of it.
read_node() {
  local text kind key value
  text="$(kube_moving get node "${NODE_NAME}" --ignore-not-found -o go-template="${TEMPLATE}")" ||
    die "the API server does not answer: ${text##*$'\n'}"
  HAS=() TAINTED=() READY='' REASON='' SET_BEFORE='' CORDONED=no UPGRADING='' CORDONED_BEFORE=no
  while IFS=$'\t' read -r kind key value; do
    case "${kind}" in
    label) HAS[${key}]="${value}" ;;
    set) SET_BEFORE="${key}" ;;
    taint) [[ "${key}" == node.kubernetes.io/* || "${key}" == node.cloudprovider.kubernetes.io/* ]] || TAINTED[${key}]=yes ;;
    cordoned) CORDONED=yes ;;
    upgrade) UPGRADING="${key}" ;;
    theirs) CORDONED_BEFORE=yes ;;
    ready) READY="${key}" REASON="${value}" ;;
    esac
  done < <(printf '%s\n' "${text}")
}
exists() { ((${#HAS[@]} > 0)); } # every Node has labels
is_wanted_label() {              # KEY
  local pair
  for pair in "${LABELS[@]+"${LABELS[@]}"}"; do [[ "${pair%%=*}" != "$1" ]] || return 0; done
  return 1
}
is_wanted_taint() { # TAINT, or its start
  local taint
  for taint in "${TAINTS[@]+"${TAINTS[@]}"}"; do [[ "${taint}" != "$1" ]] || return 0; done
  return 1
}
foreign_taints() { # one a line
  local taint
  ((${#TAINTED[@]} > 0)) || return 0 # bash 4.2 knows no keys of an empty array under -u
  for taint in "${!TAINTED[@]}"; do is_wanted_taint "${taint}" || printf '%s\n' "${taint}"; done | sort
}
check() {
  local pair key value found taint
  if [[ ! -s "${ROOT}${ADMIN}" ]]; then
    differs "Node ${NODE_NAME}" 'Ready' 'no cluster'
    return 0
  fi
  read_node
  if ! exists; then
    differs "Node ${NODE_NAME}" 'Ready' 'absent'
    return 0
  fi
  [[ "${READY}" == True ]] || differs "Node ${NODE_NAME}" 'Ready' "not Ready: ${REASON:-no status}"
  [[ -z "${UPGRADING}" ]] || differs "upgrade to ${UPGRADING}" 'ended' 'cut off: cordoned'
  for pair in "${LABELS[@]+"${LABELS[@]}"}"; do
    key="${pair%%=*}" value="${pair#*=}" found=absent
    [[ -z "${HAS[${key}]+x}" ]] || found="${HAS[${key}]:-(empty)}" # Pulumi shows an empty text as nothing at all
    [[ "${found}" == "${value:-(empty)}" ]] || differs "label ${key}" "${value:-(empty)}" "${found}"
  done
  for key in ${SET_BEFORE//,/ }; do
    is_wanted_label "${key}" || [[ -z "${HAS[${key}]+x}" ]] || differs "label ${key}" 'absent' "${HAS[${key}]:-(empty)}"
  done
  for taint in "${TAINTS[@]+"${TAINTS[@]}"}"; do [[ -n "${TAINTED[${taint}]+x}" ]] || differs "taint ${taint}" 'present' 'absent'; done
  foreign_taints | while read -r taint; do differs "taint ${taint}" 'absent' 'present'; done
}
apply() {
  [[ -s "${ROOT}${ADMIN}" ]] || die "no ${ADMIN}: this is not a control plane that kubeadm init has finished"
  read_node
  exists || die "Node ${NODE_NAME} is not in the cluster any more. To let its host join again: pulumi up --replace '**-${NODE_NAME}-${ROLE:-worker}-join'"
  set_labels
  set_taints
  [[ "${READY}" == True ]] || wait_until_ready
  [[ -z "${UPGRADING}" ]] || end_upgrade
}
# The join's own step has ended it, and was killed before it could say so (cluster/drain.ts).
end_upgrade() {
  [[ "${CORDONED_BEFORE}" == yes ]] || change uncordon "${NODE_NAME}"
  change annotate node "${NODE_NAME}" kubeadm-lab/upgrade- kubeadm-lab/cordoned-before-
}
set_labels() {
  local pair key changes=() ours=",${SET_BEFORE},"
  for pair in "${LABELS[@]+"${LABELS[@]}"}"; do
    key="${pair%%=*}"
    [[ -z "${HAS[${key}]+x}" || "${HAS[${key}]}" != "${pair#*=}" ]] || continue
    changes+=("${pair}")
    [[ "${ours}" == *",${key},"* ]] || ours+="${key},"
  done
  for key in ${SET_BEFORE//,/ }; do
    ! is_wanted_label "${key}" || continue
    [[ -z "${HAS[${key}]+x}" ]] || changes+=("${key}-")
    ours="${ours/,${key},/,}"
  done
  ours="$(printf '%s' "${ours}" | tr -s ,)"
  ours="${ours#,}" ours="${ours%,}"
  # The record first: a run that is killed in between must not forget a label.
  if [[ "${ours}" != "${SET_BEFORE}" ]]; then change annotate node "${NODE_NAME}" --overwrite "${OURS}=${ours}"; fi
  ((${#changes[@]} == 0)) || change label node "${NODE_NAME}" --overwrite "${changes[@]}"
}
set_taints() {
  local taint changes=()
  for taint in "${TAINTS[@]+"${TAINTS[@]}"}"; do [[ -n "${TAINTED[${taint}]+x}" ]] || changes+=("${taint}"); done
  while read -r taint; do
    [[ -z "${taint}" ]] || is_overwritten "${taint}" || changes+=("${taint%%[=:]*}:${taint##*:}-")
  done < <(foreign_taints)
  ((${#changes[@]} == 0)) || change taint node "${NODE_NAME}" --overwrite "${changes[@]}"
}
is_overwritten() { # TAINT: another value of the same key and effect is wanted
  local taint
  for taint in "${TAINTS[@]+"${TAINTS[@]}"}"; do [[ "${taint%%[=:]*}:${taint##*:}" != "${1%%[=:]*}:${1##*:}" ]] || return 0; done
  return 1
}
# Where the control planes share an address, that may just be on its way from one to another.
kube_moving() { # ARGUMENTS of kubectl
  local answer end pattern='Unable to connect|deadline exceeded|connection refused|no route to host|i/o timeout|EOF'
  uptime_now
  end="${UPTIME}"
  [[ ! -d "${STATE}/endpoint" ]] || end=$((UPTIME + 60))
  until answer="$(kube "${ADMIN}" "$@" 2>&1)"; do
    { [[ "${answer}" =~ ${pattern} ]] && is_before "${end}"; } || {
      printf '%s' "${answer}"
      return 1
    }
    sleep 1
  done
  printf '%s' "${answer}"
}
change() { # ARGUMENTS of kubectl
  local answer
  answer="$(kube_moving "$@")" || die "kubectl $1 of Node ${NODE_NAME} failed: ${answer##*$'\n'}"
  log "${answer}"
}
# One kubectl that watches: asking again and again would keep a control plane busy that has just begun. The kubelet itself is the kubelet step's.
wait_until_ready() {
  kube_within $((TIMEOUT_SECONDS + 5)) "${ADMIN}" wait node "${NODE_NAME}" --for condition=Ready --timeout "${TIMEOUT_SECONDS}s" >/dev/null 2>&1 && return 0
  read_node
  [[ "${READY}" == True ]] || die "Node ${NODE_NAME} not Ready after ${TIMEOUT_SECONDS} s; last reason: ${REASON:-no status}. See kubectl describe node ${NODE_NAME}, and journalctl -u kubelet on that host"
}
undo() {
  [[ -s "${ROOT}${ADMIN}" ]] || return 0
  read_node
  if [[ "${ROLE:-worker}" == control-plane ]]; then
    find_tools
    expect_quorum_without "${NODE_NAME}"
  fi
  ! exists || leave_cluster
  # After the Pods' end, which its API server may have been asked for; also where a run was killed behind the Node's deletion.
  [[ "${ROLE:-worker}" != control-plane ]] || remove_member "${NODE_NAME}"
}
leave_cluster() {
  if [[ "${READY}" == True ]]; then drain; else log "Node ${NODE_NAME} is not Ready: it is not drained"; fi
  change delete node "${NODE_NAME}"
}
drain() {
  local answer
  log "draining ${NODE_NAME}, so that preStop hooks run (bound: ${DRAIN_SECONDS:-300} s)"
  answer="$(kube_within $((${DRAIN_SECONDS:-300} + 10)) "${ADMIN}" drain "${NODE_NAME}" --ignore-daemonsets --timeout "${DRAIN_SECONDS:-300}s" 2>&1)" && return 0
  [[ "${CORDONED}" == yes ]] || kube "${ADMIN}" uncordon "${NODE_NAME}" >/dev/null 2>&1 || true
  die "Node ${NODE_NAME} keeps Pods that can't be moved, and stays: ${answer//$'\n'/ }. Delete these Pods, or if they and their data may go: kubectl drain ${NODE_NAME} --ignore-daemonsets --force --delete-emptydir-data; then pulumi up again"
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
