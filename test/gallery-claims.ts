// What each Pod of the gallery is there to show, measured in a recording: the verdicts and events that it promises, and what is its own.
import assert from "node:assert/strict";
import type { ScenarioName } from "../config/settings.ts";
import { hookIn, type PodHistory, type Run } from "../lifecycle/history/pod-history.ts";
import type { PodStory } from "../lifecycle/render/story.ts";
import { SCENARIOS, type Scenario } from "../workloads/scenarios.ts";

const runsOfContainer = ({ containers }: PodHistory, name = "main"): Run[] => containers.find((container) => container.name === name)?.runs ?? [];
function runOf(history: PodHistory, name = "main"): Run {
	const [run] = runsOfContainer(history, name);
	assert.ok(run, `${name} was never started`);
	return run;
}
const exitCodes = (runs: Run[]) => runs.map(({ exited }) => exited?.exitCode);
/** ms from one entry to another. */
function took(from: { at: number } | undefined, to: { at: number } | undefined): number {
	assert.ok(from && to);
	return to.at - from.at;
}
/** A busy lab hears of the end late, and of the beginning too: the kubelet's clock for a hook runs before the runtime knows of the hook. */
function isAbout(ms: number, seconds: number): void {
	assert.ok(ms >= seconds * 1000 - 1000 && ms <= seconds * 1000 + 2500, `took ${ms} ms, not ${seconds} s`);
}
const wasReady = ({ entries }: PodHistory, before = Number.POSITIVE_INFINITY) =>
	entries.some(({ kind, reason, isTrue, at }) => kind === "condition" && reason === "Ready" && isTrue && at < before);
const CLAIMS: Record<ScenarioName, (history: PodHistory) => void> = {
	"poststart-fails": (history) => {
		assert.ok(runsOfContainer(history).length >= 2, "not started again");
		for (const run of runsOfContainer(history)) assert.equal(hookIn(run, "postStart")?.exited?.exitCode, 1);
		assert.ok(!wasReady(history));
	},
	"prestop-fails": (history) => {
		assert.equal(hookIn(runOf(history), "preStop")?.exited?.exitCode, 1);
		assert.deepEqual(exitCodes(runsOfContainer(history)), [0]);
	},
	"prestop-hangs": (history) => {
		const run = runOf(history);
		isAbout(took(hookIn(run, "preStop")?.requested, run.term), 5);
		if (run.stopRequested?.source !== "Docker event") assert.equal(run.stopRequested?.graceSeconds, 2); // Docker does not say
	},
	"poststart-hangs": (history) => {
		const hook = hookIn(runOf(history), "postStart");
		assert.ok(took(history.deletionRequested, hook?.exited) > 0, "the hook had ended before the deletion");
		assert.ok(!wasReady(history, hook?.exited?.at), "Ready before the hook's end");
	},
	"force-delete": (history) => {
		assert.equal(history.deletionRequested?.graceSeconds, 0);
		assert.ok(took(history.deletionRequested, history.gone) < 1000, "the API did not forget it at once");
	},
	"main-ends": (history) => {
		const { execs, term } = runOf(history);
		assert.deepEqual([execs.length, term], [0, undefined]);
		assert.deepEqual(exitCodes(runsOfContainer(history)), [0]);
	},
	"init-fails": (history) => {
		assert.ok(runsOfContainer(history, "init").length >= 2, "not tried again");
		for (const code of exitCodes(runsOfContainer(history, "init"))) assert.equal(code, 1);
		assert.deepEqual(runsOfContainer(history), []);
	},
	"no-shell": (history) => {
		// Asked for, and there is none.
		const commands = runsOfContainer(history).flatMap(({ execs }) => execs);
		assert.ok(commands.length > 0, "no hook was asked for");
		// Docker tells of a start before it knows whether there is one.
		for (const { started, exited } of commands) assert.equal(started?.source === "Docker event" ? exited : started, undefined, "a hook's command was started");
		assert.ok(!wasReady(history));
	},
	"no-shell-http": (history) => {
		assert.equal(hookIn(runOf(history), "preStop")?.exited?.kind, "hook-request", "its server logged no request of the kubelet's");
	},
	"no-shell-sleep": (history) => {
		// The kubelet sleeps 2 s of the 10 s, and gives the process what is left.
		const { stopRequested } = runOf(history);
		assert.ok([7, 8].includes(stopRequested?.graceSeconds ?? 0), `the process was given ${stopRequested?.graceSeconds} s`);
		assert.ok(took(history.deletionRequested, stopRequested) > 1500, "the stop did not wait for the sleep");
	},
	sidecar: (history) => {
		const names = ["sidecar-one", "sidecar-two", "main"];
		const starts = names.map((name) => runOf(history, name).started?.at ?? 0);
		const ends = names.map((name) => runOf(history, name).exited?.at ?? 0);
		const byTime = [...starts].sort((a, b) => a - b);
		assert.deepEqual(starts, byTime);
		assert.deepEqual(
			ends,
			[...ends].sort((a, b) => b - a),
		);
		assert.deepEqual(
			["init-one", "init-two"].map((name) => exitCodes(runsOfContainer(history, name))),
			[[0], [0]],
		);
	},
	"sigterm-ignored": (history) => {
		const run = runOf(history);
		assert.equal(run.exited?.exitCode, 137);
		isAbout(took(run.term, run.exited), 4);
	},
	"two-containers": (history) => {
		const [one, two] = ["one", "two"].map((name) => runOf(history, name)) as [Run, Run];
		const hooks = (what: "postStart" | "preStop") => [one, two].map((run) => hookIn(run, what)) as ReturnType<typeof hookIn>[];
		const [first, then] = hooks("postStart");
		assert.ok(took(first?.exited, then?.requested) > 0, "postStart of the second began before that of the first ended");
		const [a, b] = hooks("preStop");
		assert.ok(took(a?.requested, b?.exited) > 0 && took(b?.requested, a?.exited) > 0, "preStop of the two did not overlap");
	},
};

/** Throws where the Pod's history is not what the scenario is for. `other`: verdicts that another release or runtime gives; without `claims` only those are held. */
export function assertScenario(name: ScenarioName, { history, verdicts }: PodStory, { other = {} as Scenario["expected"], claims = true } = {}): void {
	const scenario: Scenario = SCENARIOS[name];
	for (const { guarantee, word, because } of verdicts) {
		const isUntold = word === "NOT OBSERVED" && /^Docker does not say/.test(because);
		assert.equal(word, isUntold ? word : (other[guarantee.id] ?? scenario.expected[guarantee.id] ?? word), `${guarantee.id}: ${because}`);
		assert.notEqual(word, "FAIL", `${guarantee.id}: ${because}`);
	}
	const reasons = history.entries.filter(({ kind }) => kind === "event").map(({ reason }) => reason);
	for (const reason of scenario.events) assert.ok(reasons.includes(reason), `no event ${reason} among ${reasons.join(", ")}`);
	if (claims) CLAIMS[name](history);
}
/** What the output `pause` shows: every row of both Pods passes. */
export function assertPauseTable(table: string): void {
	const rows = table.trimEnd().split("\n").slice(1);
	assert.equal(rows.length, 28, table);
	for (const row of rows) assert.match(row, /^PASS/);
}
