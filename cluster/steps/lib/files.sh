#!/usr/bin/env bash
# How files are changed so that they can be given back.
# PATH is absolute and without ROOT.

# What is in the way of a change of PATHS (files to be replaced, folders to be written in): a line each, PATH tab WHAT tab ADVICE. Root meets little else.
obstacles() { # PATHS...; to be called in a subshell
  local path target name flags shown attributes=()
  TEXT="$(</proc/self/mounts)"
  for path in "$@"; do
    target="${ROOT}${path}"
    if [[ -d "${target}" && ! -L "${target}" ]]; then
      attributes+=("${target}")
      continue
    fi
    nearest_folder "${target%/*}"
    attributes+=("${NEAREST:-/}")
    [[ ! -f "${target}" || -L "${target}" ]] || attributes+=("${target}")
    [[ "${TEXT}" != *" ${target// /\\040} "* ]] || printf '%s\ta mount of its own\tumount %s\n' "${path}" "${path}"
  done
  while read -r flags name; do
    shown="${name#"${ROOT}"}"
    case "${flags}" in
    *i*) printf '%s\timmutable (lsattr shows i)\tchattr -i %s\n' "${shown:-/}" "${shown:-/}" ;;
    *a*) printf '%s\tappend-only (lsattr shows a)\tchattr -a %s\n' "${shown:-/}" "${shown:-/}" ;;
    esac
  done < <(timeout 20 lsattr -d -- "${attributes[@]}" 2>/dev/null | sort -u)
}
nearest_folder() { # PATH, with ROOT: NEAREST is it, or the first parent that is a folder
  NEAREST="$1"
  while [[ -n "${NEAREST}" && ! -d "${NEAREST}" ]]; do NEAREST="${NEAREST%/*}"; done
}
# shellcheck disable=SC2034 # those who call it read UNESCAPED
unescape() { printf -v UNESCAPED '%b' "${1//\\0/\\00}"; } # WORD of a list in /proc: UNESCAPED is what it means. A space is \040 there
cannot() { # DO PATH ANSWER: ends the script with why, and what to do
  local path what advice
  IFS=$'\t' read -r path what advice < <(obstacles "$2" | head -n 1) || true
  if [[ -z "${what}" ]]; then
    nearest_folder "${ROOT}$2"
    path="${NEAREST#"${ROOT}"}"
    path="${path:-/}"
    [[ -w "${NEAREST:-/}" ]] || what='on a file system that is mounted read-only' advice="mount it read-write (findmnt -T ${path} shows it)"
  fi
  [[ -z "${what}" ]] || die "$1 $2: ${path} is ${what}. To go on: ${advice}, then run this again"
  die "$1 $2: ${3:-no reason given}"
}
make_folder() { # PATH: with its parents; those that were missing are recorded
  [[ ! -d "${ROOT}$1" ]] || return 0
  make_folder "${1%/*}"
  open_records
  encode "$1"
  : >"${RECORDS}/folders/${ENCODED}"
  mkdir -- "${ROOT}$1" || cannot "can't make" "$1"
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
# The braces: bash 4.2 tells of a file that it can't open only by the status of the whole. The size: a disk error ends read as the end of the file does.
read_file() { # PATH: TEXT is all of it; 1 where there is no file, one that can't be read, or one with a NUL, which no text here has
  TEXT=''
  [[ -f "${ROOT}$1" && -r "${ROOT}$1" ]] && { ! IFS= read -r -d '' TEXT; } <"${ROOT}$1" && [[ -n "${TEXT}" || ! -s "${ROOT}$1" ]]
}
read_lines() { # PATH: TEXT_LINES are its lines, without their ends; ends the script where there is no such text
  read_file "$1" || die "can't read $1, or it has a NUL"
  mapfile -t TEXT_LINES <"${ROOT}$1"
}
has_line() { [[ $'\n'"$1" == *$'\n'"$2"$'\n'* ]]; } # TEXT, each line with its end; LINE
holds() { read_file "$1" && [[ "${TEXT}" == "$2" ]]; }    # PATH TEXT
# TEXT is what COMMAND prints for PATH. Any part of COMMAND that fails ends the script, before PATH is touched: a pipe would tell only afterwards.
# To be called by itself: in a condition bash forgets -e, and a text that lost its middle would count.
text_for() { # PATH COMMAND...
  local path="$1" status=0
  shift
  set +e
  TEXT="$(
    set -e
    "$@"
    printf x
  )"
  status=$?
  set -e
  ((status == 0)) || die "can't make the new text of ${path}; it stays as it was"
  TEXT="${TEXT%x}"
}
# Makes PATH hold TEXT. MODE - keeps mode and owner of the file there. ACT becomes due when the file changes.
write_file() { # PATH MODE TEXT [ACT]
  local target="${ROOT}$1" mode="$2" text="$3" fresh="${ROOT}$1.kubeadm-lab-new" is_held=yes
  holds "$1" "${text}" || is_held=no
  if [[ -f "${target}" && ! -L "${target}" ]]; then
    [[ "${mode}" != - ]] || mode="0$(stat -c %a -- "${target}")"
    if [[ "${is_held}" == yes ]]; then
      keep_mode "$1" "${mode#0}"
      return 0
    fi
  fi
  make_folder "${1%/*}"
  rm -f -- "${fresh}"
  if [[ "$2" == - && -f "${target}" && ! -L "${target}" ]]; then cp -a -- "${target}" "${fresh}"; else (umask 077 && : >"${fresh}"); fi || cannot "can't write" "$1"
  printf '%s' "${text}" >"${fresh}"
  chmod "${mode/#-/0644}" "${fresh}"
  keep_original "$1"
  [[ -z "${4:-}" ]] || owe "$4"
  put_in_place "$1"
  log "wrote $1"
}
put_in_place() { # PATH: the new file beside it gets its name
  local answer fresh="${ROOT}$1.kubeadm-lab-new"
  answer="$(mv -fT -- "${fresh}" "${ROOT}$1" 2>&1)" && return 0
  rm -f -- "${fresh}"
  cannot "can't replace" "$1" "${answer}"
}
edit_file() { # PATH ACT COMMAND...: PATH becomes what COMMAND prints of it
  local path="$1" act="$2"
  shift 2
  text_for "${path}" "$@"
  write_file "${path}" - "${TEXT}" "${act}"
}
keep_mode() { # PATH MODE: who reads the file need not be told
  [[ "$(stat -c %a -- "${ROOT}$1")" != "$2" ]] || return 0
  keep_original "$1"
  chmod -- "$2" "${ROOT}$1" || cannot "can't change the mode of" "$1"
  log "mode of $1: $2"
}
compare_file() { # PATH MODE TEXT: MODE - is any. compare_modes looks at all of them by one stat, so not in a pipe
  local found=absent
  if ! holds "$1" "$3"; then
    [[ ! -r "${ROOT}$1" ]] || found="sha256 $(sha256sum <"${ROOT}$1" | cut -c 1-12)"
    differs "file $1" "sha256 $(printf '%s' "$3" | sha256sum | cut -c 1-12)" "${found}"
  fi
  [[ "$2" != - && -f "${ROOT}$1" && ! -L "${ROOT}$1" ]] || return 0
  expect_mode "$1" "${2#0}"
}
compare_edited() { # PATH COMMAND...: whether edit_file would change it
  text_for "$@"
  compare_file "$1" - "${TEXT}"
}
compare_edited_lines() { # REGEX PATH COMMAND...: for a COMMAND that changes only lines which begin like REGEX; without such a line it is not run
  [[ -f "${ROOT}$2" ]] || return 0
  if read_file "$2" && [[ ! $'\n'"${TEXT}" =~ $'\n'$1 ]]; then return 0; fi
  compare_edited "${@:2}"
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
is_as_before() { # PATH, recorded: nothing to restore, as after a change that failed
  local kept="${RECORDS}/files/${ENCODED}" target="${ROOT}$1"
  if ! has_original "$1"; then
    [[ ! -e "${target}" && ! -L "${target}" ]]
  elif [[ -L "${kept}" || -L "${target}" ]]; then
    [[ -L "${kept}" && -L "${target}" && "$(readlink -- "${kept}")" == "$(readlink -- "${target}")" ]]
  else
    cmp -s -- "${kept}" "${target}" && [[ "$(stat -c '%a %u:%g %Y' -- "${kept}")" == "$(stat -c '%a %u:%g %Y' -- "${target}")" ]]
  fi
}
restore_file() { # PATH: as it was before the first write_file; nothing without a record
  local target="${ROOT}$1" answer
  is_kept "$1" || return 0
  rm -f -- "${target}.kubeadm-lab-new"
  if is_as_before "$1"; then
    drop_original "$1"
    return 0
  elif has_original "$1"; then
    make_folder "${1%/*}"
    has_original "$1"
    cp -a -- "${RECORDS}/files/${ENCODED}" "${target}.kubeadm-lab-new" || cannot "can't restore" "$1"
    put_in_place "$1"
    has_original "$1"
  else
    answer="$(rm -f -- "${target}" 2>&1)" || cannot "can't remove" "$1" "${answer}"
  fi
  drop_original "$1"
  log "restored $1"
}
# For a file that others edit too: COMMAND prints the file of today without our lines. Where nobody else changed it, the original comes back with its times.
restore_edited() { # PATH COMMAND...
  local rest
  TEXT=''
  [[ ! -f "${ROOT}$1" ]] || text_for "$@"
  rest="$(printf '%s' "${TEXT}")" # without the ends of its last lines, as $(<FILE) is
  if has_original "$1" && [[ "$(original_text "$1")" == "${rest}" ]] || { ! has_original "$1" && is_kept "$1" && [[ -z "${rest}" ]]; }; then
    restore_file "$1"
    return 0
  fi
  rm -f -- "${ROOT}$1.kubeadm-lab-new"
  if [[ -f "${ROOT}$1" && "$(<"${ROOT}$1")" != "${rest}" ]]; then write_file "$1" - "${rest}"$'\n'; fi
  ! has_original "$1" || [[ ! -L "${RECORDS}/files/${ENCODED}" ]] || log "$1 was a link to $(readlink -- "${RECORDS}/files/${ENCODED}"), and stays a file: others have changed it since"
  drop_original "$1"
}
original_text() { # PATH, which has an original. A link is followed from where it was, not from among the records
  local path
  encode "$1"
  path="${RECORDS}/files/${ENCODED}"
  if [[ -L "${path}" ]]; then
    path="$(readlink -- "${path}")"
    if [[ "${path}" == /* ]]; then path="${ROOT}${path}"; else path="${ROOT}${1%/*}/${path}"; fi
  fi
  [[ ! -f "${path}" ]] || cat -- "${path}"
}
readonly MARK='#kubeadm-lab# ' # in front of another's line that has no effect while ours is there
readonly BLOCK_BEGIN='# kubeadm-lab begin' BLOCK_END='# kubeadm-lab end'
restore_marked() { # REGEX: files with such a path get the lines back that were marked; what others wrote meanwhile stays
  local path
  while read -r path; do
    [[ -z "${path}" || ! "${path}" =~ $1 ]] || restore_edited "${path}" sed "s|^${MARK}||" -- "${ROOT}${path}"
  done < <(recorded_names files)
}
without_block() { # PATH: prints the file without our block; a block that lost its end loses only its first line
  local line held='' is_inside=no
  [[ -f "${ROOT}$1" ]] || return 0
  read_lines "$1"
  for line in "${TEXT_LINES[@]+"${TEXT_LINES[@]}"}"; do
    case "${is_inside} ${line}" in
    "no ${BLOCK_BEGIN}" | "yes ${BLOCK_BEGIN}")
      printf '%s' "${held}"
      held='' is_inside=yes
      ;;
    "yes ${BLOCK_END}") held='' is_inside=no ;;
    yes\ *) held+="${line}"$'\n' ;;
    *) printf '%s\n' "${line}" ;;
    esac
  done
  printf '%s' "${held}"
}
