#!/usr/bin/env bash
# What was in a folder before, so that undo takes away only what came later. The list is a file in STORE: line 1 present or absent, then the names.

remember_folder() { # STORE PATH
  local file
  encode "$2"
  file="$1/${ENCODED}"
  if [[ -d "${ROOT}$2" ]]; then
    { printf 'present\n' && ls -A -- "${ROOT}$2"; } >"${file}.new"
  else
    printf 'absent\n' >"${file}.new"
  fi
  mv -f -- "${file}.new" "${file}"
}
read_list() { # STORE PATH: TEXT is its list, empty where that is damaged; 1 where there is none
  encode "$2"
  [[ -e "$1/${ENCODED}" ]] || return 1
  read_file "${1#"${ROOT}"}/${ENCODED}" || TEXT=''
}
look_at_mounts() { # MOUNTS: mount points, the oldest first
  local point
  MOUNTS=()
  while read -r _ point _; do
    printf -v point '%b' "${point//\\0/\\00}" # a space is \040 there
    MOUNTS+=("${point}")
  done </proc/self/mounts
}
remove_trees() { # PATHS with ROOT: never across a mount, so that no foreign disk is emptied
  local i point tree
  (($# > 0)) || return 0
  look_at_mounts
  for ((i = ${#MOUNTS[@]} - 1; i >= 0; i--)); do
    point="${MOUNTS[i]}"
    for tree in "$@"; do
      [[ "${point}" == "${tree}" || "${point}" == "${tree}"/* ]] || continue
      umount -- "${point}" 2>/dev/null || umount -l -- "${point}" || ! mountpoint -q -- "${point}" || die "can't unmount ${point}; see who uses it: fuser -vm ${point}"
      break
    done
  done
  rm -rf --one-file-system -- "$@"
}
clear_folders() { # STORE PATHS...: takes away what they did not have; nothing from one without a list
  local folder path trees=()
  for folder in "${@:2}"; do
    if [[ ! -d "${ROOT}${folder}" || -L "${ROOT}${folder}" ]] || ! read_list "$1" "${folder}"; then continue; fi
    case "${TEXT}" in
    present$'\n'*) ;;
    $'absent\n')
      trees+=("${ROOT}${folder}")
      continue
      ;;
    *)
      log "${folder} stays as it is: the list of what it had before is damaged ($1/${ENCODED})"
      continue
      ;;
    esac
    for path in "${ROOT}${folder}"/* "${ROOT}${folder}"/.[!.]* "${ROOT}${folder}"/..?*; do
      [[ ! -e "${path}" && ! -L "${path}" ]] || has_line "${TEXT#*$'\n'}" "${path##*/}" || trees+=("${path}")
    done
  done
  remove_trees "${trees[@]+"${trees[@]}"}"
}
