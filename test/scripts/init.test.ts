// kubeadm init: what it prints, when it runs again, what it never resets, and what its undo leaves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HASH, ID, init, kubeadms, master, preparedHost, TOKEN, tree, worker } from "./cluster-host.ts";

test("init prints the CA's hash and the Node with its version, and no token", (t) => {
	const host = preparedHost(t);
	const { status, stdout, stderr } = init(host, "apply");
	assert.equal(status, 0, stderr);
	assert.equal(stdout, `${HASH}\nk8s-master v1.29.15\n`);
	assert.doesNotMatch(stderr, new RegExp(TOKEN));
	assert.match(stderr, /--token <token> /);
	assert.ok(host.calls().some((call) => /kubectl .* patch node k8s-master --patch \{"spec":\{"podCIDR":"10\.244\.0\.0\/24"/.test(call)));
	assert.ok(host.calls().some((call) => /kubectl .* delete secret --field-selector type=bootstrap\.kubernetes\.io\/token$/.test(call)));
});

test("a second init changes nothing and prints the same", (t) => {
	const host = preparedHost(t);
	const first = init(host, "apply");
	const before = tree(host);
	const second = init(host, "apply");
	assert.deepEqual([second.status, second.stdout], [0, first.stdout]);
	assert.deepEqual(tree(host), before);
	assert.deepEqual(kubeadms(host), ["init"]);
});

test("where another version makes another cluster, another configuration leaves this one as it is, and says so", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	const { status, stderr } = init(host, "apply", { KUBEADM_CONFIG: "kind: ClusterConfiguration\n", KUBERNETES_VERSION: "" });
	assert.equal(status, 0, stderr);
	assert.match(
		stderr,
		/kubeadm configuration: not the one that made this cluster; the cluster stays as it is\. To use the new one: onVersionChange: upgrade, or destroy, then up/,
	);
	assert.deepEqual(kubeadms(host), ["init", "version"]);
});

test("a cluster whose API server does not answer is never reset", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	host.command("kubectl", "echo 'connection refused' >&2; exit 1");
	const before = tree(host);
	const { status, stderr } = init(host, "apply", { TIMEOUT_SECONDS: 1 });
	assert.equal(status, 1);
	assert.match(stderr, /the cluster is there, but its API server has not answered in 1 s; last: connection refused\. It was not reset\./);
	assert.deepEqual(tree(host), before);
	assert.equal(init(host, "check").status, 3);
});

test("init undo takes away all that came since, and nothing that was there before", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	init(host, "apply");
	for (let i = 0; i < 2; i++) {
		const { status, stderr } = init(host, "undo");
		assert.equal(status, 0, stderr);
		assert.deepEqual(tree(host), before);
	}
	assert.equal(init(host, "check").status, 3);
	assert.deepEqual(kubeadms(host), ["init", "reset"]);
});

test("somebody else's cluster is not touched", (t) => {
	const host = preparedHost(t);
	host.write("/etc/kubernetes/kubelet.conf", "    server: https://192.0.2.5:6443\n");
	const before = tree(host);
	for (const answer of [init(host, "apply"), host.run("join", "apply", worker())]) {
		assert.equal(answer.status, 1);
		assert.match(
			answer.stderr,
			/this host is in a cluster that is not sample-172\.16\.1\.110: found \/etc\/kubernetes\/kubelet\.conf \(https:\/\/192\.0\.2\.5:6443\); expected none\. Nothing was changed\./,
		);
	}
	init(host, "undo");
	host.run("join", "undo", worker());
	assert.deepEqual(tree(host), before);
	assert.deepEqual(kubeadms(host), []);
});

test("a host in another cluster of ours is not touched", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	const before = tree(host);
	const { status, stderr } = init(host, "apply", { CLUSTER_ID: "other-172.16.1.110" });
	assert.equal(status, 1);
	assert.match(stderr, /this host is in cluster sample-172\.16\.1\.110, expected other-172\.16\.1\.110 or none\. Nothing was changed\./);
	assert.deepEqual(tree(host), before);
});

test("a finished control plane is not reset because its role has changed", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	const before = tree(host);
	const { status, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 1);
	assert.match(stderr, /this host is in sample-172\.16\.1\.110 by init, expected join or nothing\. Nothing was changed\./);
	assert.deepEqual(tree(host), before);
});

