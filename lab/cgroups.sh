# Control groups of the lab's hosts. Sourced by inside.sh (in the lab's namespaces) and by lab/lab (clean-up).
# shellcheck shell=bash
# v1 (run here) and v2 (written for it, not run: README, "What the lab does not prove").
# v1: nspawn wants every controller of /proc/cgroups mounted, and each host needs a folder of its own in every hierarchy,
# name=systemd and unified too: hosts that share one delete each other's folders (FailedPostStartHook in the trial).
CGROUP_PARENT="kubeadm-lab-$(lab_hash)" # one lab's, so that two on a machine (two caches) don't meet
readonly CGROUP_PARENT

cgroups_version() { if [[ "$(stat -f -c %T /sys/fs/cgroup)" == cgroup2fs ]]; then printf '2\n'; else printf '1\n'; fi; }

# One line a hierarchy: FOLDER MOUNT-OPTIONS (v1).
cgroups_hierarchies() {
  local controllers id
  awk -F: '$2 != "" && $2 !~ /^name=/ {print $2, $2}' /proc/self/cgroup
  # Controllers of no hierarchy yet are in none of its lines: each becomes one.
  tail -n +2 /proc/cgroups | while read -r controllers id _ _; do
    [[ "${id}" != 0 ]] || printf '%s %s\n' "${controllers}" "${controllers}"
  done
  printf 'systemd none,name=systemd\n'
}

# In the lab's mount namespace: a /sys/fs/cgroup with every hierarchy, whatever the machine has mounted where.
cgroups_mount() {
  [[ "$(cgroups_version)" == 1 ]] || return 0
  local folder options
  local -a hierarchies
  mapfile -t hierarchies < <(cgroups_hierarchies)
  mount -t tmpfs -o mode=0755 tmpfs /sys/fs/cgroup
  for folder in "${hierarchies[@]}"; do
    options="${folder#* }" folder="${folder% *}"
    mkdir -p -- "/sys/fs/cgroup/${folder}"
    mount -t cgroup -o "${options}" cgroup "/sys/fs/cgroup/${folder}" || die "cannot mount control groups ${options}; the lab needs every controller of /proc/cgroups"
  done
  mkdir -p /sys/fs/cgroup/unified
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
}

cgroups_roots() { if [[ "$(cgroups_version)" == 2 ]]; then printf '/sys/fs/cgroup\n'; else printf '%s\n' /sys/fs/cgroup/*; fi; }

# Puts the calling process, and so all that it starts, into the host's own groups with the host's limits.
cgroups_enter() { # NAME
  local root group parent file
  for root in $(cgroups_roots); do
    parent="${root}/${CGROUP_PARENT}" group="${root}/${CGROUP_PARENT}/$1"
    mkdir -p -- "${parent}"
    if [[ "$(cgroups_version)" == 2 ]]; then
      printf '+cpu +cpuset +io +memory +pids' >"${root}/cgroup.subtree_control" 2>/dev/null || true
      printf '+cpu +cpuset +io +memory +pids' >"${parent}/cgroup.subtree_control"
    fi
    mkdir -p -- "${group}"
    for file in cpuset.cpus cpuset.mems; do
      # v1: a new cpuset is empty and takes no process until it is filled, parent first.
      [[ ! -e "${parent}/${file}" || "${root}" != */cpuset ]] || { cat "${root}/${file}" >"${parent}/${file}" && cat "${root}/${file}" >"${group}/${file}"; }
    done
    [[ ! -e "${group}/cpuset.cpus" ]] || cgroups_cpus >"${group}/cpuset.cpus"
    [[ ! -e "${group}/memory.limit_in_bytes" ]] || printf '%s' "${HOST_MEMORY}" >"${group}/memory.limit_in_bytes"
    [[ ! -e "${group}/memory.max" ]] || printf '%s' "${HOST_MEMORY}" >"${group}/memory.max"
    printf '%s' "${BASHPID}" >"${group}/cgroup.procs"
  done
}
# The first CPUs that the machine has, as many as a host has.
cgroups_cpus() { awk -v n="${HOST_CPUS}" '/^processor/ {if (i++ < n) list = list (list == "" ? "" : ",") $3} END {print list}' /proc/cpuinfo; }

# Ends every process of a host, however deep: in no hierarchy but its own can they be.
cgroups_kill() { # NAME
  local group i pids root=/sys/fs/cgroup/pids
  [[ "$(cgroups_version)" == 1 ]] || root=/sys/fs/cgroup
  group="${root}/${CGROUP_PARENT}/$1"
  for ((i = 0; i < 100; i++)); do
    [[ -d "${group}" ]] || return 0
    pids="$(find "${group}" -name cgroup.procs -exec cat {} + 2>/dev/null | grep -vx 0)" || return 0
    # shellcheck disable=SC2086  # one word a pid
    kill -KILL ${pids} 2>/dev/null || true
    sleep 0.1
  done
  die "$1: processes still there 10 s after SIGKILL: ${pids//$'\n'/ }"
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
