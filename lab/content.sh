# What the lab is made of, built into the cache where it is missing: tool chain, hosts' file system, packages, images.
# shellcheck shell=bash disable=SC2034  # lab/lab uses what it sets
TOOLCHAIN='' # lines "PIECE<TAB>FOLDER"
piece() { awk -F'\t' -v p="$1" '$1 == p {print $2}' <<<"${TOOLCHAIN}"; }

# Sets TOOLCHAIN, ROOTFS, PACKAGES_TREE and IMAGES. The parts that don't compile run beside those that do.
content() {
  local missing rootfs
  missing="$(bash "${PROJECT}/lab/toolchain/build.sh" --missing "${CACHE}/toolchain")"
  [[ "${missing}" == 0 ]] || log "building what is missing from pinned sources: about $(((missing + 59) / 60)) minutes on two cores; later starts use the cache (${CACHE})"
  bash "${PROJECT}/lab/content/rootfs.sh" "${CACHE}/content" >"${CACHE}/rootfs.out" &
  rootfs=$!
  # shellcheck disable=SC2046  # one word a piece
  TOOLCHAIN="$(bash "${PROJECT}/lab/toolchain/build.sh" "${CACHE}/toolchain" $(toolchain_pieces))" || die 'the tool chain could not be built; the lines above say why'
  wait "${rootfs}" || die 'the hosts'\'' file system could not be made; the lines above say why'
  ROOTFS="$(cat -- "${CACHE}/rootfs.out")"
  PACKAGES_TREE="$(bash "${PROJECT}/lab/content/packages.sh" "${CACHE}/content" "${ROOTFS}" "${TOOLCHAIN}")" || die 'the yum repository could not be made; the lines above say why'
  IMAGES="$(bash "${PROJECT}/lab/content/images.sh" "${CACHE}/content" "${ROOTFS}" "${TOOLCHAIN}")" || die 'the images could not be made; the lines above say why'
  local folder
  for folder in "${CACHE}"/content/*-????????????????; do # made from older inputs; no lab of this cache is running now
    [[ "${folder}" == "${ROOTFS}" || "${folder}" == "${PACKAGES_TREE}" || "${folder}" == "${IMAGES}" ]] || rm -rf -- "${folder:?}"
  done
}

# Everything, less what is installed: an official Pulumi and official plugins are used where they are.
toolchain_pieces() {
  printf '%s\n' kubernetes etcd coredns flannel cni-flannel crictl crane
  [[ -n "$(official_pulumi)" ]] || printf 'pulumi\n'
  [[ -n "$(official_plugin kubernetes 4.25.0)" ]] || printf 'kubernetes-provider\n'
}
