# Shared by the lab's commands: where things are, how they speak. Sourced, never run.
# shellcheck shell=bash disable=SC2034  # the files that source this one use what it sets
PROJECT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${KUBEADM_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/kubeadm-lab}" # what may be kept and made again
LAB="${CACHE}/lab"                                                           # the running lab: hosts, keys, the stack's state
DEMO="${LAB}/demo"                                                           # is there where the lab is a demo's, which may end it
readonly PROJECT CACHE LAB DEMO
readonly CONTROL_PLANE=k8s-master INTERNAL=172.16.1 EXTERNAL=10.0.0 FIRST_ADDRESS=110
readonly REGISTRY="${INTERNAL}.1:5000" PACKAGES="${INTERNAL}.1:8080"
readonly HOST_MEMORY=4G HOST_DISK=20G HOST_CPUS=2 # the hosts of the seed's page: 2C/4G/20G

# Lines carry the seconds since the command began, so that a person sees what takes long.
log() { printf '%5d s  %s\n' "${SECONDS}" "$*" >&2; }
die() { log "error: $*"; exit 1; }

# Which release of everything the lab runs: a folder of lab/eras. `era_data` sets what its era.sh says.
era() { cat -- "${LAB}/era" 2>/dev/null || printf 'default\n'; }
check_era() { # NAME
  local found
  [[ ! "$1" =~ ^[a-z0-9.-]+$ || ! -e "${PROJECT}/lab/eras/$1/era.sh" ]] || return 0
  found="$(find "${PROJECT}/lab/eras" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -sd' ')"
  die "--era: found \"$1\", expected one of: ${found}"
}
# shellcheck source=lab/eras/default/era.sh
era_data() { source "${PROJECT}/lab/eras/$(era)/era.sh"; }
workers() { cat -- "${LAB}/workers" 2>/dev/null || printf '2\n'; }
# One line a host: NAME LAST-BYTE-OF-ITS-ADDRESSES
hosts() {
  local i
  printf '%s %d\n' "${CONTROL_PLANE}" "${FIRST_ADDRESS}"
  for ((i = 1; i <= $(workers); i++)); do printf 'k8s-node%02d %d\n' "${i}" "$((FIRST_ADDRESS + i))"; done
}
host_byte() { hosts | awk -v h="$1" '$1 == h {print $2}'; }

# The lab is one process tree in namespaces of its own. LAB/init.pid holds "PID START": the pid of the `unshare` that
# keeps it and that process's start time, so that a pid used again by somebody else is never taken for ours.
start_time() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null; }
keeper() {
  local pid start
  read -r pid start 2>/dev/null <"${LAB}/init.pid" || return 1
  [[ -n "${start}" && "$(start_time "${pid}")" == "${start}" ]] && printf '%s\n' "${pid}"
}
# Process 1 of the lab's own pid namespace, as the machine numbers it.
init() {
  local pid
  pid="$(keeper)" || return 1
  pid="$(tr -d ' ' 2>/dev/null <"/proc/${pid}/task/${pid}/children")"
  [[ -n "${pid}" ]] && printf '%s\n' "${pid}"
}
need_lab() { init >/dev/null || die "the lab is not up; run: lab/lab up"; }
# Runs a command on the lab's network, with the machine's files.
on_network() { nsenter --target "$(init)" --net -- "$@"; }
# Runs one of lab/inside.sh's functions among the lab's processes and mounts.
# 200: the lock of lab/lab, which the hosts must not keep.
inside() { nsenter --target "$(init)" --mount --net --pid -- bash "${PROJECT}/lab/inside.sh" "$@" 200>&-; }

ssh_options() {
  printf '%s\n' -i "${LAB}/id_ed25519" -o "UserKnownHostsFile=${LAB}/known_hosts" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \
    -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR
}
on_host() { # HOST COMMAND...
  local byte options
  byte="$(host_byte "$1")"
  [[ -n "${byte}" ]] || die "no host named $1; the hosts are: $(hosts | cut -d' ' -f1 | paste -sd' ')"
  shift
  mapfile -t options < <(ssh_options)
  on_network ssh "${options[@]}" "root@${INTERNAL}.${byte}" "$@"
}

# Tells this lab from another on the machine (another cache).
lab_hash() { printf '%s' "${LAB}" | sha256sum | cut -c1-8; }
