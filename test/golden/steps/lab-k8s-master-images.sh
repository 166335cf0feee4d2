readonly STEP='images'
readonly HOST_INSTALLED=''
readonly HOST_NAME='k8s-master'
readonly IMAGES=('docker.io/flannel/flannel-cni-plugin:v1.5.1-flannel2' 'docker.io/flannel/flannel:v0.25.7' 'registry.k8s.io/coredns/coredns:v1.11.1' 'registry.k8s.io/etcd:3.5.16-0' 'registry.k8s.io/kube-apiserver:v1.29.15' 'registry.k8s.io/kube-controller-manager:v1.29.15' 'registry.k8s.io/kube-proxy:v1.29.15' 'registry.k8s.io/kube-scheduler:v1.29.15' 'registry.k8s.io/pause:3.9')
readonly RUNTIME_KIND='containerd'
