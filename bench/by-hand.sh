#!/usr/bin/env bash
# The baseline: what a careful person would write without Pulumi. The same work on the same hosts, the same parallelism,
# one SSH connection a step; no record of what was there, no drift, no undo but `kubeadm reset`.
# usage: by-hand.sh up|down|upgrade plain|tuned     prints "SECONDS STAGE" lines
# tuned: without Kubernetes' own avoidable waits: no leader election with one control plane, and each node's Pod CIDR given by
# the script, because up to 1.30 the node-ipam controller sleeps 10 s before its first look at the nodes.
# On whichever release the lab has: 1.29 with containerd, or that of the era 2020 with Docker.
set -euo pipefail
# shellcheck source=lab/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lab/common.sh"
readonly USAGE='usage: by-hand.sh up|down|upgrade plain|tuned'
readonly VERB="${1:?${USAGE}}" KIND="${2:?${USAGE}}" HERE="${PROJECT}/bench"
STARTED="$(cut -d' ' -f1 /proc/uptime)"
readonly STARTED
stage() { awk -v s="${STARTED}" -v what="$*" '{printf "%.2f %s\n", $1 - s, what}' /proc/uptime; }
all() { # FUNCTION NAME...: in parallel, and fails if one fails
  local f="$1" pids=() name pid
  shift
  for name in "$@"; do "${f}" "${name}" & pids+=("$!"); done
  for pid in "${pids[@]}"; do wait "${pid}"; done
}
k() { on_network "${LAB}/bin/kubectl" --kubeconfig "${LAB}/tmp/by-hand.kubeconfig" "$@"; }
mapfile -t NAMES < <(hosts | cut -d' ' -f1)
WORKERS=("${NAMES[@]:1}")
K8S=registry.k8s.io
POD_IMAGES=(registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17 registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24)
IGNORED=HTTPProxyCIDR,HTTPProxy # the lab's kubeadm: see Pulumi.lab.yaml
# What differs between the two: version, images, packages, kubeadm's API, the runtime's socket and unit, how it pulls.
if [[ "$(era)" == 2020 ]]; then
  VERSION=1.18.3 API=v1beta2 SOCKET=/var/run/dockershim.sock RUNTIME=docker PAUSE=3.2 ETCD=3.4.3-0 COREDNS=coredns:1.6.7
  FLANNEL=(quay.io/coreos/flannel:v0.12.0-amd64) PULL='docker pull -q'
  RUNTIME_PACKAGES='cri-tools-1.13.0 kubernetes-cni-0.8.7 docker-ce-19.03.15 docker-ce-cli-19.03.15 containerd.io-1.4.9'
  REMOVED='docker-ce docker-ce-cli containerd.io' LINKS='cni0 flannel.1 docker0' RULES='|DOCKER|docker0'
else
  VERSION=1.29.15 API=v1beta3 SOCKET=unix:///run/containerd/containerd.sock RUNTIME=containerd PAUSE=3.9 ETCD=3.5.16-0 COREDNS=coredns/coredns:v1.11.1
  FLANNEL=(docker.io/flannel/flannel:v0.25.7 docker.io/flannel/flannel-cni-plugin:v1.5.1-flannel2) PULL='crictl pull'
  RUNTIME_PACKAGES='cri-tools kubernetes-cni containerd.io-1.6.33' REMOVED=containerd.io LINKS='cni0 flannel.1' RULES=''
fi
PINNED="kubelet-${VERSION} kubeadm-${VERSION} kubectl-${VERSION} ${RUNTIME_PACKAGES}"
readonly K8S POD_IMAGES IGNORED VERSION API SOCKET RUNTIME PAUSE ETCD COREDNS FLANNEL PULL RUNTIME_PACKAGES REMOVED LINKS RULES PINNED

