#!/usr/bin/env bash
# Builds the storage folder of a container registry that holds every image that the lab's cluster and demo need in an era: what its
# `kubeadm config images list` names, flannel's, and the nginx and busybox of the seed's page.
# One layer each: the tool chain's static binaries, Debian's programs with their libraries.
# usage: images.sh ERA CACHE ROOTFS TOOLCHAIN   ROOTFS: what rootfs.sh printed; TOOLCHAIN: the lines that build.sh printed
# Prints the folder (docker-registry's storage root); progress goes to stderr. It appears only when it is whole.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE ERA="${1:?usage: images.sh ERA CACHE ROOTFS TOOLCHAIN}" CACHE="${2:?CACHE missing}" ROOTFS="${3:?ROOTFS missing}" TOOLCHAIN="${4:?TOOLCHAIN missing}"

log() { printf 'images: %s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }
# shellcheck source=common.sh source-path=SCRIPTDIR
source "${HERE}/common.sh"
# shellcheck source=../eras/default/era.sh source-path=SCRIPTDIR
source "${HERE}/../eras/${ERA}/era.sh"
KUBERNETES="$(piece kubernetes)"
ETCD="${KUBERNETES}"
[[ -x "${ETCD}/etcd" ]] || ETCD="$(piece etcd)"
COREDNS="$(piece coredns)"
FLANNEL="$(piece flannel)"
CNI_FLANNEL="$(piece cni-flannel)"
CRANE="$(piece crane)/crane"
VERSION="$("${KUBERNETES}/kubeadm" version -o short)"
readonly KUBERNETES ETCD COREDNS FLANNEL CNI_FLANNEL CRANE VERSION
for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
  IMAGES+=("${name}:${VERSION}|${name}|/usr/local/bin/${name}")
  for other in "${MORE_KUBERNETES[@]}"; do IMAGES+=("${name}:v${other%:*}|${name}-${other%:*}|/usr/local/bin/${name}"); done
done
readonly IMAGES

key() {
  local entry
  { for entry in "${MORE_KUBERNETES[@]}"; do more_kubernetes "${entry}"; done
    printf '%s\n' "${ROOTFS##*/}" "${KUBERNETES##*/}" "${ETCD##*/}" "${COREDNS##*/}" "${FLANNEL##*/}" "${CNI_FLANNEL##*/}"
    cat -- "${HERE}/images.sh" "${HERE}/common.sh" "${HERE}/../eras/${ERA}/era.sh"
    find "${HERE}/images" -type f -printf '%P\n' -exec cat {} + | sort; } | sha256sum | cut -c1-16
}

# kubeadm's own list is the measure: an image that it expects and nobody makes would be missed in the middle of init.
check_list() { # FOLDER of Kubernetes
  local wanted entry version
  version="$("$1/kubeadm" version -o short)"
  while IFS= read -r wanted; do
    for entry in "${IMAGES[@]}"; do [[ "${entry%%|*}" != "${wanted#*/}" ]] || continue 2; done
    die "kubeadm ${version} expects ${wanted}; add it to IMAGES in lab/eras/${ERA}/era.sh"
  done < <("$1/kubeadm" config images list --kubernetes-version "${version}" 2>/dev/null)
}

# Copies programs of FROM with the libraries that they load, from FROM or from the hosts' file system.
with_libraries() { # INTO FROM PROGRAM...
  local into="$1" from="$2" program library found lib=usr/lib/x86_64-linux-gnu
  shift 2
  install -D -- "${ROOTFS}/lib64/ld-linux-x86-64.so.2" "${into}/lib64/ld-linux-x86-64.so.2"
  for program in "$@"; do
    install -D -- "${from}/${program}" "${into}/${program}"
    found="$(libraries "${from}/${program}" "${ROOTFS}" "${from}/${lib}" "${ROOTFS}/${lib}")" || exit 1
    for library in ${found}; do install -D -t "${into}/${lib}" -- "${library}"; done
  done
}

# /bin/NAME for some of busybox's commands, or with no names for all of them.
commands() { # INTO BUSYBOX [NAME...]
  local into="$1" busybox="$2" name
  shift 2
  install -D -- "${busybox}" "${into}/bin/busybox"
  [[ $# -gt 0 ]] || { for name in $("${busybox}" --list); do [[ "${name}" == busybox ]] || ln -s busybox "${into}/bin/${name}"; done; }
  for name in "$@"; do ln -s busybox "${into}/bin/${name}"; done
}

stage() { # WORK
  local work="$1" debian="$1/debian" name link other proxies=(kube-proxy)
  for other in "${MORE_KUBERNETES[@]}"; do proxies+=("kube-proxy-${other%:*}"); done
  unpack_debian "${debian}" busybox nginx nginx-common conntrack ipset libipset13
  unpack_debian "${debian}-static" busybox-static
  local static="${debian}-static/bin/busybox"

  for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
    install -D -t "${work}/${name}/usr/local/bin" -- "${KUBERNETES}/${name}"
    for other in "${MORE_KUBERNETES[@]}"; do install -D -t "${work}/${name}-${other%:*}/usr/local/bin" -- "$(more_kubernetes "${other}")/${name}"; done
  done
  # As in the official image, which has no etcdutl before etcd 3.6. That of 2020 has an etcdctl too, which is not among Kubernetes' modules.
  install -D -t "${work}/etcd/usr/local/bin" -- "${ETCD}/etcd"
  [[ ! -e "${ETCD}/etcdctl" ]] || install -D -t "${work}/etcd/usr/local/bin" -- "${ETCD}/etcdctl"
  install -D -t "${work}/coredns" -- "${COREDNS}/coredns"
  install -d -- "${work}/pause" # with -v, as the real one, it ends: kubeadm upgrade asks it so whether the cluster runs Jobs
  gcc -static -Os -s -o "${work}/pause/pause" -x c - <<<'#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int s) { (void)s; _exit(0); }
static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0); }
int main(int count, char **words) { if (count > 1 && !strcmp(words[1], "-v")) return puts("pause.c 3.9") < 0; signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap); for (;;) pause(); }' || die 'gcc could not build pause'

  # iptables is the nft one only, as on the hosts; a kernel without the legacy tables has no other.
  for name in "${proxies[@]}" flannel; do
    # The extensions' libraries too: `statistic` wants libm, and without it kube-proxy fails as soon as a Service has two endpoints.
    # shellcheck disable=SC2046  # one word a file
    with_libraries "${work}/${name}" "${ROOTFS}" usr/sbin/xtables-nft-multi $(cd -- "${ROOTFS}" && printf '%s\n' usr/lib/x86_64-linux-gnu/xtables/*.so)
    for link in {iptables,ip6tables}{,-save,-restore}; do ln -s xtables-nft-multi "${work}/${name}/usr/sbin/${link}"; done
    install -d -- "${work}/${name}"/{run,tmp,lib}
    commands "${work}/${name}" "${static}" sh cp ls cat
  done
  for name in "${proxies[@]}"; do with_libraries "${work}/${name}" "${debian}" usr/sbin/conntrack usr/sbin/ipset; done
  install -D -t "${work}/flannel/opt/bin" -- "${FLANNEL}/flanneld"
  install -D -t "${work}/flannel-cni-plugin" -- "${CNI_FLANNEL}/flannel"
  commands "${work}/flannel-cni-plugin" "${static}" sh cp

  # The static busybox crashes where it resolves names, so the demo's images get the dynamic one.
  with_libraries "${work}/busybox" "${debian}" bin/busybox
  commands "${work}/busybox" "${debian}/bin/busybox"
  with_libraries "${work}/nginx" "${debian}" usr/sbin/nginx bin/busybox
  commands "${work}/nginx" "${debian}/bin/busybox" sh cat ls ps wget
  install -D -m 0644 -t "${work}/nginx/etc/nginx" -- "${debian}/etc/nginx/mime.types" "${HERE}/images/nginx/etc/nginx/nginx.conf"
  install -D -m 0644 -t "${work}/nginx/usr/share/nginx/html" -- "${debian}/usr/share/nginx/html/index.html"
  install -d -- "${work}/nginx"/{run,var/log/nginx,var/lib/nginx}
  for name in nginx busybox; do
    install -d -- "${work}/${name}"/{etc,root}
    install -d -m 1777 -- "${work}/${name}/tmp"
    printf 'root:x:0:0:root:/root:/bin/sh\nnginx:x:101:101:nginx:/nonexistent:/bin/false\n' >"${work}/${name}/etc/passwd"
    printf 'root:x:0:\nnginx:x:101:\n' >"${work}/${name}/etc/group"
  done
}

push() { # WORK IMAGE FOLDER ENTRY-POINT
  local layer="$1/$3.tar.${LAYERS}" image="$2" folder="$1/$3" entry_point="$4" log="$1/$3.log"
  tar -C "${folder}" --owner=0 --group=0 --sort=name --mtime=@0 -cf - . | if [[ "${LAYERS}" == gz ]]; then gzip -1n; else zstd -q -3; fi >"${layer}"
  crane "${log}" append --insecure --platform linux/amd64 --oci-empty-base -f "${layer}" -t "${image}" || die "${image}: could not be pushed; the lines above say why"
  crane "${log}" mutate --insecure --set-platform linux/amd64 ${entry_point:+--entrypoint "${entry_point}"} "${image}" ||
    die "${image}: could not get its entry point; the lines above say why"
}
# Two images of one repository that come at the same time may each find the other's layer half known (BLOB_UNKNOWN), which the next try does not.
crane() { # LOG WORDS...
  local log="$1" tries
  shift
  for tries in 1 2 3; do
    "${CRANE}" "$@" >"${log}" 2>&1 && return 0
    ((tries == 3)) || sleep 1
  done
  cat -- "${log}" >&2
  return 1
}

# A registry of our own on a free port of this machine; sets REGISTRY_PID and REGISTRY.
start_registry() { # STORAGE WORK
  local log="$2/registry.log" tries
  printf 'version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: "%s"}}\nhttp: {addr: "127.0.0.1:0"}\n' "$1" >"$2/registry.yml"
  : >"${log}"
  # It ends with this script, however that ends.
  setpriv --pdeathsig KILL docker-registry serve "$2/registry.yml" >"${log}" 2>&1 9>&- &
  REGISTRY_PID="$!"
  trap 'kill "${REGISTRY_PID}" 2>/dev/null || true' EXIT
  for ((tries = 100; tries > 0; tries--)); do
    REGISTRY="$(sed -n 's|.*listening on \(127\.0\.0\.1:[0-9]*\).*|\1|p' "${log}")"
    [[ -z "${REGISTRY}" ]] || return 0
    kill -0 "${REGISTRY_PID}" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 5 -- "${log}" >&2
  die 'docker-registry did not start; the lines above say why'
}

push_all() { # WORK
  local work="$1" entry name from entry_point job jobs=()
  for entry in "${IMAGES[@]}"; do
    IFS='|' read -r name from entry_point <<<"${entry}"
    push "${work}" "${REGISTRY}/${name}" "${from}" "${entry_point}" & jobs+=("$!")
  done
  for job in "${jobs[@]}"; do wait "${job}" || die 'an image is missing; the lines above say why'; done
}

make() { # FOLDER
  local folder="$1" out="$1.part" work="$1.part.work" pushed entry
  alone images
  [[ ! -d "${folder}" ]] || return 0
  log 'building, about 10 s on two cores'
  check_list "${KUBERNETES}"
  for entry in "${MORE_KUBERNETES[@]}"; do check_list "$(more_kubernetes "${entry}")"; done
  mkdir -p -- "${out}" "${work}"
  stage "${work}"
  start_registry "${out}" "${work}"
  push_all "${work}"
  pushed="$(find "${out}" -path '*/_manifests/tags/*/current/link' | wc -l)"
  [[ "${pushed}" -eq "${#IMAGES[@]}" ]] || die "the registry holds ${pushed} images; expected ${#IMAGES[@]}"
  kill "${REGISTRY_PID}"
  wait "${REGISTRY_PID}" 2>/dev/null || true
  trap - EXIT
  rm -rf -- "${work:?}"
  mv -T -- "${out}" "${folder}"
  log "built in ${SECONDS} s"
}

main() {
  local folder
  need docker-registry:docker-registry zstd:zstd gcc:gcc setpriv:util-linux dpkg-deb:dpkg
  folder="${CACHE}/$(kind images)-$(key)"
  [[ -d "${folder}" ]] || make "${folder}"
  printf '%s\n' "${folder}"
}

main "$@"
