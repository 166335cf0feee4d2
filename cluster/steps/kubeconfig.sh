#!/usr/bin/env bash
# uses: cluster-signs.sh certificates.sh api-address.sh
# This step prints the control plane's admin kubeconfig, a secret.
# SERVER (may be left out): where it must ask, which init has brought it to.
# check also finds one that ends soon, which apply renews first, so that what is printed is good; and one that is not the one printed last (PRINTED_SHA256, from the provider),
# because somebody renewed it on the host.
takes_no_lock() { :; } # it only reads, but for a renewal once a year, and kubeadm replaces a file as a whole
readonly ADMIN_CONF=/etc/kubernetes/admin.conf

# Of a host that is no control plane any more the kubelet step tells, with what to do.
check() {
  local sum
  if [[ ! -s "${ROOT}${ADMIN_CONF}" ]]; then
    ! cluster_is_claimed || differs "file ${ADMIN_CONF}" 'present' 'absent'
    return 0
  fi
  is_good "${ADMIN_CONF}" || differs "certificate ${ADMIN_CONF}" "good for ${WANTED_DAYS} days" "${ENDS}"
  [[ -z "${SERVER:-}" || "$(server_in "${ADMIN_CONF}")" == "${SERVER}" ]] || differs 'API server' "${SERVER}" "$(server_in "${ADMIN_CONF}")"
  sum="$(printf '%s' "$(<"${ROOT}${ADMIN_CONF}")" | sha256sum)"
  [[ -z "${PRINTED_SHA256:-}" || "${sum%% *}" == "${PRINTED_SHA256}" ]] || differs 'kubeconfig in the state' 'as on the host' 'an older one'
}
apply() {
  [[ -s "${ROOT}${ADMIN_CONF}" ]] || die "no ${ADMIN_CONF}: this is not a control plane that kubeadm init has finished"
  is_good "${ADMIN_CONF}" || renew_certificate "${ADMIN_CONF}" admin.conf
  cat -- "${ROOT}${ADMIN_CONF}"
}
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
