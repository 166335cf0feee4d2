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
    printf '%s\n' "${DUMP}" | awk -v tool="${tool}" '
      /^\*/ { table = substr($1, 2) }
      /^:(KUBE|FLANNEL|CNI)-/ { print "chain", tool, table, substr($1, 2) }
      /^-A (FORWARD|POSTROUTING) (! )?-[sd] [0-9.\/]+ ((! )?-d [0-9.\/]+ )?-j (ACCEPT|RETURN|MASQUERADE)( --random-fully)?$/ { print "rule", tool, table, $0 }'
  done < <(tools)
}

# flannel 0.12 marks its rules by no comment and has no chain of its own (network/iptables.go of that version): they are known by the networks that they name.
# Its file is gone when the rules are looked for, so NOTE gets a copy; none where a later flannel runs, which marks its rules: what has no mark there is somebody's.
note_flannel() { # NOTE
  local tool file="${ROOT}/run/flannel/subnet.env"
  [[ -e "${file}" && ! -e "$1" ]] || return 0
  while read -r tool; do
    dump "${tool}" || return 0
    [[ "${DUMP}" != *'--comment "flanneld '* && "${DUMP}" != *$'\n:FLANNEL-'* ]] || return 0
  done < <(tools)
  cp -- "${file}" "$1.new"
  mv -fT -- "$1.new" "$1"
}

# Commands for TOOL-restore --noflush, from DUMP: flannel 0.12's rules, the jumps into our chains out of other chains, then our chains. Other container engines have CNI chains too.
# iptables 1.4.21 neither prints nor knows --random-fully, with which flannel's own iptables makes MASQUERADE: such a rule goes by its number, the last one first.
removal() { # TOOL BEFORE NOTE by-text|by-number; BEFORE: a file with network_now's lines, NOTE: note_flannel's file
  printf '%s\n' "${DUMP}" | awk -v tool="$1" -v before="$2" -v note="$3" -v how="$4" '
    function of_flannel() {
      return NETWORK != "" && ($0 in flannel) && !(("rule " tool " " table " " $0) in known) && !(("unread " tool) in known)
    }
    function ours(i) {
      for (i = 3; i < NF; i++) if (($i == "-j" || $i == "-g") && ($(i + 1) in mine)) return 1
      return $0 ~ /--comment "flanneld /
    }
    BEGIN {
      while ((getline line < before) > 0) known[line] = 1
      while ((getline line < note) > 0) { split(line, pair, "="); value[pair[1]] = pair[2] }
      NETWORK = value["FLANNEL_NETWORK"]
      split(value["FLANNEL_SUBNET"], part, /[.\/]/) # such as 10.244.1.1/24: the first address of 10.244.1.0/24
      subnet = part[1] "." part[2] "." part[3] "." (part[4] - 1) "/" part[5]
      flannel["-A FORWARD -s " NETWORK " -j ACCEPT"]
      flannel["-A FORWARD -d " NETWORK " -j ACCEPT"]
      flannel["-A POSTROUTING -s " NETWORK " -d " NETWORK " -j RETURN"]
      flannel["-A POSTROUTING ! -s " NETWORK " -d " subnet " -j RETURN"]
      split("| --random-fully", flag, "|")
      for (i in flag) {
        flannel["-A POSTROUTING -s " NETWORK " ! -d 224.0.0.0/4 -j MASQUERADE" flag[i]]
        flannel["-A POSTROUTING ! -s " NETWORK " -d " NETWORK " -j MASQUERADE" flag[i]]
      }
    }
    /^\*/ { table = substr($1, 2); numbers = jumps = flushes = deletes = ""; split("", mine); split("", number) }
    /^:(KUBE|FLANNEL|CNI)-/ {
      name = substr($1, 2)
      if (!(("chain " tool " " table " " name) in known) && !(name ~ /^CNI-/ && ("unread " tool) in known)) { mine[name] = 1; flushes = flushes "-F " name "\n"; deletes = deletes "-X " name "\n" }
    }
    /^-A/ {
      number[$2]++
      if (how == "by-number" && /MASQUERADE/ && of_flannel()) numbers = "-D " $2 " " number[$2] "\n" numbers
      else if (!($2 in mine) && (ours() || of_flannel())) { rule = $0; sub(/^-A/, "-D", rule); jumps = jumps rule "\n" }
    }
    /^COMMIT/ { if (numbers jumps flushes != "") printf "*%s\n%s%s%s%sCOMMIT\n", table, numbers, jumps, flushes, deletes }'
}
remove_rules() { # BEFORE NOTE
  local tool attempt commands before how
  before="$(<"$1")"$'\n'
  while read -r tool; do
    command -v "${tool}-restore" >/dev/null || continue
    ! has_line "${before}" "unread ${tool}" || log "${tool}-save could not be read before this host was in a cluster: chains CNI-* and rules of flannel 0.12 stay, as they may be somebody's"
    how=by-text
    for attempt in 1 2 3 4; do # another program may hold the lock, or change a rule in between
      if ! dump "${tool}"; then
        has_line "${before}" "unread ${tool}" || die "${tool}-save fails, so rules of the cluster may still be there. See what it says, then run again: ${tool}-save"
      fi
      commands="$(removal "${tool}" "$1" "$2" "${how}")"
      [[ -n "${commands}" && "${attempt}" != 4 ]] || break
      printf '%s\n' "${commands}" | timeout 30 "${tool}-restore" --noflush 2>/dev/null || sleep "${attempt}"
      how=by-number
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