test("an init that was killed half-way is reset and done again", (t) => {
	const host = preparedHost(t);
	const real = host.read("/bin/kubeadm");
	const before = tree(host);
	// kubeadm's parent is timeout, whose parent is the pipeline's part of the script.
	host.write("/bin/kubeadm", `${real}\nif [[ "$1" == init ]]; then kill -9 -- "-$(ps -o pgid= -p "$(ps -o ppid= -p $PPID | tr -d ' ')" | tr -d ' ')"; fi\n`);
	assert.notEqual(host.runInGroup(host.text("init", master.changes, master.name), "apply"), 0);
	assert.equal(host.read("/var/lib/kubeadm-lab/cluster/id"), ID);
	assert.equal(init(host, "check").stdout, `cluster\t${ID}\t${ID} (half-done)\n`);
	host.write("/bin/kubeadm", real);
	const { status, stderr } = init(host, "apply");
	assert.equal(status, 0, stderr);
	assert.deepEqual(kubeadms(host), ["init", "reset", "init"]);
	assert.equal(init(host, "check").status, 0);
	init(host, "undo");
	assert.deepEqual(tree(host), before);
});

test("a reset that dies half-way no longer says finished: the next init, or join, resets the rest and goes on", (t) => {
	for (const [step, verb] of [
		["init", "undo"],
		["leave", "undo"],
	] as const) {
		const host = preparedHost(t);
		const before = tree(host);
		init(host, "apply");
		const real = host.read("/bin/kubeadm");
		host.write(
			"/bin/kubeadm",
			`${real}\nif [[ "$1" == reset ]]; then rm "\${KUBEADM_LAB_ROOT}/etc/kubernetes/admin.conf"; kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $PPID)); fi\n`,
		);
		assert.notEqual(host.run(step, verb, step === "init" ? master.changes : {}, master.name).status, 0);
		assert.equal(host.read("/var/lib/kubeadm-lab/cluster/id"), ID);
		host.write("/bin/kubeadm", real);
		assert.equal(init(host, "check").stdout, `cluster\t${ID}\t${ID} (half-done)\n`);
		const { status, stderr } = init(host, "apply");
		assert.equal(status, 0, stderr);
		assert.deepEqual(kubeadms(host), ["init", "reset", "reset", "init"]);
		assert.equal(init(host, "check").status, 0);
		init(host, "undo");
		assert.deepEqual(tree(host), before);
	}
});

test("an init that fails gives the host back at once, after showing why", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	host.write(
		"/bin/kubeadm",
		`${host.read("/bin/kubeadm")}\nif [[ "$1" == init ]]; then echo "[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2"; exit 1; fi\n`,
	);
	const { status, stderr } = init(host, "apply");
	assert.equal(status, 1);
	assert.match(stderr, /error: kubeadm init failed \(bound: 300 s\): \[ERROR NumCPU\]: the number of available CPUs 1 is less than the required 2/);
	assert.deepEqual(tree(host), before);
	assert.ok(host.calls().some((call) => call.startsWith("journalctl -u kubelet")));
});

test("a kubeadm reset that fails is told with its own exit status and its last lines, and the rest is done by hand", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	init(host, "apply");
	host.write("/bin/kubeadm", host.read("/bin/kubeadm").replace("case", '[[ "$1" != reset ]] || { echo "no runtime"; exit 42; }\ncase'));
	const { status, stderr } = init(host, "undo");
	assert.equal(status, 0, stderr);
	assert.match(stderr, /^no runtime\n.*: kubeadm reset failed \(exit status 42\); going on by hand$/m);
	assert.deepEqual(tree(host), before);
});

test("leave resets a host that a killed run left in its cluster, and does nothing on one that is in none", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	host.run("join", "apply", worker());
	host.forgetCalls();
	assert.equal(host.run("leave", "apply").status, 0);
	assert.deepEqual(kubeadms(host), []);
	for (const calls of [["reset"], ["reset"]]) {
		assert.equal(host.run("leave", "undo").status, 0);
		assert.deepEqual(kubeadms(host), calls);
		assert.deepEqual(tree(host), before);
	}
});
