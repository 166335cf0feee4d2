// The first control plane's host, installed anew while others go on: it joins them as what init made (cluster/rejoin.ts), and init finds it done.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HASH, init, kubeadms, preparedHost, TOKEN, tree, worker } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";

const KUBEADM_CONFIG = "kind: ClusterConfiguration\n";
const rejoin = (host: FakeHost) => host.run("join", "apply", worker({ ROLE: "control-plane", CLAIM_AS: "init", KUBEADM_CONFIG }), "k8s-master");
const again = (host: FakeHost) => init(host, "again", { KUBEADM_CONFIG });

test("it joins, and init finds the cluster there: the same answers as of its own, the same configuration, and nothing more to do", (t) => {
	const host = preparedHost(t);
	assert.equal(init(host, "check", { KUBEADM_CONFIG }).status, 3);
	const { status, stderr } = rejoin(host);
	assert.equal(status, 0, stderr);
	assert.equal(init(host, "check", { KUBEADM_CONFIG }).status, 0);
	const before = tree(host);
	const { stdout } = again(host);
	assert.equal(stdout, `${HASH}\nk8s-master v1.29.15\n`);
	assert.deepEqual(tree(host), before);
	assert.deepEqual(kubeadms(host), ["join"]);
	assert.doesNotMatch(host.calls().join("\n") + stderr + JSON.stringify(before), new RegExp(TOKEN));
	assert.equal(init(host, "undo").status, 0);
	assert.equal(host.exists("/var/lib/kubeadm-lab/cluster"), false);
});
test("cut off in the middle it is no beginning of another cluster, and joins again from the start", (t) => {
	const host = preparedHost(t);
	rejoin(host);
	rmSync(join(host.root, "var/lib/kubeadm-lab/cluster/finished"));
	const before = tree(host);
	const { status, stderr } = again(host);
	assert.equal(status, 1);
	assert.match(stderr, /was joining the other control planes of \S+ when a run was cut off, and none of them is reached now\. Nothing was changed\./);
	assert.deepEqual(tree(host), before);
	assert.equal(rejoin(host).status, 0);
	assert.deepEqual(kubeadms(host), ["join", "reset", "join"]);
	assert.equal(again(host).status, 0);
});
test("where an API server answers under the cluster's address and no other control plane was reached, init begins nothing", (t) => {
	const host = preparedHost(t);
	host.command("curl", "printf 200");
	const before = tree(host);
	const { status, stderr } = init(host, "again", { KUBEADM_CONFIG: "controlPlaneEndpoint: 172.16.1.100:8443\n" });
	assert.equal(status, 1);
	assert.match(
		stderr,
		/an API server answers at https:\/\/172\.16\.1\.100:8443, and this host is in no cluster\. Nothing was changed\..*must be reached by SSH/,
	);
	assert.deepEqual(tree(host), before);
});
