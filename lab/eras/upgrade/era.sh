# Today's own era with the next two minors of Kubernetes beside it: for upgrades in place, from 1.29 over 1.30 to 1.31. The stack is the lab's.
# lab/eras/default says what each name means.
# shellcheck shell=bash disable=SC2034 # data for those that source it
# shellcheck source=lab/eras/default/era.sh
source "$(dirname "${BASH_SOURCE[0]}")/../default/era.sh"
MORE_KUBERNETES=(1.30.14:1.30.0 1.31.14:1.31.1)
PIECES+=(kubernetes-1.30 kubernetes-1.31)
# Stand-ins where only the version counts: etcd is 3.5.16 and CoreDNS 1.11.1 under each of these names.
IMAGES+=('etcd:3.5.15-0|etcd|/usr/local/bin/etcd'
  'etcd:3.5.24-0|etcd|/usr/local/bin/etcd'
  'coredns/coredns:v1.11.3|coredns|/coredns'
  'pause:3.10|pause|/pause')
CNI_VERSIONS+=(1.5.1)
