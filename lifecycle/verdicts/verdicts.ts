// Judges one Pod's history: a verdict for each guarantee, with the entries that decide it.

import { unseen } from "../history/hooks.ts";
import { type ContainerHistory, graceOf, hookIn, isForced, type PodHistory, type Run } from "../history/pod-history.ts";
import { roundsOf } from "../history/rounds.ts";
import { LATE_MS } from "../recording/coverage.ts";
import { type Entry, span } from "../recording/entry.ts";
import { GUARANTEES, type Guarantee, type GuaranteeId } from "./guarantees.ts";
import { between, combined, type Finding, failIfCovered, notObserved, ordered, present } from "./order.ts";
import { readyAfterSleep, sleptFor } from "./sleep.ts";
import { judgeStop } from "./stop.ts";

export interface Verdict extends Finding {
	guarantee: Guarantee;
}
/** One Pod's history with its verdicts. */
export interface JudgedPod {
	history: PodHistory;
	/** In the order of GUARANTEES. */
	verdicts: Verdict[];
}

/** One verdict for each guarantee, in the order of GUARANTEES. */
export function judge(history: PodHistory): Verdict[] {
	const rounds = roundsOf(history);
	const findings: Record<GuaranteeId, Finding> = {
		"init-order": combined(rounds.map(initOrder), ""),
		"poststart-after-created": postStartAfterCreated(history),
		"poststart-entrypoint": postStartAndEntryPoint(history),
		"ready-after-poststart": combined(rounds.map(readyAfterPostStart), ""),
		"poststart-failure": postStartFailure(history),
		...judgeStop(history),
		"hooks-at-least-once": atLeastOnce(history),
	};
	return GUARANTEES.map((guarantee) => ({ guarantee, ...findings[guarantee.id] }));
}

function initOrder({ containers, coverage }: PodHistory): Finding {
	const inits = containers.filter(({ role }) => role === "init");
	if (inits.length === 0) return notObserved("The Pod has no init containers.");
	const findings: Finding[] = [];
	for (const [index, init] of inits.entries()) {
		const next = inits[index + 1];
		const followers = next ? [next] : containers.filter(({ role }) => role === "main");
		const end = init.runs.at(-1)?.exited;
		for (const follower of followers) {
			const start = follower.runs[0]?.started;
			if (end?.exitCode !== 0 && start === undefined && init.runs.length > 0)
				findings.push({ word: "PASS", because: `${init.name} has not succeeded, and ${follower.name} was not started.`, entries: present(end) });
			else if (end === undefined || start === undefined) findings.push(notObserved(`No end of ${init.name} or no start of ${follower.name} was recorded.`));
			else if (end.exitCode !== 0) {
				const because = `${init.name} ended with exit code ${end.exitCode}, and ${follower.name} was started all the same.`;
				findings.push(failIfCovered(coverage, [end.at, start.at], because, [end, start])); // it may have been tried again
			} else findings.push(ordered(end, start, `${init.name} ended with exit code ${end.exitCode}`, `${follower.name}'s process started`));
		}
	}
	return combined(findings, "No init container was seen.");
}
type HookRun = { container: ContainerHistory; run: Run };
const runsWith = ({ containers }: PodHistory, hook: "postStart" | "preStop"): HookRun[] =>
	containers.filter((container) => container[hook] !== undefined).flatMap((container) => container.runs.map((run) => ({ container, run })));
function postStartAfterCreated(history: PodHistory): Finding {
	const findings = runsWith(history, "postStart").flatMap(({ container, run }) => {
		const exec = hookIn(run, "postStart");
		const hook = exec?.requested ?? exec?.exited;
		const created = run.created ?? run.started;
		return hook && created ? [ordered(created, hook, `${container.name} was created`, "its postStart hook was run")] : [];
	});
	return combined(findings, unseen(history, "postStart"));
}

function postStartAndEntryPoint(history: PodHistory): Finding {
	const findings = runsWith(history, "postStart").flatMap(({ container, run }): Finding[] => {
		const hook = hookIn(run, "postStart");
		const [begun, started] = [hook?.started ?? hook?.requested, run.started];
		if (!begun || !started) return [];
		const [name, isFirst] = [container.name, started.at <= begun.at];
		const because = isFirst
			? `This time the process of ${name} was started ${between(started, begun)} before its hook's; how far it had got by then nobody promises.`
			: `This time the hook of ${name} was started ${between(begun, started)} before its process.`;
		return [{ word: "NOT GUARANTEED", because, entries: present(started, begun) }];
	});
	return combined(findings, unseen(history, "postStart"));
}

