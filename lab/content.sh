# What the lab is made of, built into the cache where it is missing: tool chain, hosts' file system, packages, images.
# shellcheck shell=bash disable=SC2034  # lab/lab uses what it sets
# shellcheck source=lab/content/common.sh
source "${PROJECT}/lab/content/common.sh"
TOOLCHAIN='' # lines "PIECE<TAB>FOLDER"

# Sets what the era's data are, TOOLCHAIN, ROOTFS, PACKAGES_TREE and IMAGES_TREE. The parts that don't compile run beside those that do.
content() {
  local missing rootfs
  era_data
  # shellcheck disable=SC2046  # one word a piece
  missing="$(bash "${PROJECT}/lab/toolchain/build.sh" --missing "$(era)" "${CACHE}/toolchain" $(toolchain_pieces))"
  [[ "${missing}" == 0 ]] || log "building what is missing from pinned sources: about $(((missing + 59) / 60)) minutes on two cores; later starts use the cache (${CACHE})"
  bash "${PROJECT}/lab/content/rootfs.sh" "${CACHE}/content" >"${CACHE}/rootfs.out" &
  rootfs=$!
  # shellcheck disable=SC2046  # one word a piece
  TOOLCHAIN="$(bash "${PROJECT}/lab/toolchain/build.sh" "$(era)" "${CACHE}/toolchain" $(toolchain_pieces))" || {
    wait "${rootfs}" || true # the last lines are to say what is missing
    die 'the tool chain could not be built; the lines above say why'
  }
  wait "${rootfs}" || die 'the hosts'\'' file system could not be made; the lines above say why'
  ROOTFS="$(cat -- "${CACHE}/rootfs.out")"
  PACKAGES_TREE="$(bash "${PROJECT}/lab/content/packages.sh" "$(era)" "${CACHE}/content" "${ROOTFS}" "${TOOLCHAIN}")" || die 'the yum repository could not be made; the lines above say why'
  IMAGES_TREE="$(bash "${PROJECT}/lab/content/images.sh" "$(era)" "${CACHE}/content" "${ROOTFS}" "${TOOLCHAIN}")" || die 'the images could not be made; the lines above say why'
  use_content
  prune_content
}

# Another lab may share the folders by links: what this one uses is locked by all that it starts, and so exactly as long as it runs.
use_content() {
  local folder lock
  for folder in "${ROOTFS}" "${PACKAGES_TREE}" "${IMAGES_TREE}"; do
    if ! { exec {lock}<"${folder}" && flock -s -w 60 "${lock}" && [[ -d "${folder}" ]]; }; then die "${folder} was removed by the start of another lab that shares it; run this again"; fi
  done
}
# Made from older inputs, and no lab runs on it. What other eras use stays.
prune_content() {
  local used folder
  for used in "${ROOTFS}" "${PACKAGES_TREE}" "${IMAGES_TREE}"; do
    for folder in "${used%-*}"-????????????????; do
      [[ "${folder}" == "${used}" ]] || flock -n "${folder}" rm -rf -- "${folder:?}" || true
    done
  done
}

# Everything, less what is installed: an official Pulumi and official plugins are used where they are.
toolchain_pieces() {
  printf '%s\n' "${PIECES[@]}" crictl crane
  [[ -n "$(official_pulumi)" ]] || printf 'pulumi\n'
  [[ -n "$(official_plugin kubernetes 4.25.0)" ]] || printf 'kubernetes-provider\n'
}
