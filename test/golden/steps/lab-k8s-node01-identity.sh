readonly STEP='identity'
readonly HOSTS_BLOCK='172.16.1.110 k8s-master
172.16.1.111 k8s-node01
172.16.1.112 k8s-node02'
readonly HOST_NAME='k8s-node01'
