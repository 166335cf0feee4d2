#!/usr/bin/env bash
# Builds the lab's yum repositories: centos, docker-ce and kubernetes, as folders of signed RPMs with signed metadata,
# and RPM-GPG-KEY-kubeadm-lab beside them. Binaries are the tool chain's and Debian's; names, versions, dependencies
# and paths are those of the RPMs that a real CentOS 7.7 host would get.
# Two packages exist in two versions (conntrack-tools, kubernetes-cni), so that a missing pin shows; one,
# kubeadm-lab-unsigned, has no signature, so that its refusal can be tested.
# usage: packages.sh ERA CACHE ROOTFS TOOLCHAIN   ROOTFS: what rootfs.sh printed; TOOLCHAIN: the lines that build.sh printed
# Prints the folder; progress goes to stderr. A folder appears under its name only when it is whole.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE ERA="${1:?usage: packages.sh ERA CACHE ROOTFS TOOLCHAIN}" CACHE="${2:?CACHE missing}" ROOTFS="${3:?ROOTFS missing}" TOOLCHAIN="${4:?TOOLCHAIN missing}"
readonly KEY_NAME='kubeadm-lab packages'

log() { printf 'packages: %s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }
# shellcheck source=common.sh source-path=SCRIPTDIR
source "${HERE}/common.sh"
# shellcheck source=../eras/default/era.sh source-path=SCRIPTDIR
source "${HERE}/../eras/${ERA}/era.sh"
KUBERNETES="$(piece kubernetes)"
CRICTL="$(piece crictl)"
CNI_FLANNEL="$(piece cni-flannel)"
readonly KUBERNETES CRICTL CNI_FLANNEL OWN="${HERE}/../eras/${ERA}"

key() {
  local entry
  { for entry in "${MORE_KUBERNETES[@]}"; do more_kubernetes "${entry}"; done
    printf '%s\n' "${ROOTFS##*/}" "${KUBERNETES##*/}" "${CRICTL##*/}" "${CNI_FLANNEL##*/}"
    cat -- "${HERE}/packages.sh" "${HERE}/common.sh" "${HERE}/specs"/*.spec "${HERE}/specs/available.list"
    find "${HERE}/packages" "${OWN}" -path "${OWN}/toolchain" -prune -o -type f -printf '%P\n' -exec cat {} + | sort; } | sha256sum | cut -c1-16
}

# The signing key: made once per cache. rsa2048 because that is what signs the real ones and what every rpm reads.
# Through a short link: gpg-agent's socket is in that folder, and a socket's path ends at 108 characters.
signing_key() {
  local short
  short="$(mktemp -d /tmp/kubeadm-lab.XXXXXX)"
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf -- '${short}'" EXIT
  export GNUPGHOME="${short}/gnupg"
  if [[ ! -d "${CACHE}/gnupg" ]]; then
    rm -rf -- "${CACHE:?}/gnupg.part"
    install -d -m 0700 -- "${CACHE}/gnupg.part"
    ln -s -- "${CACHE}/gnupg.part" "${GNUPGHOME}"
    gpg --batch --quiet --passphrase '' --quick-generate-key "${KEY_NAME}" rsa2048 sign never 2>"${CACHE}/gnupg.part/log" ||
      { cat -- "${CACHE}/gnupg.part/log" >&2; die 'gpg could not make a key; the lines above say why'; }
    gpgconf --kill all
    mv -T -- "${CACHE}/gnupg.part" "${CACHE}/gnupg"
  fi
  ln -sfn -- "${CACHE}/gnupg" "${GNUPGHOME}"
}

# The era's own, where it has one.
spec() { if [[ -e "${OWN}/specs/$1.spec" ]]; then printf '%s' "${OWN}/specs/$1.spec"; else printf '%s' "${HERE}/specs/$1.spec"; fi; } # NAME

# Lays out what each spec packs, one tree a spec.
stage() { # TREES
  local trees="$1" debian="$1/debian" name
  unpack_debian "${debian}" containerd runc containernetworking-plugins conntrack socat ethtool ipset libipset13 dnf-plugins-core \
    haproxy libopentracing-c-wrapper0 libopentracing1 keepalived libnl-3-200 libnl-genl-3-200 libsnmp40 libsensors5 libpci3
  mkdir -p -- "${trees}"/{kubernetes,docker-ce,centos,kubernetes-cni,conntrack-tools}
  cp -R --no-preserve=all -- "${HERE}/packages/." "${trees}/"
  [[ ! -d "${OWN}/packages" ]] || cp -R --no-preserve=all -- "${OWN}/packages/." "${trees}/"

  install -d -- "${trees}"/kubernetes/{usr/bin,var/lib/kubelet,etc/kubernetes/manifests}
  for name in "${MORE_KUBERNETES[@]}"; do
    cp -R -- "${trees}/kubernetes" "${trees}/kubernetes-${name%:*}"
    install -- "$(more_kubernetes "${name}")"/{kubelet,kubeadm,kubectl} "${CRICTL}/crictl" "${trees}/kubernetes-${name%:*}/usr/bin/"
  done
  install -- "${KUBERNETES}"/{kubelet,kubeadm,kubectl} "${CRICTL}/crictl" "${trees}/kubernetes/usr/bin/"
  install -d -- "${trees}"/kubernetes-cni/{opt/cni/bin,etc/cni/net.d}
  install -- "${debian}"/usr/lib/cni/* "${trees}/kubernetes-cni/opt/cni/bin/"
  [[ "${FLANNEL_IN_CNI}" == no ]] || install -- "${CNI_FLANNEL}/flannel" "${trees}/kubernetes-cni/opt/cni/bin/"
  install -D -t "${trees}/docker-ce/usr/bin" -- "${debian}"/usr/bin/{containerd,containerd-shim,containerd-shim-runc-v1,containerd-shim-runc-v2,ctr} "${debian}/usr/sbin/runc"
  [[ "${DOCKER}" == no ]] || stage_docker "${trees}/docker-ce/usr/bin" "${debian}"
  install -D -t "${trees}/conntrack-tools/usr/sbin" -- "${debian}/usr/sbin/conntrack"

  install -D -t "${trees}/centos/usr/bin" -- "${debian}/usr/bin/socat"
  install -D -t "${trees}/centos/usr/sbin" -- "${debian}/usr/sbin/ipset" "${debian}/sbin/ethtool"
  for name in ebtables ebtables-save ebtables-restore; do ln -s xtables-nft-multi "${trees}/centos/usr/sbin/${name}"; done
  install -D -t "${trees}/centos/usr/sbin" -- "${debian}"/usr/sbin/{haproxy,keepalived}
  install -d -- "${trees}/centos/usr/lib/x86_64-linux-gnu" "${trees}/centos/var/lib/haproxy"
  for name in opentracing nl netsnmp sensors pci; do find "${debian}"/{usr/,}lib/x86_64-linux-gnu -maxdepth 1 -name "lib${name}*.so.*" -exec cp -P -t "${trees}/centos/usr/lib/x86_64-linux-gnu" -- {} +; done
  cp -P -- "${debian}"/usr/lib/x86_64-linux-gnu/libipset.so.* "${trees}/centos/usr/lib/x86_64-linux-gnu/"
  name=usr/lib/python3/dist-packages/dnf-plugins
  install -D -m 0644 -t "${trees}/centos/${name}" -- "${debian}/${name}/versionlock.py"
  install -d -- "${trees}/centos/${name}/__pycache__"
  : >"${trees}/centos/${name}/__pycache__/versionlock.cpython-311.pyc"
  install -D -m 0644 -t "${trees}/centos/etc/dnf/plugins" -- "${debian}"/etc/dnf/plugins/versionlock.{conf,list}
}

stage_docker() { # BIN DEBIAN
  unpack_debian "$2" docker.io tini
  install -- "$2"/usr/sbin/{dockerd,docker-proxy} "$2/usr/bin/docker" "$1/"
  install -- "$2/usr/bin/tini-static" "$1/docker-init"
  mv -- "$1/runc" "$1/runc.real"
  install -- "${OWN}/runc" "$1/runc"
}

# Every program packed finds its libraries on a bare host.
check_libraries() { # TREES
  local tree file
  for tree in docker-ce conntrack-tools centos kubernetes-cni; do
    while IFS= read -r file; do
      libraries "${file}" "${ROOTFS}" "${ROOTFS}/usr/lib/x86_64-linux-gnu" "${1}/centos/usr/lib/x86_64-linux-gnu" >/dev/null
    done < <(find "${1}/${tree}" -type f -perm -0100 -exec grep -qL '^#!' {} \; -print)
  done
}

build_all() { # TREES OUT
  local trees="$1" out="$2" version job jobs=() specs="${HERE}/specs"
  spec_of "${specs}/available.list" >"${trees}/available.spec"
  build_spec "$(spec kubernetes)" "${out}/kubernetes" "${trees}/build-kubernetes" --define "tree ${trees}/kubernetes" & jobs+=("$!")
  for version in "${MORE_KUBERNETES[@]}"; do
    build_spec "${specs}/kubernetes.spec" "${out}/kubernetes" "${trees}/build-kubernetes-${version%:*}" --define "tree ${trees}/kubernetes-${version%:*}" \
      --define "wanted_version ${version%:*}" --define "cri_tools ${version#*:}" & jobs+=("$!")
  done
  for version in "${CNI_VERSIONS[@]}"; do
    build_spec "${specs}/kubernetes-cni.spec" "${out}/kubernetes" "${trees}/build-cni-${version}" --define "tree ${trees}/kubernetes-cni" --define "wanted_version ${version}" & jobs+=("$!")
  done
  for version in 4.el7 5.el7_7.2; do
    build_spec "${specs}/conntrack-tools.spec" "${out}/centos" "${trees}/build-conntrack-${version}" --define "tree ${trees}/conntrack-tools" --define "wanted_release ${version}" & jobs+=("$!")
  done
  build_spec "$(spec docker-ce)" "${out}/docker-ce" "${trees}/build-docker-ce" --define "tree ${trees}/docker-ce" & jobs+=("$!")
  build_spec "${specs}/centos.spec" "${out}/centos" "${trees}/build-centos" --define "tree ${trees}/centos" & jobs+=("$!")
  build_spec "${trees}/available.spec" "${out}/centos" "${trees}/build-available" & jobs+=("$!")
  for job in "${jobs[@]}"; do wait "${job}" || die 'an RPM was not built; the lines above say why'; done
}

sign_all() { # OUT
  local out="$1" repository
  find "${out}" -name '*.rpm' ! -name 'kubeadm-lab-unsigned-*' -exec \
    rpmsign --define "_gpg_name ${KEY_NAME}" --define '__gpg /usr/bin/gpg' --define "_dbpath ${out}.work/db" --addsign {} + >"${out}.work/log" 2>&1 ||
    { tail -n 20 -- "${out}.work/log" >&2; die 'rpmsign failed; the lines above say why'; }
  for repository in centos docker-ce kubernetes; do
    createrepo_c --quiet --no-database --simple-md-filenames "${out}/${repository}" || die "createrepo_c ${repository} failed"
    gpg --batch --quiet --yes --detach-sign --armor "${out}/${repository}/repodata/repomd.xml"
  done
  gpg --batch --armor --export "${KEY_NAME}" >"${out}/RPM-GPG-KEY-kubeadm-lab"
  gpgconf --kill all # no gpg-agent stays behind
}

make() { # FOLDER
  local folder="$1" out="$1.part"
  alone packages
  [[ ! -d "${folder}" ]] || return 0
  log 'building, about 10 s on two cores'
  mkdir -p -- "${out}" "${out}.work"
  stage "${out}.work"
  check_libraries "${out}.work"
  build_all "${out}.work" "${out}"
  signing_key
  sign_all "${out}"
  rm -rf -- "${out:?}.work"
  mv -T -- "${out}" "${folder}"
  log "built in ${SECONDS} s"
}

main() {
  local folder
  need rpmbuild:rpm rpmsign:rpm createrepo_c:createrepo-c gpg:gnupg dpkg-deb:dpkg
  folder="${CACHE}/$(kind packages)-$(key)"
  [[ -d "${folder}" ]] || make "${folder}"
  printf '%s\n' "${folder}"
}

main "$@"
