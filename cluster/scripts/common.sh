#!/usr/bin/env bash
# shellcheck disable=SC2034 # some names here are for the scripts that come after this file
# What every host script has in common: three verbs, messages, records, files that can be given back, services, one run at a time.
# A host gets the settings (readonly NAME='value', STEP among them), this file, the files that line 2 of the script names, and the script, all through stdin.
# For CentOS 7.7: bash 4.2 (no ${x@Q}, no wait -n, "${x[@]}" of an empty list fails under -u), coreutils 8.22, systemd 219.
set -euo pipefail
export LC_ALL=C # other languages break what is parsed (kubekey#2231)
umask 022
readonly ROOT="${KUBEADM_LAB_ROOT:-}" # a test's folder in front of every path; nobody else sets it
export PATH="${ROOT:+${ROOT}/bin:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" # sudo's path lacks half of it
readonly STATE="${ROOT}/var/lib/kubeadm-lab" RECORDS="${ROOT}/var/lib/kubeadm-lab/${STEP}"
readonly WHERE="${HOST_NAME:-${NODE_NAME:-${HOSTNAME}}}"
readonly LOCK_SECONDS="${KUBEADM_LAB_LOCK_SECONDS:-600}" # longer than any step's own bound on a host that does its work at all
DIED=no KILLED=no LAST_SEEN='' TEXT='' MODES_OF=() MODES=()
declare -A ACTIVE=() ENABLED=()

log() { printf '%s %s: %s\n' "${WHERE}" "${STEP}" "$*" >&2; }
die() {
  DIED=yes
  log "error: $*"
  exit 1
}
differs() { # ITEM WANTED FOUND: one line of check's answer
  printf '%s\t%s\t%s\n' "${1//[$'\t\n']/ }" "${2//[$'\t\n']/ }" "${3//[$'\t\n']/ }"
}
seen() { LAST_SEEN="$*"; }
# Runs COMMAND until it succeeds, at most SECONDS long; what it printed last stays in LAST_SEEN.
wait_for() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until LAST_SEEN="$("$@" 2>&1)"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

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
    ! (umask 077 && mkdir -p -- "${RECORDS}"/{values,files,absent,folders} 2>/dev/null) || return 0
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

