// Decides whether one thing came before another, as far as the recording shows it. Never more than that.

import { type Coverage, isCovered } from "../recording/coverage.ts";
import { type Entry, span } from "../recording/entry.ts";

export type Order = "before" | "after" | "unknown";

/**
 * "before" and "after" only where no reading of the times allows anything else.
 * Entries of one stream of one source are ordered by it, however coarse their times.
 */
export function order(a: Entry, b: Entry): Order {
	const [first, second] = [span(a), span(b)];
	if (first.latest < second.earliest) return "before";
	if (second.latest < first.earliest) return "after";
	if (a.source === b.source && a.host === b.host && a.meaning === b.meaning && a.line !== b.line && isOrdered(a)) return a.id < b.id ? "before" : "after";
	return "unknown";
}
/** Lines of a file keep their order; so do versions of the API. Times of the runtime speak for themselves. */
const isOrdered = ({ source }: Entry): boolean => source === "message file" || source === "API: Pod";

/** The time between two entries, as people read it: `0.036 s`. */
export function between(a: Entry, b: Entry): string {
	return seconds(b.at - a.at);
}
export function seconds(ms: number): string {
	const digits = Math.abs(ms) < 10_000 ? 3 : 1;
	return `${(ms / 1000).toFixed(digits)} s`;
}

export type Word = "PASS" | "FAIL" | "NOT GUARANTEED" | "NOT OBSERVED";
/** What was found, before it is put beside its guarantee. */
export interface Finding {
	word: Word;
	/** What happened this time, in one or two sentences. */
	because: string;
	/** Those that decide it. */
	entries: Entry[];
}
export const notObserved = (because: string, entries: Entry[] = []): Finding => ({ word: "NOT OBSERVED", because, entries });
export const present = (...entries: (Entry | undefined)[]): Entry[] => entries.filter((entry) => entry !== undefined);
/** A failure that rests on what is not there between two moments: none where a gap may hold it. */
export function failIfCovered(coverage: Coverage, [from, to]: [number, number], because: string, entries: Entry[]): Finding {
	if (isCovered(coverage, from, to)) return { word: "FAIL", because, entries };
	return notObserved(`As far as was recorded: ${because} Something is missing there, so that doesn't tell.`, entries);
}
/** A container may start a thousand times. */
const MOST_NAMED = 4;
/** The worst of several: one failure fails the guarantee, and one pass is enough where nothing failed. */
export function combined(findings: Finding[], none: string): Finding {
	const worst = (["FAIL", "PASS", "NOT GUARANTEED", "NOT OBSERVED"] as const)
		.map((word) => findings.filter((finding) => finding.word === word))
		.find((of) => of.length > 0);
	if (worst === undefined) return notObserved(none);
	const named = worst.slice(0, MOST_NAMED).map(({ because }) => because);
	if (worst.length > MOST_NAMED) named.push(`And so ${worst.length - MOST_NAMED} more times.`);
	return { word: worst[0]?.word ?? "NOT OBSERVED", because: named.join(" "), entries: worst.flatMap(({ entries }) => entries) };
}

/** `a` must come before `b`. */
export function ordered(a: Entry, b: Entry, first: string, second: string): Finding {
	const which = order(a, b);
	const entries = [a, b];
	if (which === "before") return { word: "PASS", because: `${first} ${between(a, b)} before ${second}.`, entries };
	if (which === "after") return { word: "FAIL", because: `${second} ${between(b, a)} before ${first}.`, entries };
	return notObserved(`${first} and ${second} so close that the times don't tell which came first.`, entries);
}
