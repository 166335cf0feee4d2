// What others wrote reaches a terminal as text: no escape sequence of a host, a Pod, a recording or a stack's file is acted on.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { packRecording } from "../../lifecycle/recording/packed.ts";
import { podLine } from "../../lifecycle/render/pod-line.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { finalSummary, summarySoFar } from "../../lifecycle/render/summary.ts";
import { printable } from "../../printable.ts";
import { fixture } from "./lifecycle-fixture.ts";

/** Cc but a tab and a line's end: ECMA-48's functions all begin with one of them. */
const CONTROL = /(?![\t\n])\p{Cc}/u;
const EVIL = "\x1b]0;owned\x07\x1b[2J\r\u009b31m\u202e";
/** The same as JSON has it. */
const ESCAPED = JSON.stringify(EVIL).slice(1, -1).replaceAll("\u009b", "\\u009b").replaceAll("\u202e", "\\u202e");
const recording = () => fixture("destroyed").replaceAll("Hello from", `${ESCAPED}Hello from`).replaceAll('"message":"', `"message":"${ESCAPED}`);

test("of any text no control character is left but tabs and ends of lines, and the rest stays as it is", () => {
	fc.assert(
		fc.property(
			fc.string({
				unit: fc.oneof(
					fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCodePoint(code)),
					fc.constant("\x1b"),
				),
			}),
			(text) => {
				const shown = printable(text);
				assert.doesNotMatch(shown, CONTROL);
				assert.equal(
					JSON.parse(
						`"${shown
							.replaceAll(/\\(?!u[0-9a-f]{4})|"/g, "\\$&")
							.replaceAll("\n", "\\n")
							.replaceAll("\t", "\\t")}"`,
					),
					text,
				);
			},
		),
	);
	assert.equal(printable("a\tb\nä 日本 😀 €"), "a\tb\nä 日本 😀 €");
	assert.equal(printable(EVIL), "\\u001b]0;owned\\u0007\\u001b[2J\\u000d\\u009b31m\\u202e");
});

test("what is told of a Pod at the end of up and destroy, and its line, has none of what the Pod or the API server wrote", () => {
	const packed = [packRecording(recording())];
	for (const text of [summarySoFar(packed, "lifecycle-demo-pod"), finalSummary(packed, "lifecycle-demo-pod")]) {
		assert.doesNotMatch(text, CONTROL);
		assert.match(text, /\\u001b\]0;owned\\u0007.*Hello from the postStart handler/);
	}
	const [pod] = storyOf(fixture("destroyed")).pods;
	assert.ok(pod);
	const { alive } = pod.history;
	assert.doesNotMatch(podLine({ ...alive, status: { ...alive.status, reason: EVIL } }), CONTROL);
});

test("the commands print none of it either, nor what they are given", () => {
	const folder = mkdtempSync(join(tmpdir(), "printable-"));
	try {
		const file = join(folder, "recording.jsonl");
		writeFileSync(file, recording());
		const run = (...args: string[]) =>
			spawnSync(process.execPath, ["commands/lifecycle.ts", ...args], { encoding: "utf8", cwd: join(import.meta.dirname, "../..") });
		for (const args of [
			["show", "--from", file],
			["report", "--from", file, "--to", folder],
			["runs", "--from", file],
			["show", "--from", `${EVIL}x`],
			[EVIL],
		]) {
			const { stdout, stderr } = run(...args);
			assert.ok((stdout + stderr).length > 20, args.join(" "));
			assert.doesNotMatch(stdout + stderr, CONTROL, args.join(" "));
		}
	} finally {
		rmSync(folder, { recursive: true });
	}
});
