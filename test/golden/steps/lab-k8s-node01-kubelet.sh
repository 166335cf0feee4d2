readonly STEP='kubelet'
readonly CLUSTER_ID='lab-172.16.1.110'
readonly HOST_NAME='k8s-node01'
readonly RELEASE_MINOR='29'
