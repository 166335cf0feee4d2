#!/usr/bin/env bash
# Builds the tool chain from pinned Go modules (go.sum checks every byte) into the lab's cache, a piece at a time.
# A piece is a folder here with go.mod and go.sum; it is rebuilt when its files, this file or Go's version change.
# usage: build.sh OUT [PIECE...]      prints each piece's folder as `PIECE<TAB>FOLDER`; progress goes to stderr
#        build.sh --missing OUT       prints about how many seconds of building are missing
# A piece appears under its name only when it is whole (built beside it, then renamed); a killed build leaves a .part.
set -euo pipefail
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
MISSING_ONLY=no
if [[ "${1:-}" == --missing ]]; then MISSING_ONLY=yes; shift; fi
readonly HERE MISSING_ONLY OUT="${1:?usage: build.sh [--missing] OUT [PIECE...]}"
shift
# Seconds of a build from an empty Go cache on two cores (lab/README.md): what a person waits for, and the order by use.
readonly PIECES=(kubernetes:300 etcd:50 coredns:140 flannel:40 cni-flannel:10 crictl:50 crane:20 pulumi:220 kubernetes-provider:400)
readonly KUBERNETES_VERSION=v1.29.15 PULUMI_VERSION=v3.274.1 PROVIDER_VERSION=4.25.0

log() { printf 'toolchain: %s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }

# What the piece is made from, as one word: other inputs, other folder.
key() {
  local piece="$1"
  { go env GOVERSION; sed -n '/^readonly KUBERNETES_VERSION/p; /^go_build()/,/^main()/p' "${HERE}/build.sh"; cat -- "${HERE}/${piece}"/go.mod "${HERE}/${piece}"/go.sum "${HERE}/${piece}"/*.go 2>/dev/null || true; } | sha256sum | cut -c1-16
}

go_build() { # DIR GO-BUILD-ARGUMENTS...
  local dir="$1" ldflags="$2"
  shift 2
  # No DWARF: a third less time and size, and nobody debugs these here.
  (cd -- "${dir}" && go build -trimpath -buildvcs=false -gcflags=all=-dwarf=false -ldflags "-s -w ${ldflags}" "$@")
}

build() { # PIECE FOLDER
  local piece="$1" out="$2" source="${HERE}/$1" k=k8s.io/kubernetes/cmd v ld=''
  export CGO_ENABLED=0
  case "${piece}" in
    kubernetes)
      for v in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        ld+=" -X ${v}.gitVersion=${KUBERNETES_VERSION} -X ${v}.gitMajor=1 -X ${v}.gitMinor=29 -X ${v}.gitTreeState=clean"
      done
      # providerless,dockerless: without the cloud providers, 190 packages fewer.
      go_build "${source}" "${ld}" -tags providerless,dockerless -o "${out}/" \
        "${k}/kubeadm" "${k}/kubelet" "${k}/kube-apiserver" "${k}/kube-controller-manager" "${k}/kube-scheduler" "${k}/kube-proxy" "${k}/kubectl"
      ;;
    pulumi) go_build "${source}" "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${PULUMI_VERSION}" -o "${out}/" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi ;;
    kubernetes-provider)
      local module=github.com/pulumi/pulumi-kubernetes/provider/v4 work="${out}.src" from
      from="$(cd -- "${source}" && go mod download "${module}" && go list -m -f '{{.Dir}}' "${module}")/cmd/pulumi-resource-kubernetes"
      mkdir -p -- "${work}"
      cp -- "${source}"/go.mod "${source}"/go.sum "${source}"/main.go "${from}/schema.json" "${from}/terraform-mapping.json" "${work}/"
      go_build "${work}" "-X ${module}/pkg/version.Version=${PROVIDER_VERSION}" -o "${out}/pulumi-resource-kubernetes" .
      rm -rf -- "${work:?}"
      ;;
    etcd) go_build "${source}" '' -o "${out}/etcd" go.etcd.io/etcd/server/v3 ;;
    coredns) go_build "${source}" '' -o "${out}/" github.com/coredns/coredns ;;
    flannel) # its udp backend is C
      CGO_ENABLED=1 go_build "${source}" '-X github.com/flannel-io/flannel/pkg/version.Version=v0.25.7 -extldflags "-static"' -tags netgo,osusergo -o "${out}/flanneld" github.com/flannel-io/flannel
      ;;
    cni-flannel) go_build "${source}" '' -o "${out}/flannel" github.com/containernetworking/plugins/plugins/meta/flannel ;;
    crictl) go_build "${source}" '-X sigs.k8s.io/cri-tools/pkg/version.Version=v1.34.0' -o "${out}/" sigs.k8s.io/cri-tools/cmd/crictl ;;
    crane) go_build "${source}" '' -o "${out}/" github.com/google/go-containerregistry/cmd/crane ;;
    *) die "no piece named ${piece}" ;;
  esac
}

main() {
  command -v go >/dev/null || die 'found no go on PATH; install Go 1.26.6 or newer'
  mkdir -p -- "${OUT}"
  local entry piece seconds folder wanted=" $* " started missing=0
  for entry in "${PIECES[@]}"; do
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
      rm -rf -- "${folder:?}.part" "${folder:?}.part.src"
      mkdir -- "${folder}.part"
      build "${piece}" "${folder}.part" || die "building ${piece} failed; the lines above say why"
      mv -T -- "${folder}.part" "${folder}"
      log "built ${piece} in $((SECONDS - started)) s"
    fi
    printf '%s\t%s\n' "${piece}" "${folder}"
  done
  [[ "${MISSING_ONLY}" == no ]] || printf '%s\n' "${missing}"
}

main "$@"
