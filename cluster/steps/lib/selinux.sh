#!/usr/bin/env bash
# How SELinux is made permissive, now and after a reboot: containers may then use hostPath folders that have no container label.
# Not disabled: that would make the next boot with SELinux relabel the whole disk. Disabled already is fine, and so is SELINUX=keep.
readonly SELINUX_CONFIG=/etc/selinux/config

selinux_mode() { if command -v getenforce >/dev/null; then getenforce; else printf 'Disabled\n'; fi; }
# libselinux takes the first such line, its word without regard to case and to what follows. Quotes, which it doesn't know, are no reason to leave it.
readonly ENFORCING_LINE="SELINUX[[:space:]]*=[[:space:]]*[\"']?[Ee][Nn][Ff][Oo][Rr][Cc][Ii][Nn][Gg]"
permissive_config() { sed -E "s/^(SELINUX[[:space:]]*=[[:space:]]*[\"']?)enforcing/\1permissive/I" -- "${ROOT}${SELINUX_CONFIG}"; }
enforcing_config() { # the line as it was
  local line
  line="$(grep -m 1 -E "^${ENFORCING_LINE}" -- "${RECORDS}/files/${SELINUX_CONFIG//\//%2F}")" || line='SELINUX=enforcing'
  awk -v line="${line//\\/\\\\}" '/^SELINUX[ \t]*=[ \t]*["\047]?permissive/ { print line; next } { print }' "${ROOT}${SELINUX_CONFIG}"
}

selinux_check() {
  [[ "${SELINUX}" == permissive ]] || return 0
  [[ "$(selinux_mode)" != Enforcing ]] || differs 'SELinux' 'Permissive' 'Enforcing'
  compare_edited_lines "${ENFORCING_LINE}" "${SELINUX_CONFIG}" permissive_config
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
