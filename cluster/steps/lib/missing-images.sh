#!/usr/bin/env bash
# Which of IMAGES (full names) the host's runtime, RUNTIME_KIND, does not have yet.

is_here() { # IMAGE
  if [[ "${RUNTIME_KIND}" == docker ]]; then
    timeout 30 docker image inspect "$1" >/dev/null 2>&1
  else
    timeout 30 crictl inspecti -q "$1" >/dev/null 2>&1
  fi
}
# One look at the list answers for nearly all; names it shows differently (digests, no registry) are asked for one by one.
missing_images() {
  local listed image
  if [[ "${RUNTIME_KIND}" == docker ]]; then
    listed="$(timeout 30 docker images --format '{{.Repository}}:{{.Tag}}')" || die 'docker does not answer: systemctl status docker'
  else
    listed="$(timeout 30 crictl images | awk '{ print $1 ":" $2 }')" || die 'containerd does not answer: systemctl status containerd; crictl info'
  fi
  for image in "${IMAGES[@]+"${IMAGES[@]}"}"; do
    has_line "${listed}"$'\n' "${image}" || is_here "${image}" || printf '%s\n' "${image}"
  done
}
