// The summaries at the end of `up` and `destroy`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { packRecording } from "../../lifecycle/recording/packed.ts";
import { finalSummary, summarySoFar } from "../../lifecycle/render/summary.ts";
import { fixture } from "./lifecycle-fixture.ts";

const POD = "lifecycle-demo-pod";
/** A Pod that ended, and the day after one of the same name that goes on; each recorder still runs. */
const packed = [fixture("destroyed").replace(/^.*"from":"end".*\n/gm, ""), fixture("pause")].map(packRecording);

test("while the Pod lives, its table has the last Pod of its name only, and doesn't miss the end of recorders that run", () => {
	const text = summarySoFar(packed, POD);
	assert.deepEqual(text.match(/^\S+ on k8s-node0\d$/gm), [`${POD} on k8s-node01`]);
	assert.match(text, /^ +\+3\.270 s {2}lifecycle-demo {3}runs$/m);
	assert.match(text, /^PASS +hooks run at least once$/m);
	assert.doesNotMatch(text, /\bgone\b|^note:/m);
});
test("at the end each other Pod gets a line, those of the same name too", () => {
	const others = finalSummary(packed, POD).match(/^\S+ on k8s-node0\d: .*$/gm) ?? [];
	assert.deepEqual(
		others.map((line) => line.split(" ")[0]),
		[POD, "pause-private", "pause-shared", "no-shell-http"],
	);
});
test("what is no recording is a sentence in its place, and a Pod that never came is a note", () => {
	assert.match(summarySoFar(["bm90IGd6aXA="], POD), /^not a packed recording \(.+\): "bm90IGd6aXA="$/);
	assert.match(summarySoFar([packRecording("hello\n")], POD), /^recording:.+$/);
	assert.match(summarySoFar(packed, "nobody"), /^note: Pod nobody never appeared while this was recorded; these did: /);
});
