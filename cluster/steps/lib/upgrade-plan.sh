#!/usr/bin/env bash
# What the preflight says of an upgrade in place before anything is changed: whether the host's cluster can go to KUBERNETES_VERSION, and what of its Pods that ends.
FROM='' # the version that it has, where another is wanted

is_to_be_upgraded() {
  is_ours && [[ "${UPGRADES:-}" == yes && -n "$(cluster_value finished)" ]] || return 1
  FROM="$(cluster_version)"
  [[ -n "${FROM}" && "${FROM}" != "${KUBERNETES_VERSION}" ]]
}
# Kubernetes' version skew policy: a cluster goes one minor at a time, and never back.
look_at_version() {
  local minor patch begun
  begun="$(cluster_value upgrading)"
  if is_ours && [[ "${UPGRADES:-}" == yes && -n "${begun}" && "${begun}" != "${KUBERNETES_VERSION}" && "${begun}" != "$(cluster_version)" ]]; then
    problem 'Kubernetes' "an upgrade to ${begun} that was cut off" "${begun}" "it can only be ended: set kubernetesVersion to ${begun}, and pulumi up goes on there"
    return 0
  fi
  is_to_be_upgraded || return 0
  IFS=. read -r _ minor patch < <(printf '%s\n' "${FROM}")
  if ((minor > RELEASE_MINOR || (minor == RELEASE_MINOR && patch > ${KUBERNETES_VERSION##*.}))); then
    problem 'Kubernetes' "${FROM}" "${KUBERNETES_VERSION} or older" "a cluster cannot go back: set kubernetesVersion to ${FROM} or newer; or, where all that runs on it may go, onVersionChange to rebuild"
  elif ((RELEASE_MINOR > minor + 1)); then
    problem 'Kubernetes' "${FROM}" "1.$((RELEASE_MINOR - 1)) or newer, to go to ${KUBERNETES_VERSION}" "a cluster goes one minor at a time: set kubernetesVersion to the 1.$((minor + 1)) of config/releases.ts first"
  fi
}
# What of its Pods an upgrade ends for good: those that no controller makes again, and what is in an emptyDir. kubeconfig is the kubelet's own, which may read just these.
readonly LOST=$'{{range .items}}{{.metadata.namespace}}/{{.metadata.name}} {{with .metadata.ownerReferences}}{{(index . 0).kind}}{{else}}none{{end}} {{range .spec.volumes}}{{if ne (printf "%v" .emptyDir) "<nil>"}}emptyDir{{end}}{{end}}\n{{end}}'
readonly BUDGETS=$'{{range .items}}{{if eq (printf "%v" .status.disruptionsAllowed) "0"}}{{.metadata.namespace}}/{{.metadata.name}}\n{{end}}{{end}}'
print_upgrade() {
  local list
  is_to_be_upgraded || return 0
  printf 'upgrade in place=%s -> %s\n' "${FROM}" "${KUBERNETES_VERSION}"
  if [[ "${ROLE}" == worker ]]; then
    list="$(kube /etc/kubernetes/kubelet.conf get pods --all-namespaces --field-selector "spec.nodeName=${HOST_NAME}" -o go-template="${LOST}" 2>/dev/null)" || list='(not known: the API server does not answer) none'
    list="$(printf '%s\n' "${list}" | awk '$2 == "DaemonSet" || $2 == "Node" { next } $2 == "none" { print $1 " (no controller makes it again)"; next } $3 != "" { print $1 " (what is in its emptyDir)" }' | paste -s -d ,)"
    printf 'lost by its drain=%s\n' "${list:-nothing}"
  else
    list="$(kube /etc/kubernetes/admin.conf get poddisruptionbudgets --all-namespaces -o go-template="${BUDGETS}" 2>/dev/null | paste -s -d ,)" || list=''
    [[ -z "${list}" ]] || printf 'PodDisruptionBudgets that let no Pod go now=%s\n' "${list}"
  fi
}
