// What `npm run etcd` lays down for a control plane that is to be made anew, and what init does with a host that was one. test/hosts has the whole way.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ID, kubeadms, master, preparedHost } from "./cluster-host.ts";
import { act, controlPlane, FOLDER, playTools, taken } from "./etcd-host.ts";
import type { FakeHost } from "./fake-host.ts";

const RESCUE = "/var/lib/kubeadm-lab/rescue";
const FILES = ["ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"];

test("the CAs and their keys are read as they are, and the first that is missing is named", (t) => {
	const host = controlPlane(t);
	for (const file of FILES) host.write(`/etc/kubernetes/pki/${file}`, `text of ${file}`);
	const { status, stdout, stderr } = act(host, "pki");
	assert.equal(status, 0, stderr);
	const tar = spawnSync("tar", ["-t"], { input: Buffer.from(stdout, "base64"), encoding: "utf8" });
	assert.deepEqual(tar.stdout.trim().split("\n"), FILES);
	host.bash(`rm "\${KUBEADM_LAB_ROOT}/etc/kubernetes/pki/ca.key"`);
	assert.match(act(host, "pki").stderr, /error: no \/etc\/kubernetes\/pki\/ca\.key on this host/);
});
test("a host in no cluster says so and takes a snapshot with its CAs, for root alone; one that is in a cluster takes none", (t) => {
	const host = controlPlane(t);
	for (const file of FILES) host.write(`/etc/kubernetes/pki/${file}`, `text of ${file}`);
	const [name, PKI_TAR] = [taken(host), act(host, "pki").stdout.trim()];
	const db = spawnSync("base64", ["-w0", join(host.root, FOLDER, `${name}.db`)], { encoding: "utf8" }).stdout;
	const put = { NAME: name, OFFSET: 0, PART: db, IS_LAST: true, ABOUT: "cluster=one\nby=hand", PKI_TAR };
	assert.equal(act(host, "who").stdout, "control plane\n");
	assert.match(act(host, "put", put).stderr, /error: this host is in cluster \S+, expected none/);
	assert.equal(host.exists(RESCUE), false);

	const bare = preparedHost(t);
	assert.equal(act(bare, "who").stdout, "none\n");
	const { status, stderr } = act(bare, "put", put);
	assert.equal(status, 0, stderr);
	assert.equal(bare.read(`${RESCUE}/name`), `${name}\n`);
	const mode = (path: string) => (statSync(join(bare.root, path)).mode & 0o777).toString(8);
	assert.equal(mode(RESCUE), "700");
	for (const file of ["pki.tar", `${name}.db`, `${name}.about`]) assert.equal(mode(`${RESCUE}/${file}`), "600", file);
	assert.match(act(bare, "put", { ...put, PART: db.slice(0, 400) }).stderr, /did not arrive whole/);
});
test("a control plane that the state knows is not made anew by the way; one that is new is", (t) => {
	const host = preparedHost(t);
	const before = host.snapshot("/");
	const { status, stderr } = host.run("init", "again", master.changes, master.name);
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: this host was the control plane of \S+, and is in no cluster any more: .*Nothing was changed.*npm run etcd -- restore STACK FILE/,
	);
	assert.deepEqual(kubeadms(host), []);
	const { [join(host.root, "calls")]: _, ...now } = host.snapshot("/");
	assert.ok(
		Object.keys(now).every((path) => path in before || /calls|lock/.test(path)),
		"something was written",
	);
	const first = host.run("init", "apply", master.changes, master.name);
	assert.equal(first.status, 0, first.stderr);
	assert.equal(host.run("init", "again", master.changes, master.name).status, 0, "one that is there goes on");
});
/** A bare host with a snapshot laid down, and a kubeadm whose init notes what it finds. */
function laidDown(t: TestContext, about = `cluster=${ID}\nkubernetes=1.29.15\nrevision=624\n`, init = "echo 'error: no disk'; exit 1"): FakeHost {
	const host = preparedHost(t);
	const source = controlPlane(t);
	for (const file of FILES) source.write(`/etc/kubernetes/pki/${file}`, `text of ${file}`);
	host.write(`${RESCUE}/name`, `${NAME}\n`);
	host.write(`${RESCUE}/${NAME}.about`, about);
	host.write(`${RESCUE}/pki.tar`, "");
	writeFileSync(join(host.root, RESCUE, "pki.tar"), Buffer.from(act(source, "pki").stdout, "base64"));
	playTools(host);
	const seen = `r="\${KUBEADM_LAB_ROOT}"; cat "$r/etc/kubernetes/pki/etcd/ca.key" "$r/var/lib/etcd/member/snap/db" >"$r/seen"; echo "$*" >"$r/init-arguments"`;
	host.write(
		"/bin/kubeadm",
		host
			.read("/bin/kubeadm")
			.replace(
				'case "$1" in\ninit)',
				`case "$1 $2" in\n"version -o") echo v1.29.15; exit ;;\n"config images") echo registry.k8s.io/etcd:3.5.16-0; exit ;;\nesac\ncase "$1" in\ninit)\n  ${seen}; ${init}`,
			),
	);
	return host;
}
const NAME = "20260101T000000Z-624";
const CONFIG = { ...master.changes, KUBEADM_CONFIG: 'localAPIEndpoint: {advertiseAddress: 172.16.1.110}\ncriSocket: "unix:///run/containerd/containerd.sock"' };
const rescued = (host: FakeHost, verb = "again") => host.run("init", verb, CONFIG, master.name);

