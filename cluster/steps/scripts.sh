#!/usr/bin/env bash
# uses: kept-scripts.sh lost.sh
# This step keeps on the host the scripts of the other steps: SCRIPTS (array of names: step, dash, hash). It is the first to come and the last to go.
# Here, in a folder that only root reads: texts/NAME; current/STEP names the newest, used/STEP what its last apply ran, and its undo will run.
# Beside them `installed`, made once and printed by apply: it tells a host that was installed anew, and has to join again, from the one that it was.
# What is missing comes with apply: BROUGHT (array: name, text, name, text, ...). Another version's script stays until no undo needs it.
declare -p BROUGHT >/dev/null 2>&1 || BROUGHT=()
readonly TEXTS="${RECORDS}/texts" CURRENT="${RECORDS}/current" USED="${RECORDS}/used" INSTALLED="${RECORDS}/installed"

is_wanted() { # NAME
  local name
  for name in "${SCRIPTS[@]}"; do [[ "${name}" != "$1" ]] || return 0; done
  return 1
}
check() {
  local name hash file sum
  declare -A hashes=()
  sum="$(printf '%s' "$(cat -- "${INSTALLED}" 2>/dev/null)" | sha256sum)"
  [[ -z "${PRINTED_SHA256:-}" || "${sum%% *}" == "${PRINTED_SHA256}" ]] || differs 'host' 'the one that was prepared' 'installed anew'
  while read -r hash file; do hashes[${file##*/}]="${hash}"; done < <(cd "${TEXTS}" 2>/dev/null && sha256sum -- * 2>/dev/null)
  if ((${#hashes[@]} == 0)); then
    differs 'scripts' "${#SCRIPTS[@]} present" 'absent'
    return 0
  fi
  for name in "${SCRIPTS[@]}"; do
    hash="${hashes[${name}]:-}"
    if [[ -z "${hash}" ]]; then
      differs "script ${name}" 'present' 'absent'
    elif [[ "${hash}" != "${name##*-}"* ]]; then
      differs "script ${name}" 'present' 'damaged'
    elif ! is_current "${name}"; then
      differs "script ${name}" 'current' 'not current'
    fi
  done
}
is_current() { # NAME
  local newest=''
  [[ ! -s "${CURRENT}/${1%-*}" ]] || read -r newest <"${CURRENT}/${1%-*}"
  [[ "${newest}" == "$1" ]]
}
# Written beside their place and moved there by one mv: each is whole or not there, and three processes do for all of them.
apply() {
  local i name changed=no
  open_records
  umask 077
  rm -rf -- "${RECORDS:?}/new"
  mkdir -p -- "${TEXTS}" "${CURRENT}" "${USED}" "${RECORDS}/new" || die "can't make folders in ${RECORDS}: the line above says why"
  for ((i = 0; i < ${#BROUGHT[@]}; i += 2)); do printf '%s' "${BROUGHT[i + 1]}" >"${RECORDS}/new/${BROUGHT[i]}" || cannot_keep "${BROUGHT[i]}"; done
  ((${#BROUGHT[@]} == 0)) || mv -f -t "${TEXTS}" -- "${RECORDS}"/new/* || cannot_keep scripts
  for name in "${SCRIPTS[@]}"; do
    if ! is_current "${name}"; then
      printf '%s\n' "${name}" >"${RECORDS}/new/${name%-*}" || cannot_keep "${name}"
      changed=yes
    fi
  done
  [[ "${changed}" == no ]] || mv -f -t "${CURRENT}" -- "${RECORDS}"/new/* || cannot_keep scripts
  rmdir -- "${RECORDS}/new"
  drop_unused
  [[ -s "${INSTALLED}" ]] || put_line "${INSTALLED}" "$(</proc/sys/kernel/random/uuid)" || cannot_keep installed
  cat -- "${INSTALLED}"
}
cannot_keep() { die "can't keep $1 in ${TEXTS#"${ROOT}"}: the line above says why. See df ${STATE#"${ROOT}"}"; } # NAME
# Only where it is known what the step ran since: somebody may have taken the marks away, and what has no apply leaves none.
drop_unused() {
  local file name
  declare -A used=() marked=()
  for file in "${USED}"/*; do
    [[ -s "${file}" ]] && read -r name <"${file}" && used[${name}]=yes marked[${name%-*}]=yes
  done
  for file in "${TEXTS}"/*; do
    name="${file##*/}"
    [[ -z "${marked[${name%-*}]:-}" || -n "${used[${name}]:-}" ]] || is_wanted "${name}" || rm -f -- "${file}"
  done
}
undo() {
  undo_lost scripts
  remove_traces
  finish_undo # its folder is that of this step's records
}
# What a step that was killed could not take away itself, in memory: kubeadm's configuration, with the token of a join; kubectl's cache; a setting of the kubelet's unit. And a rescue that no up has used.
remove_traces() {
  local folder="${ROOT}/run/systemd/system/kubelet.service.d"
  rm -rf -- "${ROOT}"/run/kubeadm-lab-*.{yaml,cache} "${folder:?}/kubeadm-lab.conf" "${STATE:?}/rescue"
  rmdir -- "${folder}" 2>/dev/null || true
}
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
