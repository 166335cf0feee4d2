readonly STEP='system'
readonly ADDRESS='172.16.1.111'
readonly CLUSTER_POD_CIDR='10.244.0.0/16'
readonly FIREWALLD='disable'
readonly HOST_NAME='k8s-node01'
readonly MODULES=('br_netfilter' 'overlay')
readonly NTP_SERVERS=()
readonly ROLE='worker'
readonly RUNTIME_KIND='containerd'
readonly SELINUX='permissive'
readonly SYSCTLS=('fs.may_detach_mounts=1' 'net.bridge.bridge-nf-call-ip6tables=1' 'net.bridge.bridge-nf-call-iptables=1' 'net.ipv4.ip_forward=1')
readonly TIMEZONE=''
