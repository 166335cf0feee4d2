// Judges a Pod's end: preStop, the grace period, SIGTERM and SIGKILL, sidecars, and what stays in a hostPath.

import { HOOK_TOLERANCE_MS, LEAST_GRACE_SECONDS, unseen } from "../history/hooks.ts";
import { graceOf, hookIn, isDeleted, isForced, type PodHistory, type Run } from "../history/pod-history.ts";
import { hasGap, LATE_MS } from "../recording/coverage.ts";
import { type Entry, span, stopSignal } from "../recording/entry.ts";
import type { GuaranteeId } from "./guarantees.ts";
import { between, combined, type Finding, failIfCovered, notObserved, ordered, present, seconds } from "./order.ts";
import { graceAfterSleep, termAfterSleep } from "./sleep.ts";

/** How late a kill may come on a busy host. */
const KILL_TOLERANCE_MS = 2500;

export function judgeStop(
	history: PodHistory,
): Record<Extract<GuaranteeId, "prestop-before-term" | "grace-includes-prestop" | "kill-at-grace-end" | "sidecar-order" | "hostpath-outlives">, Finding> {
	return {
		"prestop-before-term": preStopBeforeTerm(history),
		"grace-includes-prestop": graceIncludesPreStop(history),
		"kill-at-grace-end": killAtGraceEnd(history),
		"sidecar-order": sidecarOrder(history),
		"hostpath-outlives": hostPathOutlives(history),
	};
}
interface Named {
	name: string;
	run: Run;
}
const namedRuns = ({ containers }: PodHistory): Named[] => containers.flatMap(({ name, runs }) => runs.map((run) => ({ name, run })));

function preStopBeforeTerm(history: PodHistory): Finding {
	const findings = namedRuns(history).flatMap(({ name, run }): Finding[] => {
		const hook = hookIn(run, "preStop");
		const begun = hook?.requested ?? hook?.exited;
		const { term } = run;
		if (!begun) return [];
		if (!term) return [notObserved(`No stop signal to ${name} was recorded after its preStop hook.`, [begun])];
		const end = hook?.exited;
		// A server logs what it has answered, and the runtime reads that a few ms later: an order of arrival decides only one way.
		if (end?.kind === "hook-request" && end.at >= term.at)
			return [
				notObserved(
					`${name} answered its preStop hook; the runtime read that ${between(term, end)} after ${stopSignal(term)}, so it doesn't tell which came first.`,
					[term, end],
				),
			];
		if (!end && (run.exited || !hook?.started))
			return [notObserved(`The end of ${name}'s preStop hook was not recorded, or it could not be started.`, present(begun, term, run.exited))];
		if (!end || end.at > term.at) return [cutOff(history, { name, run }, { begun, end, term })];
		const ended =
			end.kind === "hook-request"
				? `${name} had answered and logged the request of its preStop hook`
				: `preStop of ${name} ended with exit code ${end.exitCode}`;
		return [ordered(end, term, ended, `${stopSignal(term)} was sent`)];
	});
	return combined(
		[...findings, ...termAfterSleep(history)],
		history.gone || history.deletionRequested ? unseen(history, "preStop") : "The Pod has not been deleted.",
	);
}

/** preStop had not ended when SIGTERM came. */
function cutOff(history: PodHistory, { name, run }: Named, { begun, end, term }: { begun: Entry; end: Entry | undefined; term: Entry }): Finding {
	const entries = present(begun, end, term);
	const taken = term.at - begun.at;
	if (isForced(history) && isDeleted(history, run)) {
		const because = `The Pod was deleted by force; this time ${stopSignal(term)} came ${seconds(taken)} after preStop of ${name} began, and it had not ended.`;
		return { word: "NOT GUARANTEED", because, entries };
	}
	// The one exception: a hook that outlasts the grace period.
	if (taken >= graceOf(history, run) * 1000 - HOOK_TOLERANCE_MS) {
		const because = `preStop of ${name} had not ended after ${seconds(taken)}, the whole grace period; only then ${stopSignal(term)} came.`;
		return { word: "PASS", because, entries };
	}
	const again = history.entries.find(
		({ kind, at, id }) => kind === "deletion-requested" && at >= begun.at && at <= term.at && id !== history.deletionRequested?.id,
	);
	if (again)
		return notObserved(`While preStop of ${name} ran, the Pod was deleted again with ${again.graceSeconds} s: the kubelet begins anew.`, [...entries, again]);
	const because = `${stopSignal(term)} came ${between(begun, term)} after preStop of ${name} began, and it had not ended.`;
	return end ? { word: "FAIL", because, entries } : failIfCovered(history.coverage, [begun.at, term.at + LATE_MS], because, entries);
}

