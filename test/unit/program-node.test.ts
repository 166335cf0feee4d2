// What is read of each Node: when, where, and what becomes of it at the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { graph, HOSTS, NODE_STATES, program, WORKERS } from "./program.ts";
import type { Graph } from "./program-graph.ts";
import { base } from "./settings.ts";

const assertBefore = (name: string, earlier: string[]) => {
	for (const one of earlier) assert.ok(graph.before(name).has(one), `${name} does not wait for ${one}`);
};
const assertBeside = (name: string, others: string[]) => {
	for (const one of others) assert.ok(!graph.before(name).has(one) && !graph.before(one).has(name), `${name} and ${one} are not side by side`);
};

test("what is looked at of a Node comes after its join and flannel; the Pod waits for both states of workers, and nothing of a host for a Node object", () => {
	const all = graph.resources.map(({ name }) => name);
	for (const [host, member] of [["k8s-master", "lab-control-plane-init"], ...WORKERS.map((worker) => [worker, `lab-${worker}-worker-join`])]) {
		assertBefore(`lab-${host}-kubelet`, [member ?? "", "lab-flannel-daemon-set"]);
		assertBefore(`lab-${host}-node`, [member ?? "", `lab-${host}-kubelet`, "lab-k8s-master-kubelet"]); // the last may restart the API server
		if (host === "k8s-master") assertBeside(`lab-${host}-node`, ["lifecycle-demo-pod"]);
		else assertBefore("lifecycle-demo-pod", [`lab-${host}-kubelet`, `lab-${host}-node`]); // so that it is gone before the drain where both go in one run
		const ofHosts = all.filter((name) => /^lab-(k8s|control-plane|flannel)-/.test(name) && name !== `lab-${host}-node`);
		for (const other of ofHosts) assert.ok(!graph.before(other).has(`lab-${host}-node`), `${other} waits for it`);
		assert.equal(graph.named(`lab-${host}-node`).inputs.host, "k8s-master", "it is looked at where the admin's kubeconfig is");
	}
});
test("a worker that leaves is drained and its Node deleted; when the cluster goes or is made anew that costs nothing", () => {
	const init = graph.named("lab-control-plane-init").urn;
	for (const host of HOSTS)
		for (const state of NODE_STATES) {
			const { inputs, deletedWith, replaceWith } = graph.named(`lab-${host}-${state}`);
			const member = host === "k8s-master" ? init : graph.named(`lab-${host}-worker-join`).urn;
			assert.deepEqual([deletedWith, replaceWith], [init, [member]], host);
			assert.equal(inputs.undo, state === "node" && host !== "k8s-master" ? undefined : false, host);
		}
});
test("a Node gets the labels and taints of its host, and a control plane those that its release gives it", async () => {
	const marked = {
		...base(),
		hosts: (base().hosts as object[]).map((host, i) => (i === 1 ? { ...host, labels: { b: "", a: "x" }, taints: ["k=v:NoExecute"] } : host)),
	};
	const { graph: other } = await program({ changes: marked });
	const marks = (host: string, of: Graph) => {
		const { LABELS, TAINTS } = of.named(`lab-${host}-node`).inputs.settings;
		return [LABELS, TAINTS];
	};
	assert.deepEqual(marks("k8s-node01", other), [["a=x", "b="], ["k=v:NoExecute"]]);
	assert.deepEqual(marks("k8s-node02", other), [[], []]);
	const role = (word: string) => `node-role.kubernetes.io/${word}`;
	assert.deepEqual(marks("k8s-master", graph), [[`${role("control-plane")}=`], [`${role("control-plane")}:NoSchedule`]]);
	const old = (await program({ changes: { kubernetesVersion: "1.23.17" } })).graph;
	assert.deepEqual(marks("k8s-master", old), [[`${role("master")}=`, `${role("control-plane")}=`], [`${role("master")}:NoSchedule`]]);
	const between = (await program({ changes: { kubernetesVersion: "1.24.17" } })).graph;
	assert.deepEqual(marks("k8s-master", between), [[`${role("control-plane")}=`], ["control-plane", "master"].map((word) => `${role(word)}:NoSchedule`)]);
});
