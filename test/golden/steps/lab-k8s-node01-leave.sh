readonly STEP='leave'
readonly CLUSTER_ID='lab-172.16.1.110'
readonly HOST_NAME='k8s-node01'
