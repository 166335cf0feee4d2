# Control groups of the lab's hosts. Sourced by inside.sh (in the lab's namespaces) and by lab/lab (check and clean-up).
# shellcheck shell=bash
# v1: nspawn wants every controller of /proc/cgroups mounted, and each host needs a folder of its own in every hierarchy,
# name=systemd and unified too: hosts that share one delete each other's folders (FailedPostStartHook in the trial).
# v2: one tree. A group hands controllers on to those below it, or has processes, never both; so the parent has none.
CGROUP_PARENT="kubeadm-lab-$(lab_hash)" # one lab's, so that two on a machine (two caches) don't meet
readonly CGROUP_PARENT
readonly CGROUP_ROOT="${KUBEADM_LAB_ROOT:-}/sys/fs/cgroup" CGROUP_LIST="${KUBEADM_LAB_ROOT:-}/proc/cgroups" # a test's folder in front; nobody else sets it

cgroups_version() { if [[ -e "${CGROUP_ROOT}/cgroup.controllers" ]]; then printf '2\n'; else printf '1\n'; fi; }

# What is wrong with this machine's control groups, a line each; changes nothing.
cgroups_problems() {
  local c found
  if [[ "$(cgroups_version)" == 2 ]]; then
    found="$(cat -- "${CGROUP_ROOT}/cgroup.controllers")"
    for c in cpu cpuset memory pids; do
      [[ " ${found} " == *" ${c} "* ]] || printf 'control groups v2: found the controllers "%s" in %s, needs %s too; boot without cgroup_disable=%s, and let a container have it\n' "${found}" "${CGROUP_ROOT}/cgroup.controllers" "${c}" "${c}"
    done
    [[ -w "${CGROUP_ROOT}" ]] || printf 'control groups v2: cannot write to %s; a container needs it writable\n' "${CGROUP_ROOT}"
    # Only the machine's own root may have processes and hand controllers on; it is the one without cgroup.type.
    [[ ! -e "${CGROUP_ROOT}/cgroup.type" || -z "$(cat -- "${CGROUP_ROOT}/cgroup.procs")" ]] ||
      printf 'control groups v2: %s is a container'\''s, and has processes, so that it can hand no controllers on; move them into a group below it, or run on the machine itself\n' "${CGROUP_ROOT}"
    return 0
  fi
  # Of these the kubelet and the hosts' limits are made.
  for c in cpu cpuacct cpuset devices freezer memory pids; do
    awk -v c="${c}" '$1 == c && $4 == 1 {found = 1} END {exit !found}' "${CGROUP_LIST}" || printf 'control groups v1: found no enabled %s in /proc/cgroups; boot without cgroup_disable=%s\n' "${c}" "${c}"
  done
  # The real thing, in a mount namespace that ends at once.
  # shellcheck disable=SC2016  # expanded by the inner shell
  unshare --mount --propagation private bash -c 'set -euo pipefail; source "$1/common.sh"; source "$1/cgroups.sh"; die() { printf "%s\n" "$*"; exit 1; }; cgroups_mount' - "${PROJECT}/lab" 2>&1 || true
}

# One line a hierarchy: FOLDER MOUNT-OPTIONS (v1).
cgroups_hierarchies() {
  local controllers id enabled
  awk -F: '$2 != "" && $2 !~ /^name=/ {print $2, $2}' /proc/self/cgroup
  # Controllers of no hierarchy yet are in none of its lines: each becomes one.
  tail -n +2 -- "${CGROUP_LIST}" | while read -r controllers id _ enabled; do
    [[ "${id}" != 0 || "${enabled}" == 0 ]] || printf '%s %s\n' "${controllers}" "${controllers}"
  done
  printf 'systemd none,name=systemd\n'
}

# In the lab's mount namespace: a /sys/fs/cgroup with every hierarchy, whatever the machine has mounted where.
cgroups_mount() {
  [[ "$(cgroups_version)" == 1 ]] || return 0
  local folder options
  local -a hierarchies
  mapfile -t hierarchies < <(cgroups_hierarchies)
  mount -t tmpfs -o mode=0755 tmpfs "${CGROUP_ROOT}"
  for folder in "${hierarchies[@]}"; do
    options="${folder#* }" folder="${folder% *}"
    mkdir -p -- "${CGROUP_ROOT}/${folder}"
    mount -t cgroup -o "${options}" cgroup "${CGROUP_ROOT}/${folder}" || die "cannot mount control groups ${options}; the lab needs every controller of /proc/cgroups"
  done
  mkdir -p -- "${CGROUP_ROOT}/unified"
  mount -t cgroup2 cgroup2 "${CGROUP_ROOT}/unified"
}

