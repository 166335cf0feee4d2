#!/usr/bin/env bash
# What was in a folder before, so that undo takes away only what came later.
# The list is a file in STORE: line 1 `absent`, or `present MODE UID:GID PATH`, then the names.
# PATH is where the folder really is: it, or one above it, may be a link to another disk. (Lists of an earlier release have no more than `present` there.)
# `mounts` beside the lists: which of the folders something was mounted on.

remember_folders() { # STORE PATHS...
  local folder
  for folder in "${@:2}"; do remember_folder "$1" "${folder}"; done
  mounted_of "${@:2}" >"$1/mounts.new"
  mv -f -- "$1/mounts.new" "$1/mounts"
}
mounted_of() { # PATHS: those that something is mounted on, as real paths
  local folder real point
  look_at_mounts
  for folder in "$@"; do
    [[ -d "${ROOT}${folder}" ]] || continue
    real="$(real_folder "${folder}")"
    for point in "${MOUNTS[@]}"; do
      [[ "${point}" != "${real}" ]] || { printf '%s\n' "${real}" && break; }
    done
  done
}
# What was mounted on a folder since is somebody's disk, whatever it has: it is let go like one below it, and the folder under it is cleared.
let_go_since() { # STORE PATHS...
  local point now=() since=()
  [[ -e "$1/mounts" ]] || return 0 # a release before this
  mapfile -t now < <(mounted_of "${@:2}")
  for point in "${now[@]+"${now[@]}"}"; do grep -qxF -e "${point}" -- "$1/mounts" || since+=("${point}"); done
  let_go "${since[@]+"${since[@]}"}"
}
remember_folder() { # STORE PATH
  local file
  encode "$2"
  file="$1/${ENCODED}"
  if [[ -d "${ROOT}$2" ]]; then
    { printf 'present %s %s\n' "$(stat -L -c '%a %u:%g' -- "${ROOT}$2")" "$(real_folder "$2")" && ls -A -- "${ROOT}$2/"; } >"${file}.new"
  else
    printf 'absent\n' >"${file}.new"
  fi
  mv -f -- "${file}.new" "${file}"
}
real_folder() { (cd -P -- "${ROOT}$1" && pwd -P); } # PATH
read_list() {                                       # STORE PATH: TEXT is its list, empty where that is damaged; 1 where there is none
  encode "$2"
  [[ -e "$1/${ENCODED}" ]] || return 1
  read_file "${1#"${ROOT}"}/${ENCODED}" || TEXT=''
}
look_at_mounts() { # MOUNTS: mount points, the oldest first; MOUNT_TYPES: their file systems
  local point type
  MOUNTS=() MOUNT_TYPES=()
  while read -r _ point type _; do
    unescape "${point}"
    MOUNTS+=("${UNESCAPED}") MOUNT_TYPES+=("${type}")
  done </proc/self/mounts
}
# Unmounts all that is mounted at or below the trees, inner mounts first. What is in use is told and ends the script, before anything in the trees is deleted:
# somebody's data may be there. Only what holds nothing but this boot's memory, or a container's layers, is detached from under its users.
let_go() { # TREES: real paths
  local i point attempt=0 stuck=() end
  (($# > 0)) || return 0
  uptime_now
  end=$((UPTIME + 60))
  while ((attempt++ < 5)) && is_before "${end}"; do # what has just been killed may still be ending
    look_at_mounts
    stuck=()
    for ((i = ${#MOUNTS[@]} - 1; i >= 0; i--)); do
      point="${MOUNTS[i]}"
      is_in "${point}" "$@" || continue
      # A server that is gone may hold an unmount up for ever.
      timeout -k 5 30 umount -- "${point}" 2>/dev/null && continue
      case "${MOUNT_TYPES[i]} ${point}" in # any other overlay may be a folder of a host whose root is one
      tmpfs\ * | nsfs\ * | mqueue\ * | proc\ * | overlay\ */rootfs | overlay\ */merged) timeout -k 5 30 umount -l -- "${point}" 2>/dev/null || stuck+=("${point}") ;;
      *) stuck+=("${point}") ;;
      esac
    done
    ((${#stuck[@]} > 0)) || return 0
    sleep 1
  done
  look_at_mounts # it may be gone by now, or another one's unmount took it along
  for point in "${MOUNTS[@]}"; do
    is_in "${point}" "$@" || continue
    die "can't unmount ${point}; in use by $(users_of "${point}"). Nothing in it was deleted. End what uses it and unmount it (umount ${point}; if its server is gone: umount -f -l ${point}), then run this again"
  done
}
is_in() { # PATH TREES...: at or below one of them
  local tree
  for tree in "${@:2}"; do [[ "$1" != "${tree}" && "$1" != "${tree}"/* ]] || return 0; done
  return 1
}
# From the links in /proc: looking at the mount itself would wait for a server that is gone.
users_of() { # POINT: the first three of them
  local point="$1" path target pid name known=' ' list=''
  while IFS=$'\t' read -r path target; do
    [[ "${target}" == "${point}" || "${target}" == "${point}/"* ]] || continue
    pid="${path#/proc/}"
    pid="${pid%%/*}"
    [[ "${known}" != *" ${pid} "* ]] || continue
    known+="${pid} "
    name="$(cat -- "/proc/${pid}/comm" 2>/dev/null)" || continue # has ended
    list+="${list:+, }${name} (pid ${pid})"
    [[ "${list}" != *,*,* ]] || break
  done < <(timeout 30 find /proc/[0-9]*/{cwd,root,exe} /proc/[0-9]*/{fd,map_files} -maxdepth 1 -type l -printf '%p\t%l\n' 2>/dev/null)
  printf '%s' "${list:-nobody that shows in /proc here: perhaps a container, or a server that is gone}"
}
remove_trees() { # TREES: real paths; never across a mount, so that no foreign disk is emptied
  (($# > 0)) || return 0
  let_go "$@"
  rm -rf --one-file-system -- "$@"
}
# TREES is all that came to the folders since: nothing of one without a list, or of one that leads elsewhere by now.
find_new() { # STORE PATHS...
  local folder path real
  let_go_since "$@"
  TREES=()
  for folder in "${@:2}"; do
    if [[ ! -d "${ROOT}${folder}" ]] || ! read_list "$1" "${folder}"; then continue; fi
    real="$(real_folder "${folder}")"
    case "${TEXT}" in
    "present "*" ${real}"$'\n'*) ;;
    present$'\n'*) [[ ! -L "${ROOT}${folder}" ]] || continue ;;
    "present "*$'\n'*)
      log "${folder} stays as it is: it leads to ${real} by now, and led elsewhere before"
      continue
      ;;
    $'absent\n')
      [[ -L "${ROOT}${folder}" ]] || TREES+=("${real}")
      continue
      ;;
    *)
      log "${folder} stays as it is: the list of what it had before is damaged ($1/${ENCODED})"
      continue
      ;;
    esac
    for path in "${real}"/* "${real}"/.[!.]* "${real}"/..?*; do
      [[ ! -e "${path}" && ! -L "${path}" ]] || has_line "${TEXT#*$'\n'}" "${path##*/}" || TREES+=("${path}")
    done
  done
}
clear_folders() { # STORE PATHS...: takes away what they did not have; nothing from one without a list
  local folder mode owner real
  find_new "$@"
  remove_trees "${TREES[@]+"${TREES[@]}"}"
  for folder in "${@:2}"; do
    if [[ ! -d "${ROOT}${folder}" ]] || ! read_list "$1" "${folder}"; then continue; fi
    read -r _ mode owner real < <(printf '%s\n' "${TEXT%%$'\n'*}")
    [[ -n "${real}" && "${real}" == "$(real_folder "${folder}")" && "$(stat -c '%a %u:%g' -- "${real}")" != "${mode} ${owner}" ]] || continue
    chown -- "${owner}" "${real}" && chmod -- "${mode}" "${real}"
  done
}
