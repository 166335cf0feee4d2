// What a recording holds can't break out of its place on the page or in the drawing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pageOf } from "../../lifecycle/render/html.ts";
import { joined, markup, trusted } from "../../lifecycle/render/markup.ts";
import { type Story, storyOf } from "../../lifecycle/render/story.ts";
import { svgOf } from "../../lifecycle/render/svg.ts";
import { fixture } from "./lifecycle-fixture.ts";

const HOSTILE = fc.string({ unit: fc.constantFrom("<", ">", '"', "&", "'", "/", "=", " ", "a", "<script>", "-->", "&lt;", "</title>") });
const unescaped = (text: string) => text.replaceAll("&quot;", '"').replaceAll("&gt;", ">").replaceAll("&lt;", "<").replaceAll("&amp;", "&");

test("what is put into a template is text, in attributes and in arrays too, and only markup is taken as it is", () => {
	fc.assert(
		fc.property(HOSTILE, HOSTILE, (one, other) => {
			const [, attribute = "", inside = ""] =
				/^<p title="([^"<>]*)">([^"<>]*)<br><\/p>$/.exec(String(markup`<p title="${one}">${[other, markup`<br>`]}</p>`)) ?? [];
			assert.deepEqual([unescaped(attribute), unescaped(inside)], [one, other]);
		}),
	);
	assert.equal(String(joined([markup`<b>${1}</b>`, "<", trusted("<i>")], ", ")), "<b>1</b>, &lt;, <i>");
	assert.equal(String(markup`${String(markup`<b>`)}`), "&lt;b&gt;", "markup that became text is text");
});

/** Told apart by the program, and by nobody else. */
const WORDS = new Set(["word", "role", "kind", "meaning", "source"]);
/** The story with something behind every text of it; what was one object before is one after. */
function spoilt(story: Story, more: string): Story {
	const done = new Map<object, unknown>();
	const copy = (value: unknown): unknown => {
		if (typeof value === "string") return value + more;
		if (typeof value !== "object" || value === null) return value;
		const known = done.get(value);
		if (known !== undefined) return known;
		if (value instanceof Map) return new Map([...value].map(([key, part]) => [key, copy(part)]));
		const own: Record<string, unknown> = Array.isArray(value) ? ([] as never) : {};
		done.set(value, own);
		for (const [name, part] of Object.entries(value)) own[name] = WORDS.has(name) ? part : copy(part);
		return own;
	};
	return copy(story) as Story;
}
/** Its tags with the names of their attributes, and no text. */
const bones = (text: string) => [...text.matchAll(/<(?:[^"<>]|"[^"<>]*")*>/g)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, ""));

test("no text of a recording breaks out of its place, on the page and in the drawing", () => {
	for (const name of ["destroyed", "pause"]) {
		const story = storyOf(fixture(name));
		const views = (more: string) => {
			const bad = spoilt(story, more);
			return [pageOf(bad, { title: more, made: more }), ...bad.pods.map(({ history }) => svgOf(history))].map(bones);
		};
		// As long and as wide as the hostile one, so that the drawing has room for the same labels.
		fc.assert(
			fc.property(HOSTILE, (text) => assert.deepEqual(views(text), views(text.replaceAll(/[<>"&]/g, "a")))),
			{ numRuns: 15 },
		);
	}
});
