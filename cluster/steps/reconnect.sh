#!/usr/bin/env bash
# uses: cluster-signs.sh
# This step lets a Node's kubelet ask the API servers at once, by a start anew: while they are away it asks less and less often, at last each half minute, and so long nobody would end the
# Pods that a drain evicts. Pods go on. No resource has it: a drain's hook runs it (cluster/member.ts).
# CLUSTER_ID. No undo: a start leaves nothing.
takes_no_lock() { :; } # nothing of another run is in its way
check() { :; }
apply() {
  [[ "$(cluster_value id)" == "${CLUSTER_ID}" ]] || die "this host is in cluster $(cluster_value id), expected ${CLUSTER_ID}. Nothing was changed"
  restart_unit kubelet.service || die 'the kubelet does not restart; see journalctl -u kubelet'
  wait_for 60 kubelet_answers || die "the kubelet was restarted, and has not answered at ${HEALTHZ} in 60 s. See journalctl -u kubelet"
}
undo() { :; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
