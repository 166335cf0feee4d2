// How a step on a host is read, repeated and undone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { digest } from "../../provider/shell.ts";
import { graph, HOSTS, NODE_STATES, program, WORKERS } from "./program.ts";
import type { Graph } from "./program-graph.ts";

test("the converged state of a host belongs to the provider that looks at it, and a stack made with commands moves over", () => {
	const steps = ["preflight", "scripts", "identity", "packages", "system", "runtime", "leave", ...NODE_STATES];
	const names = HOSTS.flatMap((host) => [...steps.map((step) => `lab-${host}-${step}`), `lifecycle-demo-life-${host}-recorder`]);
	assert.deepEqual(
		graph.states.map(({ name }) => name).sort(),
		[...names, "lab-control-plane-kubeconfig", ...WORKERS.map((host) => `lifecycle-demo-${host}-witness`)].sort(),
	);
	for (const { name, inputs, formerTypes, needs, deleteBeforeReplace } of graph.states) {
		assert.equal(deleteBeforeReplace, true, name);
		assert.deepEqual(formerTypes, ["command:remote:Command"], name);
		assert.ok(needs.includes(graph.named("hosts").urn), name);
		const owner = inputs.step === "node" ? inputs.settings.NODE_NAME : inputs.step === "kubeconfig" ? "control-plane" : inputs.host;
		assert.ok(name.endsWith(`-${owner}-${inputs.step}`), name);
		assert.equal(inputs.looksOnly, inputs.step === "preflight" ? true : undefined, name);
		assert.equal(inputs.apply, ["leave", "witness"].includes(inputs.step) ? false : undefined, name);
		assert.equal(inputs.bringsScripts, inputs.step === "scripts" ? true : undefined, name);
		const flags = [
			...(inputs.bringsScripts ? ["bringsScripts"] : []),
			...(inputs.looksOnly ? ["looksOnly"] : []),
			...(inputs.apply === false ? ["apply"] : []),
			...(inputs.undo === false ? ["undo"] : []),
		];
		assert.deepEqual(Object.keys(inputs).sort(), ["host", "settings", "step", ...(inputs.shared ? ["shared"] : []), ...flags].sort(), name);
	}
});
test("with etcdSnapshots the control plane takes snapshots, as a state that is undone at destroy; without it no host has a script of theirs", async () => {
	const { graph: with6h } = await program({ changes: { etcdSnapshots: { every: "6h", keep: 28 } } });
	const names = ({ resources }: Graph) => resources.map(({ name }) => name);
	assert.deepEqual(
		names(with6h).filter((name) => !names(graph).includes(name)),
		["lab-control-plane-snapshots"],
	);
	const { inputs } = with6h.named("lab-control-plane-snapshots");
	assert.deepEqual(inputs.settings, { HOST_NAME: "k8s-master", EVERY: "6h", KEEP: 28, KEEP_ON_DESTROY: false });
	assert.equal(inputs.undo, undefined, "it has an undo");
	assert.ok(with6h.before("lab-control-plane-snapshots").has("lab-control-plane-init"));
	const scripts = (one: Graph) => Object.keys(JSON.parse(one.named("hosts").inputs.scripts));
	assert.deepEqual(
		scripts(with6h).filter((name) => !scripts(graph).includes(name)),
		["snapshots"],
	);
	for (const name of ["etcd", "snapshots"]) assert.ok(!scripts(graph).includes(name), name);
});
test("with renewCertificates: timer the control plane renews its certificates, as a state that is undone at destroy; without it no host has a script of that", async () => {
	const { graph: timed } = await program({ changes: { renewCertificates: "timer" } });
	const { inputs } = timed.named("lab-k8s-master-renewal");
	assert.deepEqual([inputs.settings, inputs.undo], [{ HOST_NAME: "k8s-master", CLUSTER_ID: "lab-172.16.1.110", TURN: 0 }, undefined]);
	assert.ok(timed.before("lab-k8s-master-renewal").has("lab-k8s-master-kubelet"));
	assert.ok(!graph.resources.some(({ name }) => name === "lab-k8s-master-renewal"));
	assert.ok(!Object.keys(JSON.parse(graph.named("hosts").inputs.scripts)).includes("renewal"));
});
test("what is the same for all hosts is kept once, in the provider's configuration, and each host's state has its digest; without hostsFile there is no block", async () => {
	const block = "172.16.1.110 k8s-master\n172.16.1.111 k8s-node01\n172.16.1.112 k8s-node02";
	const { HOSTS_BLOCK, REPOSITORIES } = JSON.parse(graph.named("hosts").inputs.shared);
	assert.equal(HOSTS_BLOCK, block);
	assert.match(REPOSITORIES, /^\[kubeadm-lab-base\]\n(?:[a-z_]+=.+\n)+$/);
	for (const host of HOSTS) {
		assert.deepEqual(graph.named(`lab-${host}-identity`).inputs.shared, { HOSTS_BLOCK: digest(block) });
		assert.deepEqual(graph.named(`lab-${host}-preflight`).inputs.shared, { REPOSITORIES: digest(REPOSITORIES) });
	}
	const without = await program({ changes: { hostsFile: false, onVersionChange: "rebuild" } });
	assert.deepEqual(JSON.parse(without.graph.named("hosts").inputs.shared), { HOSTS_BLOCK: "" });
	const { inputs } = without.graph.named("lab-k8s-master-preflight");
	assert.deepEqual([inputs.shared, inputs.settings.PACKAGES], [undefined, undefined], "nobody is upgraded");
});
test("every command's update is its create, but that init knows that it was applied before, so that a changed connection never means a new create", () => {
	for (const { name, inputs } of graph.commands) {
		assert.equal(inputs.update, name.endsWith("-init") ? inputs.create.replace(/apply$/, "again") : inputs.create, name);
		assert.ok(inputs.create !== undefined, name);
	}
});
test("steps with nothing to undo have no delete, so that a dead host does not hold up a destroy", () => {
	const without = graph.commands.filter(({ inputs }) => inputs.delete === undefined).map(({ name }) => name.replace(/^.*-/, ""));
	assert.deepEqual([...new Set(without)].sort(), ["images", "message", "recording"]);
});
test("witnesses dial no host before destroy, unless the file is to be emptied", async () => {
	const witnesses = (of: Graph) => of.states.filter(({ name }) => name.endsWith("-witness")).map(({ inputs: { apply, settings } }) => [apply, settings.FRESH]);
	const never = [false, false];
	assert.deepEqual(witnesses(graph), [never, never]);
	const fresh = await program({ changes: { demoFreshFile: true } });
	const applied = [undefined, true];
	assert.deepEqual(witnesses(fresh.graph), [applied, applied]);
});
test("no delete hook: a plain pulumi destroy would refuse to run", () => {
	for (const { name, hooks } of graph.resources) assert.deepEqual(hooks.ofDelete, [], name);
});
