// What became of each fault: a line each in the file that FAULTS_RESULTS names, kept in results.jsonl until the same case is tried again; and the table made of them.
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Case, FAULTS, MOMENTS, MORE_MOMENTS, rounds, type Verb } from "./matrix.ts";

export interface Result {
	verb: Verb;
	/** What had just happened, or what was wrong. */
	what: string;
	/** The resource that was at work; empty where the fault was around the run. */
	resource: string;
	fault: string;
	/** What made the hosts whole again. */
	wholeBy: "up" | "destroy";
	survived: boolean;
	/** From the fault to the end of the run. */
	endSeconds?: number;
	/** The run that made them whole. */
	convergeSeconds?: number;
	/** When, such as 2026-11-28, and with which commit. */
	date?: string;
	commit?: string;
}

export function tell(result: Result): void {
	const { FAULTS_RESULTS } = process.env;
	if (FAULTS_RESULTS) appendFileSync(FAULTS_RESULTS, `${JSON.stringify(result)}\n`);
}

const median = (numbers: number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const spread = (numbers: number[]): string => (numbers.length === 0 ? "" : `${median(numbers).toFixed(0)} (${Math.max(...numbers).toFixed(0)})`);
const nameOf = ({ fault, what, resource }: Result) => (resource === "" ? what : fault);

/** A row a fault: how many cases were tried and survived, seconds to the run's end and of the run that made it whole: median (worst). */
export function table(results: Result[]): string {
	const rows = [...new Set(results.map(nameOf))].map((name) => {
		const these = results.filter((one) => nameOf(one) === name);
		const whole = (by: Result["wholeBy"]) =>
			spread(these.flatMap((one) => (one.wholeBy === by && one.convergeSeconds !== undefined ? [one.convergeSeconds] : [])));
		const ends = spread(these.flatMap(({ endSeconds }) => (endSeconds === undefined ? [] : [endSeconds])));
		return `| ${name} | ${these.length} | ${these.filter(({ survived }) => survived).length} | ${ends} | ${whole("up")} | ${whole("destroy")} |`;
	});
	return ["| fault | cases tried | survived | the run ends after, s | `up` after it, s | `destroy` after it, s |", "|---|---|---|---|---|---|", ...rows].join(
		"\n",
	);
}

const KEPT = join(import.meta.dirname, "results.jsonl");
type Key = Pick<Result, "verb" | "what" | "resource" | "fault">;
const keyOf = ({ verb, what, resource, fault }: Key) => [verb, what, resource, fault].join("\n");
const read = (file: string): Result[] =>
	readFileSync(file, "utf8")
		.split("\n")
		.filter(Boolean)
		.map((line) => JSON.parse(line));

/** Those of them of which no result is kept from a run before. */
export function untried(cases: Case[]): Case[] {
	const kept = new Set(read(KEPT).map(keyOf));
	return cases.filter(({ moment, fault }) => !kept.has(keyOf({ ...moment, fault })));
}

/** Takes new results in and says what is known by now. */
function merge(file: string, date: string, commit: string): string {
	const all = new Map(read(KEPT).map((one) => [keyOf(one), one]));
	for (const one of read(file)) all.set(keyOf(one), { ...one, date, commit });
	const results = [...all.values()].sort((a, b) => Number(a.resource === "") - Number(b.resource === "") || (nameOf(a) < nameOf(b) ? -1 : 1));
	writeFileSync(KEPT, results.map((one) => `${JSON.stringify(one)}\n`).join(""));
	const inside = results.filter(({ resource }) => resource !== "").length;
	const dates = results.map((one) => one.date ?? "").sort();
	return `Of the ${rounds(FAULTS.length, 0, [...MOMENTS, ...MORE_MOMENTS]).length} cases inside a run ${inside} were tried, of those around it ${results.length - inside}, the oldest of these results on ${dates[0]}:\n\n${table(results)}`;
}

// node results.ts FILE DATE COMMIT
if (process.argv[1] === import.meta.filename) console.log(merge(process.argv[2] ?? "", process.argv[3] ?? "", process.argv[4] ?? ""));
