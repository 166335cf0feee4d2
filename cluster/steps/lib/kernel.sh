#!/usr/bin/env bash
# How kernel modules and sysctls are set, now and after a reboot.
# MODULES: names. SYSCTLS: key=value; keys that this kernel does not have are left out.
# Whoever else has the last word at a boot (another sysctl file, a line that forbids a module) has that line marked; undo takes the mark away.
readonly MODULES_FILE=/etc/modules-load.d/kubeadm-lab.conf SYSCTLS_FILE=/etc/sysctl.d/99-kubeadm-lab.conf

# Loaded, or built in: a built-in module without parameters has no folder in /sys/module, and modprobe only knows it where modules.builtin does.
module_is_there() { # NAME
  local builtin
  [[ ! -d "${ROOT}/sys/module/${1//-/_}" ]] || return 0
  case "$1" in
  br_netfilter) [[ -e "${ROOT}/proc/sys/net/bridge/bridge-nf-call-iptables" ]] ;;
  overlay) read_file /proc/filesystems && [[ "${TEXT}" == *$'\toverlay\n'* ]] ;;
  *)
    builtin="${ROOT}/lib/modules/$(uname -r)/modules.builtin"
    [[ -r "${builtin}" ]] && grep -Eq "/${1//[-_]/[-_]}\.ko" -- "${builtin}"
    ;;
  esac
}
modules_are_there() {
  local name
  for name in "${MODULES[@]+"${MODULES[@]}"}"; do module_is_there "${name}" || return 1; done
}
# systemd-modules-load heeds `blacklist`, which modprobe by hand does not; an `install` that does nothing stops both.
forbids_module() { # LINE of a modprobe.d file: FORBIDDEN is the module of ours that it keeps away
  local verb name rest words='^[[:space:]]*([^[:space:]]+)[[:space:]]+([^[:space:]]+)[[:space:]]*(.*)$' pattern='(^|/)(true|false|:|exit)([[:space:];]|$)'
  [[ "$1" =~ ${words} ]] || return 1
  verb="${BASH_REMATCH[1]}" name="${BASH_REMATCH[2]}" rest="${BASH_REMATCH[3]}"
  [[ "${verb}" == blacklist || ("${verb}" == install && "${rest}" =~ ${pattern}) ]] || return 1
  for FORBIDDEN in "${MODULES[@]+"${MODULES[@]}"}"; do [[ "${FORBIDDEN//-/_}" != "${name//-/_}" ]] || return 0; done
  return 1
}
read_modprobe_files() { configuration_files modprobe.d; } # CONFIGURATION
module_lines() { printf -v MODULE_LINES '%s\n' "${MODULES[@]+"${MODULES[@]}"}"; } # MODULE_LINES: a name each
modules_check() {
  local name
  module_lines
  compare_file "${MODULES_FILE}" 0644 "${MODULE_LINES}"
  for name in "${MODULES[@]+"${MODULES[@]}"}"; do module_is_there "${name}" || differs "module ${name}" 'loaded' 'not loaded'; done
  read_modprobe_files
  each_opposing forbids_module module_differs
}
module_differs() { differs "module ${FORBIDDEN} at boot" 'loaded' "$2 ($1)"; } # PATH LINE
modules_apply() {
  local name
  module_lines
  write_file "${MODULES_FILE}" 0644 "${MODULE_LINES}"
  read_modprobe_files
  mark_opposing forbids_module
  for name in "${MODULES[@]+"${MODULES[@]}"}"; do
    ! module_is_there "${name}" || continue
    record "module ${name}" loaded
    timeout 60 modprobe -- "${name}" || module_is_there "${name}" || die "modprobe ${name} failed: this kernel ($(uname -r)) does not have it"
    log "module loaded: ${name}"
  done
}
modules_undo() {
  local name
  restore_file "${MODULES_FILE}"
  restore_marked '/modprobe[.]d/'
  while read -r name; do
    [[ -n "${name}" ]] || continue
    timeout 60 modprobe -r -- "${name#module }" 2>/dev/null || log "module stays loaded: ${name#module } (in use, or built in)"
    forget "${name}"
  done < <(recorded_names values 'module ')
}

