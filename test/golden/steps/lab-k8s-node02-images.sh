readonly STEP='images'
readonly HOST_INSTALLED=''
readonly HOST_NAME='k8s-node02'
readonly IMAGES=('docker.io/flannel/flannel-cni-plugin:v1.5.1-flannel2' 'docker.io/flannel/flannel:v0.25.7' 'registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24' 'registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17' 'registry.k8s.io/kube-proxy:v1.29.15' 'registry.k8s.io/pause:3.9')
readonly RUNTIME_KIND='containerd'
