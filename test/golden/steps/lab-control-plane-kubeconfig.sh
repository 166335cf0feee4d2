readonly STEP='kubeconfig'
readonly HOST_NAME='k8s-master'