# Files of a drop-in folder: one in /etc hides its namesake in /run and /usr/lib, and a link to /dev/null hides it altogether.
configuration_files() { # FOLDER [AFTER]: CONFIGURATION are its files whose names come after AFTER
  local folder file name known=/
  CONFIGURATION=()
  for folder in /etc /run /usr/local/lib /usr/lib /lib; do
    for file in "${ROOT}${folder}/$1"/*.conf; do
      name="${file##*/}"
      [[ (-e "${file}" || -L "${file}") && "${known}" != *"/${name}/"* ]] || continue
      known+="${name}/"
      [[ ! -f "${file}" || ! "${name}" > "${2:-}" ]] || CONFIGURATION+=("${file#"${ROOT}"}")
    done
  done
}
each_opposing() { # OPPOSES HANDLER: calls HANDLER PATH LINE for each line of CONFIGURATION that OPPOSES takes
  local path line
  for path in "${CONFIGURATION[@]+"${CONFIGURATION[@]}"}"; do
    read_file "${path}" || continue
    while IFS= read -r line; do ! "$1" "${line}" || "$2" "${path}" "${line}"; done < <(printf '%s\n' "${TEXT}")
  done
}
marked_lines() { # PATH OPPOSES: prints the file; a line that no longer opposes loses its mark
  local line
  read_lines "$1"
  for line in "${TEXT_LINES[@]+"${TEXT_LINES[@]}"}"; do
    line="${line#"${MARK}"}"
    ! "$2" "${line}" || line="${MARK}${line}"
    printf '%s\n' "${line}"
  done
}
mark_opposing() { # OPPOSES
  local path
  for path in "${CONFIGURATION[@]+"${CONFIGURATION[@]}"}"; do
    if is_kept "${path}" || { read_file "${path}" && opposes_somewhere "$1"; }; then edit_file "${path}" '' marked_lines "${path}" "$1"; fi
  done
}
opposes_somewhere() { # OPPOSES, of TEXT
  local line
  while IFS= read -r line; do ! "$1" "${line}" || return 0; done < <(printf '%s\n' "${TEXT}")
  return 1
}

