// A host's system settings, now and after a reboot: swap, SELinux, firewalld, modules, sysctls, time.
import assert from "node:assert/strict";
import { linkSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bareHost, FSTAB, SELINUX, SWAPS } from "./bare-host.ts";

test("system takes swap lines out of fstab, and no other line", (t) => {
	const host = bareHost(t);
	const { status, stderr } = host.run("system", "apply");
	assert.equal(status, 0, stderr);
	const marked = FSTAB.split("\n").map((line) => (/^(\/dev\/mapper\/centos-swap|UUID=1234)/.test(line) ? `#kubeadm-lab# ${line}` : line));
	assert.equal(host.read("/etc/fstab").trimEnd(), marked.join("\n"));
	assert.equal(host.read("/proc/swaps"), SWAPS);
});

test("system turns SELinux permissive and firewalld off, now and at boot", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	assert.equal(host.read("/etc/selinux/config"), SELINUX.replace("=enforcing", "=permissive"));
	assert.equal(host.read("/mode"), "Permissive\n");
	assert.equal(host.read("/units/firewalld.active"), "inactive\n");
	assert.equal(host.read("/units/firewalld.enabled"), "disabled\n");
});

test("system loads modules before it sets the sysctls they bring", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	assert.equal(host.read("/etc/modules-load.d/kubeadm-lab.conf"), "br_netfilter\noverlay\n");
	assert.deepEqual(
		host.calls().filter((call) => call.startsWith("modprobe")),
		["modprobe -- br_netfilter"],
	);
	assert.equal(host.read("/proc/sys/net/bridge/bridge-nf-call-iptables"), "1\n");
	assert.match(host.read("/etc/sysctl.d/99-kubeadm-lab.conf"), /^net\.bridge\.bridge-nf-call-iptables = 1$/m);
});

test("system leaves out a sysctl that the kernel does not have, and says so", (t) => {
	const host = bareHost(t);
	const { status, stderr } = host.run("system", "apply", { SYSCTLS: ["net.ipv4.ip_forward=1", "net.ipv4.no_such_key=1"] });
	assert.equal(status, 0, stderr);
	assert.match(stderr, /sysctl left out: net\.ipv4\.no_such_key \(not in this kernel\)/);
	assert.equal(host.read("/etc/sysctl.d/99-kubeadm-lab.conf"), "net.ipv4.ip_forward = 1\n");
});

test("sysctl keys may hold a slash for a dot within a name, and a star for any name", (t) => {
	const host = bareHost(t);
	for (const card of ["eth0.100", "eth1"]) host.write(`/proc/sys/net/ipv4/conf/${card}/rp_filter`, "1\n");
	host.run("system", "apply", { SYSCTLS: ["net.ipv4.conf.*.rp_filter=2"] });
	assert.equal(host.read("/etc/sysctl.d/99-kubeadm-lab.conf"), "net.ipv4.conf.eth0/100.rp_filter = 2\nnet.ipv4.conf.eth1.rp_filter = 2\n");
	assert.equal(host.read("/proc/sys/net/ipv4/conf/eth0.100/rp_filter"), "2\n");
	host.run("system", "undo");
	assert.equal(host.read("/proc/sys/net/ipv4/conf/eth0.100/rp_filter"), "1\n");
});

test("system sets time zone, time servers and chronyd", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	assert.equal(readlinkSync(join(host.root, "etc/localtime")), "../usr/share/zoneinfo/Asia/Shanghai");
	assert.equal(
		host.read("/etc/chrony.conf"),
		"#kubeadm-lab# pool 0.centos.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\n# kubeadm-lab begin\nserver 172.16.1.1 iburst\n# kubeadm-lab end\n",
	);
	assert.equal(host.read("/units/chronyd.active"), "active\n");
	assert.equal(host.read("/units/chronyd.enabled"), "enabled\n");
});

test("another time zone is a difference, another name of the same one is none", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	const link = join(host.root, "etc/localtime");
	linkSync(join(host.root, "usr/share/zoneinfo/Asia/Shanghai"), join(host.root, "usr/share/zoneinfo/PRC"));
	for (const [name, answer] of [
		["PRC", ""],
		["America/New_York", "time zone\tAsia/Shanghai\tAmerica/New_York\n"],
		["Asia/Nowhere", "time zone\tAsia/Shanghai\tAsia/Nowhere\n"],
	] as const) {
		rmSync(link);
		symlinkSync(`../usr/share/zoneinfo/${name}`, link);
		assert.equal(host.run("system", "check").stdout, answer);
	}
	assert.equal(host.run("system", "apply").status, 0);
	assert.equal(readlinkSync(link), "../usr/share/zoneinfo/Asia/Shanghai");
	rmSync(link);
	assert.equal(host.run("system", "check").stdout, "time zone\tAsia/Shanghai\t/etc/localtime\n");
});

