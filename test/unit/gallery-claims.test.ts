import assert from "node:assert/strict";
import { test } from "node:test";
import { SCENARIO_NAMES, SCENARIOS } from "../../lifecycle/scenarios.ts";
import { storyOf } from "../../lifecycle/story.ts";
import { assertScenario } from "../gallery-claims.ts";
import { fixture } from "./lifecycle-fixture.ts";

const { pods } = storyOf(fixture("gallery"));
for (const { life, ...rest } of pods) {
	const name = SCENARIO_NAMES.find((candidate) => candidate === life.name);
	if (name === undefined) continue; // the demo's
	test(`${name}: the kept recording shows it: ${SCENARIOS[name].shows}`, () => assertScenario(name, { life, ...rest }));
	// Otherwise the claims would say nothing.
	test(`${name}: another Pod's recorded life is none of this scenario`, () => {
		const others = SCENARIO_NAMES.filter((other) => other !== name && other !== "no-shell-http"); // any Pod that stops in order has that one's life
		const taken = others.filter((other) => {
			try {
				assertScenario(other, { life, ...rest });
				return true;
			} catch {
				return false;
			}
		});
		assert.deepEqual(taken, []);
	});
}
