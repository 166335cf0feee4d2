// Histories of Pods of one name, put side by side.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOf } from "../../lifecycle/render/html.ts";
import { storyJson } from "../../lifecycle/render/json.ts";
import { repeatsText } from "../../lifecycle/render/repeats.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { median, repeatsOf } from "../../lifecycle/verdicts/repeats.ts";
import { fixture } from "./lifecycle-fixture.ts";

const once = storyOf(fixture("destroyed"));
const twice = [...once.pods, ...storyOf(fixture("gallery")).pods];

test("histories of one name are put side by side, also from several recordings; a single one is not", () => {
	const [repeats, ...more] = repeatsOf(twice);
	assert.deepEqual([repeats?.name, repeats?.count, more.length], ["lifecycle-demo-pod", 2, 0]);
	assert.deepEqual(repeatsOf(once.pods), []);
	for (const { words } of repeats?.guarantees ?? [])
		assert.equal(
			Object.values(words).reduce((sum, count) => sum + count, 0),
			2,
		);
	assert.deepEqual(repeats?.guarantees.find(({ guarantee }) => guarantee.id === "prestop-before-term")?.words, { PASS: 2 });
});
test("what came first is counted where nothing promises an order, and every time is from the runtime", () => {
	const [repeats] = repeatsOf(twice);
	const race = repeats?.measures.find(({ what }) => what === "entry point to postStart");
	assert.deepEqual(race?.first, { "entry point": 2, postStart: 0 });
	assert.deepEqual(
		race?.values,
		race?.values.toSorted((a, b) => a - b),
	);
	for (const { values, what } of repeats?.measures ?? []) assert.ok(values.length === 2 && values.every((value) => value > 0), what);
	// The same history with the entry point's start a second later: then the hook came first.
	const late = fixture("destroyed")
		.split("\n")
		.map((line) =>
			line.includes("/tasks/start")
				? line.replace(/:(\d\d)(\.\d+ \+0000 UTC k8s\.io)/, (_, second, rest) => `:${String(Number(second) + 1).padStart(2, "0")}${rest}`)
				: line,
		)
		.join("\n");
	const [mixed] = repeatsOf([...storyOf(late).pods, ...twice]);
	assert.deepEqual(mixed?.measures.find(({ what }) => what === "entry point to postStart")?.first, { "entry point": 2, postStart: 1 });
	const race2 = storyOf(late).pods[0]?.verdicts.find(({ guarantee }) => guarantee.id === "poststart-entrypoint");
	assert.match(race2?.because ?? "", /^This time the hook of lifecycle-demo was started 0\.\d+ s before its process\.$/);
});
test("text, page and JSON tell it", () => {
	const repeats = repeatsOf(twice);
	const story = { ...once, repeats };
	const [text = ""] = repeats.map(repeatsText);
	assert.match(text, /^lifecycle-demo-pod: 2 lives\n {2}what +container +least +median +most/);
	assert.match(text, /^ {2}entry point to postStart +lifecycle-demo +0\.\d+ s +0\.\d+ s +0\.\d+ s +entry point first: 2 of 2$/m);
	assert.match(text, /^ {2}- +2 +- +- +preStop ends before SIGTERM$/m);
	assert.match(pageOf(story), /<h2>lifecycle-demo-pod: 2 lives<\/h2>/);
	assert.equal(JSON.parse(storyJson(story)).runs[0].count, 2);
});
test("the median of an even number is the mean of the two in the middle", () => {
	assert.deepEqual([median([1]), median([1, 3]), median([1, 2, 9]), median([1, 2, 4, 9])], [1, 2, 2, 3]);
});
