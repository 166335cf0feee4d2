// lab/cgroups.sh on a played cgroup v2: which group gets what, in which order; and which machines are refused.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FakeHost } from "./fake-host.ts";

const labFolder = fileURLToPath(new URL("../../lab/", import.meta.url));
const ALL = "cpuset cpu io memory hugetlb pids rdma misc";
const V1 = ["cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "pids"];

/** What the kernel does when a group is made: files of those controllers that the group above hands on. */
const MKDIR = `shift # -p
[[ "$1" != -- ]] || shift
for group in "$@"; do
  [[ ! -d "\${group}" ]] || continue
  /bin/mkdir "\${group}" || exit 1
  handed=" $(tr -d + <"\${group%/*}/cgroup.subtree_control") "
  : >"\${group}/cgroup.procs"
  : >"\${group}/cgroup.subtree_control"
  printf '%s\\n' "\${handed:1:-1}" >"\${group}/cgroup.controllers"
  for file in memory.max memory.swap.max cpuset.cpus cpuset.mems pids.max; do [[ "\${handed}" != *" \${file%%.*} "* ]] || : >"\${group}/\${file}"; done
done`;
/** A group goes when no process and no group is in it; its files are no hindrance. */
const RMDIR = `status=0
for group in "$@"; do
  if [[ -s "\${group}/cgroup.procs" || -n "$(find "\${group}" -mindepth 1 -type d)" ]]; then status=1; else rm -r "\${group}"; fi
done
exit "\${status}"`;

function machine(test: ConstructorParameters<typeof FakeHost>[0], controllers = ALL) {
	const host = new FakeHost(test);
	host.write("/sys/fs/cgroup/cgroup.controllers", `${controllers}\n`);
	host.write("/sys/fs/cgroup/cgroup.subtree_control", "cpu memory pids\n"); // what systemd 252 leaves on Debian 12
	host.write("/sys/fs/cgroup/cgroup.procs", "2\n");
	return host;
}
/** Runs bash text with the lab's functions; the cache's folder names the parent of the lab's groups. */
function bash(host: FakeHost, text: string, before: string[] = []) {
	const [command = "", ...args] = [
		...before,
		"bash",
		"-c",
		`set -euo pipefail\nsource ${labFolder}common.sh\nsource ${labFolder}machine.sh\nsource ${labFolder}cgroups.sh\n${text}`,
	];
	const env = { ...process.env, KUBEADM_LAB_ROOT: host.root, KUBEADM_LAB_CACHE: `${host.root}/cache` };
	const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", env });
	return { status, stdout, stderr };
}
const play = (host: FakeHost) => {
	host.command("mkdir", MKDIR);
	host.command("rmdir", RMDIR);
	return `PATH="\${KUBEADM_LAB_ROOT}/bin:\${PATH}"\n`;
};
const parentOf = (host: FakeHost) => Object.keys(host.snapshot("/sys/fs/cgroup")).find((path) => /\/kubeadm-lab-[0-9a-f]{8}$/.test(path)) ?? "";

test("cgroup v2: process 1 of the lab and each host get a group below the parent, which has no process and hands the controllers on", (t) => {
	const host = machine(t);
	const { status, stderr, stdout } = bash(
		host,
		`${play(host)}cgroups_lab; for name in k8s-master k8s-node01; do (cgroups_enter "\${name}"; printf '%s ' "\${BASHPID}"); done`,
	);
	assert.equal(status, 0, stderr);
	const parent = parentOf(host);
	const handed = "+cpuset +cpu +io +memory +pids";
	assert.equal(host.read("/sys/fs/cgroup/cgroup.subtree_control"), handed);
	assert.equal(host.read(`${parent}/cgroup.subtree_control`), handed);
	assert.equal(host.read(`${parent}/cgroup.procs`), "");
	assert.equal(host.read(`${parent}/lab/cgroup.procs`), "1");
	assert.equal(host.read(`${parent}/lab/cgroup.controllers`), "cpuset cpu io memory pids\n");
	for (const [i, name] of ["k8s-master", "k8s-node01"].entries()) {
		// They exist only when the groups above handed their controllers on before this one was made.
		assert.equal(host.read(`${parent}/${name}/memory.max`), "4G");
		assert.equal(host.read(`${parent}/${name}/memory.swap.max`), "0");
		assert.match(host.read(`${parent}/${name}/cpuset.cpus`), /^0(,1)?\n$/);
		assert.equal(host.read(`${parent}/${name}/cgroup.procs`), stdout.split(" ")[i]);
		assert.equal(host.read(`${parent}/${name}/cgroup.subtree_control`), "");
	}
});

test("cgroup v2: only controllers that the machine has are handed on", (t) => {
	const host = machine(t, "cpuset cpu memory pids");
	assert.equal(bash(host, `${play(host)}cgroups_lab`).status, 0);
	assert.equal(host.read(`${parentOf(host)}/cgroup.subtree_control`), "+cpuset +cpu +memory +pids");
});

test("cgroup v2: the groups of a host's last boot are removed before the next, and those of others stay", (t) => {
	const host = machine(t);
	const boot = "(cgroups_remove k8s-master; cgroups_enter k8s-master)";
	assert.equal(bash(host, `${play(host)}cgroups_lab; cgroups_enter k8s-node01; ${boot}`).status, 0);
	const parent = parentOf(host);
	// What nspawn and the host's systemd leave: groups that hand controllers on, without a process.
	host.write(`${parent}/k8s-master/cgroup.procs`, "");
	host.write(`${parent}/k8s-master/cgroup.subtree_control`, "cpu memory");
	for (const group of ["payload", "payload/system.slice", "supervisor"]) host.write(`${parent}/k8s-master/${group}/cgroup.procs`, "");
	const { status, stderr } = bash(host, `${play(host)}${boot}`);
	assert.equal(status, 0, stderr);
	assert.equal(host.exists(`${parent}/k8s-master/payload`), false);
	assert.equal(host.read(`${parent}/k8s-master/cgroup.subtree_control`), "");
	assert.notEqual(host.read(`${parent}/k8s-master/cgroup.procs`), "");
	assert.notEqual(host.read(`${parent}/k8s-node01/cgroup.procs`), "");
	assert.equal(host.read(`${parent}/lab/cgroup.procs`), "1");
});

test("cgroup v2: the end removes all of the lab's groups, that of process 1 too, and nobody else's", (t) => {
	const host = machine(t);
	bash(host, `${play(host)}cgroups_lab; cgroups_enter k8s-master`);
	const parent = parentOf(host);
	for (const group of ["lab", "k8s-master"]) host.write(`${parent}/${group}/cgroup.procs`, "");
	host.write("/sys/fs/cgroup/system.slice/cgroup.procs", "");
	assert.equal(bash(host, `${play(host)}cgroups_remove`).status, 0);
	assert.equal(parentOf(host), "");
	assert.ok(host.exists("/sys/fs/cgroup/system.slice"));
});

test("cgroup v2: a parent that refuses to hand controllers on is named with what was written", (t) => {
	const host = machine(t);
	rmSync(`${host.root}/sys/fs/cgroup/cgroup.subtree_control`);
	mkdirSync(`${host.root}/sys/fs/cgroup/cgroup.subtree_control`); // a folder can't be written to
	const { status, stderr } = bash(host, "cgroups_lab");
	assert.equal(status, 1);
	assert.match(stderr, /cannot write "\+cpuset \+cpu \+io \+memory \+pids" to .*\/sys\/fs\/cgroup\/cgroup\.subtree_control/);
});

test("cgroup v2 with all that is needed is no problem", (t) => {
	assert.deepEqual(bash(machine(t), "cgroups_problems"), { status: 0, stdout: "", stderr: "" });
});

for (const missing of ["cpu", "cpuset", "memory", "pids"])
	test(`cgroup v2 without ${missing} is named, with what there is`, (t) => {
		const controllers = ALL.split(" ").filter((name) => name !== missing);
		const { stdout } = bash(machine(t, controllers.join(" ")), "cgroups_problems");
		assert.match(
			stdout,
			new RegExp(
				`^control groups v2: found the controllers "${controllers.join(" ")}" in .*, needs ${missing} too; boot without cgroup_disable=${missing}, .*\n$`,
			),
		);
	});

test("cgroup v2 that can't be written to is named", (t) => {
	const host = machine(t);
	// A mount of its own, in namespaces of its own: so it is for root too.
	const { stdout } = bash(host, `mount --bind "\${CGROUP_ROOT}" "\${CGROUP_ROOT}"; mount -o remount,ro,bind "\${CGROUP_ROOT}"; cgroups_problems`, [
		"unshare",
		"--user",
		"--map-root-user",
		"--mount",
	]);
	assert.match(stdout, /^control groups v2: cannot write to .*\/sys\/fs\/cgroup; a container needs it writable\n$/);
});

test("cgroup v2 of a container that has processes is named; an empty one is no problem", (t) => {
	const host = machine(t);
	host.write("/sys/fs/cgroup/cgroup.type", "domain\n");
	assert.match(bash(host, "cgroups_problems").stdout, /^control groups v2: .* is a container's, and has processes, .*\n$/);
	host.write("/sys/fs/cgroup/cgroup.procs", "");
	assert.equal(bash(host, "cgroups_problems").stdout, "");
});

/** Lines of /proc/cgroups. */
const listed = (lines: [name: string, enabled: number][]) =>
	`#subsys_name\thierarchy\tnum_cgroups\tenabled\n${lines.map(([name, enabled], i) => `${name}\t${i + 1}\t1\t${enabled}\n`).join("")}`;
for (const missing of ["cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"])
	for (const [how, lines] of [
		["switched off", V1.map((name): [string, number] => [name, name === missing ? 0 : 1])],
		["not in the kernel", V1.filter((name) => name !== missing).map((name): [string, number] => [name, 1])],
	] as const)
		test(`cgroup v1 with ${missing} ${how} is named`, (t) => {
			const host = new FakeHost(t);
			host.write("/proc/cgroups", listed([...lines]));
			host.write("/sys/fs/cgroup/unified/cgroup.controllers", "\n");
			const { stdout } = bash(host, "cgroups_problems");
			assert.match(stdout, new RegExp(`^control groups v1: found no enabled ${missing} in /proc/cgroups; boot without cgroup_disable=${missing}$`, "m"));
		});

test("a machine that can't carry the lab is refused before anything is made, the cache's folder too", (t) => {
	const host = machine(t, "cpu io memory pids");
	const { status, stderr } = spawnSync(`${labFolder}lab`, ["up"], {
		encoding: "utf8",
		env: { ...process.env, KUBEADM_LAB_ROOT: host.root, KUBEADM_LAB_CACHE: `${host.root}/new/cache` },
	});
	assert.equal(status, 1);
	assert.match(stderr, /error: .*\n(?:error: .*\n)*.* this machine cannot carry the lab; nothing was changed\n$/);
	assert.equal(host.exists("/new"), false);
});
