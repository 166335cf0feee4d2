#!/usr/bin/env bash
# Kernel modules and sysctls, now and after a reboot. MODULES: names. SYSCTLS: key=value; keys that this kernel does not have are left out.
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
module_lines() { printf -v MODULE_LINES '%s\n' "${MODULES[@]+"${MODULES[@]}"}"; } # MODULE_LINES: a name each
modules_check() {
  local name
  module_lines
  compare_file "${MODULES_FILE}" 0644 "${MODULE_LINES}"
  for name in "${MODULES[@]+"${MODULES[@]}"}"; do module_is_there "${name}" || differs "module ${name}" 'loaded' 'not loaded'; done
}
modules_apply() {
  local name
  module_lines
  write_file "${MODULES_FILE}" 0644 "${MODULE_LINES}"
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
  while read -r name; do
    [[ -n "${name}" ]] || continue
    timeout 60 modprobe -r -- "${name#module }" 2>/dev/null || log "module stays loaded: ${name#module } (in use, or built in)"
    forget "${name}"
  done < <(recorded_names values 'module ')
}

# In keys, as sysctl has it: a dot separates, a slash is a dot within a name (net.ipv4.conf.eth0/100.rp_filter), a star is any name.
key_path() { # KEY: PATH_OF_KEY, below /proc/sys
  PATH_OF_KEY="${1//\//%}"
  PATH_OF_KEY="${PATH_OF_KEY//.//}"
  PATH_OF_KEY="${ROOT}/proc/sys/${PATH_OF_KEY//%/.}"
}
read_sysctls() { # PRESENT: `key value` each; SYSCTL_LINES: the file's text
  local pair path key
  PRESENT=() SYSCTL_LINES=''
  for pair in "${SYSCTLS[@]+"${SYSCTLS[@]}"}"; do
    key_path "${pair%%=*}"
    for path in ${PATH_OF_KEY}; do
      [[ -e "${path}" ]] || continue
      key="${path#"${ROOT}/proc/sys/"}"
      key="${key//./%}"
      key="${key//\//.}"
      words "${pair#*=}"
      PRESENT+=("${key//%//} ${WORDS}")
      SYSCTL_LINES+="${key//%//} = ${WORDS}"$'\n'
    done
  done
}
words() { # TEXT: WORDS are its words with one space between them; the kernel prints tabs
  WORDS="${1//[[:space:]]/ }"
  while [[ "${WORDS}" == *'  '* ]]; do WORDS="${WORDS//  / }"; done
  WORDS="${WORDS# }" WORDS="${WORDS% }"
}
sysctl_now() { # KEY: WORDS
  key_path "$1"
  words "$(<"${PATH_OF_KEY}")"
}
set_sysctl() { # KEY VALUE
  key_path "$1"
  printf '%s\n' "$2" >"${PATH_OF_KEY}" || {
    sysctl_now "$1"
    die "sysctl $1: can't set $2 (found ${WORDS}). Is the value valid for this kernel, and /proc/sys writable?"
  }
}
sysctls_check() {
  local present
  read_sysctls
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
  restore_sysctls ''
}
