// Snapshots of etcd and the way back, on a played control plane: etcdctl, the runtime and the kubelet are stand-ins, and every file is real.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ASIDE, act, CA, controlPlane, DATA, dataOf, FOLDER, manifests, names, PODS, sent, taken, WORK } from "./etcd-host.ts";
import type { FakeHost } from "./fake-host.ts";

test("a snapshot is taken, verified, told with hash, revision, keys and size, and listed; root alone reads it", (t) => {
	const host = controlPlane(t);
	const { status, stdout, stderr } = act(host, "snapshot");
	assert.equal(status, 0, stderr);
	assert.match(stdout, /^\d{8}T\d{6}Z-624\t\d{4}-\d\d-\d\dT[\d:]+Z\t624\t632\t2080\tb7b2e1e1\thand\t3\.5\.16\n$/);
	assert.equal(act(host, "list").stdout, stdout);
	const mode = (path: string) => (statSync(join(host.root, path)).mode & 0o777).toString(8);
	assert.equal(mode(FOLDER), "700");
	for (const file of readdirSync(join(host.root, FOLDER)).filter((name) => name !== "tools")) assert.equal(mode(`${FOLDER}/${file}`), "600", file);
});
test("what etcd did not send whole is not kept, and neither is what is no answer", (t) => {
	const host = controlPlane(t);
	writeFileSync(join(host.root, "sent"), sent("snapshot").subarray(0, 1024 + 32));
	const cut = act(host, "snapshot");
	assert.equal(cut.status, 1);
	assert.match(cut.stderr, /error: the snapshot that etcd sent is not whole .*; it was not kept/);
	host.write("/silent", "");
	assert.match(act(host, "snapshot").stderr, /error: etcd gave no snapshot: Error: context deadline exceeded\. Does it run\?/);
	host.write("/free", "1000\n");
	assert.match(act(host, "snapshot").stderr, /error: no room in .*: found 0 MB free, expected \d+\. Nothing was changed/);
	assert.deepEqual(names(host), []);
});
test("a host without an etcd, and a name that is none, are refused", (t) => {
	const host = controlPlane(t);
	assert.match(act(host, "restore", { NAME: "../../etc/shadow" }).stderr, /error: found \.\.\/\.\.\/etc\/shadow, expected a snapshot's name/);
	assert.match(act(host, "restore", { NAME: "20261128T120000Z-1" }).stderr, /error: no snapshot 20261128T120000Z-1 on this host; the last ones are: none/);
	rmSync(join(host.root, "etc/kubernetes/manifests/etcd.yaml"));
	assert.match(act(host, "list").stderr, /error: no etcd here: found no \/etc\/kubernetes\/manifests\/etcd\.yaml; expected a control plane/);
});
test("a restore puts the snapshot's data in place, under the name and URLs of this etcd, with a revision above all that was seen", (t) => {
	const host = controlPlane(t);
	const NAME = taken(host);
	const look = act(host, "look", { NAME });
	assert.match(
		look.stdout,
		/^taken\t\S+Z\nrevision\t624\nnow\t644\ncreated\tConfigMap default\/late\ncreated\tConfigMap default\/same-second\nunknown\tsecrets\n$/,
	);
	host.forgetCalls();
	const { status, stderr } = act(host, "restore", { NAME });
	assert.equal(status, 0, stderr);
	assert.equal(dataOf(host), "data of the snapshot");
	assert.deepEqual(manifests(host), PODS);
	assert.deepEqual([host.exists(WORK), host.exists(ASIDE)], [false, false], "nothing is left");
	const [call = ""] = host.calls().filter((one) => one.includes("--data-dir"));
	for (const part of [
		"--name k8s-master",
		"--initial-cluster k8s-master=https://172.16.1.110:2380",
		"--initial-advertise-peer-urls https://172.16.1.110:2380",
		"--mark-compacted",
	])
		assert.ok(call.includes(part), part);
	const revision = 624 + Number(/--bump-revision (\d+)/.exec(call)?.[1]);
	assert.ok(
		Math.abs(revision - Date.now()) < 60_000,
		`${revision}: not the time, so a second restore of one snapshot could have a lower one than clients have seen`,
	);
});
test("a revision that is above the time already, as where a clock was set back, is passed too", (t) => {
	const host = controlPlane(t);
	const NAME = taken(host);
	host.write(`${FOLDER}/tools/registry.k8s.io%2Fetcd:3.5.16-0/etcdctl`, host.read("/etcdctl").replace('"revision":644', '"revision":9000000000000'));
	assert.equal(act(host, "restore", { NAME }).status, 0);
	assert.match(host.calls().find((one) => one.includes("--data-dir")) ?? "", /--bump-revision 9000000999376 /);
});

/** Nothing of the host's is another after it. */
function refuses(host: FakeHost, NAME: string, text: RegExp): void {
	const before = [host.snapshot("/var/lib/etcd"), host.snapshot("/etc/kubernetes")];
	for (const action of ["look", "restore"]) {
		const { status, stderr } = act(host, action, { NAME });
		assert.equal(status, 1, stderr);
		assert.match(stderr, text);
		assert.match(stderr, /Nothing was changed/);
	}
	assert.deepEqual([host.snapshot("/var/lib/etcd"), host.snapshot("/etc/kubernetes")], before);
	assert.equal(host.exists(ASIDE), false);
}
test("a snapshot of another cluster is refused", (t) => {
	const host = controlPlane(t);
	const name = taken(host);
	host.write("/etc/kubernetes/pki/ca.crt", `${CA}another`);
	refuses(host, name, /snapshot \S+: it is of cluster sample-172\.16\.1\.110 with CA sha256:\S+, expected sample-172\.16\.1\.110 with CA sha256:/);
});
test("a snapshot that is damaged or cut short is refused", (t) => {
	const host = controlPlane(t);
	const name = taken(host);
	const whole = sent("snapshot");
	const damaged = Buffer.from(whole);
	damaged[700] = 0;
	for (const bad of [damaged, whole.subarray(0, 1024), whole.subarray(0, 512 + 32), Buffer.alloc(0)]) {
		writeFileSync(join(host.root, FOLDER, `${name}.db`), bad);
		refuses(host, name, new RegExp(`it is damaged or cut short: found ${bad.length} bytes`));
	}
});
test("a snapshot of a newer etcd is refused, one of an older is not", (t) => {
	const host = controlPlane(t);
	const name = taken(host);
	const about = host.read(`${FOLDER}/${name}.about`);
	host.write(`${FOLDER}/${name}.about`, about.replace("etcd=3.5.16", "etcd=3.6.5"));
	refuses(host, name, /it is of etcd 3\.6\.5, expected 3\.5\.16 or older, which runs here/);
	host.write(`${FOLDER}/${name}.about`, about.replace("etcd=3.5.16", "etcd=3.4.3"));
	assert.equal(act(host, "look", { NAME: name }).status, 0);
});
test("without room for both, with a kubelet that does not run, or where etcd can't read it, nothing is changed", (t) => {
	const host = controlPlane(t);
	const name = taken(host);
	host.write("/free", "1000\n");
	refuses(host, name, /no room in \/var\/lib\/etcd: found 0 MB free, expected 65/);
	rmSync(join(host.root, "free"));
	host.write("/units/kubelet.active", "inactive\n");
	refuses(host, name, /the kubelet is inactive, expected active/);
	host.write("/units/kubelet.active", "active\n");
	host.write("/unrestorable", "");
	const { stderr } = act(host, "restore", { NAME: name });
	assert.match(stderr, /etcd can't restore it: Error: expected sha256\. .* Nothing was changed/);
	assert.deepEqual([dataOf(host), manifests(host), host.exists(WORK), host.exists(ASIDE)], ["data of before", PODS, false, false]);
});
test("where the cluster does not answer with the restored data, the old ones come back", (t) => {
	const host = controlPlane(t);
	const NAME = taken(host);
	host.command("curl", `! grep -q snapshot "\${KUBEADM_LAB_ROOT}${DATA}/snap/db"`);
	const text = host.text("etcd", { ACTION: "restore", NAME }, "k8s-master").replace("START_SECONDS=300", "START_SECONDS=1");
	const { status, stderr } = host.sent(text, "apply");
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: the cluster did not answer in 1 s with the data of the snapshot; last: .*the API server is not ready\. The data of before are back, and the cluster answers/,
	);
	assert.deepEqual([dataOf(host), manifests(host), host.exists(WORK), host.exists(ASIDE)], ["data of before", PODS, false, false]);
});
test("an etcd that does not stop is left as it was", (t) => {
	const host = controlPlane(t);
	const NAME = taken(host);
	host.write("/stuck-etcd", "");
	const { status, stderr } = host.sent(host.text("etcd", { ACTION: "restore", NAME }, "k8s-master").replace("STOP_SECONDS=180", "STOP_SECONDS=1"), "apply");
	assert.equal(status, 1);
	assert.match(stderr, /error: etcd did not stop in 1 s, and was left as it was\. See crictl ps -a/);
	assert.deepEqual([dataOf(host), manifests(host)], ["data of before", PODS]);
	rmSync(join(host.root, "stuck-etcd"));
	assert.equal(act(host, "restore", { NAME }).status, 0);
	assert.equal(dataOf(host), "data of the snapshot");
});

/** Every act of a restore after which something else is on the disk: the script dies behind the n-th. */
const killed = (host: FakeHost, NAME: string, n: number): number | null => {
	const kill = `count=0; for verb in mv rm mkdir cp; do eval "\${verb}() { command \${verb} \\"\\$@\\" || return; [[ \\"\\\${PWD}\\" != x ]]; case \\" \\$* \\" in *restore*|*member*|*manifests*) count=\\$((count + 1)); ((count != ${n})) || kill -9 \\$\\$ ;; esac; }"; done\n`;
	const text = host.text("etcd", { ACTION: "restore", NAME }, "k8s-master");
	const at = text.lastIndexOf('main "$@"');
	return host.runInGroup(text.slice(0, at) + kill + text.slice(at), "apply");
};
test("killed after any act, the same restore run again goes on to its end", (t) => {
	const host = controlPlane(t);
	const NAME = taken(host);
	let died = 0;
	for (let n = 1; n < 100; n++) {
		rmSync(join(host.root, "/var/lib/etcd/member"), { recursive: true });
		host.write(`${DATA}/snap/db`, "data of before");
		const status = killed(host, NAME, n);
		if (status === 0) break;
		died++;
		const again = act(host, "restore", { NAME });
		assert.equal(again.status, 0, `killed after act ${n}: ${again.stderr}`);
		assert.deepEqual(
			[dataOf(host), manifests(host), host.exists(WORK), host.exists(ASIDE)],
			["data of the snapshot", PODS, false, false],
			`killed after act ${n}`,
		);
	}
	assert.ok(died > 15, `it died ${died} times`);
});
test("killed after any act, a restore of another snapshot first takes the old data back", (t) => {
	const host = controlPlane(t);
	const first = taken(host);
	const other = `${first.slice(0, -4)}-999`;
	for (const end of ["db", "about"])
		writeFileSync(join(host.root, FOLDER, `${other}.${end}`), end === "db" ? sent("snapshot") : host.read(`${FOLDER}/${first}.about`));
	for (let n = 1; n < 100; n++) {
		rmSync(join(host.root, "/var/lib/etcd/member"), { recursive: true });
		host.write(`${DATA}/snap/db`, "data of before");
		if (killed(host, first, n) === 0) break;
		const isCutOff = existsSync(join(host.root, ASIDE, "name"));
		host.write("/unrestorable", ""); // so it ends where the old data are back
		act(host, "restore", { NAME: other });
		rmSync(join(host.root, "unrestorable"));
		if (isCutOff && !host.exists(`${DATA}/snap/db`)) assert.fail(`killed after act ${n}: no data`);
		const isDone = dataOf(host) === "data of the snapshot" && !host.exists(WORK) && !host.exists(ASIDE); // killed when all was over but what is cleaned up
		assert.ok(isDone || dataOf(host) === "data of before", `killed after act ${n}: ${dataOf(host)}`);
		assert.deepEqual(manifests(host), PODS, `killed after act ${n}`);
	}
});
test("before etcd 3.5.10 the revision goes back, and whoever watches the API has to be started again", (t) => {
	const host = controlPlane(t, { bump: false, version: "3.4.3" });
	const { status, stdout, stderr } = act(host, "restore", { NAME: taken(host) });
	assert.equal(status, 0, stderr);
	assert.equal(stdout, "clients are to be started again\n");
	assert.ok(host.calls().some((call) => call.includes("--data-dir") && !call.includes("--bump-revision")));
	host.forgetCalls();
	assert.equal(act(host, "restart").status, 0);
	assert.equal(act(host, "renew").status, 0);
	assert.deepEqual(
		host.calls().map((call) => call.replace(/^kubectl .*--request-timeout 10s /, "kubectl ")),
		[
			"systemctl reset-failed -- kubelet.service",
			"systemctl restart -- kubelet.service",
			"kubectl delete pods --all-namespaces --wait=false -l k8s-app in (kube-proxy,kube-dns)",
			"kubectl delete pods --all-namespaces --wait=false -l app=flannel",
		],
	);
	const newer = controlPlane(t);
	assert.equal(act(newer, "restore", { NAME: taken(newer) }).stdout, "");
});
test("while a restore is cut off nobody takes a snapshot of what it left", (t) => {
	const host = controlPlane(t);
	mkdirSync(join(host.root, ASIDE), { recursive: true });
	assert.match(act(host, "snapshot").stderr, /error: a restore on this host was cut off: run npm run etcd -- restore again first/);
});
test("a snapshot goes in parts to a host and back, byte by byte", (t) => {
	const host = controlPlane(t);
	const NAME = taken(host);
	const parts = [0, 700, 1400].map((OFFSET) => Buffer.from(act(host, "get", { NAME, OFFSET, PART_BYTES: 700 }).stdout, "base64"));
	assert.deepEqual(Buffer.concat(parts), sent("snapshot"));
	const ABOUT = act(host, "about", { NAME }).stdout.trimEnd();
	const other = controlPlane(t);
	parts.forEach((part, i) => {
		const { status, stderr } = act(other, "put", { NAME, OFFSET: i * 700, PART: part.toString("base64"), IS_LAST: i === 2, ABOUT });
		assert.equal(status, 0, stderr);
	});
	assert.equal(act(other, "list").stdout, act(host, "list").stdout);
	assert.equal(act(other, "restore", { NAME }).status, 0);
	const put = (changes = {}) => act(other, "put", { NAME, OFFSET: 0, PART: "AAAA", IS_LAST: true, ABOUT, ...changes }).stderr;
	assert.match(put(), /error: \S+ did not arrive whole\. Run this again/);
	const before = other.snapshot("/var/lib/kubeadm-lab");
	assert.match(
		put({ ABOUT: ABOUT.replace(/^ca=.*$/m, "ca=sha256:other") }),
		/error: snapshot \S+ is of another cluster: found CA sha256:other\.\.\., expected sha256:\S+ of \S+\. Nothing was changed/,
	);
	assert.match(put({ SIZE: 1e15 }), /error: no room in \/var\/lib\/kubeadm-lab\/cluster\/snapshots: .*Nothing was changed/);
	assert.match(put({ PART: "=" }), /error: can't write \S+; look at df/);
	delete before["/var/lib/kubeadm-lab/cluster/snapshots/.incoming.db"];
	assert.deepEqual(other.snapshot("/var/lib/kubeadm-lab"), before, "nothing of it stays");
});
