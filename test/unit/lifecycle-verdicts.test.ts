import assert from "node:assert/strict";
import { test } from "node:test";
import { GUARANTEES } from "../../lifecycle/guarantees.ts";
import { storyOf } from "../../lifecycle/story.ts";
import type { Verdict } from "../../lifecycle/verdicts.ts";
import { fixture } from "./lifecycle-fixture.ts";

const whole = fixture("destroyed");
const verdicts = (text: string): Record<string, Verdict> =>
	Object.fromEntries((storyOf(text).pods[0]?.verdicts ?? []).map((verdict) => [verdict.guarantee.id, verdict]));
const words = (text: string) => Object.fromEntries(Object.entries(verdicts(text)).map(([id, { word }]) => [id, word]));
/** Moves the runtime's times of lines that match by some milliseconds. */
const moved = (pattern: RegExp, ms: number): string =>
	whole
		.split("\n")
		.map((line) =>
			pattern.test(line)
				? line.replaceAll(/(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d\.\d+)/g, (_, day, between, time) => {
						const at = new Date(Date.parse(`${day}T${time.slice(0, 12)}Z`) + ms).toISOString();
						return `${at.slice(0, 10)}${between}${at.slice(11, 23)}${time.slice(12)}`;
					})
				: line,
		)
		.join("\n");

test("every guarantee has a verdict, in order, each with the page it is from", () => {
	const { pods } = storyOf(whole);
	assert.deepEqual(
		pods[0]?.verdicts.map(({ guarantee }) => guarantee.id),
		GUARANTEES.map(({ id }) => id),
	);
	for (const { says, page, url } of GUARANTEES) assert.ok(says.length > 20 && page.length > 5 && url.startsWith("https://kubernetes.io/docs/"));
});
test("the seed's Pod, recorded in the lab, keeps what it can show and claims nothing else", () => {
	assert.deepEqual(words(whole), {
		"init-order": "PASS",
		"poststart-after-created": "PASS",
		"poststart-entrypoint": "NOT GUARANTEED",
		"ready-after-poststart": "PASS",
		"poststart-failure": "NOT OBSERVED",
		"prestop-before-term": "PASS",
		"grace-includes-prestop": "NOT OBSERVED",
		"kill-at-grace-end": "NOT OBSERVED",
		"hooks-at-least-once": "PASS",
		"sidecar-order": "NOT OBSERVED",
		"hostpath-outlives": "PASS",
	});
});
test("each PASS names the entries that decide it", () => {
	for (const { word, entries, guarantee } of Object.values(verdicts(whole))) if (word === "PASS") assert.ok(entries.length > 0, guarantee.id);
	const { entries } = verdicts(whole)["prestop-before-term"] as Verdict;
	assert.deepEqual(
		entries.map(({ kind }) => kind),
		["exec-exited", "signal"],
	);
});
test("a SIGTERM before preStop's end fails", () => {
	const early = moved(/with signal terminated/, -25);
	const { word, because } = verdicts(early)["prestop-before-term"] as Verdict;
	assert.equal(word, "FAIL", because);
	assert.match(because, /^SIGTERM came 0\.\d+ s after preStop of lifecycle-demo began, and it had not ended\.$/);
});
test("a main container that starts before the init container has ended fails", () => {
	const { word, because } = verdicts(moved(/"runtime".*"pid\\?":.*|tasks\/start/, 0).replace(/x^/, ""))["init-order"] as Verdict;
	assert.equal(word, "PASS", because);
	const initEnd = whole.split("\n").find((line) => line.includes("/tasks/exit")) ?? "";
	const late = whole.replace(
		initEnd,
		initEnd.replaceAll(/:(\d\d)\.(\d+)( \+0000|Z)/g, (_, second, rest, zone) => `:${String(Number(second) + 2).padStart(2, "0")}.${rest}${zone}`),
	);
	assert.notEqual(late, whole);
	assert.equal(words(late)["init-order"], "FAIL");
});
test("a Pod that was Ready before postStart ended fails, and one that never got Ready passes nothing", () => {
	const ready = whole
		.split("\n")
		.map((line) =>
			line.includes('"type":"Ready","status":"True"') && !line.includes("deletionTimestamp")
				? line.replace(/"at":(\d+)/, (_, at) => `"at":${Number(at) - 2000}`)
				: line,
		);
	assert.equal(words(ready.join("\n"))["ready-after-poststart"], "FAIL");
	const never = whole.replaceAll('"type":"Ready","status":"True"', '"type":"Ready","status":"False"');
	assert.equal(words(never)["ready-after-poststart"], "NOT OBSERVED");
});
test("without the runtime nothing is claimed about hooks", () => {
	const deaf = whole
		.split("\n")
		.filter((line) => !/"from":"(runtime|journal)"/.test(line))
		.join("\n");
	const { "hooks-at-least-once": hooks, "prestop-before-term": preStop, "init-order": init } = verdicts(deaf);
	assert.equal(hooks?.word, "NOT OBSERVED");
	assert.equal(preStop?.word, "NOT OBSERVED");
	assert.equal(hooks?.because, "The container runtime was not heard: only it knows when hooks ran.");
	// Whole seconds of the API: told apart only where the seconds differ.
	assert.notEqual(init?.word, "FAIL");
});
test("a message file that lost the Pod's last line fails", () => {
	const lost = whole
		.split("\n")
		.filter((line) => !(line.includes('"file-end"') && line.includes("preStop")))
		.join("\n");
	assert.equal(words(lost)["hostpath-outlives"], "FAIL");
});
test("a line that an earlier Pod wrote stands for no line of this one", () => {
	const [, host = ""] = whole.match(/"host":"([^"]+)","from":"file-end"/) ?? [];
	const before = ["Hello initContainers", "Hello from the preStop handler"].map((data) =>
		JSON.stringify({ at: 1_795_545_700_000, host, from: "file-start", data }),
	);
	const lines = whole.split("\n");
	const place = lines.findIndex((line) => line.includes(`"host":"${host}"`)) + 1;
	assert.equal(words([...lines.slice(0, place), ...before, ...lines.slice(place)].join("\n"))["hostpath-outlives"], "FAIL", "the file has one line of two");
	const after = before.map((line) => line.replace("file-start", "file-end"));
	assert.equal(
		words([...lines.slice(0, place), ...before, ...after.map((line) => line.replace(/"at":\d+/, '"at":1795545799000')), ...lines.slice(place)].join("\n"))[
			"hostpath-outlives"
		],
		"PASS",
	);
});
test("a Pod that is still there has no verdict about its end", () => {
	const until = whole.split("\n").filter((line) => !/deletionTimestamp|"DELETED"|StopContainer|Stop container|StopPodSandbox|"file-end"|Killing/.test(line));
	const { "prestop-before-term": preStop, "hostpath-outlives": hostPath } = verdicts(until.join("\n"));
	assert.deepEqual([preStop?.word, hostPath?.word], ["NOT OBSERVED", "NOT OBSERVED"]);
	assert.equal(hostPath?.because, "The Pod is not gone.");
});
