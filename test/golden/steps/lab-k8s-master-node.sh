readonly STEP='node'
readonly DRAIN_SECONDS='300'
readonly HOST_NAME='k8s-master'
readonly LABELS=('node-role.kubernetes.io/control-plane=')
readonly NODE_NAME='k8s-master'
readonly TAINTS=('node-role.kubernetes.io/control-plane:NoSchedule')
readonly TIMEOUT_SECONDS='300'
