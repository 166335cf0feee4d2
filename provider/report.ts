// Shows what a preview found on the hosts, in one place: a line for a host's facts, a line for each step.
import { type Answer, details, summaryLine } from "./answer.ts";

const PAUSE_MS = 60; // probes that begin within this time of each other are shown together, in the order of the hosts

/** From so many hosts on, what is alike is said once, and how far a run is. */
export const MANY = 9;

export type Say = (host: string, text: string) => void;
interface Line {
	host: string;
	text: string;
}

export class Report {
	readonly #order: string[];
	readonly #show: (text: string) => Promise<void>;
	readonly #alike = new Alike();
	#probes: Line[][] = [];
	#probing = 0;
	#waiting: (() => void)[] = [];
	#timer: NodeJS.Timeout | undefined;

	/** `order` is that of the hosts; `show` shows one text. */
	constructor(order: string[], show: (text: string) => Promise<void>) {
		this.#order = order;
		this.#show = show;
	}

	/** Runs one probe, and returns when what it and those beside it say is shown: by host, and then in the order in which they began. */
	async during<T>(probe: (say: Say) => Promise<T>): Promise<T> {
		const lines: Line[] = [];
		this.#probes.push(lines);
		this.#probing++;
		clearTimeout(this.#timer);
		try {
			return await probe((host, text) => lines.push({ host, text }));
		} finally {
			this.#probing--;
			const shown = new Promise<void>((resolve) => this.#waiting.push(resolve));
			if (this.#probing === 0) this.#timer = setTimeout(() => this.#end(), PAUSE_MS);
			await shown;
		}
	}

	async #end(): Promise<void> {
		const waiting = this.#waiting.splice(0);
		const lines = this.#probes.splice(0).flat();
		const sorted = lines.toSorted((one, other) => this.#order.indexOf(one.host) - this.#order.indexOf(other.host));
		const shown = this.#order.length < MANY ? sorted : this.#alike.shortened(sorted);
		if (shown.length > 0) await this.#show(shown.map(({ host, text }) => (text.startsWith("{") ? text : `${host}: ${text}`)).join("\n"));
		for (const wake of waiting) wake();
	}
}

/** Says of most hosts only in what they differ from the first one that was told. */
class Alike {
	/** Kind of a line (a step's name, or nothing for facts) -> the first of it. */
	readonly #first = new Map<string, { host: string; parts: Set<string> }>();

	/** Hosts of which the same is to be said share a line. For a program (JSON) and with details nothing is left out. */
	shortened(lines: Line[]): Line[] {
		const said = new Map<string, string[]>();
		for (const { host, text } of lines) {
			const line = /^[ {]/.test(text) ? text : this.#besidesFirst(host, text);
			said.set(line, [...(said.get(line) ?? []), host]);
		}
		return [...said].map(([text, hosts]) => ({ host: hosts.join(", "), text }));
	}

	#besidesFirst(host: string, text: string): string {
		const kind = /^[a-z]+(?=: )/.exec(text)?.[0] ?? "";
		const first = this.#first.get(kind);
		const parts = text.slice(kind === "" ? 0 : kind.length + 2).split(", ");
		if (!first) {
			this.#first.set(kind, { host, parts: new Set(parts) });
			return text;
		}
		const others = parts.filter((part) => !first.parts.has(part));
		const isAlike = others.length * 2 <= parts.length && parts.length >= first.parts.size; // a part less would go unsaid
		if (!isAlike) return text;
		return `${kind && `${kind}: `}as ${first.host}${others.length > 0 ? `, but ${others.join(", ")}` : ""}`;
	}
}

/** `key=value` lines without those that have no value. */
function keyValues(lines: string[]): [string, string][] {
	return lines.map((line) => line.split("=")).flatMap(([key = "", ...value]) => (value.join("=") === "" ? [] : [[key, value.join("=")]]));
}
/** One line of `key=value` lines. */
export function facts(lines: string[]): string {
	return keyValues(lines)
		.map(([key, value]) => `${key} ${value}`)
		.join(", ");
}
/** The same for a program; it names the host itself. */
export function factsJson(host: string, lines: string[]): string {
	return JSON.stringify({ host, facts: Object.fromEntries(keyValues(lines)) });
}

/** What a step will change: one line, and with details one more for each item. */
export function changes(step: string, answer: Answer, isDetailed: boolean): string[] {
	return [`${step}: ${summaryLine(answer)}`, ...(isDetailed ? details(answer).map((line) => `  ${step}: ${line}`) : [])];
}
/** The same for a program; it names the host itself. Without an answer it has no items: they are secret. */
export function changesJson(host: string, step: string, answer?: Answer): string {
	return JSON.stringify({ host, step, ...(answer ? { items: Object.fromEntries(answer) } : {}) });
}
