readonly STEP='recording'
readonly HOST_NAME='k8s-master'
readonly READY_UID='6f5c'