test("with a snapshot laid down its CAs and data are there before kubeadm init, so that no API server is ever empty; it is gone afterwards", (t) => {
	const host = laidDown(t, undefined, "");
	const { status, stderr } = rescued(host);
	assert.equal(status, 0, stderr);
	assert.equal(host.read("/seen"), "text of etcd/ca.keydata of the snapshot");
	assert.match(host.read("/init-arguments"), /DirAvailable--var-lib-etcd/);
	assert.ok(
		host
			.calls()
			.some((call) =>
				/^etcdctl snapshot restore \S+ --name k8s-master --initial-cluster k8s-master=https:\/\/172\.16\.1\.110:2380 .*--bump-revision \d+ --mark-compacted/.test(
					call,
				),
			),
	);
	assert.equal(host.exists(RESCUE), false);
	assert.equal(host.exists("/var/lib/etcd/kubeadm-lab-restore"), false);
	host.write(`${RESCUE}/name`, `${NAME}\n`);
	assert.equal(rescued(host).status, 0, "killed before its last line");
	assert.equal(host.exists(RESCUE), false);
});
test("an init that fails gives the host back and keeps what was laid down; its undo does not", (t) => {
	const host = laidDown(t);
	const { status, stderr } = rescued(host);
	assert.equal(status, 1);
	assert.match(stderr, /kubeadm init failed/);
	assert.deepEqual([host.exists("/etc/kubernetes/pki"), host.exists("/var/lib/etcd")], [false, false]);
	assert.equal(host.read(`${RESCUE}/name`), `${NAME}\n`);
	assert.equal(rescued(host, "undo").status, 0);
	assert.equal(host.exists(RESCUE), false);
});
test("a snapshot of another cluster, or of another Kubernetes, is refused before anything is changed", (t) => {
	for (const [about, text] of [
		["cluster=other-10.0.0.1\nkubernetes=1.29.15\n", /is of cluster other-10\.0\.0\.1, expected \S+\. Nothing was changed\. Lay down one of this cluster/],
		[`cluster=${ID}\nkubernetes=1.28.15\n`, /is of Kubernetes 1\.28\.15, and kubeadm is v1\.29\.15\. Nothing was changed\. Set kubernetesVersion/],
	] as const) {
		const host = laidDown(t, about);
		const { status, stderr } = rescued(host);
		assert.equal(status, 1);
		assert.match(stderr, text);
		assert.deepEqual([host.exists("/etc/kubernetes/pki"), host.exists("/seen"), host.exists("/var/lib/kubeadm-lab/cluster")], [false, false, false]);
	}
});
