// A time axis on which milliseconds can be seen in a history of minutes: true to scale, with the longest quiet stretches cut out, each cut marked with its length.

export interface Cut {
	from: number;
	to: number;
	/** Where it is drawn. */
	x: number;
	width: number;
}
export interface Axis {
	x: (time: number) => number;
	cuts: Cut[];
	/** Times worth a label, true to scale between cuts. */
	ticks: number[];
	/** Pixels a millisecond, outside the cuts. */
	scale: number;
}
export const CUT_WIDTH = 46;
const MOST_CUTS = 6;
/** A stretch is cut only if that saves more room than the cut takes. */
const WORTH = 1.5;

/** `times`: whatever is drawn, in ms; at least one. */
export function axisOf(times: number[], width: number): Axis {
	const sorted = [...new Set(times)].sort((a, b) => a - b);
	const [start, end] = [sorted[0] ?? 0, sorted.at(-1) ?? 0];
	const gaps = sorted.slice(1).map((to, index) => ({ from: sorted[index] ?? to, to }));
	let chosen: { from: number; to: number }[] = [];
	for (const gap of gaps.toSorted((a, b) => b.to - b.from - (a.to - a.from)).slice(0, MOST_CUTS)) {
		const scale = scaleOf(end - start, chosen, width);
		if ((gap.to - gap.from) * scale > CUT_WIDTH * WORTH) chosen = [...chosen, shortened(gap, scale)];
	}
	chosen.sort((a, b) => a.from - b.from);
	const scale = scaleOf(end - start, chosen, width);
	const cuts: Cut[] = [];
	for (const gap of chosen) cuts.push({ ...gap, x: positionOf(gap.from, start, cuts, scale), width: CUT_WIDTH });
	const x = (time: number) => positionOf(time, start, cuts, scale);
	return { x, cuts, scale, ticks: ticksOf(start, end, cuts, scale) };
}
const lengthOf = (gaps: { from: number; to: number }[]): number => gaps.reduce((sum, { from, to }) => sum + to - from, 0);
const scaleOf = (total: number, cut: { from: number; to: number }[], width: number): number =>
	(width - cut.length * CUT_WIDTH) / Math.max(total - lengthOf(cut), 1);
/** Leaves a little of the stretch on both sides, so that marks don't touch the cut. */
function shortened({ from, to }: { from: number; to: number }, scale: number): { from: number; to: number } {
	const margin = Math.min((to - from) / 8, 6 / scale);
	return { from: from + margin, to: to - margin };
}
function positionOf(time: number, start: number, cuts: Cut[], scale: number): number {
	let x = (time - start) * scale;
	for (const { from, to, width } of cuts) {
		if (time >= to) x += width - (to - from) * scale;
		else if (time > from) x += ((time - from) / (to - from)) * width - (time - from) * scale;
	}
	return x;
}
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000, 300_000, 600_000, 3_600_000];
/** About one tick in 80 pixels, none inside a cut. */
function ticksOf(start: number, end: number, cuts: Cut[], scale: number): number[] {
	const step = STEPS.find((candidate) => candidate * scale >= 80) ?? 86_400_000;
	const ticks: number[] = [];
	const pieces = [start, ...cuts.flatMap(({ from, to }) => [from, to]), end];
	for (let i = 0; i + 1 < pieces.length; i += 2) {
		const [from, to] = [pieces[i] ?? 0, pieces[i + 1] ?? 0];
		for (let tick = start + Math.ceil((from - start) / step) * step; tick <= to; tick += step) ticks.push(tick);
	}
	return ticks;
}
