// How far a long run is: for each step, on how many hosts it is done, and how long the rest will take at this rate.

import { MANY } from "./report.ts";

/** Between two lines. */
const PAUSE_MS = 10_000;

interface Count {
	begun: number;
	done: number;
	/** Hosts on which there was nothing to do. */
	atRest: number;
}

export class Progress {
	readonly #hosts: number;
	readonly #show: (line: string) => void;
	readonly #now: () => number;
	readonly #counts = new Map<string, Count>();
	#shown: number;
	/** A run that compares nothing is a destroy: all hosts are given back. */
	#compares = false;

	/** `hosts`: how many the stack has. `now`: ms, of a clock that never goes back. */
	constructor(hosts: number, show: (line: string) => void, now = () => performance.now()) {
		this.#hosts = hosts;
		this.#show = show;
		this.#now = now;
		this.#shown = now();
	}

	/** One host's step was compared with what is wanted. */
	compared(step: string, hasChanges: boolean): void {
		this.#compares = true;
		if (!hasChanges) this.#countOf("apply", step).atRest++;
	}

	/** Counts one piece of work; one that fails is not done. */
	async during<T>(verb: "apply" | "undo", step: string, work: () => Promise<T>): Promise<T> {
		const count = this.#countOf(verb, step);
		const result = await work();
		count.done++;
		if (this.#hosts >= MANY && this.#now() - this.#shown >= PAUSE_MS) {
			this.#shown = this.#now();
			this.#show(this.#line(verb, step, count));
		}
		return result;
	}

	#countOf(verb: string, step: string): Count {
		const key = `${verb} ${step}`;
		const count = this.#counts.get(key) ?? { begun: this.#now(), done: 0, atRest: 0 };
		this.#counts.set(key, count);
		return count;
	}

	#line(verb: "apply" | "undo", step: string, { begun, done, atRest }: Count): string {
		const what = `${step} ${verb === "apply" ? "done" : "undone"} on ${done}`;
		if (verb === "undo" && this.#compares) return `${what} hosts`; // how many leave is not known
		const all = Math.max(done, this.#hosts - atRest);
		const seconds = Math.ceil(((this.#now() - begun) / 1000 / done) * (all - done));
		return `${what} of ${all} hosts${seconds > 0 ? `, about ${seconds} s more for it` : ""}`;
	}
}
