#!/usr/bin/env bash
# SELinux permissive, now and after a reboot: containers may then use hostPath folders that have no container label.
# Not disabled: that would make the next boot with SELinux relabel the whole disk. Disabled already is fine, and so is SELINUX=keep.
readonly SELINUX_CONFIG=/etc/selinux/config

selinux_mode() { if command -v getenforce >/dev/null; then getenforce; else printf 'Disabled\n'; fi; }
permissive_config() { sed -E 's/^SELINUX=enforcing([[:space:]]*)$/SELINUX=permissive\1/' -- "${ROOT}${SELINUX_CONFIG}"; }
enforcing_config() { sed -E 's/^SELINUX=permissive([[:space:]]*)$/SELINUX=enforcing\1/' -- "${ROOT}${SELINUX_CONFIG}"; }

selinux_check() {
  [[ "${SELINUX}" == permissive ]] || return 0
  [[ "$(selinux_mode)" != Enforcing ]] || differs 'SELinux' 'Permissive' 'Enforcing'
  compare_edited_lines 'SELINUX=enforcing' "${SELINUX_CONFIG}" permissive_config
}
selinux_apply() {
  if [[ "${SELINUX}" != permissive ]]; then
    selinux_undo
    return 0
  fi
  [[ ! -f "${ROOT}${SELINUX_CONFIG}" ]] || edit_file "${SELINUX_CONFIG}" '' permissive_config
  [[ "$(selinux_mode)" == Enforcing ]] || return 0
  record 'selinux mode' Enforcing
  setenforce 0 || die 'setenforce 0 failed; see sestatus'
  log 'SELinux: Enforcing is now Permissive'
}
selinux_undo() {
  ! has_original "${SELINUX_CONFIG}" || restore_edited "${SELINUX_CONFIG}" enforcing_config
  if recorded 'selinux mode' >/dev/null && [[ "$(selinux_mode)" == Permissive ]]; then setenforce 1 || die 'setenforce 1 failed; see sestatus'; fi
  forget 'selinux mode'
}
