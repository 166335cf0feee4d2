// "Now and after a reboot": what counts is the value that the next boot will give, whoever else writes there.
import assert from "node:assert/strict";
import { chmodSync, lstatSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bareHost, SELINUX } from "./bare-host.ts";
import { FakeHost } from "./fake-host.ts";

const link = (host: FakeHost, target: string, path: string) => {
	host.write(`${path}.folder`, "");
	rmSync(join(host.root, `${path}.folder`));
	symlinkSync(target, join(host.root, path));
};
/** A change is shown by check as `shown`, apply makes it `then` and content, and undo gives the file back byte by byte. */
function heals(host: FakeHost, step: string, path: string, text: string, shown: RegExp, then: string) {
	host.write(path, text);
	assert.match(host.run(step, "check").stdout, shown, text);
	const { status, stderr } = host.run(step, "apply");
	assert.equal(status, 0, stderr);
	assert.equal(host.read(path), then);
	assert.deepEqual(host.run(step, "check"), { status: 0, stdout: "", stderr: "" });
	assert.equal(host.run(step, "undo").status, 0);
	assert.equal(host.read(path), text, "given back");
}

const FORWARD: [string, string, string][] = [
	// file, line, as it is written in every way that counts
	["/etc/sysctl.conf", "net.ipv4.ip_forward = 0", "0"],
	["/etc/sysctl.conf", "net/ipv4/ip_forward=0", "0"],
	["/etc/sysctl.d/zz-hardening.conf", "-net.ipv4.ip_forward=0", "0"],
	["/etc/sysctl.d/99-z.conf", "\tnet.ipv4.conf.all.forwarding\t=\t0", "0"],
	["/usr/lib/sysctl.d/99-vendor.conf", "net.ipv4.conf.*.forwarding = 0", "0"],
	["/run/sysctl.d/99-x.conf", "net.ipv4.conf.default.forwarding = 0", "0"],
	["/etc/sysctl.d/99-z.conf", "net.ipv4.ip_* = 2", "2"],
];
for (const [path, line, found] of FORWARD)
	test(`${path} with ${line.trim()} would undo forwarding at the next boot: its line is marked, and comes back`, (t) => {
		const host = bareHost(t);
		host.run("system", "apply");
		heals(
			host,
			"system",
			path,
			`# theirs\n${line}\nvm.swappiness = 1\n`,
			new RegExp(`^sysctl net\\.ipv4\\.ip_forward at boot\\t1\\t${found} \\(${path}\\)$`, "m"),
			`# theirs\n#kubeadm-lab# ${line}\nvm.swappiness = 1\n`,
		);
	});

test("sysctl files that come before ours, are hidden, agree or speak of something else stay as they are", (t) => {
	const host = bareHost(t);
	link(host, "../sysctl.conf", "/etc/sysctl.d/99-sysctl.conf");
	host.write(
		"/etc/sysctl.conf",
		"net.ipv4.ip_forward=1\n#net.ipv4.ip_forward=0\n;net.ipv4.ip_forward=0\nnet.ipv4.ip_forward_use_pmtu=0\nnet.ipv4.conf.eth0.forwarding=0",
	);
	host.write("/etc/sysctl.d/50-theirs.conf", "net.ipv4.ip_forward = 0\n");
	host.write("/usr/lib/sysctl.d/00-system.conf", "net.bridge.bridge-nf-call-iptables = 0\n");
	host.write("/usr/lib/sysctl.d/99-zz.conf", "net.ipv4.ip_forward = 0\n");
	link(host, "/dev/null", "/etc/sysctl.d/99-zz.conf");
	host.write("/etc/tuned/active_profile", "virtual-guest\n");
	host.write("/usr/lib/tuned/virtual-guest/tuned.conf", "[sysctl]\nnet.ipv4.ip_forward=0\n"); // tuned applies the others again
	const before = { etc: host.snapshot("/etc/sysctl.d"), usr: host.snapshot("/usr/lib/sysctl.d"), conf: host.read("/etc/sysctl.conf") };
	assert.equal(host.run("system", "apply").status, 0);
	rmSync(join(host.root, "etc/sysctl.d/99-kubeadm-lab.conf"));
	assert.deepEqual({ etc: host.snapshot("/etc/sysctl.d"), usr: host.snapshot("/usr/lib/sysctl.d"), conf: host.read("/etc/sysctl.conf") }, before);
});