function graceIncludesPreStop(history: PodHistory): Finding {
	const grace = history.deletionRequested?.graceSeconds;
	const findings = namedRuns(history).flatMap(({ name, run }): Finding[] => {
		const hook = hookIn(run, "preStop");
		const begun = hook?.requested ?? hook?.exited;
		const stop = seenGiven(run);
		if (!begun || stop?.graceSeconds === undefined || grace === undefined || !isDeleted(history, run)) return [];
		if (isForced(history)) {
			const because = `The Pod was deleted by force with grace period 0; this time preStop of ${name} ran for ${between(begun, stop)}, and its process was given ${stop.graceSeconds} s.`;
			return [{ word: "NOT GUARANTEED", because, entries: [begun, stop] }];
		}
		// The stop may lag behind the hook's end, and the kubelet counts up to that.
		const end = hook?.exited && hook.exited.at < stop.at ? hook.exited : undefined;
		const entries = present(begun, end, stop);
		const took = between(begun, end ?? stop);
		const taken = Math.floor(((end ?? stop).at - begun.at) / 1000);
		if (taken < 1)
			return [notObserved(`preStop of ${name} took ${took}; the kubelet counts whole seconds, so all ${stop.graceSeconds} of ${grace} s were left.`, entries)];
		const most = Math.max(grace - taken, LEAST_GRACE_SECONDS);
		const because = `preStop of ${name} took ${took} of ${grace} s, and its process was given ${stop.graceSeconds} s.`;
		return [{ word: stop.graceSeconds <= most ? "PASS" : "FAIL", because, entries }];
	});
	return combined([...findings, ...graceAfterSleep(history)], history.deletionRequested ? unseenGrace(history) : "The Pod has not been deleted.");
}
/** The stop with what the process was given: the runtime's word for it; Docker has none, and shows it where the process had to be killed. */
function seenGiven({ stopRequested: stop, kill }: Run): Entry | undefined {
	if (stop?.source !== "Docker event" || !kill) return stop;
	return { ...stop, graceSeconds: Math.round((kill.at - stop.at) / 1000) };
}
function unseenGrace(history: PodHistory): string {
	const isDocker = namedRuns(history).some(({ run }) => run.stopRequested?.source === "Docker event" && hookIn(run, "preStop"));
	return isDocker ? "Docker does not say how long it gives a process, and none had to be killed." : unseen(history, "preStop");
}
/** On Docker a kill is held against what the Pod's grace period leaves: the kubelet takes the whole seconds of preStop off it (killContainer, 1.18). */
function wantedGiven(history: PodHistory, run: Run): Entry | undefined {
	const { stopRequested: stop } = run;
	const grace = history.deletionRequested?.graceSeconds;
	if (stop?.source !== "Docker event" || grace === undefined || !isDeleted(history, run)) return undefined;
	const hook = hookIn(run, "preStop");
	const begun = hook?.requested ?? stop;
	const end = hook?.exited && hook.exited.at < stop.at ? hook.exited : stop;
	return { ...stop, graceSeconds: Math.max(grace - Math.floor((end.at - begun.at) / 1000), LEAST_GRACE_SECONDS) };
}

