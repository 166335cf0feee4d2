// Commands of a document, run as they stand there: blocks after a comment `run`, against the block after a comment `prints`.
import assert from "node:assert/strict";
import { succeed } from "./lab.ts";

export interface Example {
	commands: string;
	/** Lines that must be printed, in this order; others may stand between them. */
	expected: string[];
}

/** Blocks after `<!-- run -->`, each with what its `<!-- prints -->` says. Every marker must stand before such a block. */
export function examplesIn(document: string): Example[] {
	const blocks = document.matchAll(/<!-- run -->\n```bash\n([\s\S]*?)```(?:\n\n<!-- prints -->\n```text\n([\s\S]*?)```)?/g);
	const found = [...blocks].map(([, commands = "", prints = ""]) => ({ commands, expected: prints.split("\n").filter((line) => line.trim() !== "") }));
	assert.equal(document.match(/<!-- run -->/g)?.length, found.length);
	assert.equal(document.match(/<!-- prints -->/g)?.length, found.filter(({ expected }) => expected.length > 0).length);
	assert.ok(found.length > 0);
	for (const { commands } of found) assert.doesNotMatch(commands, /^[$#] /m, "a prompt sign");
	return found;
}
/** `…` is anything, space is any space, and seconds and counts of resources are any number. */
export function pattern(line: string): RegExp {
	const literal = line.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
	return new RegExp(
		literal
			.replaceAll(/\s+/g, "\\s+")
			.replaceAll("…", ".*")
			.replaceAll(/\b\d+(?=\\s\+(s\b|to\\s))/g, "\\d+"),
	);
}
/** Runs it, and looks for each line that it must print. */
export async function runExample({ commands, expected }: Example): Promise<void> {
	const { output } = await succeed("bash", ["-euo", "pipefail", "-c", commands]);
	const printed = output.split("\n");
	let from = 0;
	for (const line of expected) {
		const at = printed.findIndex((candidate, i) => i >= from && pattern(line).test(candidate));
		assert.ok(at >= 0, `not printed: ${line}\nafter line ${from} of:\n${output}`);
		from = at + 1;
	}
}
