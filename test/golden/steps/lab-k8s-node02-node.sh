readonly STEP='node'
readonly DRAIN_SECONDS='300'
readonly HOST_NAME='k8s-master'
readonly LABELS=()
readonly NODE_NAME='k8s-node02'
readonly TAINTS=()
readonly TIMEOUT_SECONDS='300'
