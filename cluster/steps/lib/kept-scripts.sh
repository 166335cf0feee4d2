#!/usr/bin/env bash
# Runs another step as this host keeps it: the text that was used last, checked by its hash, with the settings of that time.

find_kept_script() { # STEP, with its mark: KEPT_SCRIPT names its text; fails where that or the settings are gone
  KEPT_SCRIPT=''
  [[ -s "${KEEPER}/used/$1" && -s "${KEEPER}/settings/$1" ]] || return 1
  read -r KEPT_SCRIPT <"${KEEPER}/used/$1"
  [[ -n "${KEPT_SCRIPT}" && "$(sha256sum 2>/dev/null <"${KEEPER}/texts/${KEPT_SCRIPT}")" == "${KEPT_SCRIPT##*-}"* ]]
}
run_kept_script() { # VERB STEP [SETTING]: what find_kept_script has found; SETTING, such as A=b, beside its own. A script unsets what it finds exported
  # shellcheck disable=SC2016 # for the inner shell. Of bash's own names among the settings it says that they can't be set
  bash --norc -c 'eval "$4"; eval "$(<"$2")" 2>/dev/null || true; eval "$(<"$3")"' kubeadm-lab "$1" "${KEEPER}/settings/$2" "${KEEPER}/texts/${KEPT_SCRIPT}" "${3:-}" </dev/null
}
