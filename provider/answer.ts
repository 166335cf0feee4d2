// Reads what a script's `check` answers: one line for each item that differs, `item<TAB>wanted<TAB>found`, and exit status 3; or nothing and 0.
import { printable } from "../printable.ts";
import { type Ended, endOf } from "./ssh/script.ts";

export interface Difference {
	wanted: string;
	found: string;
}
export type Answer = Map<string, Difference>;

const SHOWN = 300;

/** Throws for anything else, and says what came instead. */
export function parseAnswer(ended: Ended): Answer {
	const { code, stdout, stderr } = ended;
	const lines = printable(stdout)
		.split("\n")
		.filter((line) => line !== "");
	if (code !== 0 && code !== 3) throw new Error(`${endOf(ended)}${lastWords(stderr || stdout)}`);
	const answer: Answer = new Map();
	for (const line of lines) {
		const [item = "", wanted, found, ...rest] = line.split("\t");
		if (item === "" || wanted === undefined || found === undefined || rest.length > 0)
			throw new Error(`its check printed a line that is no difference${lastWords(line)}`);
		answer.set(item, { wanted, found });
	}
	if ((code === 0) !== (answer.size === 0)) throw new Error(`its check ended with ${endOf(ended)} and named ${answer.size} differences`);
	return answer;
}

/** What a `check` warns of beside its answer: lines of stderr that begin with `note: `. */
export function notesIn({ stderr }: Ended): string[] {
	return printable(stderr)
		.split("\n")
		.flatMap((line) => line.match(/^note: (.+)$/)?.[1] ?? []);
}

function lastWords(text: string): string {
	const tail = text.trim().split("\n").slice(-5).join(" / ");
	return tail === "" ? "" : `: ${tail.length > SHOWN ? `…${tail.slice(-SHOWN)}` : tail}`;
}

const NAMED = 200;
/** One line for all: `3 items will change: file /etc/hosts, …`. */
export function summaryLine(answer: Answer): string {
	if (answer.size === 0) return "nothing to change";
	const items = [...answer.keys()];
	let named = 0;
	for (let length = 0; named < items.length && length < NAMED; named++) length += (items[named]?.length ?? 0) + 2;
	if (named === items.length - 1) named++;
	const rest = items.length - named;
	return `${items.length} ${items.length === 1 ? "item" : "items"} will change: ${items.slice(0, named).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** One line for each item. */
export function details(answer: Answer): string[] {
	return [...answer].map(([item, { wanted, found }]) => `${item}: ${found || "nothing"} => ${wanted || "nothing"}`);
}