host_packages() {
  on_host "$1" "set -e
for r in centos docker-ce kubernetes; do printf '[%s]\nname=%s\nbaseurl=http://${PACKAGES}/%s/\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=http://${PACKAGES}/RPM-GPG-KEY-kubeadm-lab\n' \$r \$r \$r >/etc/yum.repos.d/\$r.repo; done
yum install -y -q --disablerepo='*' --enablerepo=centos,docker-ce,kubernetes ${PINNED} conntrack-tools socat ebtables ethtool ipset" >/dev/null
}
host_system() {
  on_host "$1" "set -e
hostnamectl set-hostname $1
cat >>/etc/hosts
swapoff -a
systemctl disable -q --now firewalld 2>/dev/null || true
printf 'overlay\nbr_netfilter\n' >/etc/modules-load.d/k8s.conf
printf 'net.ipv4.ip_forward=1\nnet.bridge.bridge-nf-call-iptables=1\nnet.bridge.bridge-nf-call-ip6tables=1\nvm.swappiness=0\n' >/etc/sysctl.d/99-k8s.conf
sysctl -q --system >/dev/null" < <(hosts | while read -r name byte; do printf '%s.%s %s\n' "${INTERNAL}" "${byte}" "${name}"; done)
}
host_runtime() { "${RUNTIME}_runtime" "$1"; }
docker_runtime() {
  on_host "$1" "set -e
mkdir -p /etc/docker
printf '{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"log-driver\": \"json-file\", \"storage-driver\": \"overlay2\"}\n' >/etc/docker/daemon.json
systemctl restart docker
systemctl enable -q docker kubelet"
}
containerd_runtime() {
  on_host "$1" "set -e
for r in registry.k8s.io docker.io registry.cn-beijing.aliyuncs.com; do mkdir -p /etc/containerd/certs.d/\$r
  printf 'server = \"https://%s\"\n[host.\"http://${REGISTRY}\"]\n  capabilities = [\"pull\", \"resolve\"]\n' \$r >/etc/containerd/certs.d/\$r/hosts.toml; done
printf 'runtime-endpoint: unix:///run/containerd/containerd.sock\n' >/etc/crictl.yaml
cat >/etc/containerd/config.toml
systemctl restart containerd
systemctl enable -q containerd kubelet" <<EOF
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${K8S}/pause:${PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
EOF
}
host_images() {
  local images=("${K8S}/pause:${PAUSE}" "${K8S}/kube-proxy:v${VERSION}" "${FLANNEL[@]}")
  if [[ "$1" == "${CONTROL_PLANE}" ]]; then
    images+=("${K8S}"/{kube-apiserver,kube-controller-manager,kube-scheduler}:"v${VERSION}" "${K8S}/etcd:${ETCD}" "${K8S}/${COREDNS}")
  else
    images+=("${POD_IMAGES[@]}")
  fi
  on_host "$1" "printf '%s\n' ${images[*]} | xargs -P 4 -n 1 ${PULL}" >/dev/null
}
prepare() { # packages -> system beside (runtime -> images)
  local system
  host_packages "$1"
  host_system "$1" & system=$!
  host_runtime "$1"
  host_images "$1"
  wait "${system}"
}

kubeadm_config() {
  local byte="${FIRST_ADDRESS}" tuned=''
  [[ "${KIND}" != tuned ]] || tuned='controllerManager: {extraArgs: {leader-elect: "false", allocate-node-cidrs: "false"}}
scheduler: {extraArgs: {leader-elect: "false"}}'
  cat <<EOF
apiVersion: kubeadm.k8s.io/${API}
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: ${INTERNAL}.${byte}}
nodeRegistration: {name: ${CONTROL_PLANE}, criSocket: "${SOCKET}", kubeletExtraArgs: {node-ip: ${INTERNAL}.${byte}}}
---
apiVersion: kubeadm.k8s.io/${API}
kind: ClusterConfiguration
kubernetesVersion: v${VERSION}
imageRepository: ${K8S}
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}
${tuned}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, min: 0}
EOF
}
pod_cidr() { # NAME: the node's place among the hosts is its /24
  printf '10.244.%d.0/24' "$(($(host_byte "$1") - FIRST_ADDRESS))"
}
give_pod_cidr() {
  local i
  for ((i = 0; i < 600; i++)); do
    ! k get node "$1" >/dev/null 2>&1 || break
    sleep 0.1
  done
  k patch node "$1" -p "{\"spec\":{\"podCIDR\":\"$(pod_cidr "$1")\",\"podCIDRs\":[\"$(pod_cidr "$1")\"]}}" >/dev/null
}
# 0.12 has one image, and its plugin comes with the package kubernetes-cni.
flannel() {
  if [[ "${#FLANNEL[@]}" == 2 ]]; then cat -- "${HERE}/flannel.yaml"; else sed -e '/- name: install-cni-plugin/,+4d' -e "s|docker.io/flannel/flannel:.*|${FLANNEL[0]}|" "${HERE}/flannel.yaml"; fi
}
join() {
  local command
  command="$(on_host "${CONTROL_PLANE}" 'kubeadm token create --ttl 15m --print-join-command')"
  on_host "$1" "printf 'KUBELET_EXTRA_ARGS=--node-ip=${INTERNAL}.$(host_byte "$1")\n' >/etc/sysconfig/kubelet; ${command} --node-name $1 --cri-socket ${SOCKET} --ignore-preflight-errors=${IGNORED}" >/dev/null 2>&1
  on_host "$1" 'timeout 120 sh -c "until [ -s /run/flannel/subnet.env ]; do sleep 0.1; done"'
}

