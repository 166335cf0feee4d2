readonly STEP='scripts'
readonly HOST_NAME='k8s-node02'
readonly SCRIPTS=('identity-0123456789abcdef' 'images-0123456789abcdef' 'init-0123456789abcdef' 'join-0123456789abcdef' 'kubeconfig-0123456789abcdef' 'kubelet-0123456789abcdef' 'leave-0123456789abcdef' 'node-0123456789abcdef' 'packages-0123456789abcdef' 'preflight-0123456789abcdef' 'runtime-0123456789abcdef' 'scripts-0123456789abcdef' 'system-0123456789abcdef' 'message-0123456789abcdef' 'pause-0123456789abcdef' 'recorder-0123456789abcdef' 'recording-0123456789abcdef' 'scenario-0123456789abcdef' 'witness-0123456789abcdef')
