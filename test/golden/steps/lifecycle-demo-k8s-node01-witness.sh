readonly STEP='witness'
readonly FRESH='no'
readonly HOST_NAME='k8s-node01'
readonly MESSAGE_FILE='/data/volumes/nginx/log/message'
