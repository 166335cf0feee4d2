#!/usr/bin/env bash
# Steps that were applied and that no state knows: the run that applied them was killed before the engine could write them down, so nobody will ask for their undo.

# Undoes each that left its mark and its settings here, the last one first, but for NAMES. To be called where whatever the state knows of them has been undone.
undo_lost() { # NAMES...
  local keeper="${STATE}/scripts" name script
  while read -r name; do
    [[ " $* " != *" ${name%%.*} "* && -s "${keeper}/settings/${name}" && -s "${keeper}/used/${name}" ]] || continue
    read -r script <"${keeper}/used/${name}"
    if [[ "$(sha256sum 2>/dev/null <"${keeper}/texts/${script}")" != "${script##*-}"* ]]; then
      log "${name} was applied by a run that was killed, and its script ${script} is gone: it is not undone. Its records: ${STATE#"${ROOT}"}/${name%%.*}"
      continue
    fi
    log "undoing ${name}, which a run that was killed has left"
    # shellcheck disable=SC2016 # for the inner shell. Of bash's own names among the settings it says that they can't be set
    bash --norc -c 'eval "$(<"$2")" 2>/dev/null || true; eval "$(<"$3")"' kubeadm-lab undo "${keeper}/settings/${name}" "${keeper}/texts/${script}" </dev/null ||
      die "${name}, which a run that was killed has left, could not be undone: the lines above say why"
  done < <(cd "${keeper}/used" 2>/dev/null && ls -t)
}
