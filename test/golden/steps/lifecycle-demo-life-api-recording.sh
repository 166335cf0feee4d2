readonly STEP='recording'
readonly HOST_NAME='k8s-master'
