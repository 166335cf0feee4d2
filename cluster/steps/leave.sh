#!/usr/bin/env bash
# uses: cluster-signs.sh folders.sh network-rules.sh kubectl.sh reset.sh etcd-tools.sh etcd-members.sh
# This step takes a host out of its cluster when the host is given back: all hosts at once, while init and join undo only what is made anew on hosts that stay.
# apply does nothing. undo resets a host that init or join claimed, also one that a killed run left half-way. CLUSTER_ID.

check() { :; }
apply() { :; }
undo() {
  local lock
  if cluster_is_claimed; then
    lock="${ROOT}/run/lock/kubeadm-lab-$(cluster_value step).lock"
    exec 8>"${lock}" # what a killed run left running is waited for
    flock -w "${LOCK_SECONDS}" 8 || die "$(cluster_value step) has been running on this host for ${LOCK_SECONDS} s. See who: fuser -v ${lock}"
    release_own
    rm -f -- "${lock}"
    exec 8>&-
  fi
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
