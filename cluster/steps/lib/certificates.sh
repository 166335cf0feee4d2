#!/usr/bin/env bash
# When each certificate of a Node ends, and what renews it.
# The cluster's own values come from cluster-signs.sh.
# admin.conf is the kubeconfig step's, which reads it. Renewed: what kubeadm made but the CAs (kubeadm certs renew, then a restart of the static Pod that uses it), and the kubelet's own (by its restart).
# Only told: the CAs, which live ten years, from a year before their end on. That needs a plan, not a repair.
readonly WANTED_DAYS=30 # of 365. The kubelet renews its own with 36 to 110 days left (rotation at 70 to 90 % of its life)
readonly CLIENT_CERTIFICATE=/var/lib/kubelet/pki/kubelet-client-current.pem
readonly CA_ROTATION=https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/
readonly TOLD_DAYS=365
ENDING_CAS='' # with their ends

certificates() { # PATH NAME POD, one a line, kubeconfigs last: NAME for kubeadm certs renew, kubelet, or - for a CA; POD to restart, or -
  local pki=/etc/kubernetes/pki
  printf '%s kubelet -\n%s - -\n' "${CLIENT_CERTIFICATE}" "${pki}/ca.crt"
  [[ "$(cluster_role)" == control-plane ]] || return 0
  printf '%s\n' "${pki}/front-proxy-ca.crt - -" "${pki}/etcd/ca.crt - -" \
    "${pki}/apiserver.crt apiserver kube-apiserver" "${pki}/apiserver-kubelet-client.crt apiserver-kubelet-client kube-apiserver" \
    "${pki}/apiserver-etcd-client.crt apiserver-etcd-client kube-apiserver" "${pki}/front-proxy-client.crt front-proxy-client kube-apiserver" \
    "${pki}/etcd/server.crt etcd-server etcd" "${pki}/etcd/peer.crt etcd-peer etcd" "${pki}/etcd/healthcheck-client.crt etcd-healthcheck-client -" \
    '/etc/kubernetes/controller-manager.conf controller-manager.conf kube-controller-manager' \
    '/etc/kubernetes/scheduler.conf scheduler.conf kube-scheduler'
  # kubeadm's own page advises to keep it somewhere else than on the host.
  (($(cluster_minor) < 29)) || [[ ! -e "${ROOT}/etc/kubernetes/super-admin.conf" ]] || printf '/etc/kubernetes/super-admin.conf super-admin.conf -\n'
}
# 0 where it is good for WANTED_DAYS; else ENDS says when it ends.
is_good() { # PATH
  local file="${ROOT}$1" answer
  ENDS='absent'
  [[ -e "${file}" ]] || return 1
  if [[ "$1" == *.conf ]]; then
    answer="$(sed -n 's/^ *client-certificate-data: //p' -- "${file}" | base64 -d | openssl x509 -noout -enddate -checkend $((WANTED_DAYS * 86400)) 2>&1)" && return 0
  else
    answer="$(openssl x509 -in "${file}" -noout -enddate -checkend $((WANTED_DAYS * 86400)) 2>&1)" && return 0
  fi
  ENDS="$(printf '%s\n' "${answer}" | sed -n 's/^notAfter=/until /p')"
  ENDS="${ENDS:-not readable}"
  return 1
}
# The lines of certificates, but `PATH soon DATE` for a CA in its last year, that one look at all of them does not clear: each start of openssl costs 25 ms, and a control plane has 16 of them.
suspects() {
  local line lines=() paths=() ends now i
  while read -r line; do
    if [[ -s "${ROOT}${line%% *}" ]]; then lines+=("${line}") paths+=("${line%% *}"); else printf '%s\n' "${line}"; fi
  done < <(certificates)
  mapfile -t ends < <(first_certificates "${paths[@]+"${paths[@]}"}" | openssl crl2pkcs7 -nocrl -certfile /dev/stdin 2>/dev/null |
    openssl pkcs7 -print_certs -text -noout 2>/dev/null | sed -n 's/^ *Not After : //p' | date -f - +%s 2>/dev/null)
  ((${#ends[@]} == ${#lines[@]})) || ends=() # one can't be read: each by itself, then
  now="$(date +%s)"
  for ((i = 0; i < ${#lines[@]}; i++)); do
    if ((${ends[i]:-0} <= now + WANTED_DAYS * 86400)); then
      printf '%s\n' "${lines[i]}"
    elif [[ "${lines[i]}" == *' - -' ]] && ((ends[i] <= now + TOLD_DAYS * 86400)); then
      printf '%s soon %s\n' "${lines[i]%% *}" "$(date -u -d "@${ends[i]}" +%F)"
    fi
  done
}
first_certificates() { # PATHS, kubeconfigs last: in PEM, one of each
  local path files=()
  for path in "$@"; do [[ "${path}" == *.conf ]] || files+=("${ROOT}${path}"); done
  ((${#files[@]} == 0)) || awk 'FNR == 1 { ended = 0 } !ended; /^-----END CERTIFICATE-----/ { ended = 1 }' "${files[@]}"
  for path in "$@"; do [[ "${path}" != *.conf ]] || sed -n 's/^ *client-certificate-data: //p' -- "${ROOT}${path}" | base64 -d; done
}
certificates_check() {
  local path name ends mark
  for mark in "${KEPT}"/restart-*; do [[ ! -e "${mark}" ]] || differs "${mark##*/restart-} restart" 'done' 'due'; done
  while read -r path name ends; do
    if [[ "${name}" == soon ]]; then
      [[ "$(cluster_value step)" != init ]] || # its workers have the same one
        notice "the CA ${path} ends on ${ends}, and everything that it signed with it. It is not renewed here: plan that (${CA_ROTATION})"
    elif [[ -n "${path}" ]]; then
      is_good "${path}" || differs "certificate ${path}" "good for ${WANTED_DAYS} days" "${ENDS}"
    fi
  done < <(suspects)
}
renew_certificate() { # PATH NAME; ENDS is its end
  local answer verb=(certs)
  (($(cluster_minor) >= 20)) || verb=(alpha certs)
  answer="$(timeout 120 kubeadm "${verb[@]}" renew "$2" 2>&1)" || die "kubeadm certs renew $2 failed ($1: ${ENDS}): $(printf '%s\n' "${answer}" | grep -v 'stack trace' | tail -n 2 | paste -s -d ' ')"
  # Without the key of the CA kubeadm takes that for somebody else's, renews nothing, and calls it success (1.29).
  is_good "$1" || die "kubeadm certs renew $2 has not renewed $1 (${ENDS}): $(printf '%s\n' "${answer}" | tail -n 1). Is the key of its CA on this host?"
  log "renewed $1"
}
renew_certificates() {
  local path name pod
  while read -r path name pod; do
    ! is_good "${path}" || continue # ENDS is for the messages
    case "${name}" in
    soon) ;;
    -) ENDING_CAS+="${ENDING_CAS:+, }${path}: ${ENDS}" ;;
    kubelet) : >"${KEPT}/restart" ;;
    *)
      [[ "${pod}" == - ]] || : >"${KEPT}/restart-${pod}" # first: after a run that ends in between, nothing else tells that the Pod has not read it
      renew_certificate "${path}" "${name}"
      ;;
    esac
  done < <(suspects)
}
# The last act, so that all the rest is put right.
tell_ending_cas() {
  [[ -z "${ENDING_CAS}" ]] || die "${ENDING_CAS}; expected ${WANTED_DAYS} days more. A CA is not renewed here: see ${CA_ROTATION}"
}
wait_for_client_certificate() {
  [[ -z "${ENDING_CAS}" ]] || return 0 # what a CA signs ends with it
  wait_for 60 is_good "${CLIENT_CERTIFICATE}" || {
    is_good "${CLIENT_CERTIFICATE}" || true
    die "${CLIENT_CERTIFICATE}: ${ENDS}; the kubelet has not renewed it in 60 s. See journalctl -u kubelet. $(join_again)"
  }
}
# They read their certificates when they start. The kubelet starts a container again that was stopped.
restart_static_pods() {
  local mark pod id is_done=no
  for mark in "${KEPT}"/restart-*; do
    [[ -e "${mark}" ]] || continue
    pod="${mark##*/restart-}"
    id="$(containers "${pod}")"
    [[ -z "${id}" ]] || stop_container "${id}" >/dev/null || die "${pod} has new certificates and did not stop to read them; see $(list_containers)"
    wait_for 120 runs_anew "${pod}" "${id}" || die "${pod} was stopped for its new certificates, and has not started again in 120 s; see $(list_containers)"
    rm -f -- "${mark}"
    is_done=yes
    log "restarted ${pod}"
  done
  [[ "${is_done}" == no ]] || wait_for 120 api_is_ready || die "the API server is not ready 120 s after the renewal of certificates; see $(list_containers)"
}
