# May 2020, the days of the page that the demo is from: Kubernetes 1.18.3 with Docker, as Pulumi.seed.yaml asks for. lab/eras/default says what each name means.
# shellcheck shell=bash disable=SC2034 # data for those that source it
STACK=seed
PIECES=(kubernetes coredns flannel cni-flannel) # etcd is among Kubernetes' modules
MORE_KUBERNETES=()
IMAGES=('etcd:3.4.3-0|etcd|/usr/local/bin/etcd'
  'coredns:1.6.7|coredns|/coredns'
  'pause:3.2|pause|/pause'
  'coreos/flannel:v0.12.0-amd64|flannel|/opt/bin/flanneld' # 0.25.7 under that name: 0.12 needs a client-go that no longer builds
  'google_registry/nginx:1.17|nginx|nginx,-g,daemon off;'
  'google_registry/busybox:1.24|busybox|')
LAYERS=gz # Docker up to 20.10 reads no zstd
CNI_VERSIONS=(0.8.7)
FLANNEL_IN_CNI=yes DOCKER=yes
REGISTRY_NAMES=(registry.k8s.io k8s.gcr.io quay.io registry-1.docker.io registry.cn-beijing.aliyuncs.com) # Docker takes mirrors for docker.io only