test("CentOS's link to sysctl.conf stays a link, and a setting that is taken away takes its mark along", (t) => {
	const host = bareHost(t);
	link(host, "../sysctl.conf", "/etc/sysctl.d/99-sysctl.conf");
	host.write("/etc/sysctl.conf", "net.ipv4.ip_forward = 0\nfs.may_detach_mounts = 0\n");
	host.run("system", "apply");
	assert.equal(host.read("/etc/sysctl.conf"), "#kubeadm-lab# net.ipv4.ip_forward = 0\n#kubeadm-lab# fs.may_detach_mounts = 0\n");
	assert.ok(lstatSync(join(host.root, "etc/sysctl.d/99-sysctl.conf")).isSymbolicLink());
	assert.equal(host.run("system", "apply", { SYSCTLS: ["net.ipv4.ip_forward=1"] }).status, 0);
	assert.equal(host.read("/etc/sysctl.conf"), "#kubeadm-lab# net.ipv4.ip_forward = 0\nfs.may_detach_mounts = 0\n");
	host.write("/etc/sysctl.conf", `${host.read("/etc/sysctl.conf")}kernel.panic = 5\n`); // somebody else's, meanwhile
	host.run("system", "undo");
	assert.equal(host.read("/etc/sysctl.conf"), "net.ipv4.ip_forward = 0\nfs.may_detach_mounts = 0\nkernel.panic = 5\n");
});

test("tuned that has the last word has its line marked, also in a profile that is included", (t) => {
	const host = bareHost(t);
	host.write("/etc/tuned/tuned-main.conf", "daemon = 1\nreapply_sysctl = 0\n");
	host.write("/etc/tuned/active_profile", "ours\n");
	host.write("/etc/tuned/ours/tuned.conf", "[main]\ninclude=hardened\n");
	host.run("system", "apply");
	const text = "[sysctl]\nnet.ipv4.ip_forward=0\n";
	heals(
		host,
		"system",
		"/usr/lib/tuned/hardened/tuned.conf",
		text,
		/ip_forward at boot\t1\t0 \(\/usr\/lib\/tuned/,
		"[sysctl]\n#kubeadm-lab# net.ipv4.ip_forward=0\n",
	);
});

for (const line of [
	"blacklist br_netfilter",
	"blacklist br-netfilter",
	"install br_netfilter /bin/false",
	"install br_netfilter /usr/bin/true",
	"install  overlay\t/bin/true # CIS",
])
	test(`${line} in modprobe.d keeps a module from the next boot: it is marked, and comes back`, (t) => {
		const host = bareHost(t);
		host.run("system", "apply");
		const others = "install br_netfilter /sbin/modprobe --ignore-install br_netfilter && true_tool\ninstall cramfs /bin/true\n";
		heals(
			host,
			"system",
			"/etc/modprobe.d/hardening.conf",
			`${others}${line}\n`,
			/^module (br_netfilter|overlay) at boot\tloaded\t.*hardening\.conf\)$/m,
			`${others}#kubeadm-lab# ${line}\n`,
		);
	});