# Files. PATH is absolute and without ROOT.
make_folder() { # PATH: with its parents; those that were missing are recorded
  [[ ! -d "${ROOT}$1" ]] || return 0
  make_folder "${1%/*}"
  open_records
  encode "$1"
  : >"${RECORDS}/folders/${ENCODED}"
  mkdir -- "${ROOT}$1"
}
has_original() { # PATH: was a file or link before, and is recorded
  encode "$1"
  [[ -e "${RECORDS}/files/${ENCODED}" || -L "${RECORDS}/files/${ENCODED}" ]]
}
is_kept() { has_original "$1" || [[ -e "${RECORDS}/absent/${ENCODED}" ]]; } # PATH: recorded, also as absent
drop_original() {                                                         # PATH
  encode "$1"
  rm -f -- "${RECORDS}/files/${ENCODED}" "${RECORDS}/absent/${ENCODED}"
}
keep_original() { # PATH: file, link or nothing
  ! is_kept "$1" || return 0
  open_records
  if [[ -e "${ROOT}$1" || -L "${ROOT}$1" ]]; then
    rm -f -- "${RECORDS}/new"
    cp -a -- "${ROOT}$1" "${RECORDS}/new"
    mv -fT -- "${RECORDS}/new" "${RECORDS}/files/${ENCODED}"
  else
    : >"${RECORDS}/absent/${ENCODED}"
  fi
}
holds_stdin() { # PATH: whether it holds what stdin gives; TEXT is that. The end of a text is the end of the input, since no text here has a NUL
  local found=''
  IFS= read -r -d '' TEXT || true
  [[ -f "${ROOT}$1" && -r "${ROOT}$1" ]] && ! IFS= read -r -d '' found <"${ROOT}$1" && [[ "${found}" == "${TEXT}" ]]
}
# Makes PATH hold what stdin gives. MODE - keeps mode and owner of the file there. ACT becomes due when the file changes.
write_file() { # PATH MODE [ACT]
  local target="${ROOT}$1" mode="$2" fresh="${ROOT}$1.kubeadm-lab-new" is_held=yes
  holds_stdin "$1" || is_held=no
  if [[ -f "${target}" && ! -L "${target}" ]]; then
    [[ "${mode}" != - ]] || mode="0$(stat -c %a -- "${target}")"
    if [[ "${is_held}" == yes ]]; then
      keep_mode "$1" "${mode#0}"
      return 0
    fi
  fi
  make_folder "${1%/*}"
  rm -f -- "${fresh}"
  if [[ "$2" == - && -f "${target}" && ! -L "${target}" ]]; then cp -a -- "${target}" "${fresh}"; else (umask 077 && : >"${fresh}"); fi
  printf '%s' "${TEXT}" >"${fresh}"
  chmod "${mode/#-/0644}" "${fresh}"
  keep_original "$1"
  [[ -z "${3:-}" ]] || owe "$3"
  mv -fT -- "${fresh}" "${target}"
  log "wrote $1"
}
# PATH becomes what COMMAND prints of it; a COMMAND that fails changes nothing (a pipe into write_file would tell only afterwards).
edit_file() { # PATH ACT COMMAND...
  local path="$1" act="$2" edited
  shift 2
  edited="$(set -e && "$@" && printf x)" || die "can't make the new text of ${path}; it stays as it was"
  printf '%s' "${edited%x}" | write_file "${path}" - "${act}"
}
keep_mode() { # PATH MODE: who reads the file need not be told
  [[ "$(stat -c %a -- "${ROOT}$1")" != "$2" ]] || return 0
  keep_original "$1"
  chmod "$2" "${ROOT}$1"
  log "mode of $1: $2"
}
compare_file() { # PATH [MODE]: stdin is what it should hold. With MODE not in a pipe: compare_modes looks at all of them by one stat
  local found=absent
  if ! holds_stdin "$1"; then
    [[ ! -r "${ROOT}$1" ]] || found="sha256 $(sha256sum <"${ROOT}$1" | cut -c 1-12)"
    differs "file $1" "sha256 $(printf '%s' "${TEXT}" | sha256sum | cut -c 1-12)" "${found}"
  fi
  [[ -n "${2:-}" && -f "${ROOT}$1" && ! -L "${ROOT}$1" ]] || return 0
  expect_mode "$1" "${2#0}"
}
expect_mode() { MODES_OF+=("$1") MODES+=("$2"); } # PATH MODE
compare_modes() {
  local mode path i
  local -A found=()
  ((${#MODES_OF[@]} > 0)) || return 0
  while read -r mode path; do found[${path}]="${mode}"; done < <(stat -c '%a %n' -- "${MODES_OF[@]/#/${ROOT}}")
  for i in "${!MODES[@]}"; do
    mode="${found[${ROOT}${MODES_OF[i]}]-gone}"
    [[ "${mode}" == "${MODES[i]}" ]] || differs "mode ${MODES_OF[i]}" "${MODES[i]}" "${mode}"
  done
}
restore_file() { # PATH: as it was before the first write_file; nothing without a record
  local target="${ROOT}$1"
  is_kept "$1" || return 0
  rm -f -- "${target}.kubeadm-lab-new"
  if has_original "$1"; then
    make_folder "${1%/*}"
    has_original "$1"
    cp -a -- "${RECORDS}/files/${ENCODED}" "${target}.kubeadm-lab-new"
    mv -fT -- "${target}.kubeadm-lab-new" "${target}"
  else
    rm -f -- "${target}"
  fi
  drop_original "$1"
  log "restored $1"
}
# For a file that others edit too: stdin is the file of today without our lines. Where nobody else changed it, the original comes back with its times.
restore_edited() { # PATH
  local rest
  rest="$(cat)"
  if has_original "$1" && [[ "$(<"${RECORDS}/files/${ENCODED}")" == "${rest}" ]] || { ! has_original "$1" && is_kept "$1" && [[ -z "${rest}" ]]; }; then
    restore_file "$1"
    return 0
  fi
  rm -f -- "${ROOT}$1.kubeadm-lab-new"
  if [[ -f "${ROOT}$1" && "$(<"${ROOT}$1")" != "${rest}" ]]; then printf '%s\n' "${rest}" | write_file "$1" -; fi
  drop_original "$1"
}
readonly BLOCK_BEGIN='# kubeadm-lab begin' BLOCK_END='# kubeadm-lab end'
without_block() { # PATH: prints the file without our block; a block that lost its end loses only its first line
  [[ ! -f "${ROOT}$1" ]] || awk -v first="${BLOCK_BEGIN}" -v last="${BLOCK_END}" '
    $0 == first { printf "%s", held; held = ""; inside = 1; next }
    inside && $0 == last { held = ""; inside = 0; next }
    inside { held = held $0 "\n"; next }
    { print }
    END { printf "%s", held }' "${ROOT}$1"
}

# Services: whether a unit was enabled and running, before the first change.
unit_exists() { systemctl cat -- "$1" >/dev/null 2>&1; }
unit_enabled() { systemctl is-enabled -- "$1" 2>/dev/null | grep -Fxv not-found || true; } # enabled, disabled, masked, static, or nothing; systemd 253 says not-found
unit_active() { systemctl is-active -- "$1" 2>/dev/null || true; }
# The same for several at once: ACTIVE and ENABLED, by unit. A process for each costs more than all the rest of a check.
look_at_active() { # UNITS...: systemctl prints a line for each, also for one that is not there
  local found i=0
  while read -r found; do
    i=$((i + 1))
    ACTIVE[${!i}]="${found}"
  done < <(systemctl is-active -- "$@" 2>/dev/null)
}
look_at_enabled() { # UNITS...: a line for each that is there
  local unit found i=0
  mapfile -t found < <(systemctl is-enabled -- "$@" 2>/dev/null)
  for unit in "$@"; do
    if ((${#found[@]} == $#)); then ENABLED[${unit}]="${found[i]/#not-found/}"; else ENABLED[${unit}]="$(unit_enabled "${unit}")"; fi
    i=$((i + 1))
  done
}
keep_unit() { # UNIT
  record "active $1" "$(unit_active "$1")"
  record "enabled $1" "$(unit_enabled "$1")"
}
# Each of these makes systemd read all its files again unless told not to (0.15 s); nothing here needs that.
enable_units() { systemctl enable --quiet --no-reload -- "$@" || die "can't enable $*; see systemctl status $1"; }
disable_unit() { systemctl disable --quiet --no-reload -- "$1" || die "can't disable $1; see systemctl status $1"; }
# A unit that several runs started within seconds is refused by its own start limit; that count starts again here.
start_unit() { # UNIT [restart]
  systemctl reset-failed -- "$1" >/dev/null 2>&1 || true
  timeout 120 systemctl "${2:-start}" -- "$1"
}
restart_unit() { start_unit "$1" restart; } # UNIT
restore_unit() { # UNIT
  local active enabled now
  if active="$(recorded "active $1")" && enabled="$(recorded "enabled $1")" && unit_exists "$1"; then
    now="$(unit_enabled "$1")"
    case "${enabled}" in
    "${now}") ;;
    enabled) enable_units "$1" ;;
    disabled) disable_unit "$1" ;;
    esac
    now="$(unit_active "$1")"
    case "${active}" in
    "${now}") ;;
    active | activating | reloading) start_unit "$1" || die "can't start $1 as it was before; see journalctl -u $1" ;;
    *) timeout 120 systemctl stop -- "$1" || die "can't stop $1; see systemctl status $1" ;;
    esac
  fi
  forget "active $1"
  forget "enabled $1"
}

