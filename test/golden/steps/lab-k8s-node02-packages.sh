readonly STEP='packages'
readonly EXTRA_PACKAGES=('chrony' 'conntrack-tools' 'ebtables' 'ethtool' 'iproute' 'ipset' 'iptables' 'socat' 'util-linux' 'yum-plugin-versionlock')
readonly HOST_NAME='k8s-node02'
readonly PACKAGES=('kubelet-1.29.15' 'kubeadm-1.29.15' 'kubectl-1.29.15' 'kubernetes-cni-1.3.0' 'cri-tools-1.29.0' 'containerd.io-1.6.33')
readonly REMOVE_ON_UNDO='yes'
readonly REPOSITORIES=('base
[kubeadm-lab-base]
name=base
baseurl=http://192.0.2.1/centos/
enabled=1
gpgcheck=1
repo_gpgcheck=0
gpgkey=http://192.0.2.1/key
')
readonly UPGRADES='yes'
