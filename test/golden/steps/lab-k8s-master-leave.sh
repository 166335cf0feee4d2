readonly STEP='leave'
readonly HOST_NAME='k8s-master'
