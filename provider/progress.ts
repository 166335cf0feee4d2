// How far a long run is: for each step, on how many hosts it is done, and how long the rest will take, if each takes as long, and as many go side by side.

import { MANY } from "./report.ts";

/** Between two lines. */
const PAUSE_MS = 10_000;

interface Count {
	done: number;
	/** ms that these took, all together. */
	took: number;
	running: number;
	/** The most that ran side by side. */
	beside: number;
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
		const begun = this.#now();
		count.beside = Math.max(count.beside, ++count.running);
		const result = await work().finally(() => count.running--);
		count.done++;
		count.took += this.#now() - begun;
		const isOfOneHost = verb === "apply" && count.done + count.running === 1; // as far as is known, such as the kubeconfig of the control plane
		if (this.#hosts >= MANY && this.#now() - this.#shown >= PAUSE_MS && !isOfOneHost) {
			this.#shown = this.#now();
			this.#show(this.#line(verb, step, count));
		}
		return result;
	}

	#countOf(verb: string, step: string): Count {
		const key = `${verb} ${step}`;
		const count = this.#counts.get(key) ?? { done: 0, took: 0, running: 0, beside: 0, atRest: 0 };
		this.#counts.set(key, count);
		return count;
	}

	#line(verb: "apply" | "undo", step: string, { done, took, beside, atRest }: Count): string {
		const what = `${step} ${verb === "apply" ? "done" : "undone"} on ${done}`;
		if (verb === "undo" && this.#compares) return `${what} hosts`; // how many leave is not known
		const all = Math.max(done, this.#hosts - atRest);
		const seconds = Math.ceil((took / 1000 / done) * ((all - done) / beside));
		return `${what} of ${all} hosts${seconds > 0 ? `, about ${seconds} s more for it` : ""}`;
	}
}
