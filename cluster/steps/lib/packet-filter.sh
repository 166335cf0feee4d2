#!/usr/bin/env bash
# Which packet filter rules reject what a cluster needs, before its own rules have their say.
# A new connection of each kind is followed through the rules: a rule counts as
# rejecting only where all that it asks for holds for certain, and as accepting where it may hold, so that what is found is so.
# Rules of iptables (of both back ends, and its file that is loaded at boot) and nftables' own tables.

# nft's text as iptables-save has it: a part for each chain that packets enter, whose policy is final (an accept in another table does not lift it).
nft_as_iptables() {
  awk '
    function list(i,   v) { v = word[i]; gsub(/"/, "", v); return v }
    function rule(line,   n, i, out, not) {
      gsub(/counter( packets [0-9]+ bytes [0-9]+)?|comment "[^"]*"|log( prefix "[^"]*")?( (level|flags|group) [a-z0-9]+)*/, "", line)
      gsub(/[{}]/, "", line); gsub(/ *, */, ",", line)
      n = split(line, word, " ")
      for (i = 1; i <= n; i++) {
        if (word[i] ~ /^(tcp|udp)$/ && word[i + 1] == "dport") { out = out " -p " word[i]; i += 2; not = ""; if (word[i] == "!=") { not = " !"; i++ }; out = out not " --dports " list(i) }
        else if (word[i] == "ct" && word[i + 1] == "state" && word[i + 2] ~ /^[a-z,]+$/ && word[i + 2] != "vmap") { out = out " --ctstate " toupper(word[i + 2]); i += 2 }
        else if (word[i] ~ /^(iif|iifname|oif|oifname)$/) { o = word[i] ~ /^i/ ? " -i " : " -o "; i++; not = ""; if (word[i] == "!=") { not = " !"; i++ }; v = list(i); gsub(/\*/, "+", v); out = out not o v }
        else if (word[i] == "ip" && word[i + 1] ~ /^[sd]addr$/) { o = word[i + 1] == "saddr" ? " -s " : " -d "; i += 2; not = ""; if (word[i] == "!=") { not = " !"; i++ }; out = out not o list(i) }
        else if ((word[i] == "meta" && word[i + 1] == "l4proto") || (word[i] == "ip" && word[i + 1] == "protocol")) { out = out " -p " word[i + 2]; i += 2 }
        else if (word[i] ~ /^(icmp|icmpv6|ip6)$/ || (word[i] == "nfproto" && word[i + 1] == "ipv6")) { out = out " -p icmp"; i += 2 }
        else if (word[i] ~ /^(accept|drop|return)$/) return out " -j " toupper(word[i])
        else if (word[i] == "reject") return out " -j REJECT"
        else if (word[i] == "jump") return out " -j " word[i + 1]
        else if (word[i] == "goto") return out " -g " word[i + 1]
        else out = out " --other"
      }
      return ""
    }
    function flush_table(   c, k) {
      for (c in hook) {
        print "*filter"; print ":" hook[c], policy[c]
        for (k in chains) if (!(k in hook)) print ":" k, "-"
        for (k = 1; k <= total; k++) print "-A " (from[k] == c ? hook[c] : from[k]) text[k]
        print "COMMIT"
      }
      split("", hook); split("", chains); total = 0
    }
    $1 == "table" { flush_table(); isOurs = $2 == "inet" || ($2 == "ip" && $3 !~ /^(filter|nat|mangle|raw|security)$/); chain = ""; next }
    $1 == "chain" { chain = $2; chains[chain] = 1; next }
    !isOurs || chain == "" { next }
    $1 == "}" { chain = ""; next }
    $1 == "type" { if ($0 ~ /type filter hook (input|forward)/) { hook[chain] = $0 ~ /hook input/ ? "INPUT" : "FORWARD"; policy[chain] = $0 ~ /policy drop/ ? "FINAL" : "ACCEPT" }; next }
    { r = rule($0); if (r != "") { total++; from[total] = chain; text[total] = r } }
    END { flush_table() }'
}
# RULE, tab, what it rejects: one a line.
rejecting_rules() { # CARD NODE_NETWORK
  awk -v card="$1" -v nodes="$2" -v pods="${CLUSTER_POD_CIDR:-10.244.0.0/16}" -v address="${ADDRESS}" -v role="${ROLE}" -v endpoint="${ENDPOINT:-}" -v endpoint_port="${ENDPOINT_PORT:-}" '
    function number(a,   p) { split(a, p, "."); return ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] }
    function has(cidr, network,   c, n, cb, nb, size, part, parts, i, r, best) { # 2: CIDR has all of NETWORK, 1: some of it, or nobody knows, 0: nothing
      parts = split(cidr, part, ",")
      best = 0
      for (i = 1; i <= parts; i++) {
        if (part[i] !~ /^[0-9.]+(\/[0-9]+)?$/) { r = 1 } else {
          split(part[i], c, "/"); split(network, n, "/")
          cb = c[2] == "" ? 32 : c[2]; nb = n[2] == "" ? 32 : n[2]
          size = 2 ^ (32 - (cb < nb ? cb : nb))
          r = int(number(c[1]) / size) != int(number(n[1]) / size) ? 0 : (cb + 0 <= nb + 0 ? 2 : 1)
        }
        if (r > best) best = r
      }
      return best
    }
    function in_list(text, port,   n, i, p, r) {
      n = split(text, p, ",")
      for (i = 1; i <= n; i++) {
        if (p[i] !~ /^[0-9]*[:-]?[0-9]*$/) return 1
        if (split(p[i], r, /[:-]/) < 2) r[2] = r[1]
        if (r[2] == "") r[2] = 65535
        if (port >= r[1] + 0 && port <= r[2] + 0) return 2
      }
      return 0
    }
    function is_link(text, link,   n, i, p) {
      n = split(text, p, ",")
      for (i = 1; i <= n; i++) if (p[i] == link || (p[i] ~ /\+$/ && index(link, substr(p[i], 1, length(p[i]) - 1)) == 1)) return 2
      return 0
    }
    function applies(text,   n, i, w, o, v, r, sure, not) { # 2: the packet is one of these for certain, 1: it may be, 0: it is none. TARGET and IS_GOTO are where it goes then.
      gsub(/"[^"]*"/, "x", text)
      n = split(text, w, " "); sure = 2; not = 0; TARGET = ""
      for (i = 1; i <= n; i++) {
        o = w[i]; v = w[i + 1]
        if (o == "!") { not = 1; continue }
        if (o == "-j" || o == "-g") { TARGET = v; IS_GOTO = o == "-g"; break }
        if (o == "-m") { if (v !~ /^(state|conntrack|tcp|udp|multiport|comment)$/) sure = 1; i++; continue }
        if (o == "--comment") { i++; continue }
        r = 1
        if (o == "-p") r = v == proto || v == "all" || v == (proto == "tcp" ? 6 : proto == "udp" ? 17 : 112) ? 2 : (v ~ /,/ ? 1 : 0)
        else if (o == "-i") r = is_link(v, from)
        else if (o == "-o") r = is_link(v, to)
        else if (o == "-s") r = has(v, source)
        else if (o == "-d") r = has(v, target)
        else if (o == "--dport" || o == "--dports") r = in_list(v, port)
        else if (o == "--ctstate" || o == "--state") r = ("," v ",") ~ /,NEW,/ ? 2 : 0
        if (not) r = 2 - r
        if (r == 0) return 0
        if (r == 1) sure = 1
        not = 0
        if (v !~ /^-/ && v != "!") i++
      }
      return TARGET == "" ? 0 : sure
    }
    function walk(chain, depth,   k, m, t, g, r) {
      for (k = 1; k <= count[chain] && depth < 20; k++) {
        m = applies(rules[chain, k]); t = TARGET; g = IS_GOTO
        if (m == 0) continue
        if (t == "ACCEPT") return "ACCEPT"
        if (t == "DROP" || t == "REJECT") { if (m == 2) return "-A " chain " " rules[chain, k]; continue }
        if (t == "RETURN") { if (m == 2) return ""; continue }
        if (!(t in policy)) continue
        r = walk(t, depth + 1)
        if (r == "ACCEPT" || (r != "" && m == 2)) return r
        if (g && m == 2) return ""
      }
      return ""
    }
    function follow(chain, what,   r) { # FORWARD may end in DROP: flannel accepts before that.
      if (!(chain in policy)) return
      r = walk(chain, 0)
      if (r == "" && (policy[chain] == "FINAL" || (policy[chain] == "DROP" && chain == "INPUT"))) r = policy[chain] == "FINAL" ? "policy drop of nftables\047 " tolower(chain) : "policy DROP of " chain
      if (r == "" || r == "ACCEPT") return
      if (!(r in stopped)) order[++found] = r
      if (index(stopped[r], what) == 0) stopped[r] = stopped[r] (stopped[r] == "" ? "" : ", ") what
    }
    function try_all() {
      from = card; to = ""; source = nodes; target = address; proto = "tcp"
      if (role == "control-plane") { port = 6443; follow("INPUT", "tcp 6443") }
      port = 10250; follow("INPUT", "tcp 10250")
      if (endpoint != "") {
        port = 2379; follow("INPUT", "tcp 2379"); port = 2380; follow("INPUT", "tcp 2380")
        proto = "vrrp"; port = 0; follow("INPUT", "vrrp (IP protocol 112)")
        proto = "tcp"; port = endpoint_port; target = endpoint; follow("INPUT", "tcp " port " of " endpoint); target = address
      }
      proto = "udp"; port = 8472; follow("INPUT", "udp 8472")
      proto = "tcp"; port = 6443; from = "cni0"; source = pods
      if (role == "control-plane") follow("INPUT", "tcp 6443 from Pods")
      target = pods; port = 80; to = "flannel.1"; follow("FORWARD", "Pod traffic")
      from = "flannel.1"; to = "cni0"; follow("FORWARD", "Pod traffic")
    }
    /^\*/ { isFilter = $1 == "*filter"; split("", policy); split("", count); split("", rules); next }
    !isFilter { next }
    /^:/ { policy[substr($1, 2)] = $2; next }
    /^-A / { chain = $2; sub(/^-A [^ ]+ /, ""); rules[chain, ++count[chain]] = $0; next }
    /^COMMIT/ { try_all() }
    END { for (i = 1; i <= found; i++) printf "%s\t%s\n", order[i], stopped[order[i]] }'
}
live_rules() { # without those of a firewalld that is to be stopped: they go with it
  local tool any=no
  [[ "${FIREWALLD}" != disable || "${ACTIVE[firewalld.service]-$(unit_active firewalld.service)}" != active ]] || return 0
  for tool in iptables-nft iptables-legacy; do
    command -v "${tool}-save" >/dev/null || continue
    any=yes
    timeout 30 "${tool}-save" -t filter 2>/dev/null || true
  done
  [[ "${any}" == yes ]] || ! command -v iptables-save >/dev/null || timeout 30 iptables-save -t filter 2>/dev/null || true
  ! command -v nft >/dev/null || timeout 30 nft list ruleset 2>/dev/null | nft_as_iptables || true
}
boot_rules() {
  local file
  for file in 'iptables.service /etc/sysconfig/iptables' 'netfilter-persistent.service /etc/iptables/rules.v4'; do
    if starts_at_boot "${file% *}" && read_file "${file#* }"; then printf '%s' "${TEXT}"; fi
  done
  starts_at_boot nftables.service || return 0
  for file in /etc/sysconfig/nftables.conf /etc/nftables.conf; do ! read_file "${file}" || nft_as_iptables < <(printf '%s\n' "${TEXT}"); done
}
look_at_filter() {
  local card='' network='' line rule what ports='tcp 10250 and udp 8472' known=''
  while read -r line network; do [[ "${network%/*}" != "${ADDRESS}" ]] || { card="${line}" && break; }; done < <(printf '%s\n' "${ADDRESSES}")
  [[ -n "${card}" ]] || return 0
  [[ "${ROLE}" != control-plane ]] || ports="tcp 6443, ${ports}"
  [[ -z "${ENDPOINT:-}" ]] || ports="tcp ${ENDPOINT_PORT}, 2379 and 2380, IP protocol 112, ${ports}"
  while IFS=$'\t' read -r rule what; do
    [[ -n "${rule}" ]] || continue
    known+="${rule}"$'\n'
    problem 'packet filter' "${rule} (stops ${what})" "lets in ${ports}, and Pods reach each other" "delete that rule, or accept these before it; iptables-services: systemctl disable --now iptables; nftables: systemctl disable --now nftables"
  done < <(live_rules | rejecting_rules "${card}" "${network}")
  while IFS=$'\t' read -r rule what; do
    [[ -z "${rule}" ]] || has_line "${known}" "${rule}" || problem 'packet filter at boot' "${rule} (stops ${what})" "lets in ${ports}, and Pods reach each other" "take that rule out of the file that is loaded at boot, or: systemctl disable iptables nftables netfilter-persistent"
  done < <(boot_rules | rejecting_rules "${card}" "${network}")
}
