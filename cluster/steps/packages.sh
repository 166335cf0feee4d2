#!/usr/bin/env bash
# uses: folders.sh repositories.sh rpm.sh kept-scripts.sh lost.sh cluster-signs.sh
# This step installs signed, pinned packages in one yum transaction, from repositories of ours alone; then it locks the pinned versions.
# REPOSITORIES: array, each its id, newline, its .repo text. PACKAGES: array of name-version. EXTRA_PACKAGES: array of names. REMOVE_ON_UNDO: yes or no.
# UPGRADES (may be left out): yes where a Node is upgraded in place. Its kubelet then stays as it is until the Node's own step (kubeadm, after the control plane's) has this
# one run again, with WITH_KUBELET=yes. kubeadm and kubectl may be ahead of it.
# With everything installed yum is not called. undo takes away repositories, locks, keys, and with REMOVE_ON_UNDO=yes the packages that were not there before.
readonly REPOSITORY_FOLDER=/etc/yum.repos.d

# PINNED is PACKAGES, but for the kubelet of a Node that is to be upgraded: that stays at the version that its cluster's own steps brought it to, or is the wanted one already, where somebody was ahead.
PINNED=("${PACKAGES[@]+"${PACKAGES[@]}"}")
hold_kubelet() {
  local i version
  [[ "${UPGRADES:-}" == yes && "${WITH_KUBELET:-}" != yes && -n "$(cluster_value finished)" ]] || return 0
  version="$(cluster_version)"
  # One that was cut off after its kubelet came goes on with that.
  [[ -z "$(cluster_value upgrading)" || "$(kubelet_version)" != "$(cluster_value upgrading)" ]] || version="$(cluster_value upgrading)"
  [[ -n "${version}" ]] || return 0
  for ((i = 0; i < ${#PINNED[@]}; i++)); do [[ "${PINNED[i]}" != kubelet-[0-9]* || "${PINNED[i]}" == "kubelet-$(kubelet_version)" ]] || PINNED[i]="kubelet-${version}"; done
}

read_repository() { # ENTRY: REPOSITORY_PATH and REPOSITORY_TEXT
  REPOSITORY_PATH="${REPOSITORY_FOLDER}/kubeadm-lab-${1%%$'\n'*}.repo"
  REPOSITORY_TEXT="${1#*$'\n'}"
  REPOSITORY_TEXT="${REPOSITORY_TEXT%$'\n'}"$'\n'
}
find_lock_list() { # LOCK_LIST: the file's path; empty without the plugin
  local line config=/etc/yum/pluginconf.d/versionlock.conf
  LOCK_LIST=''
  ! is_dnf || config=/etc/dnf/plugins/versionlock.conf
  [[ -f "${ROOT}${config}" ]] || return 0
  read_lines "${config}"
  for line in "${TEXT_LINES[@]+"${TEXT_LINES[@]}"}"; do
    [[ ! "${line}" =~ ^[Ll][Oo][Cc][Kk][Ll][Ii][Ss][Tt][[:blank:]]*[=:][[:blank:]]*(.*[^[:blank:]]) ]] || LOCK_LIST="${BASH_REMATCH[1]}"
  done
}
locked_list() { # LOCK_LIST with our block
  local format='%|EPOCH?{%{EPOCH}}:{0}|:%{NAME}-%{VERSION}-%{RELEASE}.*\n'
  ! is_dnf || format='%{NAME}-%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}.*\n'
  without_block "${LOCK_LIST}"
  ((${#PINNED[@]} > 0)) || return 0
  printf '%s\n' "${BLOCK_BEGIN}"
  rpm -q --qf "${format}" "${PINNED[@]}"
  printf '%s\n' "${BLOCK_END}"
}
missing_packages() { missing_of "${PINNED[@]+"${PINNED[@]}"}" "${EXTRA_PACKAGES[@]+"${EXTRA_PACKAGES[@]}"}"; }
other_version() { # NAME-VERSION that is not installed
  local found
  if found="$(rpm -q -- "${1%-*}" 2>/dev/null)"; then printf '%s' "${found}"; else printf 'not installed'; fi
}

check() {
  local entry name list
  hold_kubelet
  for entry in "${REPOSITORIES[@]+"${REPOSITORIES[@]}"}"; do
    read_repository "${entry}"
    compare_file "${REPOSITORY_PATH}" 0644 "${REPOSITORY_TEXT}"
  done
  list="$(missing_packages)"
  while read -r name; do [[ -z "${name}" ]] || differs "package ${name}" 'installed' "$(other_version "${name}")"; done < <(printf '%s\n' "${list}")
  [[ ! -e "${PENDING}" ]] || differs 'yum transaction' 'ended' 'was cut off'
  [[ -z "${list}" ]] || return 0 # no release to compare a lock with
  find_lock_list
  if [[ -n "${LOCK_LIST}" ]]; then
    compare_edited "${LOCK_LIST}" locked_list
  elif ((${#PINNED[@]} > 0)); then
    differs 'version lock' 'yum-plugin-versionlock' 'not installed'
  fi
}
apply() {
  local list
  hold_kubelet
  end_cut_off_transaction
  write_repositories
  list="$(missing_packages)"
  [[ -z "${list}" ]] || install_packages "${list}"
  find_lock_list
  [[ -n "${LOCK_LIST}" || ${#PINNED[@]} -eq 0 ]] || die 'no versionlock plugin on this host: add yum-plugin-versionlock to extraPackages'
  [[ -z "${LOCK_LIST}" ]] || edit_file "${LOCK_LIST}" '' locked_list
  tell_where_plugins_are_off
}
write_repositories() {
  local entry path wanted='' act
  for entry in "${REPOSITORIES[@]+"${REPOSITORIES[@]}"}"; do
    read_repository "${entry}"
    act=''
    wanted+="${REPOSITORY_PATH}"$'\n'
    [[ ! -e "${ROOT}${REPOSITORY_PATH}" ]] || act='clean metadata' # yum 3 would take those of the old address
    write_file "${REPOSITORY_PATH}" 0644 "${REPOSITORY_TEXT}" "${act}"
  done
  while read -r path; do
    [[ "${path}" != "${REPOSITORY_FOLDER}"/* ]] || has_line "${wanted}" "${path}" || restore_file "${path}"
  done < <(recorded_names files && recorded_names absent)
}
install_packages() { # NAMES, one a line
  local names list
  mapfile -t names < <(printf '%s\n' "$1")
  find_lock_list
  [[ -z "${LOCK_LIST}" ]] || edit_file "${LOCK_LIST}" '' without_block "${LOCK_LIST}" # a new version must not meet the lock on the old one
  log "installing ${#names[@]} packages: ${names[*]}"
  begin_transaction
  if is_due 'clean metadata'; then
    yum_ours clean metadata >/dev/null
    paid 'clean metadata'
  fi
  yum_ours install "${names[@]}" || failed_to_install "yum failed; what it said is above"
  downgrade_newer
  end_transaction
  list="$(missing_packages)"
  [[ -z "${list}" ]] || failed_to_install "not in these repositories: ${list//$'\n'/, }"
}
# yum 3 installs nothing, and says so with success, when a newer version is there; dnf needs no second transaction.
downgrade_newer() {
  local name names=()
  while read -r name; do
    [[ -z "${name}" ]] || ! rpm -q "${name%-*}" >/dev/null || names+=("${name}")
  done < <(missing_of "${PINNED[@]+"${PINNED[@]}"}")
  ((${#names[@]} == 0)) || yum_ours downgrade "${names[@]}" || failed_to_install "can't downgrade ${names[*]}"
}
yum_ours() { # COMMAND ARGUMENTS...
  choose_ours "${REPOSITORY_FOLDER}"
  timeout 1800 yum "${YUM_OPTIONS[@]}" "$@" >&2
}
failed_to_install() { # WHAT
  local name line
  end_transaction
  TEXT_LINES=()
  [[ -z "${LOCK_LIST}" || ! -f "${ROOT}${LOCK_LIST}" ]] || read_lines "${LOCK_LIST}"
  while read -r name; do
    for line in "${TEXT_LINES[@]+"${TEXT_LINES[@]}"}"; do
      [[ -z "${name}" || "${line}" == '#'* || ! ":${line}" =~ :${name}-[0-9*] ]] || log "${LOCK_LIST} locks ${line}: take that out where it keeps the package from coming"
    done
  done < <(missing_packages | sed -E 's/-[0-9][^-]*$//; s/\./\\./g')
  die "packages: $1. Repositories: $(sections | paste -s -d ' '). If this host reaches them only through a proxy, set proxy in the stack's file. See what they have: yum --disablerepo='*' --enablerepo='kubeadm-lab-*' --disableexcludes=main --disableplugin=versionlock --showduplicates list kubelet"
}
tell_where_plugins_are_off() {
  local config=/etc/yum.conf pattern='^[[:blank:]]*plugins[[:blank:]]*=[[:blank:]]*(0|[Nn]o|[Ff]alse|[Oo]ff)[[:blank:]]*$' line
  ! is_dnf || config=/etc/dnf/dnf.conf
  [[ ${#PINNED[@]} -gt 0 && -f "${ROOT}${config}" ]] || return 0
  read_lines "${config}"
  for line in "${TEXT_LINES[@]+"${TEXT_LINES[@]}"}"; do
    [[ ! "${line}" =~ ${pattern} ]] || log "${config} has ${line}: the lock on versions has no effect here, and an upgrade of all packages upgrades Kubernetes too"
  done
}
undo() {
  local path
  undo_lost identity packages scripts # what is configured in a package is given back while the package is there
  end_cut_off_transaction
  find_lock_list
  [[ -z "${LOCK_LIST}" ]] || restore_edited "${LOCK_LIST}" without_block "${LOCK_LIST}"
  if [[ "${REMOVE_ON_UNDO}" == yes ]]; then
    remove_packages
    restore_packages
    clear_package_folders
  fi
  remove_keys
  while read -r path; do [[ "${path}" != "${REPOSITORY_FOLDER}"/* ]] || restore_file "${path}"; done < <(recorded_names files && recorded_names absent)
  remove_caches
  finish_undo
}
remove_caches() {
  local section
  while read -r section; do
    [[ "${section}" == kubeadm-lab-* ]] || continue # never a cache of somebody else's repository
    rm -rf -- "${ROOT}"/var/cache/yum/*/*/"${section:?}" "${ROOT}"/var/lib/yum/repos/*/*/"${section:?}" "${ROOT}/var/cache/dnf/${section:?}"-* "${ROOT}/var/cache/dnf/${section:?}.solv"*
  done < <(sections)
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
