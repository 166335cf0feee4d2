readonly STEP='kubeconfig'
readonly HOST_NAME='k8s-master'
readonly RELEASE_MINOR='29'