cgroups_roots() { if [[ "$(cgroups_version)" == 2 ]]; then printf '%s\n' "${CGROUP_ROOT}"; else printf '%s\n' "${CGROUP_ROOT}"/*; fi; }

# v2: makes the parent, to which the controllers come from the root and which hands them on. systemd takes away from the root's
# children what no unit of its own needs; from the moment that the parent hands it on, the kernel refuses that.
cgroups_parent() {
  local group c want=''
  for c in $(cat -- "${CGROUP_ROOT}/cgroup.controllers"); do
    [[ " cpu cpuset io memory pids " != *" ${c} "* ]] || want+="${want:+ }+${c}"
  done
  mkdir -p -- "${CGROUP_ROOT}/${CGROUP_PARENT}"
  for group in "${CGROUP_ROOT}" "${CGROUP_ROOT}/${CGROUP_PARENT}"; do
    printf '%s' "${want}" >"${group}/cgroup.subtree_control" || die "cannot write \"${want}\" to ${group}/cgroup.subtree_control; see that nothing has taken these control groups, then run this again"
  done
}

# v2: puts the lab's process 1 into a group beside the hosts'. nspawn hands a host the controllers that process 1 of its pid
# namespace has, and where a session started it (user.slice) that is without cpuset. 1: as numbered in the lab's pid namespace.
cgroups_lab() {
  [[ "$(cgroups_version)" == 2 ]] || return 0
  cgroups_parent
  mkdir -p -- "${CGROUP_ROOT}/${CGROUP_PARENT}/lab"
  printf 1 >"${CGROUP_ROOT}/${CGROUP_PARENT}/lab/cgroup.procs"
}

# Puts the calling process, and so all that it starts, into the host's own groups with the host's limits.
cgroups_enter() { # NAME
  local root group parent file
  for root in $(cgroups_roots); do
    parent="${root}/${CGROUP_PARENT}" group="${root}/${CGROUP_PARENT}/$1"
    mkdir -p -- "${group}"
    for file in cpuset.cpus cpuset.mems; do
      # v1: a new cpuset is empty and takes no process until it is filled, parent first.
      [[ ! -e "${parent}/${file}" || "${root}" != */cpuset ]] || { cat "${root}/${file}" >"${parent}/${file}" && cat "${root}/${file}" >"${group}/${file}"; }
    done
    [[ ! -e "${group}/cpuset.cpus" ]] || cgroups_cpus >"${group}/cpuset.cpus"
    [[ ! -e "${group}/memory.limit_in_bytes" ]] || printf '%s' "${HOST_MEMORY}" >"${group}/memory.limit_in_bytes"
    [[ ! -e "${group}/memory.max" ]] || printf '%s' "${HOST_MEMORY}" >"${group}/memory.max"
    [[ ! -e "${group}/memory.swap.max" ]] || printf 0 >"${group}/memory.swap.max"
    printf '%s' "${BASHPID}" >"${group}/cgroup.procs"
  done
}
# The first CPUs that the machine has, as many as a host has.
cgroups_cpus() { awk -v n="${HOST_CPUS}" '/^processor/ {if (i++ < n) list = list (list == "" ? "" : ",") $3} END {print list}' /proc/cpuinfo; }

# A frozen process does not die of SIGKILL where control groups are v1, and runc freezes a container for a moment while it starts.
cgroups_thaw() { # [NAME]: one host, or all
  [[ "$(cgroups_version)" == 1 ]] || return 0
  # shellcheck disable=SC2016  # expanded by the inner shell
  find "${CGROUP_ROOT}/freezer/${CGROUP_PARENT}/${1:-}" -name freezer.state -exec sh -c 'for file; do echo THAWED >"${file}"; done' - {} + 2>/dev/null || true
}
# Ends every process of a host, however deep: in no hierarchy but its own can they be. One that waits for a busy disk ends when that has answered.
cgroups_kill() { # NAME
  local group i pids root="${CGROUP_ROOT}/pids"
  [[ "$(cgroups_version)" == 1 ]] || root="${CGROUP_ROOT}"
  group="${root}/${CGROUP_PARENT}/$1"
  for ((i = 0; i < 600; i++)); do
    [[ -d "${group}" ]] || return 0
    pids="$(find "${group}" -name cgroup.procs -exec cat {} + 2>/dev/null | grep -vx 0)" || return 0
    # shellcheck disable=SC2086  # one word a pid
    kill -KILL ${pids} 2>/dev/null || true
    cgroups_thaw "$1"
    sleep 0.1
  done
  die "$1: processes still there 60 s after SIGKILL: ${pids//$'\n'/ }"
}

# Removes the groups of one host, or of all (no name). Only empty folders go: a process that is still there keeps its own.
cgroups_remove() { # [NAME]
  local root i
  for root in $(cgroups_roots); do
    for ((i = 0; i < 50; i++)); do
      [[ -d "${root}/${CGROUP_PARENT}/${1:-}" ]] || break
      find "${root}/${CGROUP_PARENT}/${1:-}" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
  done
}
