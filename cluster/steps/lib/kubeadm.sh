#!/usr/bin/env bash
# How init and join run kubeadm.
# A failed run gives the host back at once: a create that failed leaves nothing in the state that would undo it later.
readonly CONFIG_FILE="${ROOT}/run/kubeadm-lab-${STEP}.yaml" # in memory (tmpfs), 0600: a join's configuration holds a token
readonly CLAIMS_AS="${CLAIM_AS:-${STEP}}"                    # whose the cluster's records say that it is: the first control plane's host is init's, also where it joins (cluster/rejoin.ts)
STARTED=no

checksum() { printf '%s\n' "$1" | sha256sum | cut -c 1-64; }
is_done() { [[ "$(cluster_value id) $(cluster_value step) $(cluster_value node)" == "${CLUSTER_ID} ${CLAIMS_AS} ${NODE_NAME}" && -n "$(cluster_value finished)" ]]; }
start_afresh() { # ROLE CONFIG
  if cluster_is_claimed && [[ "$(cluster_value id)" != "${CLUSTER_ID}" ]]; then
    die "this host is in cluster $(cluster_value id), expected ${CLUSTER_ID} or none. Nothing was changed. Run pulumi destroy for that cluster first"
  elif cluster_is_claimed && [[ "$(cluster_value step)" != "${CLAIMS_AS}" && -n "$(cluster_value finished)" ]]; then
    die "this host is in ${CLUSTER_ID} by $(cluster_value step), expected ${CLAIMS_AS} or nothing. Nothing was changed. Run pulumi destroy before you change its role"
  elif cluster_is_claimed && [[ "$(cluster_value node)" != "${NODE_NAME}" && -n "$(cluster_value finished)" ]]; then
    die "this host is Node $(cluster_value node) of ${CLUSTER_ID}, expected ${NODE_NAME} or none. Nothing was changed. A Node can't be renamed: give the host its old name in hosts, or run pulumi destroy first"
  elif cluster_is_claimed; then
    release_cluster
  fi
  claim_cluster "${CLUSTER_ID}" "${NODE_NAME}" "$(cri_socket "$2")" "$1"
  STARTED=yes
}
cri_socket() { # CONFIG
  local pattern='criSocket:[[:space:]]*"?([^"[:space:]]+)'
  [[ ! "$1" =~ ${pattern} ]] || printf '%s' "${BASH_REMATCH[1]}"
}
write_config() { # TEXT
  rm -f -- "${CONFIG_FILE}"
  (umask 077 && printf '%s\n' "$1" >"${CONFIG_FILE}")
}
ignored_errors() (IFS=, && printf '%s' "${IGNORE_PREFLIGHT_ERRORS[*]-}")
# What it prints goes to stderr, tokens taken out; its last complaints stay in LAST_SEEN.
run_kubeadm() { # SECONDS ARGUMENTS...
  local seconds="$1"
  shift
  timeout -k 10 "${seconds}" kubeadm "$@" 2>&1 | sed -u 's/[a-z0-9]\{6\}\.[a-z0-9]\{16\}/<token>/g' | tee -- "${CLUSTER}/kubeadm.log" >&2 && return 0
  seen "$({ grep -Ei 'error|fail|timed out|fatal|already exists' -- "${CLUSTER}/kubeadm.log" || cat -- "${CLUSTER}/kubeadm.log"; } | tail -n 3 | tr '\n' ' ')"
  return 1
}
# kubeadm init or join, on a host that is in no cluster.
begin_kubeadm() { # SECONDS CONFIG VERB FLAGS...
  local seconds="$1" config="$2" ignored status=0
  shift 2
  ((seconds > 0)) || seconds=1 # 0 would be no bound at all
  ignored="$(ignored_errors)"
  # Not empty for kubeadm, though etcd can use it: a disk of its own, data that a rescue has laid down (anybody else's were refused by claim_cluster).
  case "$(ls -A -- "${ROOT}/var/lib/etcd/" 2>/dev/null)" in
  lost+found | member | $'lost+found\nmember') ignored+="${ignored:+,}DirAvailable--var-lib-etcd" ;;
  esac
  write_config "${config}" || return 1
  ! is_dockershim || quick_kubelet on
  run_kubeadm "${seconds}" "$@" --config "${CONFIG_FILE}" ${ignored:+--ignore-preflight-errors "${ignored}"} || status=1
  rm -f -- "${CONFIG_FILE}"
  ! is_dockershim || quick_kubelet off
  return "${status}"
}
# A kubeadm of Docker's days starts the kubelet before there is a configuration for it; it dies, and systemd waits 10 s before the next try, as its unit says.
quick_kubelet() { # on|off
  local folder="${ROOT}/run/systemd/system/kubelet.service.d"
  if [[ "$1" == on ]]; then
    mkdir -p -- "${folder}"
    printf '[Service]\nRestartSec=1\n' >"${folder}/kubeadm-lab.conf"
  else
    [[ -e "${folder}/kubeadm-lab.conf" ]] || return 0
    rm -f -- "${folder}/kubeadm-lab.conf"
    rmdir -- "${folder}" 2>/dev/null || true
  fi
  timeout 60 systemctl daemon-reload || log 'systemd did not read its files again; see journalctl -n 20'
}
version_line() { printf '%s v%s\n' "${NODE_NAME}" "$(kubelet_version)"; } # k8s-master v1.29.15
# A kubelet that was told another name has registered with it, and kubeadm waits in vain for the one that it knows.
tell_other_name() {
  local subject file
  subject="$(openssl x509 -in "${ROOT}/var/lib/kubelet/pki/kubelet-client-current.pem" -noout -subject 2>/dev/null)" || return 0
  subject="${subject##*system:node:}"
  [[ "${subject}" != "${NODE_NAME}" ]] || return 0
  file="$(grep -ls -e --hostname-override -- "${ROOT}"/etc/sysconfig/kubelet "${ROOT}"/etc/default/kubelet "${ROOT}"/etc/systemd/system/kubelet.service.d/* | head -n 1)" || true
  file="${file#"${ROOT}"}"
  log "the kubelet registered as Node ${subject}, expected ${NODE_NAME}: take --hostname-override out of ${file:-the flags of the kubelet (systemctl cat kubelet)}, then run again"
}
at_exit() { # STATUS
  rm -rf -- "${CONFIG_FILE}" "${CLUSTER:?}/certificate" # the second: api-address.sh
  quick_kubelet off
  drop_kubectl_cache
  [[ "$1" != 0 && "${STARTED}" == yes && "${KILLED}" == no ]] || return 0
  STARTED=no
  cluster_is_claimed && [[ -z "$(cluster_value finished)" ]] || return 0
  tell_other_name
  log 'the end of journalctl -u kubelet, and what runs, before this host is reset:'
  journalctl -u kubelet.service -n 10 --no-pager -o cat >&2 2>/dev/null || true
  timeout 20 bash -c "$(list_containers)" >&2 2>/dev/null || true
  release_cluster
}