up() {
  local pids=() name pid
  declare -A preparing
  for name in "${NAMES[@]}"; do prepare "${name}" & preparing["${name}"]=$!; done
  wait "${preparing[${CONTROL_PLANE}]}"
  stage 'control plane prepared'
  kubeadm_config | on_host "${CONTROL_PLANE}" "cat >/root/kubeadm.yaml; kubeadm init --config /root/kubeadm.yaml --skip-token-print --ignore-preflight-errors=${IGNORED}" >/dev/null 2>&1
  stage 'kubeadm init'
  (umask 077; on_host "${CONTROL_PLANE}" 'cat /etc/kubernetes/admin.conf' >"${LAB}/tmp/by-hand.kubeconfig")
  (
    flannel | k apply -f - >/dev/null
    [[ "${KIND}" != tuned ]] || all give_pod_cidr "${NAMES[@]}"
  ) & pids+=("$!")
  for name in "${WORKERS[@]}"; do wait "${preparing[${name}]}"; done # long done: init takes longer than a worker's preparation
  for name in "${WORKERS[@]}"; do join "${name}" & pids+=("$!"); done
  for pid in "${pids[@]}"; do wait "${pid}"; done
  stage 'joined, flannel on the workers'
  k apply -f "${HERE}/pod.yaml" >/dev/null
  k wait --for=condition=Ready pod/lifecycle-demo-pod --timeout=5m >/dev/null
  stage 'Pod Ready'
  on_host "$(k get pod lifecycle-demo-pod -o jsonpath='{.spec.nodeName}')" 'cat /data/volumes/nginx/log/message' >/dev/null
  stage 'up'
}

# To the next minor, as Kubernetes' own page on it has the steps; the snapshot of etcd comes first.
readonly NEXT=1.30.14
upgrade_tools() { on_host "$1" "yum install -y -q --disablerepo='*' --enablerepo=kubernetes kubeadm-${NEXT} kubectl-${NEXT}" >/dev/null; }
upgrade_kubelet() { on_host "$1" "yum install -y -q --disablerepo='*' --enablerepo=kubernetes kubelet-${NEXT} && systemctl daemon-reload && systemctl restart kubelet" >/dev/null; }
wait_for_version() {
  local i
  for ((i = 0; i < 600; i++)); do
    [[ "$(k get node "$1" -o 'jsonpath={.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" != "v${NEXT} True" ]] || return 0
    sleep 0.2
  done
  die "$1 has not become Ready with ${NEXT}"
}
upgrade() {
  local name
  all upgrade_tools "${NAMES[@]}"
  stage 'kubeadm and kubectl'
  on_host "${CONTROL_PLANE}" "crictl exec \$(crictl ps -q --name etcd) etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key snapshot save /var/lib/etcd/before-upgrade.db
kubeadm upgrade apply v${NEXT} --yes --ignore-preflight-errors=${IGNORED}" >/dev/null 2>&1
  stage 'kubeadm upgrade apply'
  upgrade_kubelet "${CONTROL_PLANE}"
  wait_for_version "${CONTROL_PLANE}"
  stage 'control plane'
  for name in "${WORKERS[@]}"; do
    k drain "${name}" --ignore-daemonsets --delete-emptydir-data --force >/dev/null 2>&1
    on_host "${name}" 'kubeadm upgrade node' >/dev/null
    upgrade_kubelet "${name}"
    wait_for_version "${name}"
    k uncordon "${name}" >/dev/null
    stage "${name}"
  done
  k apply -f "${HERE}/pod.yaml" >/dev/null
  k wait --for=condition=Ready pod/lifecycle-demo-pod --timeout=5m >/dev/null
  stage 'upgraded'
}

leave() {
  on_host "$1" "kubeadm reset -f >/dev/null 2>&1; systemctl disable -q --now kubelet
rm -rf /etc/cni/net.d/10-flannel.conflist /var/lib/cni /run/flannel /root/kubeadm.yaml /etc/kubernetes /var/lib/etcd
yum remove -y -q kubelet kubeadm kubectl cri-tools kubernetes-cni ${REMOVED} conntrack-tools socat ebtables ethtool ipset >/dev/null
for l in ${LINKS}; do ip link del \$l 2>/dev/null; done
for t in iptables ip6tables; do \$t-save | grep -vE 'KUBE-|FLANNEL|CNI-|flanneld|kubernetes${RULES}' | \$t-restore; done
rm -f /etc/yum.repos.d/{centos,docker-ce,kubernetes}.repo /etc/sysctl.d/99-k8s.conf /etc/modules-load.d/k8s.conf; true"
}
message() { on_host "$1" 'cat /data/volumes/nginx/log/message 2>/dev/null; true' >/dev/null; }
down() {
  k delete pod lifecycle-demo-pod --wait >/dev/null
  stage 'Pod deleted'
  all message "${WORKERS[@]}"
  all leave "${WORKERS[@]}"
  stage 'workers reset'
  leave "${CONTROL_PLANE}"
  rm -f -- "${LAB}/tmp/by-hand.kubeconfig"
  stage 'down'
}

need_lab
case "${VERB}:${KIND}" in
  up:plain | up:tuned | down:plain | down:tuned | upgrade:plain | upgrade:tuned) "${VERB}" ;;
  *) die "${USAGE}" ;;
esac
