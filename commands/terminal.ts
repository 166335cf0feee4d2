// Questions to the person at the terminal, or to a pipe that answers line by line.
import { createInterface } from "node:readline";
import { printable } from "../printable.ts";

export interface Terminal {
	print: (line: string) => void;
	/** True for yes; anything else, and the end of input, is no. */
	ask: (question: string) => Promise<boolean>;
}

/** Asks on the terminal, or takes its answers from a pipe line by line; the end of input is a no. */
export function terminal(): Terminal & { close: () => void } {
	const input = createInterface({ input: process.stdin });
	const answers = input[Symbol.asyncIterator]();
	const ask = async (question: string) => {
		process.stdout.write(printable(`${question} [y/N] `));
		const { value, done } = await answers.next();
		if (done || !process.stdin.isTTY) process.stdout.write("\n");
		return /^y(es)?$/i.test(String(value ?? "").trim());
	};
	return { print: (line) => process.stdout.write(`${printable(line)}\n`), ask, close: () => input.close() };
}
