// The drawing in words: what happened at a time, and what only by then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOf } from "../../lifecycle/render/html.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { svgOf } from "../../lifecycle/render/svg.ts";
import { shortText } from "../../lifecycle/render/text.ts";
import { fixture } from "./lifecycle-fixture.ts";

const story = storyOf(fixture("destroyed"));
const inTerminal = [...shortText(story).matchAll(/^(by| {2}) *(\+\S+ s) {2}(.{16}) (.*)$/gm)].map(([, by = "", at = "", who = "", what = ""]) =>
	[by, at, who, what].map((cell) => cell.trim()),
);
test("what was only recorded later has a by in the terminal's table, and nothing else has", () => {
	const isHeard = ([, , who]: string[]) => who === "Pod" || who === "message file";
	assert.ok(inTerminal.length > 10);
	for (const moment of inTerminal) assert.equal(moment[0], isHeard(moment) ? "by" : "", moment.join(" "));
});
test("the page's words are those of the terminal", () => {
	const [, table = ""] = pageOf(story).match(/The drawing in words.*?<\/tr>(.*?)<\/table>/s) ?? [];
	const onPage = [...table.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row = ""]) => [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell]) => cell));
	assert.deepEqual(onPage, inTerminal);
});
test("the deletion is told once, and drawn as a mark and a bar", () => {
	const told = inTerminal.filter(([, , , what]) => what === "Terminating" || what === "delete");
	assert.deepEqual(
		told.map(([, , , what]) => what),
		["Terminating"],
	);
	const [pod] = story.pods;
	assert.ok(pod);
	assert.match(svgOf(pod.history), /<path class="m-delete by"/);
});
test("a drawing's description says no later than where that is all that is known, of begins and ends", () => {
	const [pod] = story.pods;
	assert.ok(pod);
	const [, said = ""] = svgOf(pod.history).match(/<desc>(.*?)<\/desc>/) ?? [];
	assert.match(said, /ending \(Terminating\) from no later than (\+[\d.]+ s) to no later than (\+[\d.]+ s); gone no later than \2\. /);
	assert.match(said, /; main \(.* s\) from \+[\d.]+ s to \+[\d.]+ s; .*SIGTERM at \+[\d.]+ s; exit 0 at /);
	assert.doesNotMatch(said, /delete/);
});
