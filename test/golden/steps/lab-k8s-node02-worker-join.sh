readonly STEP='join'
readonly CLUSTER_ID='lab-172.16.1.110'
readonly HOST_INSTALLED=''
readonly IGNORE_PREFLIGHT_ERRORS=()
readonly JOIN_CONFIG='apiVersion: kubeadm.k8s.io/v1beta3
discovery:
  bootstrapToken:
    apiServerEndpoint: 172.16.1.110:6443
    caCertHashes:
      - sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    token: abcdef.0123456789abcdef
  timeout: 240s
kind: JoinConfiguration
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  kubeletExtraArgs:
    node-ip: 172.16.1.112
  name: k8s-node02
'
readonly KUBELET_CONFIG='a1611f59a426a2e0'
readonly KUBERNETES_VERSION='1.29.15'
readonly MAXIMUM_CLOCK_SKEW_SECONDS='5'
readonly NODE_NAME='k8s-node02'
readonly NODE_POD_CIDR='10.244.2.0/24'
readonly OWNER='0123456789abcdef kubeadm-lab/lab k8s-node02'
readonly PAUSE_IMAGE='registry.k8s.io/pause:3.9'
readonly TIMEOUT_SECONDS='300'