for (const line of ["SELINUX=Enforcing", "SELINUX=ENFORCING  ", "SELINUX= enforcing", 'SELINUX="enforcing"', "SELINUX=enforcing # until the audit"])
	test(`${line} is enforcing after a reboot: it is permissive then, and given back as it was`, (t) => {
		const host = bareHost(t);
		const text = SELINUX.replace("SELINUX=enforcing", line);
		heals(host, "system", "/etc/selinux/config", text, /^file \/etc\/selinux\/config\t/m, text.replace(/(SELINUX=\s*"?)enforcing/i, "$1permissive"));
		host.run("system", "apply");
		host.write("/etc/selinux/config", `${host.read("/etc/selinux/config")}# a note\n`);
		host.run("system", "undo");
		assert.equal(host.read("/etc/selinux/config"), `${text}# a note\n`);
	});

const SWAP_UNIT = "[Swap]\nWhat=/swapfile\n[Install]\nWantedBy=swap.target\n";
test("swap that a unit of its own turns on at boot is masked, wherever the unit comes from", (t) => {
	const host = bareHost(t);
	host.write("/etc/systemd/system/swapfile.swap", SWAP_UNIT);
	link(host, "/etc/systemd/system/swapfile.swap", "/etc/systemd/system/swap.target.wants/swapfile.swap");
	link(host, "../dev-sda3.swap", "/run/systemd/generator.late/swap.target.wants/dev-sda3.swap"); // a GPT partition
	link(host, "../dev-zram0.swap", "/run/systemd/generator/swap.target.requires/dev-zram0.swap"); // zram-generator
	link(host, "../dev-centos-swap.swap", "/run/systemd/generator/swap.target.requires/dev-centos-swap.swap");
	host.write("/run/systemd/generator/dev-centos-swap.swap", "# Automatically generated by systemd-fstab-generator\n[Unit]\nSourcePath=/etc/fstab\n");
	const before = host.snapshot("/etc");
	assert.match(host.run("system", "check").stdout, /^swap at boot\toff\tswapfile\.swap dev-zram0\.swap dev-sda3\.swap$/m);
	const { status, stderr } = host.run("system", "apply");
	assert.equal(status, 0, stderr);
	for (const unit of ["swapfile.swap", "dev-sda3.swap", "dev-zram0.swap"]) assert.equal(readlinkSync(join(host.root, "etc/systemd/system", unit)), "/dev/null");
	assert.equal(host.exists("/etc/systemd/system/dev-centos-swap.swap"), false, "its line in fstab is marked");
	assert.equal(host.run("system", "check").status, 0);
	host.run("system", "undo");
	assert.deepEqual(host.snapshot("/etc"), before);
});

test("services that make swap are disabled, others with swap in their name are not", (t) => {
	const host = bareHost(t);
	for (const [unit, runs] of [
		["zramswap.service", "/usr/sbin/zramstart"],
		["make-swap.service", "/sbin/swapon /swapfile"],
		["hot-swap.service", "/usr/bin/hot-swapd"],
	] as const) {
		host.write(`/usr/lib/systemd/system/${unit}`, `[Service]\nExecStart=${runs}\n`);
		link(host, `/usr/lib/systemd/system/${unit}`, `/etc/systemd/system/multi-user.target.wants/${unit}`);
		host.write(`/units/${unit.replace(".service", "")}.enabled`, "enabled\n");
	}
	host.write(
		"/bin/systemctl",
		host.read("/bin/systemctl").replace("disable) ", 'disable) rm -f "$KUBEADM_LAB_ROOT/etc/systemd/system/multi-user.target.wants/$name.service"; '),
	);
	assert.match(host.run("system", "check").stdout, /^swap at boot\toff\tmake-swap\.service zramswap\.service$/m);
	const { status, stderr } = host.run("system", "apply");
	assert.equal(status, 0, stderr);
	const enabled = () => ["zramswap", "make-swap", "hot-swap"].map((unit) => host.read(`/units/${unit}.enabled`).trim());
	assert.deepEqual(enabled(), ["disabled", "disabled", "enabled"]);
	host.run("system", "undo");
	assert.deepEqual(enabled(), ["enabled", "enabled", "enabled"]);
});

test("a swapon in rc.local does nothing any more, and its branch is still shell", (t) => {
	const host = bareHost(t);
	const text = "#!/bin/bash\nif [ -f /swapfile ]; then\n\t/sbin/swapon /swapfile\nfi\ntouch /var/lock/subsys/local\n";
	host.write("/etc/rc.d/rc.local", text);
	host.run("system", "apply");
	assert.equal(host.read("/etc/rc.d/rc.local"), text, "it is not run: nothing to do");
	host.run("system", "undo");
	chmodSync(join(host.root, "etc/rc.d/rc.local"), 0o755);
	heals(host, "system", "/etc/rc.d/rc.local", text, /^file \/etc\/rc\.d\/rc\.local\t/m, text.replace("\t/sbin", ": #kubeadm-lab# \t/sbin"));
});

test("what rc.local does against forwarding and a permissive SELinux is marked, and nothing else of it", (t) => {
	const own = "#!/bin/bash\nsysctl -w net.ipv4.ip_forward=1\n# setenforce 1\necho 1 > /proc/sys/net/ipv4/ip_forward\nsysctl -p\n";
	const against = ["/sbin/sysctl -w net.ipv4.ip_forward=0", "\techo 0 >/proc/sys/net/ipv4/ip_forward", "setenforce 1", "/usr/sbin/setenforce Enforcing"];
	const host = bareHost(t);
	const text = `${own}${against.map((line) => `${line}\n`).join("")}`;
	host.write("/etc/rc.d/rc.local", text);
	chmodSync(join(host.root, "etc/rc.d/rc.local"), 0o755);
	heals(host, "system", "/etc/rc.d/rc.local", text, /^file \/etc\/rc\.d\/rc\.local\t/m, `${own}${against.map((line) => `: #kubeadm-lab# ${line}\n`).join("")}`);
	host.run("system", "apply", { SELINUX: "keep" });
	assert.match(host.read("/etc/rc.d/rc.local"), /\nsetenforce 1\n/, "an operator who keeps SELinux keeps this too");
});

test("firewalld that another unit starts is masked", (t) => {
	const host = bareHost(t);
	host.run("system", "apply");
	assert.equal(host.exists("/etc/systemd/system/firewalld.service"), false, "disabled is enough where nobody wants it");
	host.write("/etc/systemd/system/guard.service", "[Unit]\nAfter=firewalld.service\nWants=network.target firewalld.service\n");
	assert.match(host.run("system", "check").stdout, /^firewalld at boot\tdisabled\tstarted by \/etc\/systemd\/system\/guard\.service$/m);
	assert.equal(host.run("system", "apply").status, 0);
	assert.equal(readlinkSync(join(host.root, "etc/systemd/system/firewalld.service")), "/dev/null");
	host.run("system", "undo");
	assert.equal(host.exists("/etc/systemd/system/firewalld.service"), false);
	assert.equal(host.read("/units/firewalld.enabled"), "enabled\n");
});

function named(t: Parameters<typeof bareHost>[0], name: string): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/hosts", "127.0.0.1 localhost\n");
	host.write("/etc/hostname", `${name}\n`);
	host.write("/proc/sys/kernel/hostname", `${name}\n`);
	return host;
}
test("cloud-init is told to leave name and hosts file alone, where it is installed", (t) => {
	const host = named(t, "bare");
	host.run("identity", "apply");
	assert.equal(host.exists("/etc/cloud"), false);
	host.write("/etc/cloud/cloud.cfg", "preserve_hostname: false\n");
	assert.match(host.run("identity", "check").stdout, /^file \/etc\/cloud\/cloud\.cfg\.d\/zz-kubeadm-lab\.cfg\t/);
	host.run("identity", "apply");
	assert.equal(host.read("/etc/cloud/cloud.cfg.d/zz-kubeadm-lab.cfg"), "preserve_hostname: true\nmanage_etc_hosts: false\n");
	host.run("identity", "undo");
	assert.equal(host.exists("/etc/cloud/cloud.cfg.d"), false);
});
for (const line of ["HOSTNAME=old", 'HOSTNAME="old.example.com"', " HOSTNAME='old'"])
	test(`${line.trim()} of /etc/sysconfig/network is marked, and comes back`, (t) => {
		const host = named(t, "bare");
		host.run("identity", "apply");
		heals(
			host,
			"identity",
			"/etc/sysconfig/network",
			`NETWORKING=yes\n${line}\n`,
			/^file \/etc\/sysconfig\/network\t/m,
			`NETWORKING=yes\n#kubeadm-lab# ${line}\n`,
		);
	});

// A line of kubelet 1.29.15 that was started under another name than its Node's.
const FORBIDDEN = `E1127 22:32:23.466891     512 kubelet_node_status.go:96] "Unable to register node with API server" err="Post \\"https://172.16.1.110:6443/api/v1/nodes\\": dial tcp 172.16.1.110:6443: connect: connection refused" node="old"`;
const OWN = `I1127 21:40:12.345678     512 kubelet.go:1] "Something else" node="k8s-node02"`;
function kubeletRuns(host: FakeHost, says: string) {
	host.write("/etc/kubernetes/kubelet.conf", "");
	host.write("/bin/systemctl", host.read("/bin/systemctl").replace("  start | restart)", "  show) echo MainPID=512 ;;\n  start | restart)"));
	host.write("/journal", says);
	host.command("journalctl", `cat "$KUBEADM_LAB_ROOT/journal"`);
}
for (const [what, says] of [
	["runs under the wrong one", FORBIDDEN],
	["runs under the wrong one, and names its own as its API server does", `${FORBIDDEN}\n${OWN}`],
	["has just started and has said neither", 'I1127 21:40:12.345678     512 server.go:467] "Kubelet version" kubeletVersion="v1.29.15"'],
] as const)
	test(`a host name that is put right restarts the kubelet that ${what}`, (t) => {
		const host = named(t, "k8s-node02");
		host.run("identity", "apply");
		kubeletRuns(host, says);
		host.write("/proc/sys/kernel/hostname", "old\n");
		host.forgetCalls();
		assert.equal(host.run("identity", "apply").status, 0);
		assert.ok(host.calls().includes("systemctl restart -- kubelet.service"), host.calls().join("\n"));
		host.forgetCalls();
		assert.equal(host.run("identity", "apply").status, 0);
		assert.ok(!host.calls().includes("systemctl restart -- kubelet.service"));
	});
test("a kubelet that runs under its own name goes on when somebody changed the host's name and it is put right", (t) => {
	const host = named(t, "k8s-node02");
	host.run("identity", "apply");
	kubeletRuns(host, OWN);
	host.write("/proc/sys/kernel/hostname", "old\n");
	assert.equal(host.run("identity", "apply").status, 0);
	assert.equal(host.read("/proc/sys/kernel/hostname"), "k8s-node02\n");
	assert.ok(!host.calls().includes("systemctl restart -- kubelet.service"));
});
test("a restart of the kubelet that was cut off is still due", (t) => {
	const host = named(t, "k8s-node02");
	host.run("identity", "apply");
	kubeletRuns(host, FORBIDDEN);
	host.write("/proc/sys/kernel/hostname", "old\n");
	const systemctl = host.read("/bin/systemctl");
	host.write("/bin/systemctl", systemctl.replace("  start | restart)", "  restart) exit 1 ;;\n  start | restart)"));
	assert.equal(host.run("identity", "apply").status, 1);
	host.write("/bin/systemctl", systemctl);
	assert.match(host.run("identity", "check").stdout, /^kubelet restart\tdone\tdue$/m);
	assert.equal(host.run("identity", "apply").status, 0);
	assert.equal(host.run("identity", "check").status, 0);
});
