#!/usr/bin/env bash
# How kubectl is run on a host: bounded, and without a trace in anybody's home: one of 2020 keeps a cache there, whatever --cache-dir says.
readonly KUBECTL_CACHE="${ROOT}/run/kubeadm-lab-${STEP}${NODE_NAME:+-${NODE_NAME}}.cache"

# A kubectl of another run, such as those of the gallery, may be writing there: that fails no step, and the last run takes all of it away.
drop_kubectl_cache() { rm -rf -- "${KUBECTL_CACHE:?}" 2>/dev/null || true; }
kube() { # KUBECONFIG ARGUMENTS...
  local config="$1"
  shift
  kube_within 30 "${config}" --request-timeout 10s "$@"
}
kube_within() { # SECONDS KUBECONFIG ARGUMENTS...: for what waits or watches
  local seconds="$1" config="$2"
  shift 2
  HOME="${KUBECTL_CACHE}" timeout "${seconds}" kubectl --kubeconfig "${ROOT}${config}" --cache-dir "${KUBECTL_CACHE}" "$@"
}
# Gives the Node its Pod CIDR as soon as there is a Node. A Node's range can't change: the same one again is fine, another one is refused for good.
give_node_pod_cidr() { # KUBECONFIG NODE CIDR SECONDS
  local end patch
  uptime_now
  end=$((UPTIME + $4))
  patch="$(printf '{"spec":{"podCIDR":"%s","podCIDRs":["%s"]}}' "$3" "$3")"
  until LAST_SEEN="$(kube "$1" patch node "$2" --patch "${patch}" 2>&1)"; do
    [[ "${LAST_SEEN}" != *'may not change podCIDR'* ]] || die "Node $2 has another Pod CIDR than $3, and it can't change: $(kube "$1" get node "$2" -o 'jsonpath={.spec.podCIDR}' 2>&1). Delete the Node, or set podCidrs: controller-manager"
    is_before "${end}" || die "Node $2 has no Pod CIDR after $4 s; last answer: ${LAST_SEEN}"
    sleep 0.2
  done
}
