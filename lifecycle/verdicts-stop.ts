// Verdicts about a Pod's end.
import type { Entry } from "./entry.ts";
import type { GuaranteeId } from "./guarantees.ts";
import { unseen } from "./hooks.ts";
import { between, combined, type Finding, found, notObserved, ordered, seconds } from "./judge.ts";
import { hookIn, isForced, type PodLife, type Run } from "./life.ts";
import { graceAfterSleep, LEAST_GRACE_SECONDS, termAfterSleep } from "./sleep.ts";

/** How late a kill may come on a busy host. */
const KILL_TOLERANCE_MS = 2500;

export function judgeStop(
	life: PodLife,
): Record<Extract<GuaranteeId, "prestop-before-term" | "grace-includes-prestop" | "kill-at-grace-end" | "sidecar-order" | "hostpath-outlives">, Finding> {
	return {
		"prestop-before-term": preStopBeforeTerm(life),
		"grace-includes-prestop": graceIncludesPreStop(life),
		"kill-at-grace-end": killAtGraceEnd(life),
		"sidecar-order": sidecarOrder(life),
		"hostpath-outlives": hostPathOutlives(life),
	};
}
const named = ({ containers }: PodLife): { name: string; run: Run }[] => containers.flatMap(({ name, runs }) => runs.map((run) => ({ name, run })));

function preStopBeforeTerm(life: PodLife): Finding {
	const findings = named(life).flatMap(({ name, run }): Finding[] => {
		const hook = hookIn(run, "preStop");
		const begun = hook?.requested ?? hook?.exited;
		const { term } = run;
		if (!begun) return [];
		if (!term) return [notObserved(`No SIGTERM to ${name} was recorded after its preStop hook.`, [begun])];
		const end = hook?.exited;
		// A server logs what it has answered, and the runtime reads that a few ms later: an order of arrival decides only one way.
		if (end?.kind === "hook-request" && end.at >= term.at)
			return [
				notObserved(`${name} answered its preStop hook; the runtime read that ${between(term, end)} after SIGTERM, so it doesn't tell which came first.`, [
					term,
					end,
				]),
			];
		if (!end || end.at > term.at) {
			// The one exception: a hook that outlasts the grace period.
			const taken = term.at - begun.at;
			const grace = (life.deletionRequested?.graceSeconds ?? 30) * 1000;
			if (taken >= grace - 1000)
				return [
					{
						word: "PASS",
						because: `preStop of ${name} had not ended after ${seconds(taken)}, the whole grace period; only then SIGTERM came.`,
						entries: found(begun, term),
					},
				];
			return [
				{
					word: "FAIL",
					because: `SIGTERM came ${between(begun, term)} after preStop of ${name} began, and it had not ended.`,
					entries: found(begun, end, term),
				},
			];
		}
		const ended =
			end.kind === "hook-request"
				? `${name} had answered and logged the request of its preStop hook`
				: `preStop of ${name} ended with exit code ${end.exitCode}`;
		return [ordered(end, term, ended, "SIGTERM was sent")];
	});
	return combined([...findings, ...termAfterSleep(life)], life.gone || life.deletionRequested ? unseen(life, "preStop") : "The Pod has not been deleted.");
}

function graceIncludesPreStop(life: PodLife): Finding {
	const grace = life.deletionRequested?.graceSeconds;
	const findings = named(life).flatMap(({ name, run }): Finding[] => {
		const hook = hookIn(run, "preStop");
		const begun = hook?.requested ?? hook?.exited;
		const { stopRequested: stop } = run;
		if (!begun || stop?.graceSeconds === undefined || grace === undefined) return [];
		if (isForced(life)) {
			const because = `The Pod was deleted by force with grace period 0; this time preStop of ${name} ran for ${between(begun, stop)}, and its process was given ${stop.graceSeconds} s.`;
			return [{ word: "NOT GUARANTEED", because, entries: [begun, stop] }];
		}
		const taken = Math.floor((stop.at - begun.at) / 1000);
		if (taken < 1)
			return [
				notObserved(`preStop of ${name} took ${between(begun, stop)}; the kubelet counts whole seconds, so all ${stop.graceSeconds} of ${grace} s were left.`, [
					begun,
					stop,
				]),
			];
		const most = Math.max(grace - taken, LEAST_GRACE_SECONDS);
		const because = `preStop of ${name} took ${between(begun, stop)} of ${grace} s, and its process was given ${stop.graceSeconds} s.`;
		return [{ word: stop.graceSeconds <= most ? "PASS" : "FAIL", because, entries: [begun, stop] }];
	});
	return combined([...findings, ...graceAfterSleep(life)], life.deletionRequested ? unseen(life, "preStop") : "The Pod has not been deleted.");
}

function killAtGraceEnd(life: PodLife): Finding {
	const findings = named(life).flatMap(({ name, run }): Finding[] => {
		const { term, kill, exited, stopRequested } = run;
		if (!term || stopRequested?.graceSeconds === undefined) return [];
		const due = stopRequested.at + stopRequested.graceSeconds * 1000;
		const killed = kill ?? (exited?.exitCode === 137 ? exited : undefined);
		if (killed === undefined) {
			if (exited && exited.at <= due + KILL_TOLERANCE_MS)
				return [notObserved(`${name} ended by itself ${between(term, exited)} after SIGTERM.`, [term, exited])];
			return [];
		}
		const late = killed.at - due;
		const isOnTime = Math.abs(late) <= KILL_TOLERANCE_MS;
		const because = `${name} was killed ${between(term, killed)} after SIGTERM; it had been given ${stopRequested.graceSeconds} s.`;
		return [{ word: isOnTime ? "PASS" : "FAIL", because, entries: found(stopRequested, term, killed, exited) }];
	});
	return combined(findings, "No signal to a container was recorded.");
}

function sidecarOrder({ containers }: PodLife): Finding {
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

/** So many lines of the message file are read at the end (cluster/scripts/recorder.sh). */
const READ_LINES = 1000;
function hostPathOutlives({ pod, gone, entries, earlier }: PodLife): Finding {
	if (!(pod.spec.volumes ?? []).some(({ hostPath }) => hostPath)) return notObserved("The Pod has no hostPath volume.");
	if (!gone) return notObserved("The Pod is not gone.");
	const after = entries.filter(({ kind, at }) => kind === "line-after" && at > gone.at);
	const written = entries.filter(({ kind }) => kind === "line");
	const last = written.at(-1);
	if (after.length === 0) return notObserved("The message file was not read after the Pod's end.", [gone]);
	// Other lives write the same lines: as often as it was written up to this life's end.
	const times = (list: Entry[]) => list.filter(({ text }) => text === last?.text).length;
	const isThere = times(after) >= (after.length < READ_LINES ? times(earlier) + times(written) : 1);
	if (last === undefined) return notObserved("The Pod wrote nothing to the message file.", [gone]);
	const seen = after.findLast(({ text }) => text === last.text) ?? after.at(-1);
	const because = isThere ? `The file was read after the Pod was gone, and its last line was there.` : `After the Pod was gone the file lacks "${last.text}".`;
	return { word: isThere ? "PASS" : "FAIL", because, entries: found(last, gone, seen) };
}
