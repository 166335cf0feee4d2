readonly STEP='init'
readonly CLUSTER_ID='lab-172.16.1.110'
readonly HOST_INSTALLED=''
readonly IGNORE_PREFLIGHT_ERRORS=()
readonly KUBEADM_CONFIG='apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: 172.16.1.110
  bindPort: 6443
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  kubeletExtraArgs:
    node-ip: 172.16.1.110
  name: k8s-master
---
apiServer:
  certSANs:
    - k8s-master
    - 172.16.1.110
    - 127.0.0.1
    - 10.0.0.110
  extraArgs:
    profiling: "false"
  timeoutForControlPlane: 240s
apiVersion: kubeadm.k8s.io/v1beta3
controlPlaneEndpoint: 172.16.1.110:6443
controllerManager:
  extraArgs:
    allocate-node-cidrs: "false"
    kube-api-burst: "200"
    kube-api-qps: "100"
    leader-elect: "false"
    profiling: "false"
imageRepository: registry.k8s.io
kind: ClusterConfiguration
kubernetesVersion: v1.29.15
networking:
  dnsDomain: cluster.local
  podSubnet: 10.244.0.0/16
  serviceSubnet: 10.96.0.0/12
scheduler:
  extraArgs:
    leader-elect: "false"
    profiling: "false"
---
apiVersion: kubelet.config.k8s.io/v1beta1
cgroupDriver: systemd
kind: KubeletConfiguration
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
conntrack:
  maxPerCore: 32768
  min: 131072
kind: KubeProxyConfiguration
mode: iptables
'
readonly KUBERNETES_VERSION='1.29.15'
readonly NODE_NAME='k8s-master'
readonly NODE_POD_CIDR='10.244.0.0/24'
readonly OWNER='0123456789abcdef kubeadm-lab/lab k8s-master'
readonly PAUSE_IMAGE='registry.k8s.io/pause:3.9'
readonly TIMEOUT_SECONDS='300'
