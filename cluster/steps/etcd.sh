#!/usr/bin/env bash
# uses: cluster-signs.sh certificates.sh kubectl.sh etcd-tools.sh etcd-data.sh etcd-restore.sh rescue.sh
# What `npm run etcd` does on the control plane, by ACTION; no resource has this step. NAME is a snapshot's.
# snapshot: takes one, prints its line. list: a line for each. get: PART_BYTES of it from OFFSET on, in base64. about: what stands beside it.
# pki: the CAs and their keys. who: whether the host is a control plane, or in no cluster.
# put: writes PART behind what came before, at OFFSET, of a snapshot of SIZE bytes; with IS_LAST it is checked and kept, with ABOUT beside it; with PKI_TAR for a control plane that is to be made anew of it (rescue.sh).
# look: what would be lost. restore: goes back to it. restart (on every host) and renew: after the restore of an etcd before 3.5.10, for clients that would not notice it.
readonly NAME_FORM='^[0-9]{8}T[0-9]{6}Z-[0-9]+$'
takes_no_lock() { :; } # its own: lock_snapshots

line() { # NAME
  local key values="$1"
  for key in taken revision keys size hash by etcd; do values+=$'\t'"$(about "$1" "${key}")"; done
  printf '%s\n' "${values}"
}
put_part() {
  local folder="${SNAPSHOTS}" incoming
  if [[ -n "${PKI_TAR:-}" ]]; then folder="${RESCUE}" && expect_no_cluster; else expect_control_plane; fi
  incoming="${folder}/.incoming.db"
  (umask 077 && mkdir -p -- "${folder}")
  if [[ "${OFFSET}" == 0 ]]; then
    rm -f -- "${incoming}" # of a run that was cut off
    expect_own_ca
    expect_room "${folder}" $((SIZE + 64 * 1048576))
    (umask 077 && : >"${incoming}")
  fi
  [[ "$(stat -c %s -- "${incoming}" 2>/dev/null)" == "${OFFSET}" ]] || die "${incoming} has $(stat -c %s -- "${incoming}" 2>/dev/null) bytes, expected ${OFFSET}: does another one bring a snapshot? Run this again"
  printf '%s' "${PART}" | base64 -d >>"${incoming}" || {
    rm -f -- "${incoming}"
    die "can't write ${incoming}; look at df /var/lib"
  }
  [[ "${IS_LAST}" == yes ]] || return 0
  # shellcheck disable=SC2153 # a setting
  is_whole "${incoming}" || die "${NAME} did not arrive whole. Run this again"
  (umask 077 && printf '%s\n' "${ABOUT}" >"${folder}/.new.about")
  mv -f -- "${folder}/.new.about" "${folder}/${NAME}.about"
  mv -f -- "${incoming}" "${folder}/${NAME}.db"
  [[ -n "${PKI_TAR:-}" ]] || return 0
  (umask 077 && printf '%s' "${PKI_TAR}" | base64 -d >"${folder}/pki.tar") || die "can't write ${folder}/pki.tar; look at df /var/lib"
  put_line "${folder}/name" "${NAME}"
}
# Another cluster's has nothing to seek here: all of its Secrets would lie among this one's snapshots.
expect_own_ca() {
  local found
  [[ -z "${PKI_TAR:-}" ]] || return 0
  found="$(printf '%s\n' "${ABOUT}" | sed -n 's/^ca=//p')"
  [[ "${found}" == "$(ca_digest)" ]] || die "snapshot ${NAME} is of another cluster: found CA ${found:0:19}..., expected $(ca_digest | cut -c 1-19)... of $(cluster_value id). Nothing was changed. Choose one of this cluster: npm run etcd -- list"
}
expect_no_cluster() {
  ! cluster_is_claimed || die "this host is in cluster $(cluster_value id), expected none: a snapshot is restored onto the control plane that there is, or onto one that was installed anew. Nothing was changed"
}
expect_snapshot() { [[ -f "${SNAPSHOTS}/${NAME}.db" ]] || die "no snapshot ${NAME} on this host. See npm run etcd -- list"; }

check() { :; }
apply() {
  local name
  [[ "${ACTION}" =~ ^(snapshot|list|restart|renew|pki|who)$ || "${NAME}" =~ ${NAME_FORM} ]] || die "found ${NAME}, expected a snapshot's name, such as 20261128T120000Z-4711. See npm run etcd -- list"
  case "${ACTION}" in
  snapshot)
    take_snapshot hand
    line "${TAKEN}"
    ;;
  list)
    expect_control_plane
    while read -r name; do line "${name}"; done < <(snapshot_names)
    ;;
  about)
    expect_snapshot
    cat -- "${SNAPSHOTS}/${NAME}.about"
    ;;
  get)
    expect_snapshot
    tail -c "+$((OFFSET + 1))" -- "${SNAPSHOTS}/${NAME}.db" | head -c "${PART_BYTES}" | base64 -w 0 || [[ "${PIPESTATUS[0]}" == 141 ]] # head has had enough
    printf '\n'
    ;;
  put) put_part ;;
  pki)
    expect_control_plane
    print_pki
    ;;
  who) if is_control_plane; then printf 'control plane\n'; else expect_no_cluster && printf 'none\n'; fi ;;
  look) look_before ;;
  restore) restore_snapshot ;;
  restart) restart_unit kubelet.service || die 'the kubelet does not restart; see journalctl -u kubelet' ;;
  renew) renew_pods ;;
  *) die "no action ${ACTION}" ;;
  esac
}
at_exit() { drop_kubectl_cache; }
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
