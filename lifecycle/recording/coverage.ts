// The coverage of a recording: how much of the time each host was recorded. In a gap something may have happened that the recording doesn't have.
import type { Line, Recording, Stream } from "./recording.ts";

export interface Coverage {
	/** Up to here the container runtime was recorded: the recorder's end, or without one the runtime's last line. */
	until: number;
	/** Whether the recorder was stopped in order; all that it wrote before is there then. */
	hasEnd: boolean;
	gaps: Gap[];
}
/** Something may have happened in between. */
interface Gap {
	from: number;
	until: number;
}
export const NO_COVERAGE: Coverage = { until: Number.NEGATIVE_INFINITY, hasEnd: false, gaps: [] };

/** A hook's command is recorded a little after what it follows, and the recorder may be busy. */
export const LATE_MS = 2000;

export const hasGap = ({ gaps }: Coverage, from: number, to: number): boolean => gaps.some((gap) => gap.from <= to && gap.until >= from);
/** Whether the runtime was recorded all the time. Only then what is not in the recording did not happen. */
export const isCovered = (coverage: Coverage, from: number, to: number): boolean => to <= coverage.until && !hasGap(coverage, from, to);

const STREAM_ENDED = /^the stream (\w+) ended/;
const STARTED_AGAIN = /^the (?:host|recorder) was started again/;
/** containerd is heard by its events and by its log, Docker by its events. */
const RUNTIME: readonly Stream[] = ["runtime", "journal"];

/** By host. `time` puts an arrival on the common clock. */
export function coverageIn({ lines, lost }: Pick<Recording, "lines" | "lost">, time: (host: string, at: number) => number): Map<string, Coverage> {
	const byHost = Map.groupBy(lines, ({ host }) => host);
	const coverage = new Map([...byHost].map(([host, own]) => [host, coverageOfHost(own.map(({ at, from, data }) => ({ at: time(host, at), from, data })))]));
	for (const place of lost) {
		const [before, after] = [lines[place - 1], lines[place]];
		const isInside = before !== undefined && before.host === after?.host && before.from === after.from;
		// Where one stream follows another, it is of either, and of any time.
		const from = before && (isInside || after === undefined) ? time(before.host, before.at) : Number.NEGATIVE_INFINITY;
		const until = isInside ? time(after.host, after.at) : Number.POSITIVE_INFINITY;
		for (const host of new Set([before?.host, after?.host])) coverage.get(host ?? "")?.gaps.push({ from, until });
	}
	return coverage;
}
function coverageOfHost(lines: Pick<Line, "at" | "from" | "data">[]): Coverage {
	lines.sort((a, b) => a.at - b.at);
	const last = new Map<Stream, number>();
	const open = new Map<Stream, number>();
	const gaps: Gap[] = [];
	const heard = RUNTIME.filter((stream) => stream === "runtime" || lines.some(({ from }) => from === stream));
	for (const { from, at, data } of lines) {
		const note = from === "note" ? String(data) : "";
		const ended = STREAM_ENDED.exec(note)?.[1];
		for (const stream of heard) {
			const begin = STARTED_AGAIN.test(note) ? Math.max(...last.values()) : ended === stream ? (last.get(stream) ?? Number.NEGATIVE_INFINITY) : undefined;
			if (begin !== undefined && !open.has(stream)) open.set(stream, begin);
		}
		const begun = open.get(from);
		if (begun !== undefined) gaps.push({ from: begun, until: at });
		open.delete(from);
		if (from !== "note") last.set(from, at);
	}
	for (const from of open.values()) gaps.push({ from, until: Number.POSITIVE_INFINITY });
	const end = lines.findLast(({ from }) => from === "end")?.at;
	return { until: end ?? last.get("runtime") ?? Number.NEGATIVE_INFINITY, hasEnd: end !== undefined, gaps };
}
