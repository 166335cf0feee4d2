// Recordings that are cut off or have gaps: what is missing there fails no guarantee.
import assert from "node:assert/strict";
import { test } from "node:test";
import { storyOf } from "../../lifecycle/render/story.ts";
import { fixture, withAfter, without } from "./lifecycle-fixture.ts";

const whole = fixture("destroyed");
const lines = whole.trimEnd().split("\n");
const verdictsIn = (text: string): Record<string, string> =>
	Object.fromEntries((storyOf(text).pods[0]?.verdicts ?? []).map(({ guarantee, word, because }) => [guarantee.id, `${word} ${because}`]));
const failures = (text: string): string[] => Object.values(verdictsIn(text)).filter((one) => one.startsWith("FAIL"));

test("a recording that was cut off, at whatever line or in the middle of one, fails nothing", () => {
	for (let count = 1; count <= lines.length; count++) {
		const text = lines.slice(0, count).join("\n");
		assert.deepEqual(failures(`${text}\n`), [], `after line ${count}`);
		if (count > 1) assert.deepEqual(failures(text.slice(0, -20)), [], `in line ${count}`);
	}
});
test("a recording of which one line can't be read, whichever it is, fails nothing", () => {
	for (let place = 1; place < lines.length; place++) assert.deepEqual(failures(`${lines.with(place, "{oops").join("\n")}\n`), [], `line ${place + 1}`);
});
test("a line that can't be read where one stream ends and the next begins may be of any time", () => {
	const [preStop, log] = [
		lines.findLastIndex((line) => line.includes("/tasks/exec-added")),
		lines.findIndex((line) => /k8s-node02.*"from":"journal"/.test(line)),
	];
	assert.deepEqual(failures([...lines.slice(0, preStop), "{oops", ...lines.slice(log)].join("\n")), []);
	assert.match(failures([...lines.slice(0, preStop), ...lines.slice(log)].join("\n")).join(), /^FAIL preStop of lifecycle-demo did not run\.$/);
});
test("a hook's end that was not recorded, though its container's was, fails nothing", () => {
	const gapped = verdictsIn(without(whole, /tasks\/exit.*(74e029b7|15938c3b)/));
	assert.equal(gapped["ready-after-poststart"], "NOT OBSERVED The Pod was Ready; the end of a postStart hook was not recorded.");
	assert.equal(gapped["prestop-before-term"], "NOT OBSERVED The end of lifecycle-demo's preStop hook was not recorded, or it could not be started.");
});

const noteLine = (at: number, data: string) => JSON.stringify({ at, host: "k8s-node02", from: "note", data });
const GAP = "the stream runtime ended, and is heard again: what happened meanwhile is not recorded";
const HEADER = /"schema".*k8s-node02/;
test("what is missing where the runtime was recorded all the time did not happen; with a gap there it may have", () => {
	for (const [pattern, hook, at] of [
		[/exec-.*74e029b7|exit.*74e029b7|exec-.*15938c3b|exit.*15938c3b/, "postStart", 1795545765000],
		[/exec-.*15938c3b|exit.*15938c3b/, "preStop", 1795545770300],
	] as const) {
		const missing = without(whole, pattern);
		assert.match(verdictsIn(missing)["hooks-at-least-once"] ?? "", new RegExp(`^FAIL ${hook} of lifecycle-demo did not run\\.`));
		for (const words of [GAP, "the recorder was started again: what happened here meanwhile is not recorded"])
			assert.deepEqual(failures(withAfter(missing, HEADER, noteLine(at, words))), [], hook);
	}
	const elsewhere = withAfter(without(whole, /exec-.*15938c3b|exit.*15938c3b/), HEADER, noteLine(1795545764000, GAP));
	assert.match(verdictsIn(elsewhere)["hooks-at-least-once"] ?? "", /^FAIL preStop/, "a gap before that hides nothing");
	assert.equal(verdictsIn(withAfter(whole, HEADER, noteLine(1795545770300, GAP)))["hooks-at-least-once"], verdictsIn(whole)["hooks-at-least-once"]);
});
test("a file that was not read to its end fails nothing; one that was lacks what it lacks", () => {
	const lost = without(whole, /"file-end".*preStop/);
	assert.equal(verdictsIn(lost)["hostpath-outlives"], 'FAIL After the Pod was gone the file lacks "Hello from the preStop handler".');
	assert.equal(
		verdictsIn(without(lost, /k8s-node02.*"from":"end"/))["hostpath-outlives"],
		'NOT OBSERVED As far as was recorded: After the Pod was gone the file lacks "Hello from the preStop handler". But not all of the file\'s lines were.',
	);
});
