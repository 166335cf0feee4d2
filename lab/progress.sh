# Turns pulumi's plain output into one line for each step that ends, and says every few seconds what is being waited for.
# shellcheck shell=bash
readonly QUIET_SECONDS=5

# Reads pulumi's lines from stdin. Keeps them all in LOG. Prints steps as they end, messages that a person should read, and the summary.
progress() { # LOG
  local line rc state kind name rest waiting summary=no
  declare -A open=()
  : >"$1"
  while :; do
    rc=0
    IFS= read -r -t "${QUIET_SECONDS}" line || rc=$?
    if ((rc > 128)); then # nothing for a while
      waiting="${!open[*]}"
      [[ -z "${waiting}" ]] || log "  … waiting for: ${waiting}"
      continue
    fi
    ((rc == 0)) || break
    printf '%s\n' "${line}" >>"$1"
    if [[ "${line}" =~ ^\ [-+~]+\ +([^ ]+)\ ([^ ]+)\ (\*\*)?(creating|created|deleting|deleted|updating|updated|replacing|replaced)(.*)$ ]]; then
      kind="${BASH_REMATCH[1]}" name="${BASH_REMATCH[2]}" state="${BASH_REMATCH[3]}${BASH_REMATCH[4]}" rest="${BASH_REMATCH[5]}"
      # Components have no work of their own, and what a step says while it works is in the log; a message file is worth seeing.
      case "${kind}:${state}" in
        kubeadm-lab:* | pulumi:*) ;;
        *:*ing)
          open["${name}"]=1
          [[ "${state}" != '**'* ]] || log "  ${name} ${state#'**'} failed"
          [[ "${name}" != *-witness && "${name}" != *-message || "${rest}" =~ ^\ \([^\)]*\)\ *$ ]] || log "  ${name}: ${rest#*) }"
          ;;
        *)
          unset "open[${name}]"
          log "  ${name} ${state} $(grep -oE '\([0-9.]+s\)' <<<"${rest}" | head -n 1)"
          ;;
      esac
    elif [[ "${line}" =~ ^(Diagnostics|Outputs|Resources): ]]; then
      summary=yes
      # The outputs are shown as a person would look at them, after this.
      [[ "${line}" != Outputs:* ]] || summary=no
    fi
    [[ "${summary}" != yes || -z "${line}" || "${line}" == 'The resources in the stack'* || "${line}" == 'If you want'* ]] || log "${line}"
  done
}
