// The first control plane's host, installed anew while others go on: it joins them as what init made (cluster/rejoin.ts), and init finds it done.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HASH, init, kubeadms, preparedHost, TOKEN, tree, worker } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";

const KUBEADM_CONFIG = "kind: ClusterConfiguration\n";
const rejoin = (host: FakeHost) => host.run("join", "apply", worker({ ROLE: "control-plane", CLAIM_AS: "init", KUBEADM_CONFIG }), "k8s-master");
const look = (host: FakeHost) =>
	host
		.run("join", "check", worker({ ROLE: "control-plane", CLAIM_AS: "init" }), "k8s-master")
		.stdout.split("\n")
		.map((line) => line.split("\t")[0]);
const again = (host: FakeHost) => init(host, "again", { KUBEADM_CONFIG });

/** As a run leaves it that ends before the join does. */
function cutOff(host: FakeHost): void {
	rmSync(join(host.root, "var/lib/kubeadm-lab/cluster/finished"));
	host.write("/var/lib/kubeadm-lab/cluster/by", "join");
}

test("it joins, and init finds the cluster there: the same answers as of its own, the same configuration, and nothing more to do", (t) => {
	const host = preparedHost(t);
	assert.equal(init(host, "check", { KUBEADM_CONFIG }).status, 3);
	const { status, stderr } = rejoin(host);
	assert.equal(status, 0, stderr);
	assert.equal(init(host, "check", { KUBEADM_CONFIG }).status, 0);
	assert.ok(!look(host).includes("cluster"));
	const before = tree(host);
	const { stdout } = again(host);
	assert.equal(stdout, `${HASH}\nk8s-master v1.29.15\n`);
	assert.deepEqual(tree(host), before);
	assert.deepEqual(kubeadms(host), ["join"]);
	assert.doesNotMatch(host.calls().join("\n") + stderr + JSON.stringify(before), new RegExp(TOKEN));
	assert.equal(host.read("/var/lib/kubeadm-lab/cluster/by"), "init", "a reset of it that dies is no join that was cut off");
	assert.equal(init(host, "undo").status, 0);
	assert.deepEqual(Object.keys(host.snapshot("/run/lock")), []);
	assert.equal(host.exists("/var/lib/kubeadm-lab/cluster"), false);
});
test("cut off in the middle it is no beginning of another cluster, and joins again from the start", (t) => {
	const host = preparedHost(t);
	rejoin(host);
	cutOff(host);
	const before = tree(host);
	const { status, stderr } = again(host);
	assert.equal(status, 1);
	assert.match(
		stderr,
		/was joining the other control planes of \S+ when a run was cut off, and none of them is there to go on with: .*\. Nothing was changed\./,
	);
	assert.deepEqual(tree(host), before);
	assert.ok(look(host).includes("cluster") && look(host).includes("join"), "so the program undoes it first");
	assert.equal(rejoin(host).status, 0);
	assert.deepEqual(kubeadms(host), ["join", "reset", "join"]);
	assert.equal(again(host).status, 0);
});
test("cut off, it is undone with its etcd member, which the others would count on, and gives the host back", (t) => {
	for (const undo of [
		(host: FakeHost) => host.run("join", "undo", worker({ ROLE: "control-plane", CLAIM_AS: "init" }), "k8s-master"),
		(host: FakeHost) => host.run("leave", "undo", {}, "k8s-master"),
	]) {
		const host = preparedHost(t);
		rejoin(host);
		cutOff(host);
		host.write("/etc/kubernetes/manifests/etcd.yaml", "  - image: registry.k8s.io/etcd:3.5.16-0\n");
		host.write("/etc/kubernetes/pki/etcd/healthcheck-client.crt", "made up");
		const { status, stderr } = undo(host);
		assert.equal(status, 0, stderr);
		assert.match(stderr, /its etcd member is still among those of the cluster/, "it was tried: this host has no etcdctl");
		assert.equal(host.exists("/var/lib/kubeadm-lab/cluster"), false);
	}
});
test("where the cluster has another configuration than the stack wants, the next step applies that", (t) => {
	const host = preparedHost(t);
	host.run("join", "apply", worker({ ROLE: "control-plane", CLAIM_AS: "init" }), "k8s-master");
	const { stderr } = init(host, "again", { KUBEADM_CONFIG, KUBERNETES_VERSION: "" });
	assert.match(stderr, /kubeadm configuration: not the one that made this cluster/);
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
