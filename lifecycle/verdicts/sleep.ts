// Judges hooks that only sleep (from Kubernetes 1.30): the kubelet waits by itself, so they show in nothing but the time that passes.

import { LEAST_GRACE_SECONDS } from "../history/hooks.ts";
import type { ContainerHistory, PodHistory, Run } from "../history/pod-history.ts";
import { type Entry, span, stopSignal } from "../recording/entry.ts";
import { between, type Finding, notObserved, present, seconds } from "./order.ts";

interface Slept {
	name: string;
	run: Run;
	/** Seconds that the hook takes: never more than the grace period. */
	length: number;
	grace: number;
}
function preStops({ containers, deletionRequested }: PodHistory): Slept[] {
	const grace = deletionRequested?.graceSeconds;
	if (grace === undefined || grace === 0) return [];
	return containers.flatMap(({ name, preStop, runs }) => {
		const run = runs.at(-1);
		return preStop?.form === "sleep" && run ? [{ name, run, length: Math.min(preStop.seconds ?? 0, grace), grace }] : [];
	});
}
/** Whether the kubelet gave the process less by as much as the hook takes: it counts the hook's whole seconds when the hook has ended (executePreStopHook). */
function isTakenOff({ run, length, grace }: Slept): boolean {
	const given = run.stopRequested?.graceSeconds ?? grace;
	return length >= 1 && given < grace && given <= Math.max(grace - length, LEAST_GRACE_SECONDS);
}
export const sleptFor = (history: PodHistory, container: ContainerHistory, run: Run): boolean =>
	preStops(history).some((slept) => slept.name === container.name && slept.run === run && isTakenOff(slept));

/** The API dates a deletion to the second: a SIGTERM that comes too soon even after the beginning of that second is a failure. */
export function termAfterSleep(history: PodHistory): Finding[] {
	const asked = history.deletionRequested;
	return preStops(history).flatMap((slept): Finding[] => {
		const { name, run, length, grace } = slept;
		const { term, stopRequested } = run;
		if (!term || !asked) return [];
		const entries = present(asked, stopRequested, term);
		const most = term.at - span(asked).earliest;
		const waited = `${stopSignal(term)} to ${name} came at most ${seconds(most)} after the deletion was requested; its preStop sleeps ${length} s`;
		if (most < length * 1000) return [{ word: "FAIL", because: `${waited}.`, entries }];
		if (!isTakenOff(slept)) return [notObserved(`${waited}: that doesn't tell.`, entries)];
		const because = `preStop of ${name} sleeps ${length} s, and before ${stopSignal(term)} the kubelet had counted that: of ${grace} s it gave the process ${stopRequested?.graceSeconds}.`;
		return [{ word: "PASS", because, entries }];
	});
}
export function graceAfterSleep(history: PodHistory): Finding[] {
	return preStops(history).flatMap((slept): Finding[] => {
		const { name, run, length, grace } = slept;
		if (!run.stopRequested || length < 1 || grace <= LEAST_GRACE_SECONDS) return [];
		const because = `preStop of ${name} sleeps ${length} of ${grace} s, and its process was given ${run.stopRequested.graceSeconds} s.`;
		return [{ word: isTakenOff(slept) ? "PASS" : "FAIL", because, entries: [run.stopRequested] }];
	});
}
/** Ready's second in the API begins after the hook can have ended, or it was recorded before that. */
export function readyAfterSleep({ containers }: PodHistory, ready: Entry): Finding[] {
	return containers.flatMap(({ name, postStart, runs }): Finding[] => {
		const started = runs[0]?.started;
		if (postStart?.form !== "sleep" || !started) return [];
		const end = started.at + (postStart.seconds ?? 0) * 1000;
		const because = `The Pod was first seen Ready ${between(started, ready)} after the process of ${name} started; its postStart sleeps ${postStart.seconds} s.`;
		const entries = [started, ready];
		if (ready.at < end) return [{ word: "FAIL", because, entries }];
		return [span(ready).earliest >= end ? { word: "PASS", because, entries } : notObserved(because, entries)];
	});
}
