#!/usr/bin/env bash
# shellcheck disable=SC2034 # ACTIVE and ENABLED are for the scripts that come after this file
# How services are looked at and changed, so that each can be given back as it was.

declare -A ACTIVE=() ENABLED=()

unit_exists() { systemctl cat -- "$1" >/dev/null 2>&1; }
unit_enabled() { systemctl is-enabled -- "$1" 2>/dev/null | grep -Fxv not-found || true; } # enabled, disabled, masked, static, or nothing; systemd 253 says not-found
unit_active() { # UNIT: active, inactive, failed, ...
  local found
  found="$(systemctl is-active -- "$1" 2>/dev/null)" || true
  printf '%s' "${found/#unknown/inactive}" # systemd 219's word for a unit that is not loaded
}
# The same for several at once: ACTIVE and ENABLED, by unit. A process for each costs more than all the rest of a check.
look_at_active() { # UNITS...: systemctl prints a line for each, also for one that is not there
  local found i=0
  while read -r found; do
    i=$((i + 1))
    ACTIVE[${!i}]="${found/#unknown/inactive}"
  done < <(systemctl is-active -- "$@" 2>/dev/null)
}
look_at_enabled() { # UNITS...: a line for each that is there
  local unit found i=0
  mapfile -t found < <(systemctl is-enabled -- "$@" 2>/dev/null)
  for unit in "$@"; do
    if ((${#found[@]} == $#)); then ENABLED[${unit}]="${found[i]/#not-found/}"; else ENABLED[${unit}]="$(unit_enabled "${unit}")"; fi
    i=$((i + 1))
  done
}
keep_unit() { # UNIT
  record "active $1" "$(unit_active "$1")"
  record "enabled $1" "$(unit_enabled "$1")"
}
# Each of these makes systemd read all its files again unless told not to (0.15 s); nothing here needs that.
enable_units() { systemctl enable --quiet --no-reload -- "$@" || die "can't enable $*; see systemctl status $1"; }
disable_unit() { systemctl disable --quiet --no-reload -- "$1" || die "can't disable $1; see systemctl status $1"; }
# A unit that several runs started within seconds is refused by its own start limit; that count starts again here.
start_unit() { # UNIT [restart]
  systemctl reset-failed -- "$1" >/dev/null 2>&1 || true
  timeout 120 systemctl "${2:-start}" -- "$1"
}
restart_unit() { start_unit "$1" restart; } # UNIT
restore_unit() { # UNIT
  local active enabled now
  if active="$(recorded "active $1")" && enabled="$(recorded "enabled $1")" && unit_exists "$1"; then
    now="$(unit_enabled "$1")"
    case "${enabled}" in
    "${now}") ;;
    enabled) enable_units "$1" ;;
    disabled) disable_unit "$1" ;;
    esac
    now="$(unit_active "$1")"
    case "${active}" in
    "${now}") ;;
    active | activating | reloading) start_unit "$1" || die "can't start $1 as it was before; see journalctl -u $1" ;;
    *) timeout 120 systemctl stop -- "$1" || die "can't stop $1; see systemctl status $1" ;;
    esac
  fi
  forget "active $1"
  forget "enabled $1"
}
# Masked: what would start it at the next boot finds nothing. By the file alone, as `systemctl mask` does it, but also where the unit's own file is in /etc.
is_masked() { [[ "${ROOT}/etc/systemd/system/$1" -ef /dev/null || "${ROOT}/run/systemd/system/$1" -ef /dev/null ]]; } # UNIT
mask_unit() {                                                                                                         # UNIT
  local path="/etc/systemd/system/$1"
  ! is_masked "$1" || return 0
  keep_original "${path}"
  make_folder "${path%/*}"
  ln -sfn -- /dev/null "${ROOT}${path}.kubeadm-lab-new"
  mv -fT -- "${ROOT}${path}.kubeadm-lab-new" "${ROOT}${path}"
  log "masked $1: it does not start at the next boot"
}
unmask_units() { # REGEX: those of such a name that mask_unit masked
  local path
  while read -r path; do
    [[ "${path}" != /etc/systemd/system/* || ! "${path##*/}" =~ $1 ]] || restore_file "${path}"
  done < <(recorded_names files && recorded_names absent)
}
