// Turns a Pod's history into rows of bars and marks, which the drawing and the tables show.

import type { Exec, PodHistory, Run } from "../history/pod-history.ts";
import { type Entry, stopSignal } from "../recording/entry.ts";
import { seconds } from "../verdicts/order.ts";

export type BarKind = "pending" | "running" | "ready" | "ending" | "created" | "init" | "main" | "pause" | "postStart" | "preStop" | "command";
export interface Bar {
	from: number;
	to: number;
	kind: BarKind;
	label: string;
	/** It was still so when the recording ended. */
	isOpen: boolean;
	/** Where its begin is from, and its end if it has one. */
	entries: Entry[];
}
export interface Mark {
	at: number;
	kind: "ready" | "delete" | "gone" | "term" | "kill" | "exit" | "line" | "failed";
	label: string;
	entry: Entry;
}
/** Whether it says more than the bar that begins there. */
export const isNews = ({ kind }: Mark): boolean => kind !== "ready" && kind !== "delete";
export interface Row {
	name: string;
	/** Second line under the name. */
	note: string;
	bars: Bar[];
	/** Hooks and other commands, drawn on top. */
	inner: Bar[];
	marks: Mark[];
}

export function rowsOf(history: PodHistory): Row[] {
	const end = history.gone?.at ?? history.entries.at(-1)?.at ?? 0;
	const sandbox: Row = { name: "pause", note: "the sandbox", bars: history.sandboxes.flatMap((run) => runBars(run, "pause", end)), inner: [], marks: [] };
	const containers = history.containers.map(({ name, role, runs }): Row => {
		const note = role === "main" ? "container" : role === "init" ? "init container" : "sidecar";
		return {
			name,
			note,
			bars: runs.flatMap((run) => runBars(run, role === "init" ? "init" : "main", end)),
			inner: runs.flatMap((run) => run.execs.flatMap((exec) => execBar(exec, run, end))),
			marks: runs.flatMap(runMarks),
		};
	});
	const rows = [podRow(history, end), ...(sandbox.bars.length > 0 ? [sandbox] : []), ...containers];
	const lines = history.entries.filter(({ kind }) => kind === "line");
	if (lines.length > 0) rows.push({ name: "message file", note: "each line as it came", bars: [], inner: [], marks: lines.map(lineMark) });
	return rows.map(thinned);
}
/** A container may be probed for days, or start again and again: of each list the first and the last so many are drawn. */
const DRAWN_AT_EACH_END = 60;
function thinned(row: Row): Row {
	let left = 0;
	const ends = <T>(list: T[]): T[] => {
		if (list.length <= 2 * DRAWN_AT_EACH_END) return list;
		left += list.length - 2 * DRAWN_AT_EACH_END;
		return [...list.slice(0, DRAWN_AT_EACH_END), ...list.slice(-DRAWN_AT_EACH_END)];
	};
	const [bars, inner, marks] = [ends(row.bars), ends(row.inner), ends(row.marks)];
	return left === 0 ? row : { ...row, bars, inner, marks, note: `${left} not drawn` };
}
const lineMark = (entry: Entry): Mark => ({ at: entry.at, kind: "line", label: entry.text, entry });

function podRow(history: PodHistory, end: number): Row {
	const bars: Bar[] = [];
	const marks: Mark[] = [];
	const steps: { entry: Entry; kind: BarKind; label: string }[] = [];
	if (history.added) steps.push({ entry: history.added, kind: "pending", label: "Pending" });
	for (const entry of history.entries) {
		if (history.deletionRequested && entry.id >= history.deletionRequested.id) break;
		if (entry.kind === "phase" && entry.reason === "Running") steps.push({ entry, kind: "running", label: "Running" });
		if (entry.kind === "condition" && entry.reason === "Ready") {
			if (!entry.isTrue && steps.at(-1)?.kind !== "ready") continue;
			steps.push({ entry, kind: entry.isTrue ? "ready" : "running", label: entry.isTrue ? "Ready" : "not Ready" });
		}
	}
	if (history.deletionRequested) {
		steps.push({ entry: history.deletionRequested, kind: "ending", label: "Terminating" });
		marks.push({ at: history.deletionRequested.at, kind: "delete", label: "delete", entry: history.deletionRequested });
	}
	for (const [index, { entry, kind, label }] of steps.entries()) {
		const next = steps[index + 1]?.entry;
		if (next?.at === entry.at) continue;
		const last = next ?? history.gone;
		bars.push({ from: entry.at, to: last?.at ?? end, kind, label, isOpen: last === undefined, entries: last ? [entry, last] : [entry] });
	}
	const ready = steps.find(({ kind }) => kind === "ready");
	if (ready) marks.unshift({ at: ready.entry.at, kind: "ready", label: "Ready", entry: ready.entry });
	if (history.gone) marks.push({ at: history.gone.at, kind: "gone", label: "gone", entry: history.gone });
	return { name: "Pod", note: "as the API says", bars, inner: [], marks };
}

function runBars(run: Run, kind: BarKind, end: number): Bar[] {
	const { created, started, exited } = run;
	const bars: Bar[] = [];
	if (created && started && started.at > created.at)
		bars.push({ from: created.at, to: started.at, kind: "created", label: "created", isOpen: false, entries: [created, started] });
	const begin = started ?? created;
	if (begin) {
		const to = exited?.at ?? end;
		const label = exited ? `${seconds(to - begin.at)}` : "running";
		bars.push({ from: begin.at, to: Math.max(to, begin.at), kind, label, isOpen: exited === undefined, entries: exited ? [begin, exited] : [begin] });
	}
	return bars;
}
function execBar({ what, requested, started, exited }: Exec, run: Run, end: number): Bar[] {
	const begin = requested ?? started ?? exited;
	if (!begin) return [];
	if (begin.kind === "hook-request") return [{ from: begin.at, to: begin.at, kind: what, label: `${what} answered`, isOpen: false, entries: [begin] }];
	const to = exited?.at ?? run.exited?.at ?? end;
	const code = exited?.exitCode ? `, exit code ${exited.exitCode}` : "";
	const label = `${what} ${exited ? seconds(to - begin.at) : started ? "never ended" : "could not start"}${code}`;
	return [{ from: begin.at, to, kind: what, label, isOpen: exited === undefined, entries: exited ? [begin, exited] : [begin] }];
}
function runMarks({ term, kill, exited }: Run): Mark[] {
	return [
		...(term ? [{ at: term.at, kind: "term" as const, label: stopSignal(term), entry: term }] : []),
		...(kill ? [{ at: kill.at, kind: "kill" as const, label: "SIGKILL", entry: kill }] : []),
		...(exited
			? [{ at: exited.at, kind: exited.exitCode ? ("failed" as const) : ("exit" as const), label: `exit ${exited.exitCode ?? 0}`, entry: exited }]
			: []),
	];
}
