#!/usr/bin/env bash
# shellcheck disable=SC2034 # some names here are for the scripts that come after this file
# What every step begins with: an environment that is known, messages, and records of what was there before.
# After it come files.sh, units.sh and verbs.sh, which every script gets too.
# A host gets the settings (readonly NAME='value', STEP among them), these four, the files that line 2 of the script names, and the script, all through stdin.
# For CentOS 7.7: bash 4.2 (no ${x@Q}, no wait -n, "${x[@]}" of an empty list fails under -u), coreutils 8.22, systemd 219.
# A run begins in an environment of its own (provider/shell.ts). What passes by that, folder, umask and limits, is set here; and once more all of it, for who runs a script by hand.
: "${STEP:?the first lines of the script are gone: does a profile of this login read stdin?}"
set +o posix
set +fkvx
# Nothing but settings is readonly yet. They are kept for an undo that no state will ask for (lost.sh), where the provider says that none is a secret.
[[ -z "${KEEPS_SETTINGS:-}" || "${1:-}" != apply ]] || SETTINGS="$(readonly -p)"
shopt -u dotglob expand_aliases failglob lastpipe nocaseglob nocasematch nullglob xpg_echo
set -euo pipefail
for word in $(compgen -A export -A function); do
  case "${word}" in KUBEADM_LAB_ROOT | KUBEADM_LAB_LOCK_SECONDS | SHELLOPTS | BASHOPTS) ;; *) unset "${word}" 2>/dev/null || true ;; esac
done
export -n SHELLOPTS BASHOPTS
export HOME=/nonexistent # no .curlrc, no .rpmmacros, no .docker of anybody
export LC_ALL=C          # other languages break what is parsed (kubekey#2231)
umask 022
cd /
for word in d f t v; do ulimit "-${word}" unlimited 2>/dev/null || ulimit -S "-${word}" hard || true; done # a login's may be less than yum needs
ulimit -c 0 # what a script knows is in its memory, and in that of kubeadm and kubectl, which it starts
unset word
readonly ROOT="${KUBEADM_LAB_ROOT:-}" # a test's folder in front of every path; nobody else sets it
export PATH="${ROOT:+${ROOT}/bin:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" # sudo's path lacks half of it
readonly STATE="${ROOT}/var/lib/kubeadm-lab" RECORDS="${ROOT}/var/lib/kubeadm-lab/${STEP}"
readonly WHERE="${HOST_NAME:-${NODE_NAME:-${HOSTNAME}}}"
# A killed run leaves one command running: yum's bound is 1800 s, kubeadm's TIMEOUT_SECONDS. Longer than both.
readonly LOCK_SECONDS="${KUBEADM_LAB_LOCK_SECONDS:-$((3600 + ${TIMEOUT_SECONDS:-0}))}"
DIED=no KILLED=no WHAT='' LAST_SEEN='' FOUND='' TEXT='' MODES_OF=() MODES=()

# What a terminal would act on is left out of others' words; a tab and a line's end stay.
log() {
  local text="$*"
  printf '%s %s: %s\n' "${WHERE}" "${STEP}" "${text//[$'\001'-$'\010'$'\013'-$'\037'$'\177']/?}" >&2
}
die() {
  DIED=yes
  log "error: $*"
  exit 1
}
differs() { # ITEM WANTED FOUND: one line of check's answer
  printf '%s\t%s\t%s\n' "${1//[$'\t\n']/ }" "${2//[$'\t\n']/ }" "${3//[$'\t\n']/ }"
}
notice() { printf 'note: %s\n' "$*" >&2; } # of check: what is no difference, and that a preview warns of
seen() { LAST_SEEN="$*"; }
# Bounds are in UPTIME: bash's SECONDS go by the clock, which chronyd or somebody may set meanwhile.
uptime_now() { IFS='. ' read -r UPTIME _ </proc/uptime; } # UPTIME: seconds since the boot
is_before() { uptime_now && ((UPTIME < $1)); }          # END: in UPTIME
# Runs COMMAND until it succeeds, at most SECONDS long; what it printed last stays in LAST_SEEN.
wait_for() { # SECONDS COMMAND...
  uptime_now
  local end=$((UPTIME + $1))
  shift
  until LAST_SEEN="$("$@" 2>&1)"; do
    is_before "${end}" || return 1
    sleep 0.2
  done
}

