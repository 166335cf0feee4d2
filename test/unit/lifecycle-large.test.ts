// A container that is probed all day: its report is quick, and the page of a size that opens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hookIn } from "../../lifecycle/history/pod-history.ts";
import { pageOf } from "../../lifecycle/render/html.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { fullText } from "../../lifecycle/render/text.ts";
import { probed } from "./lifecycle-fixture.ts";

const PROBES = 10_000;
/** It takes 0.5 s; with time that grew with the square of the entries it took 20 s (two cores, 25 November 2026). */
const BOUND_SECONDS = 8;

test("a container that is probed all day is told in time, its hooks are found, and the page stays of a size that opens", () => {
	const text = probed(PROBES);
	const begin = performance.now();
	const story = storyOf(text);
	const page = pageOf(story);
	const told = fullText(story);
	const seconds = (performance.now() - begin) / 1000;
	assert.ok(seconds < BOUND_SECONDS, `${seconds.toFixed(1)} s for ${story.timeline.entries.length} entries`);
	const [pod] = story.pods;
	const [main] = pod?.history.containers.filter(({ role }) => role === "main") ?? [];
	const [run] = main?.runs ?? [];
	assert.ok(run && pod);
	assert.equal(run.execs.length, PROBES + 2);
	assert.deepEqual([hookIn(run, "postStart")?.exited?.exitCode, hookIn(run, "preStop")?.exited?.exitCode], [0, 0]);
	assert.equal(pod.verdicts.find(({ guarantee }) => guarantee.id === "prestop-before-term")?.word, "PASS");
	const rows = page.match(/<tr id="e\d+"/g)?.length ?? 0;
	assert.ok(rows >= 10_000 && rows < 10_200, `${rows} rows`);
	assert.match(page, /<p class="soft">\d+ entries from the middle are in story\.json only\.<\/p>/);
	assert.match(page, /<text class="soft"[^>]*>\d+ not drawn<\/text>/);
	assert.ok(told.split("\n").length > story.timeline.entries.length / 2, "the text has all entries");
});
