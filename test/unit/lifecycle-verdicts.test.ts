// The verdicts over recordings from the lab, and over the same ones with something changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type PodStory, storyOf } from "../../lifecycle/render/story.ts";
import { GUARANTEES } from "../../lifecycle/verdicts/guarantees.ts";
import type { Verdict } from "../../lifecycle/verdicts/verdicts.ts";
import { fixture, moved, withAfter, without } from "./lifecycle-fixture.ts";

const whole = fixture("destroyed");
const verdicts = (text: string): Record<string, Verdict> =>
	Object.fromEntries((storyOf(text).pods[0]?.verdicts ?? []).map((verdict) => [verdict.guarantee.id, verdict]));
const wordsById = (text: string) => Object.fromEntries(Object.entries(verdicts(text)).map(([id, { word }]) => [id, word]));
test("every guarantee has a verdict, in order, each with the page it is from", () => {
	const { pods } = storyOf(whole);
	assert.deepEqual(
		pods[0]?.verdicts.map(({ guarantee }) => guarantee.id),
		GUARANTEES.map(({ id }) => id),
	);
	for (const { says, page, url } of GUARANTEES) assert.ok(says.length > 20 && page.length > 5 && url.startsWith("https://kubernetes.io/docs/"));
});
test("the seed's Pod, recorded in the lab, keeps what it can show and claims nothing else", () => {
	assert.deepEqual(wordsById(whole), {
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
test("the same Pod on Docker is judged the same, from Docker's own events; how long it gives a process it does not say", () => {
	assert.deepEqual(wordsById(fixture("docker")), wordsById(whole));
	const { because } = verdicts(fixture("docker"))["grace-includes-prestop"] as Verdict;
	assert.equal(because, "Docker does not say how long it gives a process, and none had to be killed.");
});
test("on Docker a SIGTERM before preStop's end fails, and a process that is killed shows how long it was given", () => {
	const docker = fixture("docker");
	const event = (pattern: RegExp) => docker.split("\n").find((line) => pattern.test(line)) ?? "";
	const [term, exit] = [event(/\\"action\\":\\"kill\\".*lifecycle-demo\\".*signal\\":\\"15/), event(/\\"action\\":\\"die\\".*name\\":\\"lifecycle-demo\\"/)];
	assert.ok(term !== "" && exit !== "");
	const later = (line: string, ms: number) => line.replace(/(nano\\":\\")(\d+)/, (_, before, nano) => `${before}${BigInt(nano) + BigInt(ms) * 1_000_000n}`);
	assert.equal(wordsById(docker.replace(term, later(term, -60)))["prestop-before-term"], "FAIL");
	const killed = (ms: number) => {
		const kill = later(term, ms)
			.replace(/(signal\\":\\")15/, "$19")
			.replace('signal\\":\\"15', 'signal\\":\\"9');
		return docker.replace(exit, `${kill}\n${later(exit, ms).replace(/(exitCode\\":\\")0/, "$1137")}`);
	};
	assert.equal(wordsById(killed(30_000))["kill-at-grace-end"], "PASS");
	assert.equal(wordsById(killed(20_000))["kill-at-grace-end"], "FAIL");
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
	const early = moved(whole, /with signal terminated/, -25);
	const { word, because } = verdicts(early)["prestop-before-term"] as Verdict;
	assert.equal(word, "FAIL", because);
	assert.match(because, /^SIGTERM came 0\.\d+ s after preStop of lifecycle-demo began, and it had not ended\.$/);
});
test("a main container that starts before the init container has ended fails", () => {
	const initEnd = whole.split("\n").find((line) => line.includes("/tasks/exit")) ?? "";
	const late = whole.replace(
		initEnd,
		initEnd.replaceAll(/:(\d\d)\.(\d+)( \+0000|Z)/g, (_, second, rest, zone) => `:${String(Number(second) + 2).padStart(2, "0")}.${rest}${zone}`),
	);
	assert.notEqual(late, whole);
	assert.equal(wordsById(late)["init-order"], "FAIL");
});
test("a Pod that was Ready before postStart ended fails, and one that never got Ready passes nothing", () => {
	const ready = whole
		.split("\n")
		.map((line) =>
			line.includes('"type":"Ready","status":"True"') && !line.includes("deletionTimestamp")
				? line.replace(/"at":(\d+)/, (_, at) => `"at":${Number(at) - 2000}`)
				: line,
		);
	assert.equal(wordsById(ready.join("\n"))["ready-after-poststart"], "FAIL");
	const never = whole.replaceAll('"type":"Ready","status":"True"', '"type":"Ready","status":"False"');
	assert.equal(wordsById(never)["ready-after-poststart"], "NOT OBSERVED");
});
test("without the runtime nothing is claimed about hooks", () => {
	const withoutRuntime = without(whole, /"from":"(runtime|journal)"/);
	const { "hooks-at-least-once": hooks, "prestop-before-term": preStop, "init-order": init } = verdicts(withoutRuntime);
	assert.equal(hooks?.word, "NOT OBSERVED");
	assert.equal(preStop?.word, "NOT OBSERVED");
	assert.equal(hooks?.because, "The container runtime was not heard: only it knows when hooks ran.");
	// Whole seconds of the API: told apart only where the seconds differ.
	assert.notEqual(init?.word, "FAIL");
});
test("a message file that lost the Pod's last line fails", () => {
	const lost = without(whole, /"file-end".*preStop/);
	assert.equal(wordsById(lost)["hostpath-outlives"], "FAIL");
});
test("a line that an earlier Pod wrote stands for no line of this one", () => {
	const [, host = ""] = whole.match(/"host":"([^"]+)","from":"file-end"/) ?? [];
	const before = ["Hello initContainers", "Hello from the preStop handler"].map((data) =>
		JSON.stringify({ at: 1_795_545_700_000, host, from: "file-start", data }),
	);
	const lines = whole.split("\n");
	const place = lines.findIndex((line) => line.includes(`"host":"${host}"`)) + 1;
	assert.equal(wordsById([...lines.slice(0, place), ...before, ...lines.slice(place)].join("\n"))["hostpath-outlives"], "FAIL", "the file has one line of two");
	const after = before.map((line) => line.replace("file-start", "file-end"));
	assert.equal(
		wordsById([...lines.slice(0, place), ...before, ...after.map((line) => line.replace(/"at":\d+/, '"at":1795545799000')), ...lines.slice(place)].join("\n"))[
			"hostpath-outlives"
		],
		"PASS",
	);
});
test("a Pod that is still there has no verdict about its end", () => {
	const until = without(whole, /deletionTimestamp|"DELETED"|StopContainer|Stop container|StopPodSandbox|"file-end"|Killing/);
	const { "prestop-before-term": preStop, "hostpath-outlives": hostPath } = verdicts(until);
	assert.deepEqual([preStop?.word, hostPath?.word], ["NOT OBSERVED", "NOT OBSERVED"]);
	assert.equal(hostPath?.because, "The Pod is not gone.");
});

// Lines of the recording, by what containerd said in them.
const PRESTOP_BEGIN = /exec-added.*15938c3b/;
const PRESTOP_END = /tasks\/exit.*15938c3b/;
const MAIN_END = /tasks\/exit.*"pid\\":2403/;
const STOP = /StopContainer for .* with timeout|Stop container/;
const DELETION = /deletionTimestamp|"DELETED"/;
const verdictLine = (text: string, id: string): string => {
	const { word, because } = verdicts(text)[id] as Verdict;
	return `${word} ${because}`;
};

test("a main container that starts after a failed init container fails", () => {
	const failed = whole.replace(/(\/tasks\/exit.*"pid\\":2336,)/, '$1\\"exit_status\\":1,');
	assert.equal(verdictLine(failed, "init-order"), "FAIL init-myservice ended with exit code 1, and lifecycle-demo was started all the same.");
});
test("a process that outlives its grace period fails, whether it ended by itself or is still there", () => {
	const short = whole.replaceAll("with timeout 30 (s)", "with timeout 4 (s)");
	assert.match(
		verdictLine(moved(short, MAIN_END, 20_000), "kill-at-grace-end"),
		/^FAIL lifecycle-demo ended by itself 20\.0 s after SIGTERM; it had been given 4 s\.$/,
	);
	const there = without(without(short, MAIN_END), DELETION);
	assert.equal(verdictLine(there, "kill-at-grace-end"), "NOT OBSERVED lifecycle-demo had not ended when the recording did; it had been given 4 s.");
	const longer = there.replace(/"at":1795545772643(.*"from":"end")/, '"at":1795545792643$1');
	assert.equal(verdictLine(longer, "kill-at-grace-end"), "FAIL No end of lifecycle-demo was recorded; it had been given 4 s.");
});
test("the grace period that ends first decides when a process is due", () => {
	const stop = whole.match(/.*StopContainer for .* with timeout.*/)?.[0] ?? "";
	const kill = stop.replace(/StopContainer for (\S+) with timeout 30 \(s\)/, "Kill container $1");
	const again = withAfter(whole, STOP, moved(stop, STOP, 100).replace("timeout 30", "timeout 4"), moved(kill, /Kill/, 4100));
	assert.match(
		verdictLine(moved(again, MAIN_END, 4100), "kill-at-grace-end"),
		/^PASS lifecycle-demo was killed 4\.1\d\d s after SIGTERM; it had been given 4 s\.$/,
	);
});
test("an end by SIGKILL that containerd did not send is nobody's verdict before its time", () => {
	const killed = whole.replace(/(\/tasks\/exit.*"pid\\":2403,)/, '$1\\"exit_status\\":137,');
	assert.match(verdictLine(killed, "kill-at-grace-end"), /^NOT OBSERVED lifecycle-demo was killed 0\.014 s after SIGTERM; it had been given 30 s\.$/);
});
test("only a hook that took the whole grace period may be cut off, and a deletion by force promises nothing", () => {
	const early = moved(whole, /with signal terminated/, -25);
	const grace = (seconds: number) => early.replaceAll('"deletionGracePeriodSeconds":30', `"deletionGracePeriodSeconds":${seconds}`);
	assert.match(verdictLine(grace(1), "prestop-before-term"), /^FAIL SIGTERM came 0\.\d+ s after preStop of lifecycle-demo began, and it had not ended\.$/);
	const forced = grace(0).replace(/("deletionTimestamp":")[^"]+/g, "$12026-11-24T18:42:50Z");
	assert.match(verdictLine(forced, "prestop-before-term"), /^NOT GUARANTEED The Pod was deleted by force; this time SIGTERM came /);
	// Stopped without a deletion, such as after a failed liveness probe: the spec's.
	const alive = without(moved(moved(moved(whole, PRESTOP_END, 6000), STOP, 5000), MAIN_END, 6000), DELETION);
	assert.match(verdictLine(alive, "prestop-before-term"), /^FAIL SIGTERM came 5\.\d+ s after /);
	const five = alive.replaceAll('"terminationGracePeriodSeconds":30', '"terminationGracePeriodSeconds":5');
	assert.match(verdictLine(five, "prestop-before-term"), /^PASS preStop of lifecycle-demo had not ended after 5\.\d+ s, the whole grace period;/);
});
test("a grace period that a second deletion cut short while preStop ran decides nothing", () => {
	const hanging = without(moved(moved(moved(whole, PRESTOP_END, 6000), STOP, 5000), MAIN_END, 6000), /"deletionGracePeriodSeconds":0/);
	assert.match(verdictLine(hanging, "prestop-before-term"), /^FAIL /);
	const [first = "", ...later] = hanging.split(/(?<="deletionTimestamp".*\n)/);
	const second = later.join("").replaceAll('"deletionGracePeriodSeconds":30', '"deletionGracePeriodSeconds":4');
	assert.equal(
		verdictLine(first + second.replaceAll(/("deletionTimestamp":")[^"]+/g, "$12026-11-24T18:42:55Z"), "prestop-before-term"),
		"NOT OBSERVED While preStop of lifecycle-demo ran, the Pod was deleted again with 4 s: the kubelet begins anew.",
	);
});
test("preStop's whole seconds are counted to its end, not to a stop that lags", () => {
	const lagging = moved(moved(moved(whole, PRESTOP_END, 920), STOP, 960), MAIN_END, 1000);
	assert.match(verdictLine(lagging, "grace-includes-prestop"), /^NOT OBSERVED preStop of lifecycle-demo took 0\.980 s; the kubelet counts whole seconds/);
});
test("a command before the end of a container that ended by itself is no preStop hook", () => {
	const ended = without(moved(moved(moved(whole, PRESTOP_BEGIN, -2500), PRESTOP_END, -2500), MAIN_END, -2000), STOP);
	const [pod] = storyOf(ended).pods;
	const [run] = pod?.history.containers.find(({ name }) => name === "lifecycle-demo")?.runs ?? [];
	assert.deepEqual(
		run?.execs.map(({ what }) => what),
		["postStart", "command"],
	);
});

const two = fixture("gallery");
const hooksOfOne = (storyOf(two, { pod: "two-containers" }).pods[0]?.history.containers ?? []).map(({ runs }) => runs[0]?.execs ?? []);
const ofTwo = (text: string, id: string): string => {
	const found = storyOf(text, { pod: "two-containers" }).pods[0]?.verdicts.find(({ guarantee }) => guarantee.id === id);
	return `${found?.word} ${found?.because}`;
};
const atLine = (text: string, line: number | undefined, change: (line: string) => string): string =>
	text
		.split("\n")
		.map((one, index) => (index + 1 === line ? change(one) : one))
		.join("\n");
test("of two postStart hooks it is the one that ends last that Ready waits for", () => {
	const line = hooksOfOne[0]?.[0]?.exited?.line;
	const late = ofTwo(
		atLine(two, line, (one) => moved(one, /./, 60_000)),
		"ready-after-poststart",
	);
	assert.match(late, /^FAIL The Pod was seen Ready 58\.1 s before its postStart hook ended\.$/);
	const notRecorded = ofTwo(
		atLine(two, line, () => ""),
		"ready-after-poststart",
	);
	assert.equal(notRecorded, "NOT OBSERVED The Pod was Ready; the end of a postStart hook was not recorded.");
	// Up to the deletion: then no container has ended.
	const goesOn = without(
		atLine(two, line, () => ""),
		/cff589b5.*(tasks\/exit|exited_at)|tasks\/exit.*cff589b5|two-containers.*deletionTimestamp|"DELETED".*two-containers/,
	);
	assert.equal(ofTwo(goesOn, "ready-after-poststart"), "FAIL The Pod was Ready, and the postStart hook of one has not ended.");
});
test("a hook of one container that could not be run says nothing of another's", () => {
	const [, hook] = hooksOfOne;
	let text = two;
	for (const entry of [hook?.[0]?.requested, hook?.[0]?.started, hook?.[0]?.exited]) text = atLine(text, entry?.line, () => "");
	// Without its postStart the first command would be taken for it.
	for (const entry of [hook?.[1]?.requested, hook?.[1]?.started, hook?.[1]?.exited]) text = atLine(text, entry?.line, () => "");
	const event = two.match(/.*two-containers.*"reason":"Started".*/)?.[0] ?? "";
	const failed = event.replace('"reason":"Started"', '"reason":"FailedPostStartHook"').replace(/spec\.containers\{\w+\}/, "spec.containers{one}");
	assert.notEqual(failed, event);
	assert.match(ofTwo(withAfter(text, /two-containers.*"reason":"Started"/, failed), "hooks-at-least-once"), /^FAIL postStart of two did not run\./);
});

/** Lines of the runtime about a command in the demo's container, at ms after its preStop was asked for; without an end it still runs when the container is stopped. */
function commandDuringStop(exec: string, from: number, until?: number): string {
	const whole = fixture("destroyed");
	const hook = whole.split("\n").findLast((line) => line.includes("/tasks/exec-added")) ?? "";
	const [, at = "0", host = "", id = ""] = hook.match(/"at":(\d+),"host":"([^"]+)".*\\"container_id\\":\\"(\w+)\\"/) ?? [];
	const begun = Date.parse(
		`${hook
			.match(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})/)
			?.slice(1)
			.join("T")}Z`,
	);
	const event = (ms: number, topic: string, more: string) => {
		const stamp = new Date(begun + ms).toISOString();
		const data = `${stamp.replace("T", " ").replace("Z", "000000 +0000 UTC")} k8s.io ${topic} {"container_id":"${id}",${more}}`;
		return JSON.stringify({ at: Number(at) + ms, host, from: "runtime", data });
	};
	const lines = [event(from, "/tasks/exec-added", `"exec_id":"${exec}"`), event(from + 1, "/tasks/exec-started", `"exec_id":"${exec}","pid":77`)];
	if (until !== undefined) lines.push(event(until, "/tasks/exit", `"id":"${exec}","pid":77,"exited_at":"${new Date(begun + until).toISOString()}"`));
	return withAfter(whole, /"from":"runtime".*\/tasks\/exec-added/, ...lines);
}
test("a probe, or somebody's command, that runs while the Pod stops is not taken for its preStop hook", () => {
	const pod = (text: string) => storyOf(text).pods[0] as PodStory;
	const found = (text: string) => pod(text).verdicts.find(({ guarantee }) => guarantee.id === "prestop-before-term");
	const alone = found(fixture("destroyed"));
	assert.equal(alone?.word, "PASS");
	// It began after the hook and still ran at the stop; began before it and ended within; began and ended within.
	for (const [from, until] of [[5], [5, 60_000], [-200, 2], [2, 4]] as [number, number?][]) {
		const verdict = found(commandDuringStop("probe", from, until));
		assert.equal(verdict?.word, "PASS", `${from} ${until}: ${verdict?.because}`);
		assert.equal(verdict?.because, alone?.because);
	}
});
test("verdicts name the signal that the image wants to be stopped with", () => {
	const texts = (words: string) =>
		JSON.stringify(
			(storyOf(fixture("destroyed").replaceAll("with signal terminated", `with signal ${words}`)).pods[0] as PodStory).verdicts.map(({ because }) => because),
		);
	assert.match(texts("terminated"), /before SIGTERM was sent/);
	for (const [words, name] of Object.entries({
		quit: "SIGQUIT",
		"user defined signal 1": "SIGUSR1",
		"signal 28": "SIGWINCH",
		"signal 37": "SIGRTMIN+3",
		"signal 50": "signal 50",
	})) {
		assert.ok(texts(words).includes(`before ${name} was sent`), texts(words));
		assert.doesNotMatch(texts(words), /SIGTERM/);
	}
});
