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
mounts_in() { # PATH: mount points at and below it, innermost first
  local point
  while read -r _ point _; do
    printf -v point '%b' "${point//\\0/\\00}" # a space is \040 there
    [[ "${point}" != "$1" && "${point}" != "$1"/* ]] || printf '%s\n' "${point}"
  done </proc/self/mounts | sort -r
}
remove_tree() { # PATH with ROOT: never across a mount, so that no foreign disk is emptied
  local point
  while read -r point; do
    [[ -z "${point}" ]] || umount -- "${point}" 2>/dev/null || umount -l -- "${point}" || die "can't unmount ${point}; see who uses it: fuser -vm ${point}"
  done < <(mounts_in "$1")
  rm -rf --one-file-system -- "${1:?}"
}
clear_folder() { # STORE PATH: nothing without a list
  local file entry
  encode "$2"
  file="$1/${ENCODED}"
  [[ -e "${file}" && -d "${ROOT}$2" && ! -L "${ROOT}$2" ]] || return 0
  if [[ "$(head -n 1 -- "${file}")" == absent ]]; then
    remove_tree "${ROOT}$2"
    return 0
  fi
  while read -r entry; do
    [[ -z "${entry}" ]] || remove_tree "${ROOT}$2/${entry}"
  done < <(find "${ROOT}$2" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -Fxv -f <(tail -n +2 -- "${file}"))
}
