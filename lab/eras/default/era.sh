# The lab's own era: what Pulumi.lab.yaml asks for. A folder beside this one is another era (lab/README.md).
# shellcheck shell=bash disable=SC2034 # data for those that source it
STACK=lab
# Pieces of lab/toolchain beside the tools that every era needs.
PIECES=(kubernetes etcd coredns flannel cni-flannel)
# Other versions of Kubernetes beside it, VERSION:CRI-TOOLS; each is a piece such as kubernetes-1.30.
MORE_KUBERNETES=()
# NAME:TAG|FOLDER|ENTRY,POINT beside Kubernetes' own four; the folder is one of those that lab/content/images.sh lays out.
IMAGES=('etcd:3.5.16-0|etcd|/usr/local/bin/etcd'
  'coredns/coredns:v1.11.1|coredns|/coredns'
  'pause:3.9|pause|/pause'
  'flannel/flannel:v0.25.7|flannel|/opt/bin/flanneld'
  'flannel/flannel-cni-plugin:v1.5.1-flannel2|flannel-cni-plugin|'
  'google_registry/nginx:1.17|nginx|nginx,-g,daemon off;'
  'google_registry/busybox:1.24|busybox|')
# zstd: hosts unpack 400 MB of Go binaries while somebody waits.
LAYERS=zst
# Of the package kubernetes-cni. Two, so that a missing pin shows.
CNI_VERSIONS=(1.3.0 1.4.0)
# With flannel's own plugin in it; with Docker in the docker-ce repository.
FLANNEL_IN_CNI=no DOCKER=no
# The registry also answers under these names, by TLS.
REGISTRY_NAMES=()
