#!/usr/bin/env bash
# Which links, network namespaces and packet filter rules a cluster leaves behind: listed before, so that afterwards only what is new goes, by its name.
# With iptables on nf_tables, tables stay that it made and that are empty now: it has no command that removes one.
# Other people's rules are never flushed, and no dump of all rules is ever read back: with a new kernel and old iptables that mangles DNAT rules (k/k#114537).

filter_tools() { # without -save; both back ends where the host has both
  local tool
  for tool in iptables-nft iptables-legacy; do
    command -v "${tool}-save" >/dev/null || continue
    printf '%s\nip6%s\n' "${tool}" "${tool#ip}"
  done
}
tools() {
  local list
  list="$(filter_tools)"
  [[ -n "${list}" ]] || list=$'iptables\nip6tables'
  printf '%s\n' "${list}"
}
# DUMP is what TOOL-save prints; 1 where it fails time and again. -save only reads tables that exist; -S would create them.
dump() { # TOOL
  local attempt
  DUMP=''
  command -v "$1-save" >/dev/null || return 0
  for attempt in 1 2 3; do # another program may hold the lock
    DUMP="$(timeout 30 "$1-save" 2>/dev/null)" && return 0
    ((attempt == 3)) || sleep 1
  done
  DUMP=''
  return 1
}
network_now() { # one thing a line. Rules that can't be read are none of which anything is known: removal leaves alone what may be somebody's
  local path tool
  for path in "${ROOT}"/sys/class/net/*; do printf 'link %s\n' "${path##*/}"; done
  for path in "${ROOT}"/run/netns/*; do [[ ! -e "${path}" ]] || printf 'netns %s\n' "${path##*/}"; done
  while read -r tool; do
    dump "${tool}" || printf 'unread %s\n' "${tool}"
    printf '%s\n' "${DUMP}" | awk -v tool="${tool}" '/^\*/ { table = substr($1, 2) } /^:(KUBE|FLANNEL|CNI)-/ { print "chain", tool, table, substr($1, 2) }'
  done < <(tools)
}

# Commands for TOOL-restore --noflush, from DUMP: the jumps into our chains out of other chains, then our chains. Other container engines have CNI chains too.
removal() { # TOOL BEFORE: a file with network_now's lines
  printf '%s\n' "${DUMP}" | awk -v tool="$1" -v before="$2" '
    function ours(i) {
      for (i = 3; i < NF; i++) if (($i == "-j" || $i == "-g") && ($(i + 1) in mine)) return 1
      return $0 ~ /--comment "flanneld /
    }
    BEGIN { while ((getline line < before) > 0) known[line] = 1 }
    /^\*/ { table = substr($1, 2); jumps = flushes = deletes = ""; split("", mine) }
    /^:(KUBE|FLANNEL|CNI)-/ {
      name = substr($1, 2)
      if (!(("chain " tool " " table " " name) in known) && !(name ~ /^CNI-/ && ("unread " tool) in known)) { mine[name] = 1; flushes = flushes "-F " name "\n"; deletes = deletes "-X " name "\n" }
    }
    /^-A/ { if (!($2 in mine) && ours()) { rule = $0; sub(/^-A/, "-D", rule); jumps = jumps rule "\n" } }
    /^COMMIT/ { if (jumps flushes != "") printf "*%s\n%s%s%sCOMMIT\n", table, jumps, flushes, deletes }'
}
remove_rules() { # BEFORE
  local tool attempt commands before
  before="$(<"$1")"$'\n'
  while read -r tool; do
    command -v "${tool}-restore" >/dev/null || continue
    ! has_line "${before}" "unread ${tool}" || log "${tool}-save could not be read before this host was in a cluster: chains CNI-* stay, as they may be somebody's"
    for attempt in 1 2 3 4; do # another program may hold the lock, or change a rule in between
      if ! dump "${tool}"; then
        has_line "${before}" "unread ${tool}" || die "${tool}-save fails, so rules of the cluster may still be there. See what it says, then run again: ${tool}-save"
      fi
      commands="$(removal "${tool}" "$1")"
      [[ -n "${commands}" && "${attempt}" != 4 ]] || break
      printf '%s\n' "${commands}" | timeout 30 "${tool}-restore" --noflush 2>/dev/null || sleep "${attempt}"
    done
    [[ -z "${commands}" ]] || die "${tool}: rules of the cluster are still there; see ${tool}-save | grep -E 'KUBE-|FLANNEL-|CNI-'"
  done < <(tools)
}
remove_links() { # BEFORE
  local path name master before ports=() links=()
  before="$(<"$1")"$'\n'
  for path in "${ROOT}"/run/netns/cni-*; do
    name="${path##*/}"
    [[ ! -e "${path}" ]] || has_line "${before}" "netns ${name}" || timeout 30 ip netns delete "${name}" || true
  done
  for path in "${ROOT}"/sys/class/net/*; do
    name="${path##*/}"
    ! has_line "${before}" "link ${name}" || continue
    master="$(readlink -f -- "${path}/master" || true)"
    case "${name} ${master##*/}" in
    veth*\ cni0) ports+=("${name}") ;;
    cni0\ * | flannel.* | flannel-v6.* | kube-ipvs0\ *) links+=("${name}") ;;
    esac
  done
  for name in "${ports[@]+"${ports[@]}"}" "${links[@]+"${links[@]}"}"; do # without cni0 nothing tells whose its ports were
    timeout 30 ip link delete "${name}" 2>/dev/null || [[ ! -e "${ROOT}/sys/class/net/${name}" ]] || die "can't delete the link ${name}; see ip -d link show ${name}"
  done
}
