// What each Pod of the gallery is there to show, in a recording that is kept.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SCENARIO_NAMES } from "../../config/settings.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { SCENARIOS } from "../../workloads/scenarios.ts";
import { assertScenario } from "../gallery-claims.ts";
import { fixture } from "./lifecycle-fixture.ts";

// Of two the gallery's recording can't tell: it is from before a container's log was recorded, and of a cluster without the sleep hook's gate.
const pods = [
	...storyOf(fixture("gallery")).pods.filter(({ history }) => history.name !== "no-shell-http"),
	...["http", "sleep"].flatMap((name) => storyOf(fixture(name)).pods),
];
test("every Pod of the gallery is in a kept recording", () => {
	const names = pods.map(({ history }) => history.name);
	assert.deepEqual(
		SCENARIO_NAMES.filter((name) => !names.includes(name)),
		[],
	);
});
for (const { history, ...rest } of pods) {
	const name = SCENARIO_NAMES.find((candidate) => candidate === history.name);
	if (name === undefined) continue; // the demo's
	test(`${name}: the kept recording shows it: ${SCENARIOS[name].shows}`, () => assertScenario(name, { history, ...rest }));
	// Otherwise the claims would say nothing.
	test(`${name}: another Pod's history is none of this scenario`, () => {
		const others = SCENARIO_NAMES.filter((other) => other !== name);
		const taken = others.filter((other) => {
			try {
				assertScenario(other, { history, ...rest });
				return true;
			} catch {
				return false;
			}
		});
		assert.deepEqual(taken, []);
	});
}
