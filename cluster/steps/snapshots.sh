#!/usr/bin/env bash
# uses: cluster-signs.sh etcd-tools.sh
# This step makes systemd take a verified snapshot of etcd every EVERY, and keep the last KEEP of its own. One that failed shows as drift.
# undo ends that. The snapshots stay with the cluster, and go with it; with KEEP_ON_DESTROY they are moved out of its records, to OWN_FOLDER.
readonly UNIT=kubeadm-lab-snapshots OWN_FOLDER=/var/lib/kubeadm-lab-snapshots
readonly UNIT_PATH="/etc/systemd/system/${UNIT}"
readonly PROGRAM="/var/lib/kubeadm-lab/${STEP}/program"

snapshot_service() {
  printf '%s\n' '[Unit]' 'Description=Takes a snapshot of etcd for kubeadm-lab' 'After=kubelet.service' '' \
    '[Service]' 'Type=oneshot' "ExecStart=/bin/bash ${PROGRAM}" "TimeoutStartSec=$((3 * SAVE_SECONDS))" 'Nice=10'
}
snapshot_timer() { # the first one when the timer starts or 10 minutes after a boot, when the cluster has had time to come up
  printf '%s\n' '[Unit]' "Description=Takes a snapshot of etcd for kubeadm-lab every ${EVERY}" '' \
    '[Timer]' 'OnBootSec=10min' "OnUnitActiveSec=${EVERY}" 'AccuracySec=1s' '' '[Install]' 'WantedBy=timers.target'
}
take_and_prune() {
  take_snapshot timer
  log "took snapshot ${TAKEN}"
  prune_snapshots "${KEEP}"
}
snapshot_program() {
  printf '#!/usr/bin/env bash\nset -euo pipefail\numask 077\n'
  declare -p ROOT STATE WHERE STEP CLUSTER KEEP SNAPSHOTS MANIFESTS ETCD_DATA ETCD_PKI MANIFESTS_ASIDE SAVE_SECONDS
  declare -f log die encode cluster_is_claimed cluster_value is_dockershim etcd_manifest image_of version_in_tag is_control_plane expect_control_plane ca_digest find_tools copy_tools ask_etcd \
    number_in is_whole lock_snapshots expect_room take_snapshot about snapshot_names prune_snapshots take_and_prune
  printf '%s\n' 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin take_and_prune' exit
}

check() {
  compare_file "${UNIT_PATH}.service" 0644 "$(snapshot_service)"$'\n'
  compare_file "${UNIT_PATH}.timer" 0644 "$(snapshot_timer)"$'\n'
  compare_file "${PROGRAM}" 0600 "$(snapshot_program)"$'\n'
  [[ "$(unit_active "${UNIT}.timer")" == active ]] || differs "${UNIT}.timer running" 'active' "$(unit_active "${UNIT}.timer")"
  [[ "$(unit_enabled "${UNIT}.timer")" == enabled ]] || differs "${UNIT}.timer at boot" 'enabled' "$(unit_enabled "${UNIT}.timer")"
  [[ "$(unit_active "${UNIT}.service")" != failed ]] || differs 'last snapshot' 'taken' 'failed'
}
apply() {
  if ! holds "${PROGRAM}" "$(snapshot_program)"$'\n'; then # among this step's records, which go as a whole
    owe 'start timer'
    (umask 077 && snapshot_program >"${ROOT}${PROGRAM}")
  fi
  write_file "${UNIT_PATH}.service" 0644 "$(snapshot_service)"$'\n' 'start timer'
  write_file "${UNIT_PATH}.timer" 0644 "$(snapshot_timer)"$'\n' 'start timer'
  if is_due 'start timer'; then timeout 60 systemctl daemon-reload || die 'systemd could not read its units again; see journalctl -b _PID=1'; fi
  [[ "$(unit_enabled "${UNIT}.timer")" == enabled ]] || enable_units "${UNIT}.timer"
  if is_due 'start timer' || [[ "$(unit_active "${UNIT}.service")" == failed ]]; then # a first one, so that a host where it can't be done is told now
    start_unit "${UNIT}.service" || die "no snapshot could be taken: $(journalctl -u "${UNIT}.service" -n 20 -o cat --no-pager 2>/dev/null | grep 'error: ' | tail -n 1); see journalctl -u ${UNIT}"
    restart_unit "${UNIT}.timer" || die "can't start ${UNIT}.timer; see systemctl status ${UNIT}.timer"
    paid 'start timer'
  elif [[ "$(unit_active "${UNIT}.timer")" != active ]]; then
    start_unit "${UNIT}.timer" || die "can't start ${UNIT}.timer; see systemctl status ${UNIT}.timer"
  fi
}
undo() {
  if is_kept "${UNIT_PATH}.timer" || is_kept "${UNIT_PATH}.service"; then stop_units; fi
  [[ "${KEEP_ON_DESTROY}" == no ]] || keep_snapshots
  finish_undo
}
stop_units() {
  timeout 60 systemctl disable --quiet --no-reload -- "${UNIT}.timer" 2>/dev/null || true # gone already
  timeout 60 systemctl stop -- "${UNIT}.timer" "${UNIT}.service" 2>/dev/null || true
  timeout 10 systemctl reset-failed -- "${UNIT}.service" >/dev/null 2>&1 || true
  restore_file "${UNIT_PATH}.service"
  restore_file "${UNIT_PATH}.timer" # the last one: by it a run that died in between is done again
  timeout 60 systemctl daemon-reload || true
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
