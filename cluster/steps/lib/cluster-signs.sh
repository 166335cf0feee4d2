#!/usr/bin/env bash
# Which cluster this host is in, and whose.
# CLUSTER holds what init or join wrote before it changed anything: the cluster's id, the step, the node's name, what was there before.
# It appears and goes as a whole (mv of a folder), so that an id never stands without its lists.
readonly CLUSTER="${STATE}/cluster"
readonly KEPT="${CLUSTER}/kubelet" # copies of what kubeadm left, and what the kubelet step still has to restart

# One at a time: the kubelet step, which puts files back, the timer that renews certificates, a restore of etcd. Below KEPT, so that a reset takes it along.
lock_kept() { # SECONDS
  mkdir -p -- "${KEPT}"
  exec 6>"${KEPT}/lock"
  flock -w "$1" 6 || die "another run has held ${KEPT}/lock for $1 s. See who: fuser -v ${KEPT}/lock"
}
cluster_is_claimed() { [[ -e "${CLUSTER}/id" ]]; }
cluster_value() { # NAME: id, step, node, socket, ca, finished, ...; empty where there is none
  [[ ! -e "${CLUSTER}/$1" ]] || printf '%s' "$(<"${CLUSTER}/$1")"
}
cluster_role() { # control-plane or worker; a host of a version before this does not say so
  local role
  role="$(cluster_value role)"
  [[ -n "${role}" ]] || { [[ "$(cluster_value step)" == init ]] && role=control-plane || role=worker; }
  printf '%s' "${role}"
}
is_joined_control_plane() { [[ "$(cluster_value step) $(cluster_role)" == 'join control-plane' ]]; } # any but the first
was_joined() { [[ "$(cluster_value step) $(cluster_value by)" == *join* ]]; } # by kubeadm join: a host that is to be init's as well, until that join has ended (join.sh)
# What the cluster's own steps last brought this host to, such as 1.29.15. A host of a version before this does not say so: its kubelet does.
cluster_version() {
  local version
  version="$(cluster_value version)"
  printf '%s' "${version:-$(kubelet_version)}"
}
kubelet_version() { # of the one that is installed, such as 1.29.15; empty where none is
  local found
  found="$(kubelet --version 2>/dev/null)" || found=''
  printf '%s' "${found##*v}" # Kubernetes v1.29.15
}
cluster_minor() { # such as 29
  local version
  version="$(cluster_version)"
  [[ "${version}" =~ ^1\.([0-9]+)\. ]] && printf '%s' "${BASH_REMATCH[1]}" || printf 99
}
is_dockershim() { [[ "$(cluster_value socket)" == *dockershim* ]]; } # the kubelet itself speaks to Docker
list_containers() { if is_dockershim; then printf 'docker ps -a'; else printf 'crictl ps -a'; fi; } # the command, also for a message
containers() { # POD
  if is_dockershim; then timeout 20 docker ps -q --filter "name=^/k8s_$1_" | head -n 1; else timeout 20 crictl --runtime-endpoint "$(cluster_value socket)" ps -q --name "^$1\$" | head -n 1; fi
}
stop_container() { # ID
  if is_dockershim; then timeout 60 docker stop "$1"; else timeout 60 crictl --runtime-endpoint "$(cluster_value socket)" stop "$1"; fi
}
runs_anew() { # POD OLD
  local id
  id="$(containers "$1")"
  [[ -n "${id}" && "${id}" != "$2" ]]
}
api_is_ready() { curl --silent --fail --insecure --noproxy '*' --max-time 5 --output /dev/null -- https://127.0.0.1:6443/readyz; } # this control plane's own
readonly HEALTHZ=http://127.0.0.1:10248/healthz # the kubelet's default
kubelet_answers() { curl --silent --fail --noproxy '*' --max-time 3 --output /dev/null -- "${HEALTHZ}"; }
# Files that only a host in a cluster has; on a control plane also data of an etcd. One a line.
cluster_signs() { # ROLE
  local file server
  for file in "${ROOT}"/etc/kubernetes/*.conf "${ROOT}"/etc/kubernetes/manifests/*.yaml "${ROOT}"/etc/kubernetes/pki/* "${ROOT}/var/lib/kubelet/config.yaml"; do
    [[ -e "${file}" ]] || continue
    server="$(sed -n 's/^ *server: *//p' -- "${file}" 2>/dev/null | head -n 1)" || true
    printf '%s%s\n' "${file#"${ROOT}"}" "${server:+ (${server})}"
  done
  [[ "$1" != control-plane || ! -e "${ROOT}/var/lib/etcd/member" ]] || printf '/var/lib/etcd/member\n'
}
