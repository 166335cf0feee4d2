// Shows what a preview found on the hosts, in one place: a line for a host's facts, a line for each step.
import { type Answer, details, summaryLine } from "./answer.ts";

const PAUSE_MS = 60; // probes that begin within this time of each other are shown together, in the order of the hosts

export type Say = (host: string, text: string) => void;

export class Report {
	readonly #order: string[];
	readonly #show: (text: string) => Promise<void>;
	#probes: { host: string; text: string }[][] = [];
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
		const lines: { host: string; text: string }[] = [];
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
		if (sorted.length > 0) await this.#show(sorted.map(({ host, text }) => (text.startsWith("{") ? text : `${host}: ${text}`)).join("\n"));
		for (const wake of waiting) wake();
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
