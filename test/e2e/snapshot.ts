// What a host is, as one sorted list of lines, so that two moments can be compared.
import { read } from "./lab.ts";

// Contents of everything small outside the places that no cluster tool answers for (below); and the state that is no file.
const script = String.raw`
{
  find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /dev \) -prune -o \
    \( -type f -printf 'file %p %m %u:%g %s\n' -o -type l -printf 'link %p -> %l\n' -o -type d -printf 'dir %p %m %u:%g\n' \)
  find /etc /usr/lib/systemd /var/spool -xdev -type f -exec sha256sum {} + | awk '{print "sha " $2 " " $1}'
  ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/interface \1/'
  iptables-save 2>/dev/null | grep -E '^(:[^ ]+ -|-A)' | sed -E 's/ \[[0-9:]+\]//; s/^/iptables /'
  sysctl -a 2>/dev/null | grep -E '^(net\.ipv4\.ip_forward|net\.ipv4\.conf\.(all|default|eth[01])\.|net\.ipv6\.conf\.(all|default|eth[01])\.|net\.bridge\.|vm\.|fs\.inotify|fs\.file-max|kernel\.(panic|pid_max))' | grep -vE 'drop_caches|stat_refresh|numa_stat|compact_memory|base_reachable|stable_secret' | sed 's/^/sysctl /'
  systemctl list-unit-files --no-legend --no-pager | awk '$2 != "transient" {print "unit " $1 " " $2}'
  systemctl list-units --all --plain --no-legend --no-pager --type=service,socket,mount | awk '$3 == "active" {print "active " $1 " " $4}' | grep -vE 'session|systemd-(timedate|hostname|locale)d'
  find /run -xdev -mindepth 1 -maxdepth 3 -printf 'run %y %p\n' | grep -E '/run/[^ ]*(kube|cni|flannel|containerd|docker|netns|xtables)' | grep -v ' /run/systemd/'
  find /sys/fs/cgroup -type d -path '*kubepods*' -printf 'cgroup %p\n'
  ip -4 route show | sed 's/^/route /'
  ip rule show | sed 's/^/rule /'
  nft list tables 2>/dev/null | sed 's/^table/nft table/'
  rpm -qa | sed 's/^/rpm /'
  findmnt -rno TARGET | sed 's/^/mount /'
  printf 'hostname %s\n' "$(hostname)"
  swapon --noheadings --show=NAME | sed 's/^/swap /'
  lsmod | awk 'NR > 1 {print "module " $1}'
  timedatectl show -p Timezone
} | sort -u
`;

/** Lines such as `file /etc/hosts 644 root:root 221`, `sha …`, `interface eth0`, `iptables -A …`, `sysctl …`, `unit …`, `rpm …`. */
export async function snapshot(host: string): Promise<Set<string>> {
	return new Set((await read(host, script)).split("\n").filter(Boolean));
}

/** Lines that appeared (`+ `) and went (`- `) between two snapshots. */
export function differences(before: Set<string>, after: Set<string>): string[] {
	return [
		...[...before].filter((line) => !after.has(line)).map((line) => `- ${line}`),
		...[...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`),
	];
}
