// Recordings as they are read: damaged lines, other versions, several of them, packed ones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordingError, readRecording, trimmed } from "../../lifecycle/recording/recording.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { fixture } from "./lifecycle-fixture.ts";

const whole = fixture("destroyed");
const [header = ""] = whole.split("\n");

test("a whole recording has no problems, and every line is there", () => {
	const { headers, lines, problems } = readRecording(whole);
	assert.deepEqual(problems, []);
	assert.deepEqual(
		headers.map(({ host }) => host),
		["k8s-master", "k8s-node01", "k8s-node02"],
	);
	assert.equal(headers.length + lines.length, whole.trimEnd().split("\n").length);
});
test("a recording cut short says where, and what came before is still used", () => {
	const cut = whole.slice(0, whole.indexOf('"phase":"Running"'));
	const { problems, pods } = storyOf(cut, { name: "cut.jsonl" });
	assert.match(problems[0] ?? "", /^cut\.jsonl:\d+: cut short in the middle of this line; what came after it is missing$/);
	assert.equal(problems[1], "cut.jsonl: no end from k8s-master: the recorder was still running there, or the file was cut");
	assert.equal(pods[0]?.history.name, "lifecycle-demo-pod");
	assert.ok(pods[0]?.verdicts.every(({ word }) => word !== "FAIL"));
});
test("a recording of another schema version names both versions and what to do", () => {
	assert.throws(() => readRecording(header.replace('"version":1', '"version":2'), "new.jsonl"), {
		name: "Error",
		message: "new.jsonl:1: a recording of version 2; this program reads version 1. Use the program that recorded it.",
	});
});
test("one host's recording of another version leaves the others'", () => {
	const mixed = whole.replace(/^(.*"host":"k8s-node02","role".*)$/m, (line) => line.replace('"version":1', '"version":9'));
	const { headers, problems } = readRecording(mixed, "mixed.jsonl");
	assert.deepEqual(
		headers.map(({ host }) => host),
		["k8s-master", "k8s-node01"],
	);
	assert.match(problems[0] ?? "", /^mixed\.jsonl:\d+: a recording of version 9; this program reads version 1/);
});
test("what is no recording is refused with a word about what is", () => {
	assert.throws(() => readRecording("", "empty.jsonl"), new RecordingError("empty.jsonl: empty. Was anything recorded? See demoRecordHours."));
	assert.throws(
		() => readRecording('{"a":1}\n', "x.json"),
		/x\.json:1: the first line is no recording's header\. Give a file that npm run lifecycle -- fetch wrote\./,
	);
	for (const text of ["hello\n", "hello", "# A page\n\nof text\n"])
		assert.throws(() => readRecording(text, "x"), /^Error: x:1: the first line is no recording's header\. Give/);
	assert.throws(() => readRecording(header.replace('"host"', '"hast"'), "x"), /x:1: not a header of kubeadm-lab\/recording: host: /);
});
test("a damaged line in the middle is passed over and named", () => {
	const damaged = whole.replace(/^\{"at":.*"from":"events".*$/m, "{oops");
	const { lines, problems } = readRecording(damaged, "d");
	assert.equal(lines.length, readRecording(whole).lines.length - 1);
	assert.match(problems[0] ?? "", /^d:\d+: not JSON; passed over$/);
	assert.match(readRecording(`${header}\n{"at":"soon","host":"a","from":"pods","data":1}\n`, "d").problems[0] ?? "", /^d:2: expected at, host, from and data/);
});
test("a Pod that never appeared is a word in the story, not an end", () => {
	const { pods, problems } = storyOf(whole, { pod: "other" });
	assert.deepEqual(pods, []);
	assert.deepEqual(problems, ["Pod other never appeared while this was recorded; these did: lifecycle-demo-pod."]);
	assert.deepEqual(storyOf(`${header}\n`, { name: "n" }).problems.at(-1), "No Pod appeared while this was recorded.");
});
test("trimming takes out managed fields and nothing that is shown", () => {
	const full = whole.replace(
		/"labels":\{"test":"lifecycle"\}\},"spec"/,
		'"labels":{"test":"lifecycle"},"managedFields":[{"manager":"x","fieldsV1":{"a":{}}}]},"spec"',
	);
	assert.notEqual(full, whole);
	assert.equal(trimmed(full), whole);
});