function readyAfterPostStart(history: PodHistory): Finding {
	const ready = history.entries.find(({ kind, reason, isTrue }) => kind === "condition" && reason === "Ready" && isTrue);
	// A container that was started again after Ready has its hook then.
	const hooks = history.containers.flatMap(({ name, runs }) =>
		runs.flatMap((run, index) => {
			const hook = hookIn(run, "postStart");
			return hook && (index === 0 || ready === undefined || ((hook.requested ?? hook.exited)?.at ?? 0) < span(ready).earliest) ? [{ name, run, hook }] : [];
		}),
	);
	if (hooks.length === 0) return combined(ready ? readyAfterSleep(history, ready) : [], unseen(history, "postStart"));
	const ends = present(...hooks.map(({ hook }) => hook.exited)).sort((a, b) => a.at - b.at);
	const open = hooks.find(({ hook }) => hook.exited === undefined);
	if (ready === undefined)
		return open?.hook.requested
			? { word: "PASS", because: "The hook has not run to its end, and the Pod was never Ready.", entries: [open.hook.requested] }
			: notObserved("The Pod was never Ready.", ends);
	// Where its container has ended, the hook has too, and that was not recorded.
	if (open && open.run.exited === undefined && open.hook.started) {
		const because = `The Pod was Ready, and the postStart hook of ${open.name} has not ended.`;
		return failIfCovered(history.coverage, [open.hook.requested?.at ?? 0, ready.at], because, present(open.hook.requested, ready));
	}
	const end = ends.at(-1);
	if (open || end === undefined) return notObserved("The Pod was Ready; the end of a postStart hook was not recorded.", [ready]);
	// An arrival before the hook's end is proof; one after it is not, but nothing earlier is recorded.
	if (ready.at >= end.at)
		return { word: "PASS", because: `The Pod was first seen Ready ${between(end, ready)} after its postStart hook ended.`, entries: [end, ready] };
	const because = `The Pod was seen Ready ${between(ready, end)} before its postStart hook ended.`;
	// A request's time is when its server's line was read.
	return end.meaning === "by" ? notObserved(because, [end, ready]) : { word: "FAIL", because, entries: [end, ready] };
}

function postStartFailure(history: PodHistory): Finding {
	const failed = runsWith(history, "postStart").filter(({ run }) => (hookIn(run, "postStart")?.exited?.exitCode ?? 0) !== 0);
	const event = history.entries.find(({ kind, reason }) => kind === "event" && reason === "FailedPostStartHook");
	if (failed.length === 0) return event ? judgeFailedEvent(history, event) : notObserved("No postStart hook failed.");
	return combined(
		failed.map(({ container, run }) => {
			const hook = hookIn(run, "postStart")?.exited;
			if (!run.exited || !hook) return notObserved(`${container.name} has not ended after its failed hook.`, present(hook));
			return ordered(hook, run.exited, `postStart of ${container.name} ended with exit code ${hook.exitCode}`, "its container was ended");
		}),
		"No postStart hook failed.",
	);
}
function judgeFailedEvent({ entries }: PodHistory, event: Entry): Finding {
	const end = entries.find(
		({ kind, container, id }) => (kind === "process-exited" || kind === "container-terminated") && container === event.container && id > event.id,
	);
	if (end === undefined) return notObserved("A postStart hook failed; no end of its container was recorded after that.", [event]);
	return { word: "PASS", because: `The hook failed, and ${event.container} was ended ${between(event, end)} later.`, entries: [event, end] };
}

/** When a hook must have begun. */
function hookTime(history: PodHistory, hook: "postStart" | "preStop", run: Run): [number, number] {
	const start = run.started?.at ?? 0;
	if (hook === "preStop") {
		const stop = run.stopRequested?.at ?? Number.POSITIVE_INFINITY;
		return [Math.max(start, stop - graceOf(history, run) * 1000 - LATE_MS), stop];
	}
	// Only the API knows the container: what the runtime said of it was not taken for its own.
	return [start, run.started?.meaning === "at" ? start + LATE_MS : Number.POSITIVE_INFINITY];
}
function atLeastOnce(history: PodHistory): Finding {
	const findings = (["postStart", "preStop"] as const).flatMap((hook) => {
		const reasonOf = hook === "postStart" ? "FailedPostStartHook" : "FailedPreStopHook";
		const failures = history.entries.filter(({ kind, reason }) => kind === "event" && reason === reasonOf);
		return runsWith(history, hook)
			.filter(({ container, run }) => container[hook] !== undefined && run.started !== undefined && (hook === "postStart" || run.stopRequested !== undefined))
			.map(({ container, run }): Finding => {
				const exec = hookIn(run, hook);
				const entry = exec?.requested ?? exec?.exited;
				if (hook === "preStop" && isForced(history)) {
					const because = `The Pod was deleted by force, so preStop is not promised. This time it ${entry ? "ran all the same" : "was not run"}.`;
					return { word: "NOT GUARANTEED", because, entries: present(history.deletionRequested, entry) };
				}
				if (entry) return { word: "PASS", because: `${hook} of ${container.name} ran.`, entries: [entry] };
				if (hook === "preStop" && sleptFor(history, container, run)) {
					const because = `preStop of ${container.name} is a sleep of ${container.preStop?.seconds} s, and the kubelet took it off the grace period.`;
					return { word: "PASS", because, entries: present(run.stopRequested) };
				}
				if (!history.hasRuntime || container[hook]?.form !== "exec") return notObserved(unseen(history, hook));
				const failed = failures.find((event) => event.container === container.name);
				if (failed) return { word: "PASS", because: `${hook} of ${container.name} was tried and could not be run.`, entries: [failed] };
				return failIfCovered(
					history.coverage,
					hookTime(history, hook, run),
					`${hook} of ${container.name} did not run.`,
					present(run.started, run.stopRequested),
				);
			});
	});
	return combined(findings, unseen(history, "postStart"));
}
