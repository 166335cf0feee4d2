#!/usr/bin/env bash
# The three verbs of a step: how a run begins and ends, and that there is one at a time.
# A step says by a function of its own that it needs less: takes_no_lock, where runs may go side by side or a lock of its own keeps them apart; changes_nothing,
# where no verb changes anything on the host: it needs no lock either, and has no work that could be somebody's.

# The last act of every undo: nothing of this step stays on the host.
finish_undo() {
  local i folders=()
  mapfile -t folders < <(recorded_names folders)
  for ((i = ${#folders[@]} - 1; i >= 0; i--)); do # inner ones first
    rmdir -- "${ROOT}${folders[i]}" 2>/dev/null || true # in use by somebody else by now: stays
  done
  rm -rf -- "${RECORDS:?}" "${ROOT}/run/lock/kubeadm-lab-${CLAIM_AS:-${STEP}}.lock"
  rmdir -- "${STATE}" 2>/dev/null || true # the other steps' records
}
# One run of a step at a time, or of two that do one thing's work (CLAIM_AS: join.sh). Children inherit the lock: what a killed run left running is waited for.
take_lock() { # NAME
  local lock="${ROOT}/run/lock/kubeadm-lab-$1.lock"
  [[ -d "${lock%/*}" ]] || mkdir -p -- "${lock%/*}"
  while :; do
    exec 9>"${lock}"
    flock -n 9 || {
      log "waits for another run of $1 on this host to end, at most ${LOCK_SECONDS} s"
      flock -w "${LOCK_SECONDS}" 9
    } || die "another run of $1 has held ${lock} for ${LOCK_SECONDS} s. See who: fuser -v ${lock}"
    [[ ! "${lock}" -ef /proc/self/fd/9 ]] || return 0 # else the last holder removed it: take the new one
  done
}
# An undo of what another has made, or taken over, is left out, so that destroy goes on. An apply takes over what the same host did under another name.
is_left_alone() {
  is_anothers_work || return 1
  log "left alone: this is the work of $(owner_text "${FOUND}"), and not of $(owner_text "${OWNER}")"
  rm -f -- "${ROOT}/run/lock/kubeadm-lab-${CLAIM_AS:-${STEP}}.lock"
}
take_over() {
  ! is_anothers_host || die "this host is $(owner_text "${FOUND}"), expected nobody's or that of $(owner_text "${OWNER}"). Nothing was changed. To go on: ${OTHER_STACK}"
  own "${RECORDS}"
}
# What apply runs is what its undo will run: the host keeps that script until then (scripts.sh). SCRIPT is its name, where the host has it.
# Beside it the settings of this apply, for an undo that no state will ask for.
readonly KEEPER="${STATE}/scripts"
readonly STEP_MARK="${STEP}${NODE_NAME:+.${NODE_NAME}}"
use_script() {
  local was=''
  [[ -n "${SCRIPT:-}" && -d "${KEEPER}/used" ]] || return 0
  if [[ -n "${SETTINGS:-}" && "$(cat -- "${KEEPER}/settings/${STEP_MARK}" 2>/dev/null)" != "${SETTINGS}" ]]; then
    (umask 077 && mkdir -p -- "${KEEPER}/settings" && put_line "${KEEPER}/settings/${STEP_MARK}" "${SETTINGS}") || cannot_mark
  fi
  [[ ! -s "${KEEPER}/used/${STEP_MARK}" ]] || read -r was <"${KEEPER}/used/${STEP_MARK}"
  [[ "${was}" == "${SCRIPT}" ]] || put_line "${KEEPER}/used/${STEP_MARK}" "${SCRIPT}" || cannot_mark
}
put_line() { printf '%s\n' "$2" >"$1.new-${BASHPID}" && mv -f -- "$1.new-${BASHPID}" "$1"; } # FILE TEXT. Several Pods of the gallery are made at once, each by a run of the same step
cannot_mark() { die "can't write in ${STATE#"${ROOT}"}/scripts: the line above says why"; }
leave_script() { rm -f -- "${KEEPER}"/{used,settings}/"${STEP_MARK}"{,.new-*}; }
# WHAT is the command that failed: with bash 5 an EXIT trap has only `eval` where the whole script was evaluated, as the provider does it.
# 0, 2 and 3 are answers of main; a command may fail with 2 or 3 as well.
tell_end() { [[ "${DIED}" == yes || (-z "${WHAT}" && "$1" == [023]) ]] || log "error: exit status $1 at: ${WHAT:-$2}"; } # STATUS COMMAND
name_failure() {
  set -E
  trap 'WHAT="${BASH_COMMAND}"' ERR
}
# check in a substitution, which drops -e and the trap by itself; what goes wrong in it is told there, once.
told_check() {
  DIED=no WHAT=''
  trap 'tell_end "$?" "${BASH_COMMAND}"' EXIT
  set -e
  check
  compare_modes
  has_function changes_nothing || ! is_anothers_work || differs 'owner' "$(owner_text "${OWNER}")" "$(owner_text "${FOUND}")"
}
on_exit() { # STATUS COMMAND
  trap '' HUP INT TERM
  [[ "${KILLED}" == yes ]] || tell_end "$@"
  ! has_function at_exit || at_exit "$1"
}
has_function() { declare -F "$1" >/dev/null; } # NAME
main() { # VERB
  local answer
  # As apply, of what an earlier run has applied: init alone has to know that.
  # shellcheck disable=SC2034 # init.sh reads it
  [[ "${1:-}" != again ]] || { AGAIN=yes && set -- apply; }
  case "${1:-}" in
  apply | check | undo) ;;
  *)
    printf 'usage: bash -s -- apply|check|undo\n' >&2
    exit 2
    ;;
  esac
  name_failure
  trap 'on_exit "$?" "${BASH_COMMAND}"' EXIT
  trap 'KILLED=yes; exit 143' HUP INT TERM
  [[ -n "${ROOT}" || "${EUID}" == 0 ]] || die "runs as $(id -un), expected root. Connect as root, or let this user run sudo without a password"
  [[ "$1" == check ]] || has_function takes_no_lock || has_function changes_nothing || take_lock "${CLAIM_AS:-${STEP}}"
  [[ "$1" != undo ]] || ! is_left_alone || return 0
  if [[ "$1" == apply ]] && ! has_function changes_nothing; then
    take_over
    use_script
  fi
  [[ "$1" == check ]] || "$1"
  if [[ "$1" == undo ]]; then
    has_function changes_nothing || leave_script
    return 0
  fi
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
