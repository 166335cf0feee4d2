// Which command or request in a recording was a hook, also where it is none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hookIn } from "../../lifecycle/history/pod-history.ts";
import { type PodStory, storyOf } from "../../lifecycle/render/story.ts";
import type { Verdict } from "../../lifecycle/verdicts/verdicts.ts";
import { fixture } from "./lifecycle-fixture.ts";

const only = (text: string): PodStory => {
	const [pod] = storyOf(text).pods;
	assert.ok(pod);
	return pod;
};
const verdictOf = ({ verdicts }: PodStory, id: string): Verdict => {
	const found = verdicts.find(({ guarantee }) => guarantee.id === id);
	assert.ok(found, id);
	return found;
};
const changed = (text: string, change: (line: string) => string): string => text.split("\n").map(change).join("\n");
const http = fixture("http");
const sleep = fixture("sleep");

test("an httpGet hook is seen in its server's log, and judged by it", () => {
	const pod = only(http);
	assert.equal(verdictOf(pod, "hooks-at-least-once").word, "PASS");
	const hook = hookIn(pod.history.containers[0]?.runs[0] as never, "preStop");
	assert.match(hook?.exited?.text ?? "", /"GET \/ HTTP\/1\.1" 200 .*"kube-lifecycle\/1\.29"/);
});
test("a server's line that the runtime read before SIGTERM proves the order; one that it read after decides nothing", () => {
	// The lab's: 3 ms after.
	const late = verdictOf(only(http), "prestop-before-term");
	assert.equal(late.word, "NOT OBSERVED");
	assert.match(late.because, /^main answered its preStop hook; the runtime read that 0\.\d+ s after SIGTERM, so it doesn't tell which came first\.$/);
	const time = (line: string) => line.replace(/(\d\d:\d\d:\d\d)\.(\d)(\d+Z stdout)/, (_, second, __, rest) => `${second}.0${rest.replace(/^\d/, "0")}`);
	const early = verdictOf(only(changed(http, (line) => (line.includes('"from":"request"') ? time(line) : line))), "prestop-before-term");
	assert.equal(early.word, "PASS", early.because);
	assert.match(early.because, /^main had answered and logged the request of its preStop hook 0\.\d+ s before SIGTERM was sent\.$/);
	assert.deepEqual(
		early.entries.map(({ kind }) => kind),
		["hook-request", "signal"],
	);
});
test("an httpGet hook without a line in its server's log is NOT OBSERVED", () => {
	const silent = only(changed(http, (line) => (line.includes('"from":"request"') ? "" : line)));
	const { word, because } = verdictOf(silent, "prestop-before-term");
	assert.equal(word, "NOT OBSERVED");
	assert.equal(because, "preStop is an httpGet: only its server sees it, and no line of the container's log names the kubelet (kube-lifecycle).");
	assert.equal(verdictOf(silent, "hooks-at-least-once").word, "NOT OBSERVED");
	const other = only(changed(http, (line) => (line.includes('"from":"request"') ? line.replace("GET / HTTP", "GET /other HTTP") : line)));
	assert.equal(verdictOf(other, "prestop-before-term").word, "NOT OBSERVED", "a request of another path is no hook of this container");
});
test("a sleep hook is judged by the time that the kubelet takes off the grace period", () => {
	const pod = only(sleep);
	assert.deepEqual(pod.history.containers[0]?.preStop, { form: "sleep", seconds: 2 });
	const { word, because } = verdictOf(pod, "prestop-before-term");
	assert.equal(word, "PASS", because);
	assert.equal(because, "preStop of main sleeps 2 s, and before SIGTERM the kubelet had counted that: of 10 s it gave the process 8.");
	assert.equal(verdictOf(pod, "grace-includes-prestop").because, "preStop of main sleeps 2 of 10 s, and its process was given 8 s.");
	assert.equal(verdictOf(pod, "hooks-at-least-once").word, "PASS");
});
test("a kubelet that gives the process the whole grace period has not counted the sleep", () => {
	const pod = only(changed(sleep, (line) => line.replace("with timeout 8 (s)", "with timeout 10 (s)")));
	assert.equal(verdictOf(pod, "grace-includes-prestop").word, "FAIL");
	assert.equal(verdictOf(pod, "prestop-before-term").word, "NOT OBSERVED");
	assert.equal(verdictOf(pod, "hooks-at-least-once").word, "NOT OBSERVED");
});
test("a SIGTERM that comes before the sleep can be over fails", () => {
	const early = changed(sleep, (line) => line.replaceAll('"sleep":{"seconds":2}', '"sleep":{"seconds":9}'));
	assert.equal(verdictOf(only(early), "prestop-before-term").word, "FAIL");
});
