// What was in the message file before the deletion and after it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { storyOf } from "../../lifecycle/render/story.ts";
import { fixture } from "./lifecycle-fixture.ts";

test("what preStop wrote is not among what was there before the deletion, however late that was recorded", () => {
	for (const lateMs of [0, 60, 1000]) {
		const late = fixture("destroyed")
			.split("\n")
			.map((line) => (line.includes("deletionTimestamp") ? line.replace(/"at":(\d+)/, (_, at) => `"at":${Number(at) + lateMs}`) : line))
			.join("\n");
		assert.deepEqual(storyOf(late).pods[0]?.seed.before, ["Hello initContainers", "Hello from the postStart handler"], `${lateMs} ms`);
	}
});
