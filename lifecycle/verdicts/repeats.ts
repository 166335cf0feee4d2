// Compares the histories of Pods of one name: how often each verdict was given, and how long things took.

import { hookIn, type Run } from "../history/pod-history.ts";
import { type Entry, stopSignal } from "../recording/entry.ts";
import { GUARANTEES, type Guarantee } from "./guarantees.ts";
import type { Word } from "./order.ts";
import type { JudgedPod } from "./verdicts.ts";

export interface Repeats {
	name: string;
	count: number;
	guarantees: { guarantee: Guarantee; words: Partial<Record<Word, number>> }[];
	/** Of the containers that have hooks, in the order of the Pod's spec. */
	measures: Measure[];
}
export interface Measure {
	container: string;
	what: string;
	/** ms, from the least to the most. Below zero: the second came first. */
	values: number[];
	/** What came first, by how often; only where no order is promised. */
	first?: Record<string, number>;
}
/** Between two moments of a run. Both times are the runtime's. */
const BETWEEN: { what: string; from: (run: Run) => Entry | undefined; to: (run: Run) => Entry | undefined; names?: [string, string] }[] = [
	{
		what: "entry point to postStart",
		from: ({ started }) => started,
		to: (run) => hookIn(run, "postStart")?.started ?? hookIn(run, "postStart")?.requested,
		names: ["entry point", "postStart"],
	},
	{ what: "postStart takes", from: (run) => hookIn(run, "postStart")?.requested, to: (run) => hookIn(run, "postStart")?.exited },
	{ what: "preStop takes", from: (run) => hookIn(run, "preStop")?.requested, to: (run) => hookIn(run, "preStop")?.exited },
	{ what: "end of preStop to SIGTERM", from: (run) => hookIn(run, "preStop")?.exited, to: ({ term }) => term },
	{ what: "SIGTERM to the process's end", from: ({ term }) => term, to: ({ exited }) => exited },
];

/** Every name that has two histories or more. */
export function repeatsOf(pods: JudgedPod[]): Repeats[] {
	return [...Map.groupBy(pods, ({ history }) => history.name)].filter(([, own]) => own.length > 1).map(([name, own]) => repeatsOfName(name, own));
}
function repeatsOfName(name: string, pods: JudgedPod[]): Repeats {
	const guarantees = GUARANTEES.map((guarantee, place) => {
		const words: Partial<Record<Word, number>> = {};
		for (const { verdicts } of pods) {
			const word = verdicts[place]?.word ?? "NOT OBSERVED";
			words[word] = (words[word] ?? 0) + 1;
		}
		return { guarantee, words };
	});
	const containers = [
		...new Set(pods.flatMap(({ history }) => history.containers.filter(({ postStart, preStop }) => postStart ?? preStop).map((one) => one.name))),
	];
	const measures = containers.flatMap((container) => BETWEEN.map((one) => measured(container, one, pods)));
	return { name, count: pods.length, guarantees, measures: measures.filter(({ values }) => values.length > 0) };
}
function measured(container: string, { what, from, to, names }: (typeof BETWEEN)[number], pods: JudgedPod[]): Measure {
	const values = pods.flatMap(({ history }) =>
		(history.containers.find(({ name }) => name === container)?.runs ?? []).flatMap((run) => {
			const [start, end] = [from(run), to(run)];
			return start?.meaning === "at" && end?.meaning === "at" ? [end.at - start.at] : [];
		}),
	);
	values.sort((a, b) => a - b);
	const own = what.replace("SIGTERM", signalIn(container, pods));
	if (names === undefined) return { container, what: own, values };
	const isFirst = values.filter((value) => value >= 0).length;
	return { container, what, values, first: { [names[0]]: isFirst, [names[1]]: values.length - isFirst } };
}
function signalIn(container: string, pods: JudgedPod[]): string {
	const runs = pods.flatMap(({ history }) => history.containers.filter(({ name }) => name === container).flatMap((one) => one.runs));
	return stopSignal(runs.find(({ term }) => term)?.term);
}
/** The value in the middle; of an even number, the mean of the two. */
export function median(sorted: number[]): number {
	const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)] ?? 0, sorted[Math.floor(sorted.length / 2)] ?? 0];
	return (low + high) / 2;
}
