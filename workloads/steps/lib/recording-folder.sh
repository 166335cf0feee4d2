#!/usr/bin/env bash
# Where a recording is on a host, and how it is removed.
# It is a log like others, so it stays when the host is given back, until it is fetched or KEPT_DAYS old.
# shellcheck disable=SC2034 # some names here are for the scripts that use this file
readonly FOLDER="${ROOT}/var/log/kubeadm-lab/recording"
readonly UNIT=kubeadm-lab-recorder
readonly UNIT_FILE="${ROOT}/etc/systemd/system/${UNIT}"
readonly KEPT_DAYS=7 # after its end

# Everything of it, the units last: killed in between, the timer goes on with it.
remove_recording() {
  rm -rf -- "${FOLDER:?}"
  rmdir -- "${FOLDER%/*}" 2>/dev/null || true # holds something else
  timeout 30 systemctl disable --quiet --no-reload -- "${UNIT}.service" "${UNIT}.timer" 2>/dev/null || true # gone already
  timeout 30 systemctl stop -- "${UNIT}.timer" 2>/dev/null || true
  [[ ! -e "${UNIT_FILE}.service" && ! -e "${UNIT_FILE}.timer" ]] || {
    rm -f -- "${UNIT_FILE}.service" "${UNIT_FILE}.timer" "${ROOT}/var/lib/systemd/timers/stamp-${UNIT}.timer"
    timeout 30 systemctl daemon-reload || true
  }
}
