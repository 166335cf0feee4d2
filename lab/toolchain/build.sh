#!/usr/bin/env bash
# Builds the tool chain from pinned Go modules (go.sum checks every byte) into the lab's cache, a piece at a time.
# A piece is a folder with go.mod and go.sum, here or, where an era has its own, in lab/eras/ERA/toolchain (with a number behind its name, such as kubernetes-1.30, another
# version of it beside the first); it is rebuilt when its files, its recipe below or Go's
# version change. Versions are those that go.mod names.
# usage: build.sh ERA OUT [PIECE...]      prints each piece's folder as `PIECE<TAB>FOLDER`; progress goes to stderr
#        build.sh --missing ERA OUT [PIECE...]   prints about how many seconds of building are missing
# A piece appears under its name only when it is whole (built beside it, then renamed); a killed build leaves a .part.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
MISSING_ONLY=no
if [[ "${1:-}" == --missing ]]; then MISSING_ONLY=yes; shift; fi
readonly HERE MISSING_ONLY USAGE='usage: build.sh [--missing] ERA OUT [PIECE...]'
readonly ERA="${1:?${USAGE}}" OUT="${2:?${USAGE}}"
shift 2
# Seconds of a build from an empty Go cache on two cores (lab/README.md): what a person waits for, and the order by use.
readonly PIECES=(kubernetes:300 etcd:50 coredns:140 flannel:40 cni-flannel:10 crictl:50 crane:20 pulumi:220 kubernetes-provider:400)

# The era's other versions of Kubernetes.
mapfile -t OTHERS < <(find "${HERE}/../eras/${ERA}/toolchain" -mindepth 1 -maxdepth 1 -name 'kubernetes-[0-9]*' -printf '%f:300\n' 2>/dev/null | sort)
readonly OTHERS

