#!/usr/bin/env bash
# How a snapshot becomes data that an etcd can begin with.
readonly WORK_FOLDER="${ROOT}${ETCD_DATA}/kubeadm-lab-restore" # the same file system: each move is one rename
readonly MARGIN=1000000 # revisions above the last that is known

clear_work_folder() {
  rm -rf -- "${WORK_FOLDER:?}"
  (umask 077 && mkdir -p -- "${WORK_FOLDER}")
}
restored_into() { # FOLDER FILE REVISION NAME PEER-URL: of an etcd with one member
  local flags=() answer
  ! has_bump || flags=(--bump-revision "$(bump_of "$3")" --mark-compacted)
  answer="$(timeout 900 "${ETCDUTL}" snapshot restore "$2" --name "$4" --initial-cluster "$4=$5" --initial-advertise-peer-urls "$5" --data-dir "$1" "${flags[@]+"${flags[@]}"}" 2>&1)" && return 0
  seen "${answer##*$'\n'}"
  return 1
}
revision_now() { number_in revision "$(ask_etcd 10 endpoint status -w json 2>/dev/null)"; }
# The revision of the restored data is above any that a client has seen, and all before it counts as compacted: so whoever watches is told that its version is
# too old, and lists anew. With a lower one kubelets, controllers and proxies would wait in silence for what comes after the version that they know (lab).
# It becomes the time in ms: above that of any restore before this, also of one of the same snapshot, and known where etcd does not answer.
# No cluster makes a thousand revisions a second for long.
bump_of() { # REVISION
  local target now
  target="$(date +%s%3N)" now="$(revision_now)"
  ((${now:-0} + MARGIN < target)) || target=$((now + MARGIN))
  printf '%s' $((target - $1))
}
has_bump() { # from etcd 3.5.10 on
  local help
  help="$("${ETCDUTL}" snapshot restore --help 2>&1)" || true # whole: a grep that ends at the first match would end etcdctl, and the pipe had failed
  [[ "${help}" == *--mark-compacted* ]]
}