test("a second apply of system calls nothing that changes the host", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	host.forgetCalls();
	const before = host.snapshot("/");
	const { status, stderr } = host.run("system", "apply");
	assert.equal(status, 0, stderr);
	assert.deepEqual(
		host.calls().filter((call) => call !== "getenforce "),
		[],
	);
	assert.deepEqual({ ...host.snapshot("/"), "/calls": "" }, { ...before, "/calls": "" });
});

test("what is not installed is no difference, and what is beside it is looked at all the same", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	host.write("/units/firewalld.missing", "");
	host.write("/units/chronyd.enabled", "disabled\n");
	host.write("/units/chronyd.active", "inactive\n");
	assert.equal(host.run("system", "check").stdout, "chronyd running\tactive\tinactive\nchronyd at boot\tenabled\tdisabled\n");
	host.write("/units/chronyd.missing", "");
	assert.deepEqual(host.run("system", "check"), { status: 0, stdout: "", stderr: "" });
	const systemctl = host.read("/bin/systemctl");
	host.write("/bin/systemctl", systemctl.replace('.missing" ]] || exit 1', '.missing" ]] || { echo not-found; continue; }')); // from systemd 253 on
	assert.deepEqual(host.run("system", "check"), { status: 0, stdout: "", stderr: "" });
});
test("system undo gives the host back as it was", (t) => {
	const host = bareHost(t);
	const before = { etc: host.snapshot("/etc"), proc: host.snapshot("/proc"), mode: host.read("/mode") };
	const zone = readlinkSync(join(host.root, "etc/localtime"));
	host.run("system", "apply");
	for (let i = 0; i < 2; i++) {
		const { status, stderr } = host.run("system", "undo");
		assert.equal(status, 0, stderr);
		assert.deepEqual(host.snapshot("/etc"), before.etc);
		assert.equal(readlinkSync(join(host.root, "etc/localtime")), zone);
		assert.equal(host.read("/mode"), before.mode);
		assert.match(host.read("/proc/swaps"), /^\/dev\/null /m);
		assert.equal(host.read("/proc/sys/net/ipv4/ip_forward"), "0\n");
		assert.equal(host.exists("/proc/sys/net/bridge"), false);
		assert.equal(host.read("/units/firewalld.active"), "active\n");
		assert.equal(host.read("/units/firewalld.enabled"), "enabled\n");
		assert.equal(host.read("/units/chronyd.active"), "inactive\n");
		assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	}
	assert.equal(host.run("system", "check").status, 3);
});

test("a setting that is taken away gives back what it changed", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	const { status, stderr } = host.run("system", "apply", {
		SYSCTLS: ["fs.may_detach_mounts=1"],
		FIREWALLD: "keep",
		SELINUX: "keep",
		TIMEZONE: "",
		NTP_SERVERS: [],
	});
	assert.equal(status, 0, stderr);
	assert.equal(host.read("/proc/sys/net/ipv4/ip_forward"), "0\n");
	assert.equal(host.read("/proc/sys/fs/may_detach_mounts"), "1\n");
	assert.equal(host.read("/units/firewalld.active"), "active\n");
	assert.equal(host.read("/mode"), "Enforcing\n");
	assert.equal(host.read("/etc/selinux/config"), SELINUX);
	assert.match(readlinkSync(join(host.root, "etc/localtime")), /New_York$/);
	assert.match(host.read("/etc/chrony.conf"), /^pool /);
});

test("swap that does not fit into memory is left on, with the numbers", (t) => {
	const host = bareHost(t);
	host.write("/proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable: 204800 kB\nSwapTotal: 2097148 kB\nSwapFree: 1048572 kB\n");
	const { status, stderr } = host.run("system", "apply");
	assert.equal(status, 1);
	assert.match(stderr, /error: swap holds 1024 MB and only 200 MB of memory are available: stop what uses it, then run again/);
	assert.match(host.read("/proc/swaps"), /^\/dev\/null /m);
});

test("system killed before any of its commands converges with the next apply, and undo still knows the originals", (t) => {
	for (const command of ["swapoff", "setenforce", "modprobe", "systemctl"]) {
		const host = bareHost(t);
		const before = host.snapshot("/etc");
		const real = host.read(`/bin/${command}`);
		// The script's own process: the command's parent, or the parent of the `timeout` between them.
		host.command(
			command,
			`parent=$PPID; [[ "$(cat /proc/$parent/comm)" != timeout ]] || parent="$(awk '{print $4}' /proc/$parent/stat)"; kill -9 "$parent"; exit 1`,
		);
		assert.equal(host.run("system", "apply").status, null, command);
		host.write(`/bin/${command}`, real);
		assert.equal(host.run("system", "apply").status, 0, command);
		assert.equal(host.run("system", "check").status, 0, command);
		assert.equal(host.run("system", "undo").status, 0, command);
		assert.deepEqual(host.snapshot("/etc"), before, command);
		assert.equal(host.read("/mode"), "Enforcing\n", command);
	}
});

