// The demo's Pod: its spec, its bounds, its message file and its outputs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stringify } from "yaml";
import { Cluster } from "../../cluster/cluster.ts";
import { demoPodSpec, LifecycleDemo, type LifecycleDemoArgs } from "../../workloads/lifecycle-demo.ts";
import { allCompared, golden } from "../golden.ts";
import { resolved, runProgram } from "./program-graph.ts";
import { settings } from "./settings.ts";

allCompared("pod");

async function demo(changes: Partial<LifecycleDemoArgs> = {}) {
	const { cluster: clusterSettings, demo: demoSettings } = settings();
	return runProgram(() => {
		const cluster = new Cluster("lab", clusterSettings);
		return { cluster, made: new LifecycleDemo("demo", { cluster, ...demoSettings, podSeconds: 180, ...changes }) };
	});
}
const { graph, result } = await demo();

test("the Pod is the seed's lifecycle-events.yaml, field by field", () => {
	const { apiVersion, kind, metadata, spec } = graph.named("demo-pod").inputs;
	assert.equal(spec.terminationGracePeriodSeconds, undefined);
	golden("pod/lifecycle-demo-pod.yaml", stringify({ apiVersion, kind, metadata, spec }, { lineWidth: 0, aliasDuplicateObjects: false }));
});
test("the Pod's images and host folder are the settings'", () => {
	const spec = demoPodSpec({ image: "registry.example/nginx:1", initImage: "registry.example/busybox:1", hostPath: "/srv/log/" });
	assert.deepEqual(
		[...(spec.containers as { image: string }[]), ...(spec.initContainers as { image: string }[])].map(({ image }) => image),
		["registry.example/nginx:1", "registry.example/busybox:1"],
	);
	assert.deepEqual(spec.volumes, [{ name: "message-log", hostPath: { path: "/srv/log/", type: "DirectoryOrCreate" } }]);
});
test("the Pod's start and its deletion are bounded", () => {
	assert.deepEqual(graph.named("demo-pod").timeouts, { create: "180s", update: "180s", delete: "180s" });
});
test("the message file is read on the node where the Pod landed, again for each new Pod", () => {
	const message = graph.named("demo-message");
	assert.equal(message.inputs.connection.host, "172.16.1.112");
	assert.deepEqual(message.inputs.triggers, ["6f5c"]);
	assert.match(message.inputs.stdin, /^readonly MESSAGE_FILE='\/data\/volumes\/nginx\/log\/message'$/m);
});
test("the message file's path has one slash, however many the folder has", async () => {
	for (const [hostPath, file] of [
		["/srv/log", "/srv/log/message"],
		["/srv/log//", "/srv/log/message"],
	] as const) {
		const { result: other } = await demo({ hostPath });
		assert.equal((await resolved(other.made.location))?.file, file);
	}
});
test("the outputs show the Pod's line and where it landed", async () => {
	assert.match(
		(await resolved(result.made.pod)) ?? "",
		/^NAME +READY .*\nlifecycle-demo-pod +1\/1 +Running +0 +5s +10\.244\.2\.30 +k8s-node02 +<none> +<none>$/,
	);
	assert.deepEqual(await resolved(result.made.location), { node: "k8s-node02", host: "172.16.1.112", file: "/data/volumes/nginx/log/message" });
});
test("a Pod on a Node that is none of the hosts is an error that says what to do", () => {
	assert.throws(() => result.cluster.hostOf("k8s-node09"), {
		message:
			"Node k8s-node09 is none of this cluster's hosts: k8s-master, k8s-node01, k8s-node02. To take a host out that Pods run on, first: kubectl drain k8s-node09 --ignore-daemonsets --force; pulumi refresh",
	});
});
