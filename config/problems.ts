// Collects what is wrong with a stack's configuration, so that all of it is reported at once.
import * as pulumi from "@pulumi/pulumi";
import { printable } from "../printable.ts";

/** The user's mistake, not a bug: shown without a stack trace. One line per problem. */
export class ConfigError extends pulumi.RunError {
	readonly problems: string[];
	constructor(problems: string[]) {
		super(problems.join("\n"));
		this.name = "ConfigError";
		this.problems = problems;
	}
}

/** Adds one problem: where it is (a path such as hosts[1].address), then what was found, what is expected and what to do. */
export type Report = (path: string, text: string) => void;

export class Problems {
	readonly #stack: string;
	readonly #lines = new Map<string, string>();
	constructor(stack: string) {
		this.#stack = stack;
	}
	readonly report: Report = (path, text) => {
		const line = printable(`Pulumi.${this.#stack}.yaml: ${path}: ${text}`);
		this.#lines.set(line, line);
	};
	get count(): number {
		return this.#lines.size;
	}
	/** Throws one ConfigError with every problem, in the order of their discovery; does nothing when there is none. */
	throwIfAny(): void {
		if (this.count > 0) throw new ConfigError([...this.#lines.values()]);
	}
}

/** The path of a value as people write it: hosts[1].address, registryMirrors["docker.io"][0]. */
export function pathText(path: readonly PropertyKey[]): string {
	return path.reduce<string>((text, part) => {
		if (typeof part === "number") return `${text}[${part}]`;
		if (!/^\w+$/.test(String(part))) return `${text}[${JSON.stringify(part)}]`;
		return text === "" ? String(part) : `${text}.${String(part)}`;
	}, "");
}

/** The candidate that differs from the word by at most a third of its letters, or undefined. */
export function nearestWord(word: string, candidates: readonly string[]): string | undefined {
	const scored = candidates.map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }));
	const best = scored.sort((a, b) => a.distance - b.distance)[0];
	return best && best.distance <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : undefined;
}
function editDistance(a: string, b: string): number {
	let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
			row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
		}
		previous = row;
	}
	return previous[b.length] ?? 0;
}
