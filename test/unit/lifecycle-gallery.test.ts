import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../../cluster/cluster.ts";
import { hookIn } from "../../lifecycle/life.ts";
import { refusal, SCENARIO_NAMES, SCENARIOS, type Scenario, type ScenarioName, scenarioPod } from "../../lifecycle/scenarios.ts";
import { type PodStory, storyOf } from "../../lifecycle/story.ts";
import { Gallery } from "../../workloads/gallery.ts";
import { fixture } from "./lifecycle-fixture.ts";
import { resolved, run } from "./program-graph.ts";
import { problems, settings } from "./settings.ts";

const { pods } = storyOf(fixture("gallery"));
const told = (name: ScenarioName): PodStory => {
	const found = pods.find(({ life }) => life.name === name);
	assert.ok(found, `${name} is not in the recording`);
	return found;
};
const IMAGES = { busybox: "b", nginx: "n", pause: "p" };

for (const name of SCENARIO_NAMES.filter((candidate) => refusal(candidate, { version: "1.29.15", minor: 29 }) === undefined)) {
	test(`${name}: the lab's recording has the verdicts and events that the scenario promises`, () => {
		const { verdicts, life } = told(name);
		const scenario: Scenario = SCENARIOS[name];
		const words = Object.fromEntries(verdicts.map(({ guarantee, word }) => [guarantee.id, word]));
		for (const [id, word] of Object.entries(scenario.expected))
			assert.equal(words[id], word, `${id}: ${verdicts.find(({ guarantee }) => guarantee.id === id)?.because}`);
		for (const { word, because } of verdicts) assert.notEqual(word, "FAIL", because);
		const reasons = life.entries.filter(({ kind }) => kind === "event").map(({ reason }) => reason);
		for (const reason of scenario.events) assert.ok(reasons.includes(reason), `${reason} is not among ${reasons.join(", ")}`);
	});
}
test("a container whose postStart fails is started again", () => {
	const runs = told("poststart-fails").life.containers[0]?.runs ?? [];
	assert.ok(runs.length >= 2);
	for (const one of runs) assert.equal(hookIn(one, "postStart")?.exited?.exitCode, 1);
});
test("a main container that ends by itself gets no preStop and no signal", () => {
	const [main] = told("main-ends").life.containers;
	assert.equal(main?.preStop?.form, "exec");
	assert.deepEqual(
		main?.runs.map(({ execs, term, exited }) => [execs.length, term, exited?.exitCode]),
		[[0, undefined, 0]],
	);
});
test("two containers run their postStart one after the other, and their preStop side by side", () => {
	const [one, two] = told("two-containers").life.containers.map(({ runs }) => runs[0]);
	assert.ok(one && two);
	const times = (what: "postStart" | "preStop") => [one, two].map((of) => hookIn(of, what)).map((hook) => [hook?.requested?.at ?? 0, hook?.exited?.at ?? 0]);
	const [[, endOfFirst = 0] = [], [startOfSecond = 0] = []] = times("postStart");
	assert.ok(endOfFirst < startOfSecond);
	const [[a = 0, b = 0] = [], [c = 0, d = 0] = []] = times("preStop");
	assert.ok(Math.max(a, c) < Math.min(b, d));
});
test("no scenario claims a demo's lines of the message file", () => {
	for (const { life } of pods)
		if (life.name !== "lifecycle-demo-pod")
			assert.deepEqual(
				life.entries.filter(({ source }) => source === "message file"),
				[],
				life.name,
			);
});
test("a scenario that the release can't show says which it needs, and makes nothing", async () => {
	const { cluster: clusterSettings } = settings();
	const { graph, result } = await run(() => {
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
