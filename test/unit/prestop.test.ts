// The recordings beside docs/prestop.md show what its table says.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { excerpt } from "../../lifecycle/recording/excerpt.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { keptRecording, recordingFile, rowOf, tableFile, WAYS, type Way } from "../prestop.ts";
import { fixture } from "./lifecycle-fixture.ts";

const table = readFileSync(tableFile, "utf8");
for (const way of Object.keys(WAYS) as Way[])
	test(`docs/prestop.md says of ${WAYS[way]} what its recording says`, () => {
		const { pods, problems } = storyOf(keptRecording(way));
		assert.equal(pods.length, 1);
		assert.deepEqual(
			problems.filter((problem) => !problem.includes("no end from")),
			[],
		);
		const [story] = pods;
		assert.ok(story?.history.hasRuntime);
		assert.ok(table.includes(`${rowOf(way, story)}\n`), `expected: ${rowOf(way, story)}`);
	});
test("every recording beside it is in the table, and every row has one", () => {
	const files = readdirSync(dirname(recordingFile("delete"))).map((name) => name.replace(/\.jsonl\.gz$/, ""));
	const rows = [...table.matchAll(/\| \[([\w-]+)\]\(prestop\//g)].map(([, way]) => way ?? "");
	assert.deepEqual(files.sort(), Object.keys(WAYS).sort());
	assert.deepEqual(rows.sort(), files);
});
test("after a reboot and a power-off the recording goes on, and promises about a start are judged for each start", () => {
	for (const way of ["reboot", "power-off"] as const) {
		const { pods, timeline } = storyOf(keptRecording(way));
		const [story] = pods;
		assert.equal(story?.history.containers[0]?.runs.length, 2, way);
		assert.ok(timeline.entries.some(({ text }) => text.startsWith("the host was started again")));
		for (const { word, because } of story?.verdicts ?? []) assert.notEqual(word, "FAIL", because);
	}
});
test("a Pod's excerpt has what its whole recording says of it, and nothing of another", () => {
	const whole = fixture("gallery");
	const part = storyOf(excerpt(whole, "prestop-hangs"));
	const of = storyOf(whole, { pod: "prestop-hangs" }).pods[0];
	assert.deepEqual(
		part.pods.map(({ history }) => history.name),
		["prestop-hangs"],
	);
	const said = (verdicts: (typeof part.pods)[0]["verdicts"] = []) => verdicts.map(({ word, because }) => `${word} ${because}`);
	assert.deepEqual(said(part.pods[0]?.verdicts), said(of?.verdicts));
	assert.equal(part.pods[0]?.history.entries.length, of?.history.entries.length);
	assert.throws(() => excerpt(whole, "nobody"), /^Error: Pod nobody is not in the recording; these are: .*prestop-hangs/);
});
