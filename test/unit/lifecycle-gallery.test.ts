// The gallery's scenarios: what each claims, what it is called, and which are refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../../cluster/cluster.ts";
import { SCENARIO_NAMES } from "../../config/settings.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { Gallery } from "../../workloads/gallery.ts";
import { refusal, scenarioPod } from "../../workloads/scenarios.ts";
import { fixture } from "./lifecycle-fixture.ts";
import { resolved, runProgram } from "./program-graph.ts";
import { problems, settings } from "./settings.ts";

const IMAGES = { busybox: "b", nginx: "n", pause: "p" };

test("no scenario claims a demo's lines of the message file", () => {
	for (const { history } of storyOf(fixture("gallery")).pods)
		if (history.name !== "lifecycle-demo-pod")
			assert.deepEqual(
				history.entries.filter(({ source }) => source === "message file"),
				[],
				history.name,
			);
});
test("a scenario that the release can't show says which it needs, and makes nothing", async () => {
	const { cluster: clusterSettings } = settings();
	const { graph, result } = await runProgram(() => {
		const cluster = new Cluster("lab", clusterSettings);
		return new Gallery("gallery", { cluster, scenarios: ["no-shell-sleep", "prestop-fails"], images: IMAGES, recorders: [] });
	});
	const shown = await resolved(result.shown);
	const needs = "needs Kubernetes 1.30, or 1.29 with featureGates: {PodLifecycleSleepAction: true}; this cluster has ";
	assert.equal(shown?.["no-shell-sleep"], `${needs}1.29.15`);
	assert.equal(refusal("no-shell-sleep", { version: "1.29.15", minor: 29 }, { PodLifecycleSleepAction: true }), undefined);
	assert.equal(refusal("no-shell-sleep", { version: "1.28.15", minor: 28 }, { PodLifecycleSleepAction: true }), `${needs}1.28.15`);
	assert.match(shown?.["prestop-fails"] ?? "", /^preStop fails: the Pod still ends, in good order: /);
	assert.deepEqual(
		graph.commands.filter(({ name }) => name.startsWith("gallery-")).map(({ name }) => name),
		["gallery-prestop-fails"],
	);
	assert.equal(refusal("sidecar", { version: "1.28.15", minor: 28 }), "needs Kubernetes 1.29; this cluster has 1.28.15");
});
test("an unknown scenario is refused with those that there are", () => {
	assert.deepEqual(problems({ gallery: ["prestop-hang"] }), [`gallery[0]: "prestop-hang" is not one of: ${SCENARIO_NAMES.join(", ")}. Use one of these.`]);
});
test("a scenario's Pod is named like it and has the labels that find it", () => {
	for (const name of SCENARIO_NAMES) {
		const { metadata, spec } = scenarioPod(name, IMAGES);
		assert.deepEqual([metadata.name, metadata.labels, metadata.namespace], [name, { lifecycle: name }, "default"]);
		assert.ok(Number(spec.terminationGracePeriodSeconds ?? 30) <= 30);
	}
});