# The last act of every undo: nothing of this step stays on the host.
finish_undo() {
  local folder
  while read -r folder; do
    [[ -z "${folder}" ]] || rmdir -- "${ROOT}${folder}" 2>/dev/null || true # in use by somebody else by now: stays
  done < <(recorded_names folders | sort -r)
  rm -rf -- "${RECORDS:?}"
  rmdir -- "${STATE}" 2>/dev/null || true # the other steps' records
  rm -f -- "${ROOT}/run/lock/kubeadm-lab-${STEP}.lock"
}
# One run of a step at a time. Children inherit the lock: what a killed run left running is waited for.
take_lock() { # NAME
  local lock="${ROOT}/run/lock/kubeadm-lab-$1.lock"
  mkdir -p -- "${lock%/*}"
  while :; do
    exec 9>"${lock}"
    flock -w "${LOCK_SECONDS}" 9 || die "another run of $1 has held ${lock} for ${LOCK_SECONDS} s. See who: fuser -v ${lock}"
    [[ ! "${lock}" -ef "/proc/$$/fd/9" ]] || return 0 # else the last holder removed it: take the new one
  done
}
tell_end() { [[ "$1" == [023] || "${DIED}" == yes ]] || log "error: exit status $1 at: $2"; } # STATUS COMMAND
# check in a substitution, which drops -e and the trap by itself; what goes wrong in it is told there, once.
told_check() {
  DIED=no
  trap 'tell_end "$?" "${BASH_COMMAND}"' EXIT
  set -e
  check
  compare_modes
}
on_exit() { # STATUS COMMAND
  trap '' HUP INT TERM
  [[ "${KILLED}" == yes ]] || tell_end "$@"
  ! declare -F at_exit >/dev/null || at_exit "$1"
}
main() { # VERB
  local answer
  case "${1:-}" in
  apply | check | undo) ;;
  *)
    printf 'usage: bash -s -- apply|check|undo\n' >&2
    exit 2
    ;;
  esac
  trap 'on_exit "$?" "${BASH_COMMAND}"' EXIT
  trap 'KILLED=yes; exit 143' HUP INT TERM
  [[ -n "${ROOT}" || "${EUID}" == 0 ]] || die "runs as $(id -un), expected root. Connect as root, or let this user run sudo without a password"
  [[ "$1" == check ]] || declare -F looks_only >/dev/null || take_lock "${STEP}"
  [[ "$1" == check ]] || "$1"
  [[ "$1" != undo ]] || return 0
  DIED=yes
  answer="$(told_check)"
  DIED=no
  [[ -n "${answer}" ]] || return 0
  if [[ "$1" == check ]]; then
    printf '%s\n' "${answer}"
    exit 3
  fi
  printf '%s\n' "${answer}" >&2
  die 'not in place after apply: the lines above say what (item, wanted, found)'
}