# In keys, as sysctl has it: a dot separates, a slash is a dot within a name (net.ipv4.conf.eth0/100.rp_filter), a star is any name.
slashes() { # KEY: SLASHES is it with the two exchanged
  SLASHES="${1//\//%}"
  SLASHES="${SLASHES//.//}"
  SLASHES="${SLASHES//%/.}"
}
key_path() { # KEY: PATH_OF_KEY, below /proc/sys
  slashes "$1"
  PATH_OF_KEY="${ROOT}/proc/sys/${SLASHES}"
}
read_sysctls() { # PRESENT: `key value` each; SYSCTL_LINES: the file's text; WATCHED: `path key value`, what another file must not set otherwise
  local pair path key
  PRESENT=() WATCHED=() SYSCTL_LINES=''
  for pair in "${SYSCTLS[@]+"${SYSCTLS[@]}"}"; do
    key_path "${pair%%=*}"
    for path in ${PATH_OF_KEY}; do
      [[ -e "${path}" ]] || continue
      key="${path#"${ROOT}/proc/sys/"}"
      key="${key//./%}"
      key="${key//\//.}"
      single_spaced "${pair#*=}"
      PRESENT+=("${key//%//} ${WORDS}")
      WATCHED+=("${path#"${ROOT}/proc/sys/"} ${key//%//} ${WORDS}")
      # The same by another name; and what new links get, the Pods' among them.
      [[ "${key}" != net.ipv4.ip_forward ]] || WATCHED+=("net/ipv4/conf/all/forwarding ${key} ${WORDS}" "net/ipv4/conf/default/forwarding ${key} ${WORDS}")
      SYSCTL_LINES+="${key//%//} = ${WORDS}"$'\n'
    done
  done
}
single_spaced() { # TEXT: WORDS are its words with one space between them; the kernel prints tabs
  WORDS="${1//[[:space:]]/ }"
  while [[ "${WORDS}" == *'  '* ]]; do WORDS="${WORDS//  / }"; done
  WORDS="${WORDS# }" WORDS="${WORDS% }"
}
sysctl_now() { # KEY: WORDS
  key_path "$1"
  single_spaced "$(<"${PATH_OF_KEY}")"
}
set_sysctl() { # KEY VALUE
  key_path "$1"
  printf '%s\n' "$2" >"${PATH_OF_KEY}" || {
    sysctl_now "$1"
    die "sysctl $1: can't set $2 (found ${WORDS}). Is the value valid for this kernel, and /proc/sys writable?"
  }
}
# systemd-sysctl goes through the files in the order of their names, the last one wins. `sysctl --system` and older init scripts read /etc/sysctl.conf after all of
# them; CentOS links it as 99-sysctl.conf too. tuned's profile comes last where tuned does not apply the others again.
read_sysctl_files() { # CONFIGURATION: those that have their say after SYSCTLS_FILE
  local path all=()
  configuration_files sysctl.d "${SYSCTLS_FILE##*/}"
  for path in "${CONFIGURATION[@]+"${CONFIGURATION[@]}"}"; do
    [[ "${ROOT}${path}" -ef "${ROOT}/etc/sysctl.conf" ]] || all+=("${path}")
  done
  [[ ! -f "${ROOT}/etc/sysctl.conf" ]] || all+=(/etc/sysctl.conf)
  CONFIGURATION=("${all[@]+"${all[@]}"}")
  tuned_files
}
tuned_files() { # adds to CONFIGURATION
  local off=$'(^|\n)[[:space:]]*reapply_sysctl[[:space:]]*=[[:space:]]*(0|[Nn]o|[Ff]alse)' include=$'(^|\n)[[:space:]]*include[[:space:]]*=[[:space:]]*([^[:space:],]+)' profiles name path i
  read_file /etc/tuned/tuned-main.conf && [[ "${TEXT}" =~ ${off} ]] && read_file /etc/tuned/active_profile || return 0
  read -r -a profiles < <(printf '%s\n' "${TEXT}") || true
  for ((i = 0; i < ${#profiles[@]} && i < 16; i++)); do # a profile may include another
    name="${profiles[i]}"
    for path in "/etc/tuned/${name}/tuned.conf" "/etc/tuned/profiles/${name}/tuned.conf" "/usr/lib/tuned/${name}/tuned.conf" "/usr/lib/tuned/profiles/${name}/tuned.conf"; do
      [[ -f "${ROOT}${path}" ]] || continue
      CONFIGURATION+=("${path}")
      ! read_file "${path}" || [[ ! "${TEXT}" =~ ${include} ]] || profiles+=("${BASH_REMATCH[2]}")
      break
    done
  done
}
opposes_sysctl() { # LINE of a sysctl file: OPPOSED is `KEY WANTED` of the first key of ours that it gives another value, OPPOSING that value
  local pattern='^[[:space:]]*-?[[:space:]]*([^=#;[:space:]]+)[[:space:]]*=(.*)$' name value head watched
  [[ "$1" =~ ${pattern} ]] || return 1
  name="${BASH_REMATCH[1]}" value="${BASH_REMATCH[2]}" head="${BASH_REMATCH[1]%%[./]*}"
  if [[ "${name:${#head}:1}" == . ]]; then slashes "${name}" && name="${SLASHES}"; fi # its first separator is the one that counts
  name="${name//./\\.}"
  name="${name//\*/[^/]*}"
  for watched in "${WATCHED[@]+"${WATCHED[@]}"}"; do
    [[ "${watched%% *}" =~ ^${name}$ ]] || continue
    single_spaced "${value}"
    OPPOSED="${watched#* }" OPPOSING="${WORDS}"
    [[ "${OPPOSED#* }" == "${OPPOSING}" ]] || return 0
  done
  return 1
}
sysctl_differs() { differs "sysctl ${OPPOSED%% *} at boot" "${OPPOSED#* }" "${OPPOSING} ($1)"; } # PATH LINE
sysctls_check() {
  local present
  read_sysctls
  read_sysctl_files
  each_opposing opposes_sysctl sysctl_differs
  # A module that is not loaded takes its keys along, and what the file should hold can't be told.
  if [[ ! -e "${ROOT}${SYSCTLS_FILE}" ]] || modules_are_there; then compare_file "${SYSCTLS_FILE}" 0644 "${SYSCTL_LINES}"; fi
  for present in "${PRESENT[@]+"${PRESENT[@]}"}"; do
    sysctl_now "${present%% *}"
    [[ "${WORDS}" == "${present#* }" ]] || differs "sysctl ${present%% *}" "${present#* }" "${WORDS}"
  done
}
sysctls_apply() {
  local pair present key value wanted=' '
  for pair in "${SYSCTLS[@]+"${SYSCTLS[@]}"}"; do
    key_path "${pair%%=*}"
    compgen -G "${PATH_OF_KEY}" >/dev/null || log "sysctl left out: ${pair%%=*} (not in this kernel)"
  done
  read_sysctls
  write_file "${SYSCTLS_FILE}" 0644 "${SYSCTL_LINES}"
  read_sysctl_files
  mark_opposing opposes_sysctl
  for present in "${PRESENT[@]+"${PRESENT[@]}"}"; do
    key="${present%% *}" value="${present#* }"
    wanted+="${key} "
    sysctl_now "${key}"
    [[ "${WORDS}" != "${value}" ]] || continue
    record "sysctl ${key}" "${WORDS}"
    set_sysctl "${key}" "${value}"
    log "sysctl ${key}: ${WORDS} is now ${value}"
  done
  restore_sysctls "${wanted}" # a key that is no longer in the settings
}
restore_sysctls() { # KEEP: keys with spaces around them
  local name key
  while read -r name; do
    key="${name#sysctl }"
    [[ -n "${name}" && "$1" != *" ${key} "* ]] || continue
    key_path "${key}"
    [[ ! -e "${PATH_OF_KEY}" ]] || set_sysctl "${key}" "$(recorded "${name}")"
    forget "${name}"
  done < <(recorded_names values 'sysctl ')
}
sysctls_undo() {
  restore_file "${SYSCTLS_FILE}"
  restore_marked '/(sysctl[.]|tuned/)'
  restore_sysctls ''
}
