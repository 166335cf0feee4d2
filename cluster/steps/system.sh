#!/usr/bin/env bash
# uses: cards.sh swap.sh selinux.sh network.sh kernel.sh time.sh packet-filter.sh used-host.sh
# This step makes the operating system what Kubernetes needs. One step, so that a host needs one connection for it; one file for each concern.
# SYSCTLS and MODULES are arrays, NTP_SERVERS too; FIREWALLD: disable or keep; SELINUX: permissive or keep; TIMEZONE: empty or a zone.
# ADDRESS, ROLE, RUNTIME_KIND, CLUSTER_POD_CIDR: for what others put on the host later, which stands in a cluster's way and is theirs to take away.
# A second run changes nothing. A setting that is taken away gives back what it changed. undo reverts only what apply recorded.

check() {
  look_at_active firewalld.service NetworkManager.service ntpd.service chronyd.service
  look_at_enabled firewalld.service chronyd.service
  swap_check
  selinux_check
  firewalld_check
  modules_check
  sysctls_check
  nm_check
  zone_check
  clock_check
  read_addresses
  look_at_used
  tell_differences
}
apply() {
  swap_apply
  selinux_apply
  firewalld_apply
  modules_apply
  sysctls_apply # after the modules: br_netfilter brings net.bridge.*
  nm_apply
  zone_apply
  clock_apply
  read_addresses
  look_at_used
  tell_problems
  ((${#PROBLEMS[@]} == 0)) || die "in the way of the cluster, and not this program's: ${#PROBLEMS[@]}; the lines above say what and what to do. All else is in place"
}
undo() {
  [[ ! -d "${RECORDS}" ]] || give_all_back
  finish_undo
}
give_all_back() {
  clock_undo
  restore_file /etc/localtime
  nm_undo
  sysctls_undo
  modules_undo
  firewalld_undo
  selinux_undo
  swap_undo
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