# Whose work it is. OWNER is `ID PROJECT/STACK HOST`: an id that is made once a stack, and the host's name in the stack. Every folder of records names its
# owner; one that names none was made by a version before this. Without OWNER, as in a command that undoes nothing, nobody asks.
read_owner() { # FOLDER: FOUND is its owner; 1 where it names none
  FOUND=''
  [[ -s "$1/owner" ]] || return 1
  IFS= read -r FOUND <"$1/owner"
}
put_owner() { # FOLDER
  [[ -n "${OWNER:-}" ]] || return 0
  printf '%s\n' "${OWNER}" >"$1/owner.new" && mv -f -- "$1/owner.new" "$1/owner"
}
own() { # FOLDER: what is in it stays, whoever of this stack recorded it
  [[ -d "$1" ]] || return 0
  if ! read_owner "$1" || [[ "${FOUND}" != "${OWNER:-}" ]]; then put_owner "$1"; fi
}
is_anothers_host() { # some work on this host is another stack's: FOUND is the owner
  local folder
  [[ -n "${OWNER:-}" ]] || return 1
  for folder in "${STATE}"/*; do
    if [[ "${folder}" != *.new && "${folder}" != *.gone ]] && read_owner "${folder}" && [[ "${FOUND%% *}" != "${OWNER%% *}" ]]; then return 0; fi
  done
  return 1
}
is_anothers_work() { # what this step would undo is another's, also another host's of this stack: FOUND is the owner
  [[ -n "${OWNER:-}" ]] || return 1
  if read_owner "${WORK:-${RECORDS}}"; then [[ "${FOUND}" != "${OWNER}" ]]; else is_anothers_host; fi
}
owner_text() { # OWNER: for a person
  local rest="${1#* }"
  printf '%s of stack %s (id %s)' "${rest#* }" "${rest%% *}" "${1%% *}"
}
readonly OTHER_STACK="run pulumi destroy for that stack first; only if its state is lost, remove ${STATE#"${ROOT}"}/*/owner on this host: its work then counts as this stack's"

# Records: the state of the host before the first change. The first value wins, so that a second apply does not record its own work.
# Functions answer in a variable where a subshell for each call would cost more than the work (hundreds of forks a step).
encode() { # PATH or KEY: ENCODED is a file name for it
  ENCODED="${1//%/%25}"
  ENCODED="${ENCODED//\//%2F}"
}
record() { # KEY VALUE
  encode "$1"
  [[ ! -e "${RECORDS}/values/${ENCODED}" ]] || return 0
  open_records
  printf '%s' "$2" >"${RECORDS}/new"
  mv -f -- "${RECORDS}/new" "${RECORDS}/values/${ENCODED}" # whole or not at all
}
recorded() { # KEY: prints its value; 1 where there is none
  encode "$1"
  [[ -e "${RECORDS}/values/${ENCODED}" ]] || return 1
  printf '%s' "$(<"${RECORDS}/values/${ENCODED}")"
}
forget() { # KEY
  encode "$1"
  [[ ! -e "${RECORDS}/values/${ENCODED}" ]] || rm -f -- "${RECORDS}/values/${ENCODED}"
}
recorded_names() { # values|files|absent|folders [PREFIX]: one a line
  local file name
  for file in "${RECORDS}/$1"/*; do
    [[ -e "${file}" || -L "${file}" ]] || continue
    name="${file##*/}"
    name="${name//%2F//}"
    name="${name//%25/%}"
    [[ "${name}" != "${2:-}"* ]] || printf '%s\n' "${name}"
  done
}
open_records() { # again and again: another step's last undo may just have removed the empty parent
  local attempt
  [[ ! -d "${RECORDS}/folders" ]] || return 0
  for attempt in 1 2 3 4 5; do
    ! (umask 077 && mkdir -p -- "${RECORDS}" && put_owner "${RECORDS}" && mkdir -p -- "${RECORDS}"/{values,files,absent,folders}) 2>/dev/null || return 0
  done
  die "can't make ${RECORDS} (try ${attempt}); look at df /var/lib and at mount for a read-only file system"
}
# Something to do after a file has changed. It stays due until it is done, also when this run dies in between.
owe() { record "due $1" yes; }
is_due() {
  encode "due $1"
  [[ -e "${RECORDS}/values/${ENCODED}" ]]
}
paid() { forget "due $1"; }
