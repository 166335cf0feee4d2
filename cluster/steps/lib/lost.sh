#!/usr/bin/env bash
# Steps that were applied and that no state knows: the run that applied them was killed before the engine could write them down, so nobody will ask for their undo.

# Undoes each that left its mark and its settings here, the last one first, but for NAMES. To be called where whatever the state knows of them has been undone.
undo_lost() { # NAMES...
  local name
  while read -r name; do
    [[ " $* " != *" ${name%%.*} "* ]] || continue
    if ! find_kept_script "${name}"; then
      [[ -z "${KEPT_SCRIPT}" ]] ||
        log "${name} was applied by a run that was killed, and its script ${KEPT_SCRIPT} is gone: it is not undone. Its records: ${STATE#"${ROOT}"}/${name%%.*}"
      continue
    fi
    log "undoing ${name}, which a run that was killed has left"
    run_kept_script undo "${name}" || die "${name}, which a run that was killed has left, could not be undone: the lines above say why"
  done < <(cd "${KEEPER}/used" 2>/dev/null && ls -t)
}
