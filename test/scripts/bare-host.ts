// A played CentOS host before the first change, as the tests of `system` begin.
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { FakeHost } from "./fake-host.ts";

export const FSTAB = `# created by anaconda
/dev/mapper/centos-root /     xfs   defaults 0 0
/dev/mapper/centos-swap swap  swap  defaults 0 0
UUID=1234  none swap sw,pri=5 0 0
#/dev/sdb1 swap swap defaults 0 0
/swap      /data ext4 defaults 0 0`;
export const SELINUX = "# SELINUX= can take one of these\nSELINUX=enforcing\nSELINUXTYPE=targeted\n";
export const SWAPS = "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n";

/** A CentOS host with swap, firewalld and SELinux on, br_netfilter not loaded yet, chronyd installed and off. */
export function bareHost(t: Pick<TestContext, "after">): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/fstab", FSTAB);
	host.write("/etc/selinux/config", SELINUX);
	host.write("/etc/chrony.conf", "pool 0.centos.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\n");
	host.write("/proc/swaps", `${SWAPS}/dev/null                               partition\t2097148\t0\t-2\n`);
	host.write("/proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\nSwapTotal: 2097148 kB\nSwapFree: 2097148 kB\n");
	host.write("/proc/filesystems", "nodev\toverlay\n");
	host.write("/proc/sys/net/ipv4/ip_forward", "0\n");
	host.write("/proc/sys/fs/may_detach_mounts", "0\n");
	host.write("/usr/share/zoneinfo/Asia/Shanghai", "TZif2 Shanghai");
	host.write("/usr/share/zoneinfo/America/New_York", "TZif2 New York");
	symlinkSync("../usr/share/zoneinfo/America/New_York", join(host.root, "etc/localtime"));
	host.write("/units/firewalld.active", "active\n");
	host.write("/units/firewalld.enabled", "enabled\n");
	host.write("/mode", "Enforcing\n");
	host.command("getenforce", `read -r mode <"\${KUBEADM_LAB_ROOT}/mode"; echo "\${mode}"`);
	host.command("setenforce", `if [[ "$1" == 0 ]]; then echo Permissive; else echo Enforcing; fi >"\${KUBEADM_LAB_ROOT}/mode"`);
	host.command("swapoff", `sed -i '\\|^'"\${*: -1} "'|d' "\${KUBEADM_LAB_ROOT}/proc/swaps"`);
	host.command("swapon", `printf '%s partition 2097148 0 -2\\n' "\${*: -1}" >>"\${KUBEADM_LAB_ROOT}/proc/swaps"`);
	host.command(
		"modprobe",
		`bridge="\${KUBEADM_LAB_ROOT}/proc/sys/net/bridge"
if [[ "$1" == -r ]]; then rm -rf "\${bridge}"; else mkdir -p "\${bridge}"; for f in iptables ip6tables; do echo 0 >"\${bridge}/bridge-nf-call-$f"; done; fi`,
	);
	return host;
}
