#!/usr/bin/env bash
# This step keeps on the host the scripts of the other steps: SCRIPTS (array of names: step, dash, hash). It is the first to come and the last to go.
# Here, in a folder that only root reads: texts/NAME, current/STEP (a link to the newest), used/STEP (what its last apply ran, and its undo will run).
# What is missing comes with apply: BROUGHT (array: name, text, name, text, ...). Another version's script stays until no undo needs it.
declare -p BROUGHT >/dev/null 2>&1 || BROUGHT=()
readonly TEXTS="${RECORDS}/texts" CURRENT="${RECORDS}/current" USED="${RECORDS}/used"

is_wanted() { # NAME
  local name
  for name in "${SCRIPTS[@]}"; do [[ "${name}" != "$1" ]] || return 0; done
  return 1
}
check() {
  local name hash file
  declare -A hashes=()
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
    elif [[ ! "${TEXTS}/${name}" -ef "${CURRENT}/${name%-*}" ]]; then
      differs "script ${name}" 'current' 'not current'
    fi
  done
}
apply() {
  local i name
  open_records
  (umask 077 && mkdir -p -- "${TEXTS}" "${CURRENT}" "${USED}") || die "can't make folders in ${RECORDS}: the line above says why"
  for ((i = 0; i < ${#BROUGHT[@]}; i += 2)); do
    name="${BROUGHT[i]}"
    (umask 077 && printf '%s' "${BROUGHT[i + 1]}" >"${RECORDS}/new" && mv -f -- "${RECORDS}/new" "${TEXTS}/${name}") || # whole or not at all
      die "can't write ${TEXTS}/${name}: the line above says why. See df ${STATE#"${ROOT}"}"
  done
  for name in "${SCRIPTS[@]}"; do
    [[ "${TEXTS}/${name}" -ef "${CURRENT}/${name%-*}" ]] || ln -sfn -- "../texts/${name}" "${CURRENT}/${name%-*}"
  done
  drop_unused
}
drop_unused() {
  local file name
  declare -A used=()
  for file in "${USED}"/*; do
    [[ -s "${file}" ]] && read -r name <"${file}" && used[${name}]=yes
  done
  for file in "${TEXTS}"/*; do
    name="${file##*/}"
    [[ ! -f "${file}" || -n "${used[${name}]:-}" ]] || is_wanted "${name}" || rm -f -- "${file}"
  done
}
undo() { finish_undo; } # its folder is that of this step's records
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
