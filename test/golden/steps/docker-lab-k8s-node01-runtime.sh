readonly STEP='runtime'
readonly DOCKER_CONFIG='{
  "exec-opts": [
    "native.cgroupdriver=systemd"
  ],
  "insecure-registries": [
    "192.0.2.1:5000"
  ],
  "log-driver": "json-file",
  "log-opts": {
    "max-size": "100m"
  },
  "registry-mirrors": [
    "http://192.0.2.1:5000"
  ],
  "storage-driver": "overlay2"
}
'
readonly HOST_NAME='k8s-node01'
readonly RUNTIME_KIND='docker'
