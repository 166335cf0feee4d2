// What `npm run etcd` lays down for a control plane that is to be made anew, and what init does with a host that was one. test/hosts has the whole way.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { kubeadms, master, preparedHost } from "./cluster-host.ts";
import { act, controlPlane, FOLDER, taken } from "./etcd-host.ts";

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
test("with a snapshot laid down the CAs are there before kubeadm init, and a failed one gives the host back and keeps what was laid down", (t) => {
	const host = preparedHost(t);
	const source = controlPlane(t);
	for (const file of FILES) source.write(`/etc/kubernetes/pki/${file}`, `text of ${file}`);
	const tar = Buffer.from(act(source, "pki").stdout, "base64");
	host.write(`${RESCUE}/name`, "20260101T000000Z-1\n");
	host.write(`${RESCUE}/pki.tar`, "");
	spawnSync("tee", [join(host.root, RESCUE, "pki.tar")], { input: tar });
	host.command(
		"kubeadm",
		`[[ "$1" != init ]] || { cat "\${KUBEADM_LAB_ROOT}/etc/kubernetes/pki/etcd/ca.key" >"\${KUBEADM_LAB_ROOT}/seen"; echo 'error: no disk'; exit 1; }`,
	);
	const { status, stderr } = host.run("init", "again", master.changes, master.name);
	assert.equal(status, 1);
	assert.match(stderr, /kubeadm init failed/);
	assert.equal(host.read("/seen"), "text of etcd/ca.key");
	assert.equal(host.exists("/etc/kubernetes/pki"), false);
	assert.equal(host.read(`${RESCUE}/name`), "20260101T000000Z-1\n");
});
