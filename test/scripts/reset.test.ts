// What a reset must not take: kubeadm's own clean-up here does what the real one does (cmd/kubeadm/app/cmd/phases/reset of 1.29.15 and 1.18.3).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { init, kubeadms, master, preparedHost, tree, worker } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";

/** One unmount for each line of /proc/mounts, in its order; what is still there then is emptied. Up to 1.19 the kubelet's folder itself is unmounted too. */
const KUBEADM_RESET = (prefix: string) => `
if [[ "$1" == reset ]]; then
  if cd -P "$r/var/lib/kubelet" 2>/dev/null; then
    while read -r _ point _; do [[ "$point" != "$PWD"${prefix}* ]] || umount "$point" 2>/dev/null || true; done </proc/mounts
    cd /; find "$(cd -P "$r/var/lib/kubelet" && pwd -P)" -mindepth 1 -delete
  fi
  rm -rf "$r"/etc/kubernetes/{manifests,pki}/* "$r"/etc/kubernetes/*.conf "$r"/var/lib/{dockershim,cni}/*
fi`;
function resettableHost(t: TestContext, prefix = "/"): FakeHost {
	const host = preparedHost(t);
	host.write("/bin/kubeadm", host.read("/bin/kubeadm") + KUBEADM_RESET(prefix));
	return host;
}
/** Runs `commands` where mounts are its own; \`step VERB\` runs the script \`text\` is of. */
const withMounts = (host: FakeHost, text: string, commands: string) =>
	spawnSync(
		"unshare",
		[...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--mount", "bash", "-euc", `text="$(cat)"\nstep() { bash -s -- "$1" <<<"$text"; }\n${commands}`],
		{ input: text, encoding: "utf8", cwd: host.root, env: { ...process.env, KUBEADM_LAB_ROOT: host.root } },
	);

for (const [release, prefix] of [
	["1.29", "/"],
	["1.18", ""],
] as const)
	test(`what was in the kubelet's folder before kubeadm ${release} came is there after its reset, with modes and links`, (t) => {
		const host = resettableHost(t, prefix);
		host.write("/var/lib/kubelet/config.json", '{"auths":{}}');
		host.write("/var/lib/kubelet/pods/of-somebody/file", "theirs");
		host.write("/var/lib/kubelet/cpu_manager_state", "of before");
		host.write("/var/lib/cni/theirs", "theirs");
		host.write("/disk/file", "theirs");
		symlinkSync("/disk", join(host.root, "var/lib/kubelet/disk"));
		chmodSync(join(host.root, "var/lib/kubelet/config.json"), 0o600);
		chmodSync(join(host.root, "var/lib/kubelet"), 0o751);
		const before = tree(host);
		assert.equal(host.run("join", "apply", worker()).status, 0);
		host.write("/var/lib/kubelet/cpu_manager_state", "of the cluster");
		host.write("/var/lib/kubelet/pods/of-the-cluster/file", "2");
		chmodSync(join(host.root, "var/lib/kubelet"), 0o700);
		const { status, stderr } = host.run("join", "undo", worker());
		assert.equal(status, 0, stderr);
		assert.deepEqual(tree(host), before);
		assert.equal(statSync(join(host.root, "var/lib/kubelet/config.json")).mode & 0o777, 0o600);
		assert.equal(statSync(join(host.root, "var/lib/kubelet")).mode & 0o777, 0o751);
		assert.deepEqual(kubeadms(host), ["join", "reset"]);
	});

test("a CNI configuration and a plugin that flannel writes over come back", (t) => {
	const host = resettableHost(t);
	host.write("/etc/cni/net.d/10-flannel.conflist", "theirs");
	host.write("/opt/cni/bin/flannel", "theirs");
	const before = tree(host);
	assert.equal(host.run("join", "apply", worker()).status, 0);
	assert.equal(host.read("/opt/cni/bin/flannel"), "");
	assert.equal(host.run("join", "undo", worker()).status, 0);
	assert.deepEqual(tree(host), before);
});

test("what is written anew where a link is does not go through it: what the link leads to stays, and the link comes back", (t) => {
	const host = resettableHost(t);
	const links = ["/etc/cni/net.d/10-flannel.conflist", "/opt/cni/bin/flannel"];
	for (const [i, path] of links.entries()) {
		host.write(`/srv/own/${i}`, "theirs");
		mkdirSync(join(host.root, dirname(path)), { recursive: true });
		symlinkSync(join(host.root, `srv/own/${i}`), join(host.root, path));
	}
	mkdirSync(join(host.root, "var/lib/kubelet"), { recursive: true });
	symlinkSync("nowhere", join(host.root, "var/lib/kubelet/kubeadm-flags.env"));
	const before = tree(host);
	const { status, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 0, stderr);
	assert.match(stderr, /10-flannel\.conflist was a link: it is put aside/);
	for (const path of links) assert.ok(!lstatSync(join(host.root, path), { throwIfNoEntry: false })?.isSymbolicLink(), path);
	for (const i of links.keys()) assert.equal(host.read(`/srv/own/${i}`), "theirs");
	assert.equal(host.run("join", "undo", worker()).status, 0);
	assert.deepEqual(tree(host), before);
});

test("shares below the kubelet's folder are let go before kubeadm could empty them: one in another, and one with a space in its name", (t) => {
	const host = resettableHost(t);
	host.write("/share/db", "precious");
	host.write("/other/db", "precious");
	assert.equal(host.run("join", "apply", worker()).status, 0);
	const answer = withMounts(
		host,
		host.text("join", worker()),
		`mkdir -p "var/lib/kubelet/pods/x/a b" var/lib/kubelet/pods/x/d
mount --bind share var/lib/kubelet/pods/x/d; mkdir var/lib/kubelet/pods/x/d/in; mount --bind other var/lib/kubelet/pods/x/d/in; mount --bind other "var/lib/kubelet/pods/x/a b"
step undo`,
	);
	assert.equal(answer.status, 0, answer.stderr);
	assert.deepEqual([host.read("/share/db"), host.read("/other/db")], ["precious", "precious"]);
	assert.equal(host.exists("/var/lib/kubelet"), false);
});

test("a share in use stops the reset before kubeadm runs, and is not emptied; when it is free, the reset goes on", (t) => {
	const host = resettableHost(t);
	host.write("/share/db", "precious");
	const before = tree(host);
	assert.equal(host.run("join", "apply", worker()).status, 0);
	const answer = withMounts(
		host,
		host.text("join", worker()),
		`mkdir -p var/lib/kubelet/pods/x/d; mount --bind share var/lib/kubelet/pods/x/d
sleep 300 <var/lib/kubelet/pods/x/d/db >/dev/null 2>&1 & holder=$!
! step undo
[[ -e var/lib/kubelet/pods/x/d/db && -e etc/kubernetes/kubelet.conf ]] && ! grep -q 'kubeadm reset' calls
kill $holder; wait $holder || true
step undo`,
	);
	assert.equal(answer.status, 0, answer.stderr);
	assert.match(answer.stderr, /can't unmount \S+\/var\/lib\/kubelet\/pods\/x\/d; in use by sleep \(pid \d+\)/);
	assert.equal(host.read("/share/db"), "precious");
	assert.deepEqual(tree(host), before);
});

for (const [what, prefix] of [
	["1.29", "/"],
	["1.18", ""],
] as const)
	test(`a kubelet's folder and an etcd's that are disks of their own keep what they had, and stay mounted (kubeadm ${what})`, (t) => {
		const host = resettableHost(t, prefix);
		for (const disk of ["kubelet", "etcd"]) host.write(`/disk/${disk}/lost+found/1`, "theirs");
		for (const disk of ["kubelet", "etcd"]) mkdirSync(join(host.root, "var/lib", disk), { recursive: true });
		const before = host.snapshot("/disk");
		const answer = withMounts(
			host,
			host.text("init", master.changes, master.name),
			`for disk in kubelet etcd; do mount --bind disk/$disk var/lib/$disk; done
step apply
[[ -e disk/etcd/member ]]
grep -q 'kubeadm init .*DirAvailable--var-lib-etcd' calls
: >var/lib/kubelet/config.yaml
step undo
[[ -e var/lib/etcd/lost+found/1 && -e var/lib/kubelet/lost+found/1 ]]
step apply; step undo`,
		);
		assert.equal(answer.status, 0, answer.stderr);
		assert.deepEqual(host.snapshot("/disk"), before);
	});

test("an etcd's folder that is a link to another disk is emptied of the cluster's data, stays a link, and the next init is not refused", (t) => {
	const host = resettableHost(t);
	mkdirSync(join(host.root, "ssd/etcd"), { recursive: true });
	symlinkSync("../../ssd/etcd", join(host.root, "var/lib/etcd"));
	for (let i = 0; i < 2; i++) {
		const { status, stderr } = init(host, "apply");
		assert.equal(status, 0, stderr);
		assert.equal(host.exists("/ssd/etcd/member"), true);
		assert.equal(init(host, "undo").status, 0);
		assert.deepEqual(host.snapshot("/ssd"), { "/ssd/etcd": "folder" });
		assert.equal(lstatSync(join(host.root, "var/lib/etcd")).isSymbolicLink(), true);
	}
});
