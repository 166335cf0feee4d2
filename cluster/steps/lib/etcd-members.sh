#!/usr/bin/env bash
# The members of an etcd that several control planes have together. A member is named after its Node. Asked on one of them, by the etcd there, after find_tools.
# `etcdctl member list` prints: ID, started, NAME, PEER_URLS, CLIENT_URLS, IS_LEARNER. One that has not started has neither name nor client URL.
readonly ASK_SECONDS=20

read_members() { # MEMBERS: lines of ID NAME CLIENT_URL PEER_URL; `-` for what it does not have
  local answer
  answer="$(ask_etcd "${ASK_SECONDS}" member list -w simple 2>&1)" || die "the etcd on this host does not list its members: ${answer##*$'\n'}. See $(list_containers)"
  MEMBERS="$(printf '%s\n' "${answer}" | awk -F ', ' 'NF >= 5 { print $1, ($3 == "" ? "-" : $3), ($5 == "" ? "-" : $5), $4 }')"
  [[ -n "${MEMBERS}" ]] || die "etcdctl member list named no member: ${answer##*$'\n'}"
}
member_answers() { [[ "$1" != - ]] && ENDPOINT_URL="$1" ask_etcd "${ASK_SECONDS}" endpoint health --command-timeout 5s >/dev/null 2>&1; } # CLIENT_URL
# Never below quorum: those that are left must be more than half of all that are left, and answer.
expect_quorum_without() { # NAME
  local id name client peer left=0 answering=0 silent=''
  read_members
  while read -r id name client peer; do
    [[ "${name}" != "$1" ]] || continue
    left=$((left + 1))
    if member_answers "${client}"; then answering=$((answering + 1)); else silent+="${silent:+, }${name/#-/${peer}}"; fi
  done < <(printf '%s\n' "${MEMBERS}")
  ((answering >= left / 2 + 1)) ||
    die "${1} can't leave: of the ${left} etcd members that would be left ${answering} answer (silent: ${silent:-none}), expected at least $((left / 2 + 1)), or nothing could be written any more. Nothing was changed. Bring these hosts up first, then run this again"
}
# Of one that joined, and leaves: its data go, and the others must not wait for it. Only a try: where all leave at once there may be nobody left to say so to, and what is left
# is removed before the next join, or with the Node.
leave_etcd() {
  was_joined && [[ "$(cluster_role)" == control-plane && -s "${ROOT}${ETCD_PKI}/healthcheck-client.crt" && -f "$(etcd_manifest etcd)" ]] || return 0
  (find_tools && remove_member "$(cluster_value node)") || log 'its etcd member is still among those of the cluster'
}
remove_member() { # NAME: nothing where there is none
  local id name client peer answer
  read_members
  while read -r id name client peer; do
    [[ "${name}" == "$1" ]] || continue
    answer="$(ask_etcd "${ASK_SECONDS}" member remove "${id}" 2>&1)" || die "etcd does not let its member ${name} (${client}, ${peer}) go: ${answer##*$'\n'}"
    log "etcd member ${name} removed"
  done < <(printf '%s\n' "${MEMBERS}")
}
# Of a host that is to join (again): its data are gone, so the others would wait for it for ever. One that never started has no name, and is known by its address.
remove_left_member() { # NAME ADDRESS
  local id name client peer answer
  read_members
  while read -r id name client peer; do
    [[ "${name}" == "$1" || "${peer}" == "https://$2:2380" ]] || continue
    ! member_answers "${client}" || die "etcd has a member ${1} that answers at ${client}, although that host is in no cluster. Nothing was changed. Look at $2: does something else run an etcd of this cluster there?"
    answer="$(ask_etcd "${ASK_SECONDS}" member remove "${id}" 2>&1)" || die "etcd does not let its member ${1} go, of which nothing is left: ${answer##*$'\n'}"
    log "etcd member ${1} removed, of which nothing is left"
  done < <(printf '%s\n' "${MEMBERS}")
}
