#!/usr/bin/env bash
# Under which address a Node asks the API servers, and how that becomes another one in place.
readonly ASKING_FILES=(/etc/kubernetes/super-admin.conf /etc/kubernetes/admin.conf /etc/kubernetes/kubelet.conf) # in this order; a controller-manager and a scheduler stay with the API server beside them

OLD_SERVER='' NEW_SERVER=''

server_in() { { sed -n 's/^ *server: *//p' -- "${ROOT}$1" 2>/dev/null || true; } | head -n 1; } # KUBECONFIG; empty where there is none
wanted_server() { # by the kubeadm configuration of init or of a join; empty where it names none
  local pattern='(controlPlaneEndpoint|apiServerEndpoint):[[:space:]]*"?([^"[:space:]]+)'
  [[ ! "${KUBEADM_CONFIG:-${JOIN_CONFIG:-}}" =~ ${pattern} ]] || printf 'https://%s' "${BASH_REMATCH[2]}"
}
point_at() { # OLD NEW
  local path
  for path in "${ASKING_FILES[@]}"; do
    [[ "$(server_in "${path}")" == "$1" ]] || continue
    sed "s|^\( *server: *\)$1\$|\1$2|" -- "${ROOT}${path}" | (umask 077 && cat >"${ROOT}${path}.kubeadm-lab-new") || die "can't write ${path}.kubeadm-lab-new; look at df /etc"
    mv -fT -- "${ROOT}${path}.kubeadm-lab-new" "${ROOT}${path}"
    log "${path} asks $2, no longer $1"
  done
}
# On the first control plane. What asks elsewhere than it shall is told by the kubelet's file: kubeadm itself writes admin.conf anew in the middle of an upgrade, and goes by it.
moves() { # OLD_SERVER and NEW_SERVER, where they differ
  OLD_SERVER="$(server_in "${KUBELET_CONF}")" NEW_SERVER="$(wanted_server)"
  [[ -n "${OLD_SERVER}" && -n "${NEW_SERVER}" && "${OLD_SERVER}" != "${NEW_SERVER}" ]]
}
# The other control planes' certificates and kubeconfigs name the old one, and without an endpoint nobody is elected among them.
expect_movable() {
  moves || return 0
  find_tools
  read_members
  (($(printf '%s\n' "${MEMBERS}" | wc -l) == 1)) ||
    die "the control planes answer at ${OLD_SERVER}, expected ${NEW_SERVER}: that can be changed while there is one control plane. Nothing was changed. Take the others out of hosts with apiEndpoint as it was, run pulumi up, then change apiEndpoint"
}
# Before kubeadm asks there.
prepare_move() {
  moves || return 0
  log "the API answers at ${NEW_SERVER} from now on, no longer at ${OLD_SERVER}"
}
# kubeadm makes the API server's certificate once, and a renewal keeps its names: another address of a host, or the one that several share, is not among them.
certify_names() { # CONFIG: of kubeadm, with the names that it is to have
  local name text
  text="$(openssl x509 -in "${ROOT}/etc/kubernetes/pki/apiserver.crt" -noout -text 2>/dev/null)" || text=''
  while read -r name; do
    [[ "${text//$'\n'/,}" != *":${name},"* ]] || continue
    certify_api_server "$1"
    log "the API server's certificate names ${name} too"
    return 0
  done < <(printf '%s\n' "$1" | awk '{ gsub(/"/, "", $2) } $1 == "controlPlaneEndpoint:" { sub(/:[0-9]+$/, "", $2); print $2 } $1 == "certSANs:" { is_list = 1; next } $1 != "-" { is_list = 0 } is_list { print $2 }')
}
# When it has the new configuration. The kubelet's file is the last, so that a run that was killed does all of it again.
move_endpoint() {
  moves || return 0
  tell_joins "${OLD_SERVER}" "${NEW_SERVER}"
  restart_kube_proxy
  point_at "${OLD_SERVER}" "${NEW_SERVER}"
}
certify_api_server() { # CONFIG
  local name folder="${CLUSTER}/certificate" pki="${ROOT}/etc/kubernetes/pki" id
  rm -rf -- "${folder:?}"
  (umask 077 && mkdir -p -- "${folder}" && cp -a -t "${folder}" -- "${pki}"/ca.{crt,key}) || die "can't write ${folder}: the line above says why"
  write_config "$(printf '%s\n' "$1" | sed "s|^kind: ClusterConfiguration\$|&\ncertificatesDir: ${folder}|")" || die "can't write ${CONFIG_FILE}"
  run_kubeadm 120 init phase certs apiserver --config "${CONFIG_FILE}" || die "kubeadm init phase certs apiserver failed: ${LAST_SEEN}"
  for name in key crt; do mv -fT -- "${folder}/apiserver.${name}" "${pki}/apiserver.${name}"; done
  rm -rf -- "${folder:?}" "${CONFIG_FILE}"
  id="$(containers kube-apiserver)"
  [[ -z "${id}" ]] || stop_container "${id}" >/dev/null || die "the API server has a new certificate and did not stop to read it; see $(list_containers)"
  { wait_for 120 runs_anew kube-apiserver "${id}" && wait_for 120 api_is_ready; } || die "the API server was stopped for its new certificate, and is not ready after 120 s; see $(list_containers)"
}
restart_kube_proxy() {
  kube "${ADMIN_CONF}" -n kube-system rollout restart daemonset kube-proxy >/dev/null 2>&1 || log 'kube-proxy was not restarted for its new configuration; run: kubectl -n kube-system rollout restart daemonset kube-proxy'
}
# What a join reads first, signed by the cluster with each token that there is.
tell_joins() { # OLD NEW
  local text answer
  text="$(kube "${ADMIN_CONF}" -n kube-public get configmap cluster-info -o yaml 2>&1)" || die "the API server does not answer: ${text##*$'\n'}"
  answer="$(printf '%s\n' "${text}" | sed "s|^\( *server: *\)$1\$|\1$2|" | kube "${ADMIN_CONF}" replace -f - 2>&1)" || die "ConfigMap cluster-info was not changed: ${answer##*$'\n'}"
}
