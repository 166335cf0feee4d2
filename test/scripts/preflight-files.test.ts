// Files and folders that later steps write: what keeps them from it is named before the first change.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { goodHost, problems } from "./good-host.ts";

test("files that later steps write and that can't be written are named with what to do, and so is a file system that is read-only, once", (t) => {
	const host = goodHost(t);
	for (const path of ["/etc/hosts", "/etc/hostname", "/etc/crictl.yaml", "/opt/cni/bin/theirs"]) host.write(path, "");
	host.write("/proc/self/mounts", "/dev/sda1 / xfs rw 0 0\n/dev/sda1 /opt/cni/bin xfs ro 0 0\n");
	host.write("/etc/fstab", "/dev/sda1 / xfs defaults 0 0\n");
	const isRoot = process.getuid?.() === 0; // chattr is for the real root alone
	const answer = spawnSync(
		"unshare",
		[
			...(isRoot ? [] : ["--map-root-user"]),
			...["--mount", "bash", "-euc"],
			`text="$(cat)"; mount --bind etc/hostname etc/hostname; mount --bind opt/cni/bin opt/cni/bin; mount -o remount,bind,ro opt/cni/bin
if [[ ${isRoot} == true ]]; then chattr +i etc/hosts etc/fstab; chattr +a etc/crictl.yaml; trap 'chattr -ia etc/hosts etc/fstab etc/crictl.yaml' EXIT; fi
bash -s -- apply <<<"$text"`,
		],
		{ input: host.text("preflight"), encoding: "utf8", cwd: host.root, env: { ...process.env, KUBEADM_LAB_ROOT: host.root } },
	);
	assert.equal(answer.status, 1, answer.stderr);
	const expected = [
		"files: found /etc/hostname, a mount of its own; expected files and folders that can be written. To go on: umount /etc/hostname.",
		"file system: found /opt/cni/bin is read-only; expected one that can be written. To go on: it holds /opt/cni/bin: mount -o remount,rw /opt/cni/bin, and look at dmesg for why.",
	];
	if (isRoot)
		expected.push(
			"files: found /etc/hosts, immutable (lsattr shows i); expected files and folders that can be written. To go on: chattr -i /etc/hosts.",
			"files: found /etc/crictl.yaml, append-only (lsattr shows a); expected files and folders that can be written. To go on: chattr -a /etc/crictl.yaml.",
		);
	const found = answer.stderr.split("\n").filter((line) => line.startsWith("k8s-node02: "));
	assert.deepEqual(found.sort(), expected.map((line) => `k8s-node02: ${line}`).sort());
});

test("a read-only file system below any file that a step writes is named once, with the first of them; on a joined host it is no step's", (t) => {
	const host = goodHost(t);
	host.write(
		"/proc/self/mounts",
		"/dev/sda1 / xfs rw 0 0\n/dev/sdb1 /usr ext4 ro 0 0\n/dev/sdc1 /etc/yum ext4 ro 0 0\n/dev/sdd1 /etc/yum.repos.d ext4 ro 0 0\n",
	);
	const expected = (path: string) => `file system: found ${path} is read-only; expected one that can be written`;
	assert.deepEqual(problems(host), ["/etc/yum", "/etc/yum.repos.d", "/usr"].map(expected));
	host.write("/var/lib/kubeadm-lab/cluster/id", "sample-172.16.1.110");
	assert.deepEqual(problems(host), []);
});

for (const [what, config, selinux, isInTheWay] of [
	["another spelling of enforcing", 'SELINUX = "Enforcing" # ours\n', "permissive", true],
	["permissive already", "#SELINUX=enforcing\nSELINUX=permissive\n", "permissive", false],
	["selinux: keep", "SELINUX=enforcing\n", "keep", false],
] as const)
	test(`an immutable /etc/selinux/config with ${what} is ${isInTheWay ? "refused" : "taken"}`, (t) => {
		const host = goodHost(t);
		host.write("/etc/selinux/config", config);
		// As e2fsprogs 1.42.9 prints it.
		host.command(
			"lsattr",
			`for path in "\${@:3}"; do case "\${path}" in */selinux/config) echo "----i----------- \${path}" ;; *) echo "---------------- \${path}" ;; esac; done`,
		);
		const expected = ["files: found /etc/selinux/config, immutable (lsattr shows i); expected files and folders that can be written"];
		assert.deepEqual(problems(host, { SELINUX: selinux }), isInTheWay ? expected : []);
	});

test("an etcd's folder may have lost+found, and be a link to another disk; what else is in it, and a link to nothing, is named", (t) => {
	const host = goodHost(t);
	const found = () => problems(host, { ADDRESS: "172.16.1.112" }, "k8s-master");
	mkdirSync(join(host.root, "ssd/etcd/lost+found"), { recursive: true });
	symlinkSync("../../ssd/etcd", join(host.root, "var/lib/etcd"));
	assert.deepEqual(found(), []);
	host.write("/var/lib/etcd/backup.db", "precious");
	assert.deepEqual(found(), ["/var/lib/etcd: found backup.db; expected nothing"]);
	assert.deepEqual(problems(host), [], "a worker has no etcd");
	symlinkSync("/nowhere", join(host.root, "var/lib/kubelet"));
	assert.deepEqual(problems(host), ["folders: found /var/lib/kubelet, a link to /nowhere, where no folder is; expected a folder, or a link to one"]);
});
