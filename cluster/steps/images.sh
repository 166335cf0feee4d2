#!/usr/bin/env bash
# uses: missing-images.sh
# This step pulls container images before they are needed.
# IMAGES: full names; RUNTIME_KIND: containerd or docker; HOST_INSTALLED: tells one installation of the host, which has them, from another.
# What is there is not asked for again. No undo: images are a cache, they go with the runtime's data.
takes_no_lock() { :; } # the runtime itself lets two pulls of one image wait for each other
readonly PULL_SECONDS=300 PULL_TRIES=3 PARALLEL=4

pull() { # IMAGE
  local attempt output
  for ((attempt = 1; attempt <= PULL_TRIES; attempt++)); do
    if [[ "${RUNTIME_KIND}" == docker ]]; then
      ! output="$(timeout "${PULL_SECONDS}" docker pull "$1" 2>&1)" || break
    else
      ! output="$(timeout "${PULL_SECONDS}" crictl --timeout "${PULL_SECONDS}s" pull "$1" 2>&1)" || break
    fi
    log "image $1: try ${attempt} of ${PULL_TRIES} failed: ${output##*$'\n'}"
    if [[ "${output}" == *x509:* ]]; then # the next try would find the same
      log "image $1: this host does not take the certificate of ${1%%/*}. Where that is a registry of your own: put its CA into /etc/pki/ca-trust/source/anchors, then update-ca-trust && systemctl restart ${RUNTIME_KIND}"
      return 1
    fi
    # By a destroy after a run that was cut off. Nobody waits for this script, which takes no lock: it must not go on behind that destroy.
    [[ "$(unit_active "${RUNTIME_KIND}.service")" =~ ^(active|activating|reloading)$ ]] || {
      log "image $1: not tried again: ${RUNTIME_KIND} was stopped meanwhile"
      return 1
    }
    sleep 2
  done
  ((attempt <= PULL_TRIES)) || return 1
  log "image $1: pulled"
}
pull_every() { # STRIDE FROM IMAGES...: each fourth, one after the other
  local failed=0 index names
  names=("${@:3}")
  for ((index = $2; index < ${#names[@]}; index += $1)); do pull "${names[index]}" || failed=1; done
  return "${failed}"
}

check() {
  local image list
  list="$(missing_images)"
  while read -r image; do [[ -z "${image}" ]] || differs "image ${image}" 'present' 'absent'; done < <(printf '%s\n' "${list}")
}
apply() {
  local names=() image list lane lanes=() failed=0
  list="$(missing_images)"
  while read -r image; do [[ -z "${image}" ]] || names+=("${image}"); done < <(printf '%s\n' "${list}")
  ((${#names[@]} > 0)) || return 0
  log "pulling ${#names[@]} images"
  for ((lane = 0; lane < PARALLEL; lane++)); do
    pull_every "${PARALLEL}" "${lane}" "${names[@]}" &
    lanes+=("$!")
  done
  for lane in "${lanes[@]}"; do wait "${lane}" || failed=1; done
  ((failed == 0)) || die 'not every image could be pulled: the lines above say which. Check the name, the registry and registryMirrors, and proxy if this host needs one, then run again'
}
undo() { log 'images stay with the runtime'; }
main "$@" </dev/null # parsed whole before it runs, and no child can eat the script
