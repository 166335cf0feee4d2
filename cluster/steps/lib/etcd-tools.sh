#!/usr/bin/env bash
# The etcd of a control plane as kubeadm makes it: a static Pod, its data in /var/lib/etcd; and the snapshots of it that this host keeps.
# A snapshot is NAME.db, as etcd sent it, beside NAME.about, lines of KEY=VALUE. NAME is its time and its revision. Without a .db it is none.
# They are among the cluster's own records, so they go with it: with another cluster's CA nothing in them could be used.
readonly SNAPSHOTS="${CLUSTER}/snapshots"
readonly MANIFESTS=/etc/kubernetes/manifests ETCD_DATA=/var/lib/etcd ETCD_PKI=/etc/kubernetes/pki/etcd
readonly MANIFESTS_ASIDE="${CLUSTER}/restore/manifests" # while a restore is at work
readonly SAVE_SECONDS=900                               # of a database of 2 GB, etcd's own limit, from a slow disk

etcd_manifest() { # NAME: path of that static Pod's manifest
  if [[ -e "${MANIFESTS_ASIDE}/$1.yaml" ]]; then printf '%s' "${MANIFESTS_ASIDE}/$1.yaml"; else printf '%s' "${ROOT}${MANIFESTS}/$1.yaml"; fi
}
image_of() { sed -n 's/^ *image: *//p' -- "$(etcd_manifest "$1")" | head -n 1; }       # NAME
etcd_flag() { sed -n "s/^ *- --$1=//p" -- "$(etcd_manifest etcd)" | head -n 1; }       # NAME
version_in_tag() { printf '%s' "${1##*:}" | sed -n 's/^v\{0,1\}\([0-9.]*\).*/\1/p'; } # IMAGE
is_control_plane() { cluster_is_claimed && [[ "$(cluster_role)" == control-plane && -f "$(etcd_manifest etcd)" ]]; }
expect_control_plane() {
  is_control_plane || die "no etcd here: found no $(cluster_is_claimed && printf '%s' "${MANIFESTS}/etcd.yaml" || printf 'cluster'); expected a control plane that kubeadm init has finished. First: pulumi up"
}
ca_digest() { printf 'sha256:%s' "$(openssl x509 -in "${ROOT}/etc/kubernetes/pki/ca.crt" -pubkey -noout 2>/dev/null | sha256sum | cut -c 1-64)"; }

