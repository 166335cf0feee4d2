// What the program hands the provider so that a preview says which Pods a change ends; and what the provider makes of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { costsOf } from "../../provider/costs.ts";
import type { Properties } from "../../provider/plugin/values.ts";
import { graph, program } from "./program.ts";

const EVERYTHING = { gallery: ["prestop-fails", "sidecar", "force-delete"], pauseProof: true };
const inputsWith = async (changes: Record<string, unknown>) => (await program({ changes })).graph.named("lab-pod-costs").inputs as Properties;
/** What a preview says when these settings become those. */
const said = async (from: Record<string, unknown>, to: Record<string, unknown>) => costsOf(await inputsWith(from), await inputsWith(to));
const ENDS = "This ends the Pod lifecycle-demo-pod: its preStop hook runs";

test("a setting that makes a new Pod is said with the Pod's name and its hook", async () => {
	const [image, path] = ["registry.example/nginx:1.18", "/data/volumes/other/"];
	assert.deepEqual(await said({}, { demoImage: image, demoHostPath: path }), [
		`demoHostPath /data/volumes/nginx/log/ -> ${path}, demoImage registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17 -> ${image}: ${ENDS}, then it is made anew.`,
	]);
});
test("a rebuilt cluster makes every Pod anew, and each is said once", async () => {
	const ended = [
		`${ENDS}, `,
		...["This ends the Pod force-delete, ", "This ends the Pod prestop-fails: its preStop hook runs, ", "This ends the Pod sidecar, "],
	];
	assert.deepEqual(
		await said(EVERYTHING, { ...EVERYTHING, podCidr: "10.240.0.0/16" }),
		[...ended.map((text) => `${text}then it is`), "This ends the Pods pause-private and pause-shared, then they are"].map(
			(text) => `podCidr 10.244.0.0/16 -> 10.240.0.0/16: ${text} made anew.`,
		),
	);
});
test("Pods that are no longer asked for are not made anew", async () => {
	assert.deepEqual(await said(EVERYTHING, { gallery: ["sidecar"] }), [
		"gallery force-delete: This ends the Pod force-delete, and it is not made anew.",
		"gallery prestop-fails: This ends the Pod prestop-fails: its preStop hook runs, and it is not made anew.",
		"pauseProof: This ends the Pods pause-private and pause-shared, and they are not made anew.",
	]);
	assert.deepEqual(await said({}, { demoEnabled: false, demoImage: "registry.example/nginx:1.18" }), [`demoEnabled: ${ENDS}, and it is not made anew.`]);
});
test("the Pods of the pause proof follow the init container's image and the first worker", async () => {
	const proof = { pauseProof: true, demoInitImage: "registry.example/busybox:1" };
	const because = "demoInitImage registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24 -> registry.example/busybox:1";
	assert.deepEqual(await said({ pauseProof: true }, proof), [
		`${because}: ${ENDS}, then it is made anew.`,
		`${because}: This ends the Pods pause-private and pause-shared, then they are made anew.`,
	]);
});
test("what touches no Pod says nothing: the file, the recorder, one more Pod, a first demo", async () => {
	assert.deepEqual(await said({}, { demoFreshFile: true, demoRecordHours: 1, podTimeoutSeconds: 400, ...EVERYTHING }), []);
	assert.deepEqual(await said({ demoEnabled: false }, {}), []);
	assert.deepEqual(await said(EVERYTHING, EVERYTHING), []);
});
test("it is kept until the Pods are made", () => {
	const { needs } = graph.named("lab-pod-costs");
	assert.ok(needs.includes(graph.named("lifecycle-demo-pod").urn));
});

test("an upgrade in place is told until every host has it, and a rebuild until the control plane is made anew", () => {
	const joins = ["lab-control-plane-init", "lab-k8s-node01-worker-join", "lab-k8s-node02-worker-join"];
	const needed = (name: string) => joins.filter((join) => graph.named(name).needs.includes(graph.named(join).urn));
	assert.deepEqual([needed("lab-upgrade-costs"), needed("lab-costs")], [joins, joins.slice(0, 1)]);
});
test("another version is told as what the stack says it is, also where that is changed with it", async () => {
	const version = { kubernetesVersion: "1.30.14" };
	const told = async (changes: Record<string, unknown>) => {
		const changed = (await program({ changes })).graph;
		return ["lab-costs", "lab-upgrade-costs"].flatMap((name) => costsOf(graph.named(name).inputs as Properties, changed.named(name).inputs as Properties));
	};
	assert.match((await told(version)).join("\n"), /^kubernetesVersion \S+ -> 1\.30\.14: This upgrades the cluster in place: [^\n]*$/);
	assert.match((await told({ ...version, onVersionChange: "rebuild" })).join("\n"), /^kubernetesVersion \S+ -> 1\.30\.14: This rebuilds the cluster: [^\n]*$/);
});