test("NetworkManager is told to leave the Pod network alone only where it runs", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	assert.equal(host.exists("/etc/NetworkManager"), false);
	host.write("/units/NetworkManager.active", "active\n");
	host.command("nmcli");
	host.forgetCalls();
	host.run("system", "apply");
	assert.match(host.read("/etc/NetworkManager/conf.d/kubeadm-lab.conf"), /^\[keyfile\]\nunmanaged-devices\+=interface-name:cni0;/);
	assert.ok(host.calls().includes("nmcli general reload"));
	host.run("system", "undo");
	assert.equal(host.exists("/etc/NetworkManager"), false);
});

test("swap, SELinux, a module and NetworkManager, changed by hand, are one item each, and apply puts right that one", (t) => {
	const host = bareHost(t);
	host.write("/units/NetworkManager.active", "active\n");
	host.command("nmcli");
	host.run("system", "apply");
	const nm = "/etc/NetworkManager/conf.d/kubeadm-lab.conf";
	const changes: [string, () => void, RegExp, ...string[]][] = [
		["swap", () => host.write("/proc/swaps", `${SWAPS}/dev/null partition 2097148 0 -2\n`), /^swap\toff\t\/dev\/null$/, "swapoff -- /dev/null"],
		["first line of fstab", () => host.write("/etc/fstab", "\t/swap none\tswap\n"), /^file \/etc\/fstab\tsha256 \w{12}\tsha256 \w{12}$/],
		["last line of fstab", () => host.write("/etc/fstab", "#/a b swap\n\n/b c swap sw"), /^file \/etc\/fstab\tsha256 \w{12}\tsha256 \w{12}$/],
		["SELinux at boot", () => host.write("/etc/selinux/config", SELINUX), /^file \/etc\/selinux\/config\tsha256 \w{12}\tsha256 \w{12}$/],
		["SELinux", () => host.write("/mode", "Enforcing\n"), /^SELinux\tPermissive\tEnforcing$/, "setenforce 0"],
		["module", () => rmSync(join(host.root, "proc/filesystems")), /^module overlay\tloaded\tnot loaded$/, "modprobe -- overlay"],
		[
			"module with sysctls",
			() => rmSync(join(host.root, "proc/sys/net/bridge"), { recursive: true }),
			/^module br_netfilter\tloaded\tnot loaded$/,
			"modprobe -- br_netfilter",
		],
		[
			"NetworkManager",
			() => host.write(nm, "other\n"),
			/^file \/etc\/NetworkManager\/conf\.d\/kubeadm-lab\.conf\tsha256 \w{12}\tsha256 \w{12}$/,
			"nmcli general reload",
		],
	];
	const loads = host.read("/bin/modprobe").split("\n").slice(2).join("\n");
	host.command("modprobe", `if [[ "$*" == *overlay* ]]; then printf 'nodev\\toverlay\\n' >"$KUBEADM_LAB_ROOT/proc/filesystems"; exit; fi\n${loads}`);
	for (const [what, change, shown, ...repairs] of changes) {
		change();
		assert.match(host.run("system", "check").stdout.trimEnd(), shown, what);
		host.forgetCalls();
		const { status, stderr } = host.run("system", "apply");
		assert.equal(status, 0, stderr);
		assert.deepEqual(
			host.calls().filter((call) => call !== "getenforce "),
			repairs,
			what,
		);
		assert.equal(host.run("system", "check").status, 0, what);
	}
});

test("a swap file with a blank in its name, which the kernel shows as \\040, is turned off and on again", (t) => {
	const host = bareHost(t);
	const file = join(host.root, "swap file");
	host.write("/swap file", "");
	const shown = `${SWAPS}${file.replace(" ", "\\040")} file 2097148 0 5\n`;
	host.write("/proc/swaps", shown);
	host.write("/shown", shown);
	host.command("swapoff", `[[ "\${*: -1}" == '${file}' ]] && head -n 1 "\${KUBEADM_LAB_ROOT}/shown" >"\${KUBEADM_LAB_ROOT}/proc/swaps"`);
	host.command("swapon", `[[ "\${*: -1}" == '${file}' ]] && cat "\${KUBEADM_LAB_ROOT}/shown" >"\${KUBEADM_LAB_ROOT}/proc/swaps"`);
	assert.match(host.run("system", "check").stdout, new RegExp(`^swap\\toff\\t${file}$`, "m"));
	assert.equal(host.run("system", "apply").status, 0);
	assert.equal(host.read("/proc/swaps"), SWAPS);
	assert.equal(host.run("system", "undo").status, 0);
	assert.equal(host.read("/proc/swaps"), shown);
	assert.deepEqual(
		host.calls().filter((call) => call.startsWith("swap")),
		[`swapoff -- ${file}`, `swapon -p 5 -- ${file}`],
	);
});
