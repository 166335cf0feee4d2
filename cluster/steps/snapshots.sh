#!/usr/bin/env bash
# uses: cluster-signs.sh etcd-tools.sh timer.sh
# This step makes systemd take a verified snapshot of etcd every EVERY, and keep the last KEEP of its own. One that failed shows as drift.
# undo ends that. The snapshots stay with the cluster, and go with it; with KEEP_ON_DESTROY a last one is taken, and all are moved out of its records, to OWN_FOLDER.
readonly OWN_FOLDER=/var/lib/kubeadm-lab-snapshots

timer_service() {
  printf '%s\n' '[Unit]' 'Description=Takes a snapshot of etcd for kubeadm-lab' 'After=kubelet.service' '' \
    '[Service]' 'Type=oneshot' "ExecStart=/bin/bash ${PROGRAM}" "TimeoutStartSec=$((3 * SAVE_SECONDS))" 'Nice=10'
}
timer_timer() { # the first one when the timer starts or 10 minutes after a boot, when the cluster has had time to come up
  printf '%s\n' '[Unit]' "Description=Takes a snapshot of etcd for kubeadm-lab every ${EVERY}" '' \
    '[Timer]' 'OnBootSec=10min' "OnUnitActiveSec=${EVERY}" 'AccuracySec=1s' '' '[Install]' 'WantedBy=timers.target'
}
take_and_prune() {
  take_snapshot timer
  log "took snapshot ${TAKEN}"
  prune_snapshots timer "${KEEP}"
}
timer_program() {
  program_of take_and_prune KEEP SNAPSHOTS MANIFESTS ETCD_DATA ETCD_PKI MANIFESTS_ASIDE SAVE_SECONDS -- \
    etcd_manifest image_of version_in_tag is_control_plane expect_control_plane ca_digest find_tools find_tools_in copy_tools ask_etcd \
    number_in is_whole lock_snapshots expect_room next_time take_snapshot value_in about snapshot_names prune_snapshots take_and_prune
}

check() { check_timer 'last snapshot' 'taken'; }
apply() { apply_timer 'no snapshot could be taken'; }
undo() {
  local is_set=no
  ! is_kept "${UNIT_PATH}.timer" || is_set=yes
  undo_timer
  if [[ "${KEEP_ON_DESTROY}" == yes ]]; then
    [[ "${is_set}" == no ]] || take_last
    keep_snapshots
  fi
  finish_undo
}
# The cluster as it is now; with an etcd that is gone its older snapshots have to do.
take_last() {
  if api_is_ready && (take_snapshot destroy && log "took snapshot ${TAKEN}"); then return 0; fi
  log 'no last snapshot of etcd: its API server is not ready, or a line above says why. The snapshots of before are kept'
}
keep_snapshots() {
  local file kept=0
  for file in "${SNAPSHOTS}"/[0-9]*.{about,db}; do
    [[ -f "${file}" ]] || continue
    (umask 077 && mkdir -p -- "${ROOT}${OWN_FOLDER}")
    mv -f -- "${file}" "${ROOT}${OWN_FOLDER}/"
    [[ "${file}" != *.db ]] || kept=$((kept + 1))
  done
  ((kept == 0)) || printf '%s snapshots of etcd kept on %s in %s\n' "${kept}" "${WHERE}" "${OWN_FOLDER}"
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
