#!/usr/bin/env bash
# uses: cluster-signs.sh certificates.sh timer.sh
# This step makes systemd look at the control plane's certificates once a day, and renew those that end within 30 days, as `up` does (kubelet.sh, kubeconfig.sh): for a cluster
# that goes on for a year without one. A renewal that failed shows as drift. CLUSTER_ID: whose certificates. TURN: which of the control planes this is, from 0 on. undo ends that.
readonly ADMIN_CONF=/etc/kubernetes/admin.conf RENEWAL_SECONDS=1800

timer_service() {
  printf '%s\n' '[Unit]' 'Description=Renews certificates of the control plane for kubeadm-lab' 'After=kubelet.service' '' \
    '[Service]' 'Type=oneshot' "ExecStart=/bin/bash ${PROGRAM}" "TimeoutStartSec=${RENEWAL_SECONDS}" 'Nice=10'
}
# 10 minutes after a boot, when the cluster has had time to come up, and once a day. Each control plane in hours of its own: certificates that were made in one go end on one day,
# and while two of three etcds restart for theirs nobody has a quorum.
timer_timer() {
  printf '%s\n' '[Unit]' 'Description=Renews certificates of the control plane for kubeadm-lab once a day' '' \
    '[Timer]' "OnBootSec=$((10 + 120 * TURN))min" "OnCalendar=*-*-* $(printf %02d $(((1 + 2 * TURN) % 24))):00:00" 'AccuracySec=1h' '' '[Install]' 'WantedBy=timers.target'
}
timer_program() {
  program_of renew_all CLUSTER_ID KEPT WANTED_DAYS TOLD_DAYS CA_ROTATION CLIENT_CERTIFICATE ENDING_CAS ADMIN_CONF RENEWAL_SECONDS -- \
    uptime_now is_before wait_for lock_kept cluster_version kubelet_version cluster_minor list_containers api_is_ready certificates is_good suspects first_certificates renew_certificate renew_certificates \
    restart_static_pods containers stop_container runs_anew tell_ending_cas renew_all
}
# The kubelet renews its own by itself.
renew_all() {
  [[ "$(cluster_value id)" == "${CLUSTER_ID}" && -n "$(cluster_value finished)" ]] || die "this host is not in ${CLUSTER_ID} any more"
  lock_kept "${RENEWAL_SECONDS}"
  renew_certificates
  is_good "${ADMIN_CONF}" || renew_certificate "${ADMIN_CONF}" admin.conf
  restart_static_pods
  tell_ending_cas
}

check() { check_timer 'last renewal' 'done'; }
apply() { apply_timer 'certificates could not be renewed'; }
undo() {
  undo_timer
  finish_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
