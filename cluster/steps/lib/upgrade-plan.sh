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
  else
    [[ "${RELEASE_MINOR}" == "${minor}" || "${begun}" == "${KUBERNETES_VERSION}" ]] || look_at_removed_apis # begun, it can only be ended, and its API server may be away
    look_at_packages
  fi
}
# Else the packages step would find it out on every host, with the .repo files written and the locks on the old version gone.
# One that was cut off is no exception: what this host still lacks, such as the kubelet, has yet to come from there.
look_at_packages() {
  local list package name others where lacking
  list="$(missing_of "${PACKAGES[@]+"${PACKAGES[@]}"}")"
  [[ -n "${list}" ]] || return 0
  mapfile -t lacking < <(printf '%s\n' "${list}")
  where="$(sections | paste -s -d ' ')"
  if ! ask_repositories "${lacking[@]%-*}"; then
    problem 'packages' "no answer from one of ${where}: ${ANSWER:-yum said nothing}" "repositories that say whether they have ${list//$'\n'/, }" "correct the repositories in the stack's file, or this host's way there (proxy)"
    return 0
  fi
  for package in "${lacking[@]}"; do
    name="${package%-*}"
    ! has_line "${ANSWER}"$'\n' "${name} ${package##*-}" || continue
    others="$(printf '%s\n' "${ANSWER}" | awk -v name="${name}" '$1 == name { print $2 }' | sort -Vru | head -n 3 | paste -s -d ' ')"
    problem 'packages' "no ${package} in ${where}" 'each package of the wanted versions' "choose a version that they have (of ${name}: ${others:-none}), or correct the repositories in the stack's file"
  done
}
# Who applies such a manifest again gets an error then. What only was made through one (kubectl create) the API server shows by a newer API as well.
# kubectl apply writes down what it applied; a server-side apply, and Helm, by which API. A status is what a controller has applied, often Kubernetes' own.
# PodSecurityPolicies have no newer API: any of them would guard nothing any more.
readonly APPLIED=$'{{range .items}}{{with .metadata.namespace}}{{.}}/{{end}}{{.metadata.name}}\t{{range .metadata.managedFields}}{{if and (or (eq .operation "Apply") (eq .manager "helm")) (not .subresource)}}{{.apiVersion}} {{end}}{{end}}\t{{with .metadata.annotations}}{{with index . "kubectl.kubernetes.io/last-applied-configuration"}}{{printf "%.200q" .}}{{end}}{{end}}\n{{end}}'
look_at_removed_apis() {
  local api resource version group answer applied
  for api in "${REMOVED_APIS[@]+"${REMOVED_APIS[@]}"}"; do
    IFS=. read -r resource version group < <(printf '%s\n' "${api}")
    version="${group}/${version}"
    if ! answer="$(kube /etc/kubernetes/admin.conf get "${api}" --all-namespaces -o go-template="${APPLIED}" 2>&1)"; then
      [[ "${answer}" != *"doesn't have a resource type"* ]] || continue # one that is turned off
      problem 'API server' "no answer to which ${resource} there are: ${answer##*$'\n'}" "one, for Kubernetes 1.${RELEASE_MINOR} no longer has ${version}" 'bring it up (kubectl get --raw /readyz), then run this again'
      return 0
    fi
    if [[ "${resource}" == podsecuritypolicies ]]; then
      applied="$(printf '%s\n' "${answer}" | awk -F '\t' 'NF > 1 { print $1 }' | paste -s -d ' ')"
      [[ -z "${applied}" ]] || problem 'removed API' "PodSecurityPolicies: ${applied}" "none, for Kubernetes 1.${RELEASE_MINOR} no longer heeds them" 'let namespaces be guarded in another way (Pod Security Admission), then delete them: kubectl delete psp'
      continue
    fi
    applied="$(printf '%s\n' "${answer}" |
      awk -F '\t' -v api="${version}" 'index(" " $2, " " api " ") || index($3, "\"{\\\"apiVersion\\\":\\\"" api "\\\"") == 1 { print $1 }' | paste -s -d ' ')"
    [[ -z "${applied}" ]] || problem 'removed API' "${resource} applied through ${version}: ${applied}" "none, for Kubernetes 1.${RELEASE_MINOR} no longer has it" "write a newer apiVersion into these manifests, and kubectl apply them; kubectl api-versions lists those there are"
  done
}
# Of clients that ask for them, the API server tells each that it has met since its start.
removed_apis_in_use() {
  kube /etc/kubernetes/admin.conf get --raw /metrics 2>/dev/null |
    sed -n "s|^apiserver_requested_deprecated_apis{group=\"\([^\"]*\)\",removed_release=\"1\.${RELEASE_MINOR}\",resource=\"\([^\"]*\)\",.*version=\"\([^\"]*\)\"} 1$|\2 of \1/\3|p" | sort -u | paste -s -d ,
}
# What of its Pods an upgrade ends for good: those that no controller makes again, and what is in an emptyDir. kubeconfig is the kubelet's own, which may read just these.
readonly LOST=$'{{range .items}}{{.metadata.namespace}}/{{.metadata.name}} {{with .metadata.ownerReferences}}{{(index . 0).kind}}{{else}}none{{end}} {{range .spec.volumes}}{{if ne (printf "%v" .emptyDir) "<nil>"}}emptyDir{{end}}{{end}}\n{{end}}'
readonly BUDGETS=$'{{range .items}}{{if eq (printf "%v" .status.disruptionsAllowed) "0"}}{{.metadata.namespace}}/{{.metadata.name}}\n{{end}}{{end}}'
print_upgrade() {
  local list
  is_to_be_upgraded || return 0
  printf 'upgrade in place=%s -> %s\n' "${FROM}" "${KUBERNETES_VERSION}"
  list="$(missing_images 2>/dev/null | sed 's|.*/||' | paste -s -d ,)" || list='' # the runtime may not run
  [[ -z "${list}" ]] || printf 'new images=%s\n' "${list}"
  if [[ "${ROLE}" == worker ]] || is_joined_control_plane; then # those that are drained
    list="$(kube /etc/kubernetes/kubelet.conf get pods --all-namespaces --field-selector "spec.nodeName=${HOST_NAME}" -o go-template="${LOST}" 2>/dev/null)" || list='(not known: the API server does not answer) none'
    list="$(printf '%s\n' "${list}" | awk '$2 == "DaemonSet" || $2 == "Node" { next } $2 == "none" { print $1 " (no controller makes it again)"; next } $3 != "" { print $1 " (what is in its emptyDir)" }' | paste -s -d ,)"
    printf 'lost by its drain=%s\n' "${list:-nothing}"
  fi
  if [[ "${ROLE}" != worker ]]; then
    list="$(kube /etc/kubernetes/admin.conf get poddisruptionbudgets --all-namespaces -o go-template="${BUDGETS}" 2>/dev/null | paste -s -d ,)" || list=''
    [[ -z "${list}" ]] || printf 'PodDisruptionBudgets that let no Pod go now=%s\n' "${list}"
    list="$(kube /etc/kubernetes/admin.conf --namespace kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' 2>/dev/null | sed -n 's|^apiVersion: kubeadm.k8s.io/||p')" || list=''
    [[ -z "${list}" || "${list}" == "${KUBEADM_API:-}" ]] || printf 'kubeadm configuration=%s -> %s\n' "${list}" "${KUBEADM_API:-}"
    list="$(removed_apis_in_use)" || list=''
    [[ -z "${list}" ]] || printf 'APIs in use that it no longer has=%s\n' "${list}"
  fi
}