log() { printf 'toolchain: %s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }

source_of() { # PIECE
  local own="${HERE}/../eras/${ERA}/toolchain/$1"
  if [[ -d "${own}" ]]; then printf '%s' "${own}"; else printf '%s' "${HERE}/$1"; fi
}
recipe() { printf '%s' "${1%-[0-9]*}" | tr - _; } # PIECE: the same for kubernetes-1.30 and kubernetes
# What the piece is made from, as one word: other inputs, other folder. Its own recipe only, or one edit would rebuild everything.
key() { # PIECE
  local source
  source="$(source_of "$1")"
  { go env GOVERSION; declare -f go_build version_of folder_of "build_$(recipe "$1")"; [[ "$(recipe "$1")" != kubernetes ]] || declare -f build_apiserver_with_openapi; cat -- "${source}"/go.mod "${source}"/go.sum "${source}"/*.go 2>/dev/null || true; } | sha256sum | cut -c1-16
}

go_build() { # DIR GO-BUILD-ARGUMENTS...
  local dir="$1" ldflags="$2"
  shift 2
  # No DWARF: a third less time and size, and nobody debugs these here.
  (cd -- "${dir}" && go build -trimpath -buildvcs=false -gcflags=all=-dwarf=false -ldflags "-s -w ${ldflags}" "$@")
}
version_of() { (cd -- "$1" && go list -m -f '{{.Version}}' "$2"); } # DIR MODULE
folder_of() { (cd -- "$1" && go mod download "$2" && go list -m -f '{{.Dir}}' "$2"); } # DIR MODULE

# A recipe gets the folders of source and result, each with an absolute path. kubernetes-provider's go.mod names a commit: that of 4.25.0.
build_kubernetes() { # SOURCE OUT
  local source="$1" out="$2" k=k8s.io/kubernetes/cmd v ld='' version minor tags=providerless # without the cloud providers, 190 packages fewer
  local programs=("${k}/kubeadm" "${k}/kubelet" "${k}/kube-controller-manager" "${k}/kube-scheduler" "${k}/kube-proxy" "${k}/kubectl")
  version="$(version_of "${source}" k8s.io/kubernetes)"
  minor="$(cut -d. -f2 <<<"${version}")"
  ((minor < 24)) || tags+=,dockerless # before, dockershim is what is wanted
  for v in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    ld+=" -X ${v}.gitVersion=${version} -X ${v}.gitMajor=1 -X ${v}.gitMinor=${minor} -X ${v}.gitTreeState=clean"
  done
  if [[ -e "$(folder_of "${source}" k8s.io/kubernetes)/pkg/generated/openapi/zz_generated.openapi.go" ]]; then
    programs+=("${k}/kube-apiserver")
  else
    build_apiserver_with_openapi "${source}" "${out}" "${ld}" "${tags}"
  fi
  [[ -z "$(version_of "${source}" go.etcd.io/etcd 2>/dev/null)" ]] || programs+=(go.etcd.io/etcd) # that of these days is among Kubernetes' own modules
  go_build "${source}" "${ld}" -tags "${tags}" -o "${out}/" "${programs[@]}"
}
# Up to 1.22 the API server's OpenAPI definitions are in no module: they are made here from the types, and the API server's own few files are copied so that they
# import them from this module.
build_apiserver_with_openapi() { # SOURCE OUT LDFLAGS TAGS
  local source="$1" out="$2" work="$2.src" module=kubeadm-lab/toolchain/kubernetes from name dir dirs=''
  local modules=(api apimachinery apiextensions-apiserver kube-aggregator)
  mkdir -p -- "${work}/apiserver/app"
  cp -- "${source}"/go.mod "${source}"/go.sum "${work}/"
  from="$(folder_of "${source}" k8s.io/kubernetes)/cmd/kube-apiserver"
  sed "s|\"k8s.io/kubernetes/cmd/kube-apiserver/app\"|\"${module}/apiserver/app\"|" "${from}/apiserver.go" >"${work}/apiserver/main.go"
  for name in server aggregator apiextensions; do
    sed "s|\"k8s.io/kubernetes/pkg/generated/openapi\"|\"${module}/openapi\"|" "${from}/app/${name}.go" >"${work}/apiserver/app/${name}.go"
  done
  go_build "${source}" '' -o "${work}/openapi-gen" k8s.io/kube-openapi/cmd/openapi-gen
  for name in "${modules[@]}"; do
    dir="$(folder_of "${source}" "k8s.io/${name}")"
    dirs+="$(cd -- "${dir}" && grep -rl '+k8s:openapi-gen=true' --include=*.go --exclude=*_test.go . | xargs -n1 dirname | LC_ALL=C sort -u | sed "s|^\.|,k8s.io/${name}|" | tr -d '\n')"
  done
  : >"${work}/boilerplate"
  # gotypesalias: a generator of 2020 knows no alias types.
  (cd -- "${source}" && GODEBUG=gotypesalias=0 "${work}/openapi-gen" --logtostderr -h "${work}/boilerplate" -i "${dirs#,}" -p openapi -o "${work}" -O zz_generated.openapi -r "${work}/violations")
  go_build "${work}" "$3" -tags "$4" -o "${out}/kube-apiserver" ./apiserver
  rm -rf -- "${work:?}"
}
build_pulumi() {
  go_build "$1" "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$(version_of "$1" github.com/pulumi/pulumi/pkg/v3)" -o "$2/" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
}
build_kubernetes_provider() {
  local source="$1" out="$2" module=github.com/pulumi/pulumi-kubernetes/provider/v4 work="$2.src" from
  from="$(folder_of "${source}" "${module}")/cmd/pulumi-resource-kubernetes"
  mkdir -p -- "${work}"
  cp -- "${source}"/go.mod "${source}"/go.sum "${source}"/main.go "${from}/schema.json" "${from}/terraform-mapping.json" "${work}/"
  go_build "${work}" "-X ${module}/pkg/version.Version=4.25.0" -o "${out}/pulumi-resource-kubernetes" .
  rm -rf -- "${work:?}"
}
build_etcd() {
  go_build "$1" '' -o "$2/etcd" go.etcd.io/etcd/server/v3
  go_build "$1" '' -o "$2/etcdctl" go.etcd.io/etcd/etcdctl/v3
}
build_coredns() { # a main.go of its own names fewer plugins
  if [[ -e "$1/main.go" ]]; then go_build "$1" '' -o "$2/coredns" .; else go_build "$1" '' -o "$2/" github.com/coredns/coredns; fi
}
build_flannel() { # its udp backend is C
  CGO_ENABLED=1 go_build "$1" "-X github.com/flannel-io/flannel/pkg/version.Version=$(version_of "$1" github.com/flannel-io/flannel) -extldflags \"-static\"" -tags netgo,osusergo \
    -o "$2/flanneld" github.com/flannel-io/flannel
}
build_cni_flannel() { go_build "$1" '' -o "$2/flannel" github.com/containernetworking/plugins/plugins/meta/flannel; }
build_crictl() { go_build "$1" "-X sigs.k8s.io/cri-tools/pkg/version.Version=$(version_of "$1" sigs.k8s.io/cri-tools)" -o "$2/" sigs.k8s.io/cri-tools/cmd/crictl; }
build_crane() { go_build "$1" '' -o "$2/" github.com/google/go-containerregistry/cmd/crane; }

# One piece, whole. In a process of its own: behind `||` bash would go on after a command that failed in the middle.
build() { # PIECE FOLDER
  local pid
  rm -rf -- "${2:?}.part" "${2:?}.part.src"
  mkdir -- "$2.part"
  CGO_ENABLED=0 "build_$(recipe "$1")" "$(source_of "$1")" "$2.part" &
  pid="$!"
  wait "${pid}" || die "building $1 (era ${ERA}) failed; the lines above say why. Its sources come from the network, as Go modules: where that is what failed, see go env GOPROXY, and run this again when it answers. What is built is kept"
  mv -T -- "$2.part" "$2"
}

main() {
  command -v go >/dev/null || die 'found no go on PATH; install Go 1.26.6 or newer'
  mkdir -p -- "${OUT}"
  local entry piece seconds folder wanted=" $* " started missing=0
  for entry in "${PIECES[@]}" "${OTHERS[@]}"; do
    piece="${entry%:*}" seconds="${entry#*:}"
    [[ "${wanted}" == '  ' || "${wanted}" == *" ${piece} "* ]] || continue
    folder="${OUT}/${piece}-$(key "${piece}")"
    if [[ "${MISSING_ONLY}" == yes ]]; then
      [[ -d "${folder}" ]] || missing=$((missing + seconds))
      continue
    fi
    if [[ ! -d "${folder}" ]]; then
      log "building ${piece}, about ${seconds} s on two cores"
      started="${SECONDS}"
      build "${piece}" "${folder}"
      log "built ${piece} in $((SECONDS - started)) s"
    fi
    printf '%s\t%s\n' "${piece}" "${folder}"
  done
  [[ "${MISSING_ONLY}" == no ]] || printf '%s\n' "${missing}"
}

main "$@"
