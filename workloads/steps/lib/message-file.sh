#!/usr/bin/env bash
# How MESSAGE_FILE, which Pods write, is read and emptied.
# What runs in a Pod can make anything of it, at any moment: a link to a secret of the host, a pipe, a device.
# So nothing opens it on the host. Commands that read or empty it run in a root of their own: there is its folder, in which a link leads nowhere else and
# a device can't be opened, and besides only what the command is loaded from.

# KIND is what it is: file, absent, or what it must not be. Only for messages and for what is not worth a look: it may be another thing a moment later.
look_at_message_file() {
  local path="${ROOT}${MESSAGE_FILE}"
  KIND='file'
  if ! enter_message_folder; then
    KIND="in a folder that does not lead where it did when this host joined, since a link came"
  elif [[ -L "${path}" ]]; then
    KIND='a link'
  elif [[ ! -e "${path}" ]]; then
    KIND=absent
  elif [[ ! -f "${path}" ]]; then
    KIND="a $(stat -c %F -- "${path}")"
  fi
}
refused() { printf '%s is %s, and a file was expected: it was not opened or followed. Who can write in that folder made it; remove it' "${MESSAGE_FILE}" "${KIND}"; }
# A link on the way to the folder is the host's own when it is older than the host's join. In a subshell; REAL is where the folder is.
enter_message_folder() {
  local folder="${MESSAGE_FILE%/*}" path='' joined name
  REAL=''
  [[ -d "${ROOT}${folder}" ]] || return 0
  REAL="$(readlink -f -- "${ROOT}${folder}")"
  joined="$(stat -c %Z -- "${STATE}/cluster/id" 2>/dev/null)" || joined='' # no Pod has been here
  while IFS= read -r -d / name; do
    path+="${name:+/${name}}"
    [[ ! -L "${ROOT}${path}" || -z "${joined}" || "$(stat -c %Z -- "${ROOT}${path}")" -lt "${joined}" ]] || return 1
  done < <(printf '%s\n' "${folder}/")
}
# COMMAND finds the file as the last of its arguments.
with_message_file() { # ro|rw COMMAND...
  enter_message_folder && cd -P -- "${REAL}" && [[ "$(readlink /proc/self/cwd)" == "${REAL}" ]] || return
  unshare --mount bash -c "$(declare -f jailed)"$'\njailed "$@"' bash "$@" "/folder/${MESSAGE_FILE##*/}"
}
# As slaves, so that what the host unmounts meanwhile goes here too.
jailed() { # ro|rw COMMAND...: to be called in the folder, where mounts are this process's own
  local jail=/run name
  [[ "${PWD}/" != /run/* ]] || jail=/tmp
  mount --make-rslave / && mount -t tmpfs -o mode=755,size=1m kubeadm-lab "${jail}" && mkdir -p -- "${jail}/folder" || return
  for name in bin lib lib64 usr/bin usr/lib usr/lib64; do
    if [[ -L "/${name}" ]]; then
      cp -P -- "/${name}" "${jail}/${name}" || return
    elif [[ -d "/${name}" ]]; then
      mkdir -p -- "${jail}/${name}" && mount --bind "/${name}" "${jail}/${name}" && mount -o remount,bind,ro "${jail}/${name}" || return
    fi
  done
  mount --bind "${PWD}" "${jail}/folder" && mount -o "remount,bind,$1,nodev,nosuid,noexec" "${jail}/folder" || return
  exec chroot "${jail}" "${@:2}"
}
end_of_message_file() { (with_message_file ro timeout 20 tail "$@" --); } # FLAGS of tail
emptied() { dd of="$1" oflag=nofollow,nonblock conv=nocreat count=0 status=none; } # PATH
empty_message_file() { (with_message_file rw timeout 20 bash -c "$(declare -f emptied)"$'\nemptied "$1"' bash); }
