// What another version of Kubernetes does to the program's resources: an upgrade in place, one worker after the other; or another cluster, where the stack wants that.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../../cluster/cluster.ts";
import { apiServer, kubeconfig } from "./api-server.ts";
import { runProgram, scriptTextOf } from "./program-graph.ts";
import { settings } from "./settings.ts";

async function graphOf(changes: Record<string, unknown>, options = {}) {
	const { cluster } = settings(changes);
	return (await runProgram(() => new Cluster("lab", cluster), options)).graph;
}
/** Of an act's settings, as bash has them. */
const setting = (text: string, name: string) => text.match(new RegExp(`^readonly ${name}='(.*)'$`, "m"))?.[1];

test("by default another version replaces neither control plane nor worker, and both are told which one to come to", async () => {
	for (const version of ["1.29.15", "1.30.14"]) {
		const graph = await graphOf({ kubernetesVersion: version });
		const init = graph.named("lab-control-plane-init");
		assert.deepEqual([init.ignoreChanges, init.replacementTrigger], [["triggers[1]"], null], "the version of a state of before stays where it is");
		assert.deepEqual(init.inputs.triggers, ["lab-172.16.1.110", version, "10.244.0.0/16", "10.96.0.0/12"]);
		for (const name of ["lab-control-plane-init", "lab-k8s-node01-worker-join"])
			assert.equal(setting(scriptTextOf(graph.named(name)), "KUBERNETES_VERSION"), version);
		assert.doesNotMatch(
			JSON.stringify(graph.named("lab-control-plane-kubeconfig").inputs),
			new RegExp(version),
			"or a preview takes all on the cluster for changed",
		);
	}
});
test("with onVersionChange: rebuild another version replaces the control plane, and nobody is upgraded", async () => {
	const graph = await graphOf({ kubernetesVersion: "1.30.14", onVersionChange: "rebuild" });
	assert.equal(graph.named("lab-control-plane-init").replacementTrigger, "1.30.14");
	const join = graph.named("lab-k8s-node01-worker-join");
	assert.equal(setting(scriptTextOf(join), "KUBERNETES_VERSION"), "");
	assert.deepEqual(join.hooks.beforeUpdate, ["lab-k8s-node01-worker-reopen"]);
});

const node = { metadata: {}, spec: {}, status: { nodeInfo: { kubeletVersion: "v1.29.15" } } };
test("workers are upgraded one after the other, and one that fails stops those that wait", async (t) => {
	const drained: string[] = [];
	const { origin } = await apiServer(t, ({ method, path }) => {
		if (method === "PATCH") drained.push(path);
		return {
			status: path.includes("/pods") && path.includes("node02") ? 404 : 200,
			body: JSON.stringify(path.includes("/pods") || path === "/api/v1/nodes" ? { items: [] } : node),
		};
	});
	const graph = await graphOf({ kubernetesVersion: "1.30.14" }, { kubeconfig: kubeconfig(origin) });
	const hook = (worker: string, word: string) => graph.hooks.get(`lab-${worker}-worker-${word}`)?.run();
	await hook("k8s-node01", "drain");
	assert.equal(drained.filter((path) => path.includes("node01")).length, 2, "cordoned, and marked");
	const second = assert.rejects(async () => hook("k8s-node02", "drain"), /k8s-node02 is not upgraded, because k8s-node01 was not/);
	await new Promise((resolve) => setTimeout(resolve, 300));
	assert.deepEqual(
		drained.filter((path) => path.includes("node02")),
		[],
		"it waits",
	);
	await graph.errorHooks.get("lab-k8s-node01-worker-failed")?.();
	await second;
	assert.deepEqual(
		drained.filter((path) => path.includes("node02")),
		[],
		"nobody drains it",
	);
});
test("with upgradeBatch: 2 two go at once", async (t) => {
	const { origin } = await apiServer(t, ({ path }) => ({
		status: 200,
		body: JSON.stringify(path.includes("/pods") || path === "/api/v1/nodes" ? { items: [] } : node),
	}));
	const graph = await graphOf({ kubernetesVersion: "1.30.14", upgradeBatch: 2 }, { kubeconfig: kubeconfig(origin) });
	await Promise.all(["k8s-node01", "k8s-node02"].map((worker) => graph.hooks.get(`lab-${worker}-worker-drain`)?.run()));
});