# From the image that etcd's manifest names, so they fit, and are there too when etcd does not run. They are static programs; kept for the day when the image is gone.
find_tools() { # ETCDCTL, and ETCDUTL: etcdutl where the image has one (etcd 3.6), which restores there; before that etcdctl does
  find_tools_in "$(image_of etcd)"
}
find_tools_in() { # IMAGE
  local folder
  encode "$1"
  folder="${SNAPSHOTS}/tools/${ENCODED}"
  [[ -x "${folder}/etcdctl" ]] || copy_tools "$1" "${folder}"
  ETCDCTL="${folder}/etcdctl" ETCDUTL="${folder}/etcdutl"
  [[ -x "${ETCDUTL}" ]] || ETCDUTL="${ETCDCTL}"
}
copy_tools() { # IMAGE FOLDER
  local fresh="$2.new" answer id name
  rm -rf -- "${fresh:?}"
  (umask 077 && mkdir -p -- "${fresh}")
  if is_dockershim; then
    id="$(timeout 60 docker create "$1" 2>&1)" || die "can't open image $1: ${id##*$'\n'}. See docker images"
    for name in etcdctl etcdutl; do timeout 120 docker cp "${id##*$'\n'}:/usr/local/bin/${name}" "${fresh}/${name}" >/dev/null 2>&1 || true; done
    timeout 60 docker rm "${id##*$'\n'}" >/dev/null 2>&1 || true
  else
    mkdir -- "${fresh}/image"
    timeout 60 ctr --namespace k8s.io images unmount --rm "${fresh}/image" >/dev/null 2>&1 || true # of a run that was killed
    answer="$(timeout 60 ctr --namespace k8s.io images mount "$1" "${fresh}/image" 2>&1)" || die "can't open image $1: ${answer##*$'\n'}. See crictl images"
    for name in etcdctl etcdutl; do [[ ! -e "${fresh}/image/usr/local/bin/${name}" ]] || cp -- "${fresh}/image/usr/local/bin/${name}" "${fresh}/${name}"; done
    timeout 60 ctr --namespace k8s.io images unmount --rm "${fresh}/image" >/dev/null 2>&1 || die "can't unmount ${fresh}/image; run: umount ${fresh}/image"
    rmdir -- "${fresh}/image"
  fi
  [[ -f "${fresh}/etcdctl" ]] || die "no /usr/local/bin/etcdctl in image $1: expected Kubernetes' own image of etcd, which has it"
  chmod 0700 -- "${fresh}"/*
  rm -rf -- "${2:?}"
  mv -T -- "${fresh}" "$2"
}
ask_etcd() { # SECONDS ARGUMENTS...: etcdctl as the Pod's own health check asks; ENDPOINT_URL (may be left out) is another member's
  timeout "$1" "${ETCDCTL}" --endpoints "${ENDPOINT_URL:-https://127.0.0.1:2379}" --cacert "${ROOT}${ETCD_PKI}/ca.crt" --cert "${ROOT}${ETCD_PKI}/healthcheck-client.crt" --key "${ROOT}${ETCD_PKI}/healthcheck-client.key" "${@:2}"
}
number_in() { # KEY JSON
  local pattern="\"$1\":([0-9]+)"
  [[ ! "$2" =~ ${pattern} ]] || printf '%s' "${BASH_REMATCH[1]}"
}
# etcd puts the SHA-256 of all that it sends behind it. `snapshot status` does not look at that: it would find a damaged page only where it reads it.
is_whole() { # FILE
  local size
  size="$(stat -c %s -- "$1" 2>/dev/null)" || return 1
  ((size > 32 && size % 512 == 32)) || return 1
  [[ "$(head -c -32 -- "$1" | sha256sum | cut -c 1-64)" == "$(tail -c 32 -- "$1" | od -An -v -tx1 | tr -d ' \n')" ]]
}
lock_snapshots() { # one at a time: a timer's, one by hand, a restore
  (umask 077 && mkdir -p -- "${SNAPSHOTS}") || die "can't make ${SNAPSHOTS}; look at df /var/lib and at mount for a read-only file system"
  umask 077 # of what is made from here on: all of it is secret
  exec 7>"${SNAPSHOTS}/.lock"
  flock -w "${SAVE_SECONDS}" 7 || die "another snapshot or restore has held ${SNAPSHOTS}/.lock for ${SAVE_SECONDS} s. See who: fuser -v ${SNAPSHOTS}/.lock"
}
expect_room() { # FOLDER BYTES
  local free
  free="$(df --output=avail -B1 -- "$1" | tail -n 1)"
  ((free > $2)) || die "no room in ${1#"${ROOT}"}: found $((free / 1048576)) MB free, expected $(($2 / 1048576 + 1)). Nothing was changed. Make room, then run this again"
}
take_snapshot() { # BY (hand, timer, upgrade or destroy): TAKEN is its name
  local fresh="${SNAPSHOTS}/.new.db" answer status revision size at
  expect_control_plane
  lock_snapshots
  [[ ! -e "${CLUSTER}/restore" ]] || die "a restore on this host was cut off: run npm run etcd -- restore again first"
  find_tools
  rm -f -- "${SNAPSHOTS}"/.new.*
  size="$(stat -c %s -- "${ROOT}${ETCD_DATA}/member/snap/db" 2>/dev/null || printf 0)"
  expect_room "${SNAPSHOTS}" $((size + 64 * 1048576))
  at="$(date -u +%FT%TZ)" # before: what is made from here on may not be in it
  answer="$(umask 077 && ask_etcd "${SAVE_SECONDS}" snapshot save "${fresh}" 2>&1)" || die "etcd gave no snapshot: ${answer##*$'\n'}. Does it run? crictl ps -a; docker ps -a"
  status="$(timeout 600 "${ETCDUTL}" snapshot status "${fresh}" -w json 2>/dev/null)" || status=''
  revision="$(number_in revision "${status}")"
  { is_whole "${fresh}" && [[ -n "${revision}" ]]; } || die "the snapshot that etcd sent is not whole (${status:-no status}); it was not kept. Look at the disk: dmesg, df ${SNAPSHOTS}"
  TAKEN="$(next_time)-${revision}"
  (umask 077 && printf '%s\n' "cluster=$(cluster_value id)" "ca=$(ca_digest)" "kubernetes=$(version_in_tag "$(image_of kube-apiserver)")" "etcd=$(version_in_tag "$(image_of etcd)")" \
    "taken=${at}" "by=$1" "hash=$(printf '%08x' "$(number_in hash "${status}")")" "revision=${revision}" "keys=$(number_in totalKey "${status}")" "size=$(stat -c %s -- "${fresh}")" >"${SNAPSHOTS}/.new.about")
  chmod 0600 -- "${fresh}"
  sync
  mv -f -- "${SNAPSHOTS}/.new.about" "${SNAPSHOTS}/${TAKEN}.about"
  mv -f -- "${fresh}" "${SNAPSHOTS}/${TAKEN}.db" # from here on it is one
}
value_in() { sed -n "s/^$2=//p" -- "$1" 2>/dev/null | head -n 1; } # FILE KEY
about() { value_in "${SNAPSHOTS}/$1.about" "$2"; }                  # NAME KEY
# The time of a new one's name: now, or, where the clock was set back, a second after the last one's. Else the new one would count as the oldest, and be pruned.
next_time() {
  local now last
  now="$(date -u +%Y%m%dT%H%M%SZ)" last="$(snapshot_names | tail -n 1)"
  if [[ -n "${last}" && ! "${now}" > "${last%%-*}" ]]; then
    last="$(date -u -d "${last:0:4}-${last:4:2}-${last:6:2} ${last:9:2}:${last:11:2}:${last:13:2} UTC" +%s)"
    now="$(date -u -d "@$((last + 1))" +%Y%m%dT%H%M%SZ)"
  fi
  printf '%s' "${now}"
}
snapshot_names() { # the oldest first
  local file
  for file in "${SNAPSHOTS}"/[0-9]*.db; do
    [[ ! -f "${file}" ]] || basename -- "${file}" .db
  done
}
# What somebody took by hand is theirs to remove.
prune_snapshots() { # BY (timer or upgrade) KEEP
  local name names=() i
  while read -r name; do [[ "$(about "${name}" by)" != "$1" ]] || names+=("${name}"); done < <(snapshot_names)
  for ((i = 0; i < ${#names[@]} - $2; i++)); do
    rm -f -- "${SNAPSHOTS:?}/${names[i]}.db"
    rm -f -- "${SNAPSHOTS:?}/${names[i]}.about"
    log "removed snapshot ${names[i]}: $2 are kept"
  done
}
