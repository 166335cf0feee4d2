// Hosts that somebody used before: what is in a cluster's way is named before the first change, what comes later shows in the next look.
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bareHost } from "./bare-host.ts";
import type { FakeHost } from "./fake-host.ts";
import { goodHost, problems } from "./good-host.ts";

const MASTER = { ADDRESS: "172.16.1.112" }; // the address that the played host has
const masked = (host: FakeHost, unit: string) => {
	mkdirSync(join(host.root, "etc/systemd/system"), { recursive: true });
	symlinkSync("/dev/null", join(host.root, "etc/systemd/system", unit));
};
const folder = (host: FakeHost, path: string) => mkdirSync(join(host.root, path), { recursive: true });

// What iptables-services of CentOS 7 loads.
const SERVICES = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [3:412]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
COMMIT
`;
const REJECTS = "--reject-with icmp-host-prohibited";
const WORKER = "lets in tcp 10250 and udp 8472, and Pods reach each other";

test("each thing that another cluster or tool left is refused by name, with what it would break taken out of the way", (t) => {
	const cases: [string, (host: FakeHost) => void, string | RegExp, string?][] = [
		[
			"Calico",
			(host) => host.write("/etc/cni/net.d/10-calico.conflist", "{}"),
			"CNI configuration: found /etc/cni/net.d/10-calico.conflist; expected none but flannel's",
		],
		["Multus", (host) => host.write("/etc/cni/net.d/00-multus.conf", "{}"), /00-multus\.conf/],
		["Podman", (host) => host.write("/etc/cni/net.d/87-podman-bridge.conflist", "{}"), /87-podman-bridge\.conflist/],
		["cni0", (host) => folder(host, "sys/class/net/cni0"), "links: found cni0; expected none of another Pod network"],
		["Cilium", (host) => folder(host, "sys/class/net/cilium_host"), /links: found cilium_host/],
		[
			"a vxlan on flannel's port",
			(host) =>
				host.command(
					"ip",
					`[[ "$*" != *vxlan* ]] || { echo '9: vx0: <UP> mtu 1450 vxlan id 1 dev eth0 srcport 0 0 dstport 8472 nolearning'; exit; }\ncat "$KUBEADM_LAB_ROOT/addresses"`,
				),
			/links: found vx0/,
		],
		[
			"a route",
			(host) => host.command("ip", `[[ "$*" != *route* ]] || { echo '10.244.7.0/24 via 172.16.1.9 dev eth0'; exit; }\ncat "$KUBEADM_LAB_ROOT/addresses"`),
			/route: found 10\.244\.7\.0\/24 via 172\.16\.1\.9 dev eth0, which overlaps 10\.244\.0\.0\/16/,
		],
		[
			"another name",
			(host) => host.write("/etc/sysconfig/kubelet", "KUBELET_EXTRA_ARGS=--hostname-override=oldname\n"),
			/kubelet flags: found --hostname-override=oldname in \/etc\/sysconfig\/kubelet; expected k8s-node02/,
		],
		[
			"another cgroup driver",
			(host) => host.write("/etc/default/kubelet", `KUBELET_EXTRA_ARGS="--v=2 --cgroup-driver cgroupfs"\n`),
			/--cgroup-driver=cgroupfs in \/etc\/default\/kubelet; expected systemd/,
		],
		[
			"a drop-in",
			(host) => host.write("/etc/systemd/system/kubelet.service.d/20-extra.conf", `[Service]\nEnvironment="KUBELET_EXTRA_ARGS=--node-ip=10.0.0.112"\n`),
			/--node-ip=10\.0\.0\.112 in \/etc\/systemd\/system\/kubelet\.service\.d\/20-extra\.conf; expected 172\.16\.1\.112/,
		],
		[
			"its own start",
			(host) => host.write("/etc/systemd/system/kubelet.service.d/0.conf", "[Service]\nExecStart=\nExecStart=/opt/kubelet\n"),
			/kubelet unit: found .*0\.conf with an ExecStart/,
		],
		["a masked runtime", (host) => masked(host, "containerd.service"), "unit: found containerd.service is masked; expected one that can start"],
		["masked sysctls", (host) => masked(host, "systemd-sysctl.service"), /systemd-sysctl\.service is masked/],
		[
			"Docker's containers",
			(host) => folder(host, "run/containerd/io.containerd.runtime.v2.task/moby/0123"),
			/containers: found 1 running below containerd \(moby;/,
		],
		[
			"noexec",
			(host) => host.write("/proc/self/mounts", "/dev/sda1 / xfs rw 0 0\n/dev/sdb1 /var xfs rw,nosuid,noexec 0 0\n"),
			/file system: found \/var is noexec/,
		],
		["read-only", (host) => host.write("/proc/self/mounts", "/dev/sda1 / xfs ro,relatime 0 0\n"), /file system: found \/ is read-only/],
		[
			"full",
			(host) => host.command("df", `printf '%s\\n' size '100 12 100 50' '100 12 100 50'`),
			"room for /var/lib/containerd: found 12 %; expected at least 15 %, below which the kubelet takes no Pods",
		],
		["without inodes", (host) => host.command("df", `printf '%s\\n' size '100 50 100 4' '100 50 100 50'`), /inodes for \/var\/lib\/kubelet: found 4 %/],
		["an etcd of its own", (host) => host.write("/var/lib/etcd/backup.db", ""), /\/var\/lib\/etcd: found .*backup\.db/, "k8s-master"],
		["manifests", (host) => host.write("/etc/kubernetes/manifests/haproxy.json", ""), /\/etc\/kubernetes\/manifests: found .*haproxy\.json/],
		[
			"pinned CPUs",
			(host) => host.write("/var/lib/kubelet/cpu_manager_state", `{"policyName":"static"}`),
			/kubelet state: found \/var\/lib\/kubelet\/cpu_manager_state/,
		],
		[
			"its address twice",
			(host) => host.write("/addresses", "1: lo    inet 172.16.1.112/32 scope global lo\n2: eth0    inet 172.16.1.112/24 scope global eth0\n"),
			"address: found 172.16.1.112 on lo eth0; expected on one card",
		],
		[
			"enforcing at boot",
			(host) => {
				folder(host, "sys/fs/selinux");
				host.write("/proc/cmdline", "ro enforcing=1\n");
			},
			/SELinux at boot: found enforcing=1/,
		],
		["a module kept away", (host) => host.write("/proc/cmdline", "ro modprobe.blacklist=nouveau,br_netfilter\n"), /module br_netfilter at boot/],
	];
	for (const [what, change, shown, name = "k8s-node02"] of cases) {
		const host = goodHost(t);
		change(host);
		const found = problems(host, MASTER, name);
		assert.ok(
			found.some((line) => (typeof shown === "string" ? line === shown : shown.test(line))),
			`${what}: ${found.join("\n")}`,
		);
		assert.equal(found.length, name === "k8s-master" ? found.length : 1, `${what}: ${found.join("\n")}`);
	}
});

test("what does no harm passes, and what a host is taken with is noted", (t) => {
	const host = goodHost(t);
	host.write("/etc/cni/net.d/10-flannel.conflist", "{}");
	host.write("/etc/cni/net.d/87-podman-bridge.conflist", "{}"); // comes after flannel's
	host.write("/etc/cni/net.d/10-calico.conflist.bak", "{}");
	host.write("/etc/sysconfig/kubelet", "# KUBELET_EXTRA_ARGS=--hostname-override=old\nKUBELET_EXTRA_ARGS=--max-pods=50 --node-ip=172.16.1.112\n");
	host.write(
		"/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
		"[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS\n",
	);
	host.write("/var/lib/etcd/lost+found/.keep", "");
	host.write(
		"/proc/self/mounts",
		"/dev/sda1 / xfs rw 0 0\n/dev/sdb1 /var/lib/kubelet ext4 rw,nodev 0 0\n/dev/sdc1 /var/lib/etcd ext4 rw,noexec 0 0\ntmpfs /run tmpfs rw,nosuid,noexec 0 0\n",
	);
	host.write("/addresses", `${host.read("/addresses")}1: lo    inet 172.16.1.200/32 scope global lo\n`);
	const { status, stdout, stderr } = host.run("preflight", "apply", { ...MASTER, MINIMUM_MEMORY_MB: 1700 }, "k8s-master");
	assert.equal(status, 0, stderr);
	assert.match(
		stdout,
		/^noted=\/etc\/sysconfig\/kubelet gives the kubelet --max-pods; \/var\/lib\/etcd is a file system of its own; \/var\/lib\/kubelet is on \/var\/lib\/kubelet, which is nosuid or nodev$/m,
	);
});

test("rules that reject before the cluster's are named with what they stop; others are none", (t) => {
	const host = goodHost(t);
	const filter = (...rules: string[]) =>
		`*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:zone - [0:0]\n:KUBE-FORWARD - [0:0]\n:FLANNEL-FWD - [0:0]\n${rules.map((rule) => `-A ${rule}\n`).join("")}COMMIT\n`;
	const nft = (policy: string, ...rules: string[]) =>
		`table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy ${policy};\n${rules.map((rule) => `\t\t${rule}\n`).join("")}\t}\n\tchain allowed {\n\t\tip saddr 172.16.1.0/24 accept\n\t}\n}\n`;
	const item = (rule: string, what: string) => `packet filter: found ${rule} (stops ${what}); expected ${WORKER}`;
	const all = "tcp 10250, udp 8472";
	const cases: [string, "iptables-save" | "nft", string[]][] = [
		[SERVICES, "iptables-save", [item(`-A INPUT -j REJECT ${REJECTS}`, all), item(`-A FORWARD -j REJECT ${REJECTS}`, "Pod traffic")]],
		[filter("FORWARD -j REJECT"), "iptables-save", [item("-A FORWARD -j REJECT", "Pod traffic")]],
		[filter("INPUT -p udp -m udp --dport 8000:9000 -j DROP"), "iptables-save", [item("-A INPUT -p udp -m udp --dport 8000:9000 -j DROP", "udp 8472")]],
		[filter("INPUT ! -i lo -g zone", "zone -p tcp -j REJECT"), "iptables-save", [item("-A zone -p tcp -j REJECT", "tcp 10250")]],
		[filter().replace(":INPUT ACCEPT", ":INPUT DROP"), "iptables-save", [item("policy DROP of INPUT", all)]],
		[filter("FORWARD -j FLANNEL-FWD", "FORWARD -j REJECT", "FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT"), "iptables-save", []],
		[filter().replace(":FORWARD ACCEPT", ":FORWARD DROP"), "iptables-save", []], // Docker's; flannel accepts before that
		[filter("INPUT -s 172.16.1.0/24 -j ACCEPT", "INPUT -j DROP"), "iptables-save", []],
		[filter("INPUT -s 172.16.1.110/32 -j ACCEPT", "INPUT -j DROP"), "iptables-save", []], // may be a peer
		[filter("INPUT -p tcp -m multiport --dports 22,10250 -j ACCEPT", "INPUT -p udp -m udp --dport 8472 -j ACCEPT", "INPUT -j DROP"), "iptables-save", []],
		[
			filter(
				"INPUT -s 198.51.100.0/24 -j DROP",
				"INPUT -i eth1 -j DROP",
				"INPUT -m mark --mark 0x8000 -j DROP",
				"INPUT -m conntrack --ctstate INVALID -j DROP",
			),
			"iptables-save",
			[],
		],
		[filter(`INPUT -m comment --comment "a -j DROP of old" -j zone`, "zone -m limit --limit 1/sec -j REJECT"), "iptables-save", []],
		[nft("drop", "ct state established,related accept", 'iifname "lo" accept', "tcp dport 22 accept"), "nft", [item("policy drop of nftables' input", all)]],
		[
			nft("accept", "tcp dport { 22, 443 } accept", "counter packets 1 bytes 2 reject with icmpx type admin-prohibited"),
			"nft",
			[item("-A INPUT -j REJECT", all)],
		],
		[nft("drop", "tcp dport { 22, 6443, 10250 } accept", "udp dport 8472 accept"), "nft", []],
		[nft("drop", "jump allowed"), "nft", []],
	];
	for (const [text, tool, expected] of cases) {
		for (const name of ["iptables-nft-save", "iptables-legacy-save", "iptables-save", "nft"]) host.command(name);
		host.write("/rules", text);
		host.command(tool === "nft" ? "nft" : "iptables-nft-save", `cat "$KUBEADM_LAB_ROOT/rules"`);
		assert.deepEqual(problems(host), expected, text);
	}
});

test("rules that are loaded at the next boot are looked at too; those of a service that is off, and firewalld's where it is to be off, are not", (t) => {
	const host = goodHost(t);
	host.write("/etc/sysconfig/iptables", SERVICES);
	assert.deepEqual(problems(host), []);
	mkdirSync(join(host.root, "etc/systemd/system/basic.target.wants"), { recursive: true });
	symlinkSync("/usr/lib/systemd/system/iptables.service", join(host.root, "etc/systemd/system/basic.target.wants/iptables.service"));
	assert.deepEqual(
		problems(host).map((line) => line.replace(/;.*/, "")),
		[
			`packet filter at boot: found -A INPUT -j REJECT ${REJECTS} (stops tcp 10250, udp 8472)`,
			`packet filter at boot: found -A FORWARD -j REJECT ${REJECTS} (stops Pod traffic)`,
		],
	);
	// As by `systemctl add-requires`.
	mkdirSync(join(host.root, "etc/systemd/system/multi-user.target.requires"));
	renameSync(
		join(host.root, "etc/systemd/system/basic.target.wants/iptables.service"),
		join(host.root, "etc/systemd/system/multi-user.target.requires/iptables.service"),
	);
	assert.equal(problems(host).length, 2);
	rmSync(join(host.root, "etc/systemd/system/multi-user.target.requires/iptables.service"));
	host.write("/rules", SERVICES);
	host.command("iptables-nft-save", `cat "$KUBEADM_LAB_ROOT/rules"`);
	host.write("/units/firewalld.active", "active\n");
	assert.deepEqual(problems(host), []);
	assert.equal(problems(host, { FIREWALLD: "keep" }).length, 2);
});

test("the control plane needs 6443, from Pods as well", (t) => {
	const host = goodHost(t);
	host.write("/rules", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 172.16.1.0/24 -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n");
	host.command("iptables-nft-save", `cat "$KUBEADM_LAB_ROOT/rules"`);
	assert.deepEqual(
		problems(host, MASTER, "k8s-master").map((line) => line.replace(/;.*/, "")),
		["packet filter: found -A INPUT -j DROP (stops tcp 6443 from Pods)"],
	);
});

test("what comes later is drift: it shows, apply puts the rest right and says what is to be done", (t) => {
	const host = bareHost(t);
	host.write("/addresses", "2: eth1    inet 172.16.1.112/24 scope global eth1\n");
	assert.equal(host.run("system", "apply").status, 0);
	host.write("/rules", "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j REJECT\nCOMMIT\n");
	host.command("iptables-nft-save", `cat "$KUBEADM_LAB_ROOT/rules"`);
	host.write("/etc/cni/net.d/10-flannel.conflist", "{}");
	host.write("/etc/cni/net.d/10-containerd-net.conflist", "{}");
	host.write("/addresses", `${host.read("/addresses")}1: lo    inet 172.16.1.112/32 scope global lo\n`);
	host.command("df", `printf '%s\\n' size '100 3 100 50' '100 3 100 50'`);
	host.write("/proc/sys/net/ipv4/ip_forward", "0\n");
	const shown = host.run("system", "check").stdout.trimEnd().split("\n");
	assert.deepEqual(shown, [
		"sysctl net.ipv4.ip_forward\t1\t0",
		"CNI configuration\tnone but flannel's\t/etc/cni/net.d/10-containerd-net.conflist",
		"address\ton one card\t172.16.1.112 on eth1 lo",
		"room for /var/lib/kubelet\tat least 10 %, below which the kubelet takes no Pods\t3 %",
		"room for /var/lib/containerd\tat least 15 %, below which the kubelet takes no Pods\t3 %",
		`packet filter\t${WORKER}\t-A FORWARD -j REJECT (stops Pod traffic)`,
	]);
	const { status, stderr } = host.run("system", "apply");
	assert.equal(status, 1);
	assert.equal(host.read("/proc/sys/net/ipv4/ip_forward"), "1\n");
	assert.match(stderr, /packet filter: found -A FORWARD -j REJECT .* To go on: delete that rule, or accept these before it/);
	assert.match(stderr, /system: error: in the way of the cluster, and not this program's: 5; the lines above say what and what to do\. All else is in place$/m);
});