const dueOf = (stop: Entry): number => stop.at + (stop.graceSeconds ?? 0) * 1000;
/** Asked for twice, such as by a second deletion with a shorter grace period: the runtime keeps to what ends first. */
function earliestEnd({ stops }: Run): Entry | undefined {
	return stops.filter(({ graceSeconds }) => graceSeconds !== undefined).sort((a, b) => dueOf(a) - dueOf(b))[0];
}
function stillThere({ coverage }: PodHistory, name: string, { stop, term, given }: { stop: Entry; term: Entry; given: string }): Finding {
	const until = dueOf(stop) + KILL_TOLERANCE_MS;
	if (coverage.until < until) return notObserved(`${name} had not ended when the recording did; ${given}.`, [stop, term]);
	return failIfCovered(coverage, [stop.at, until], `No end of ${name} was recorded; ${given}.`, [stop, term]);
}
function killAtGraceEnd(history: PodHistory): Finding {
	const findings = namedRuns(history).flatMap(({ name, run }): Finding[] => {
		const { term, kill, exited } = run;
		const stop = earliestEnd(run) ?? wantedGiven(history, run);
		if (!term || !stop) return [];
		const due = dueOf(stop);
		const killed = kill ?? (exited?.exitCode === 137 ? exited : undefined);
		const last = killed ?? exited;
		const entries = present(stop.id === term.id ? undefined : stop, term, killed, exited);
		const given = `it had been given ${stop.graceSeconds} s`;
		if (last === undefined) return [stillThere(history, name, { stop, term, given })];
		const how = killed ? "was killed" : "ended by itself";
		const because = `${name} ${how} ${between(term, last)} after ${stopSignal(term)}; ${given}.`;
		const { earliest, latest } = span(last);
		if (earliest > due + KILL_TOLERANCE_MS)
			// what only the API says may have been found long after, such as after a reboot
			return [
				last.meaning === "at" ? { word: "FAIL", because, entries } : failIfCovered(history.coverage, [stop.at, due + KILL_TOLERANCE_MS], because, entries),
			];
		if (!killed) return [notObserved(`${name} ended by itself ${between(term, last)} after ${stopSignal(term)}.`, entries)];
		if (earliest >= due - KILL_TOLERANCE_MS && latest <= due + KILL_TOLERANCE_MS) return [{ word: "PASS", because, entries }];
		// Without the runtime's word for it, somebody else may have killed it, such as the kernel for want of memory.
		if (!kill || latest >= due - KILL_TOLERANCE_MS) return [notObserved(because, entries)];
		return [{ word: "FAIL", because, entries }];
	});
	return combined(findings, "No signal to a container was recorded.");
}

function sidecarOrder({ containers }: PodHistory): Finding {
	const sidecars = containers.filter(({ role }) => role === "sidecar");
	const mains = containers.filter(({ role }) => role === "main");
	if (sidecars.length === 0) return notObserved("The Pod has no sidecars (init containers that restart always, from Kubernetes 1.29).");
	const findings: Finding[] = [];
	for (const [index, sidecar] of sidecars.entries()) {
		for (const later of [...sidecars.slice(index + 1), ...mains]) {
			const [first, second] = [sidecar.runs[0]?.started, later.runs[0]?.started];
			if (first && second) findings.push(ordered(first, second, `${sidecar.name} started`, `${later.name} started`));
			const [end, laterEnd] = [sidecar.runs.at(-1)?.exited, later.runs.at(-1)?.exited];
			if (end && laterEnd) findings.push(ordered(laterEnd, end, `${later.name} ended`, `${sidecar.name} ended`));
		}
	}
	return combined(findings, "No start of a sidecar was recorded.");
}

/** So many lines of the message file are read at the end (workloads/steps/lib/recorder-program.sh). */
const READ_LINES = 1000;
function hostPathOutlives({ pod, gone, entries, earlier, coverage }: PodHistory): Finding {
	if (!(pod.spec.volumes ?? []).some(({ hostPath }) => hostPath)) return notObserved("The Pod has no hostPath volume.");
	if (!gone) return notObserved("The Pod is not gone.");
	const after = entries.filter(({ kind, at }) => kind === "line-after" && at > gone.at);
	const written = entries.filter(({ kind }) => kind === "line");
	const last = written.at(-1);
	if (after.length === 0) return notObserved("The message file was not read after the Pod's end.", [gone]);
	// Other Pods write the same lines: as often as it was written up to this Pod's end.
	const times = (list: Entry[]) => list.filter(({ text }) => text === last?.text).length;
	const isThere = times(after) >= (after.length < READ_LINES ? times(earlier) + times(written) : 1);
	if (last === undefined) return notObserved("The Pod wrote nothing to the message file.", [gone]);
	const seen = after.findLast(({ text }) => text === last.text) ?? after.at(-1);
	const because = isThere ? `The file was read after the Pod was gone, and its last line was there.` : `After the Pod was gone the file lacks "${last.text}".`;
	if (!isThere && (!coverage.hasEnd || hasGap(coverage, after[0]?.at ?? 0, after.at(-1)?.at ?? 0)))
		return notObserved(`As far as was recorded: ${because} But not all of the file's lines were.`, present(last, gone, seen));
	return { word: isThere ? "PASS" : "FAIL", because, entries: present(last, gone, seen) };
}
