// Commands of the README, run as they stand there: blocks after a comment `run`, in order, against the block after a comment `prints`.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { hosts, lab, project, succeed } from "./lab.ts";

interface Example {
	commands: string;
	/** Lines that must be printed, in this order; others may stand between them. */
	expected: string[];
}

const readme = await readFile(`${project}README.md`, "utf8");
/** Blocks after `<!-- run -->`, each with what its `<!-- prints -->` says. */
function examples(): Example[] {
	const blocks = readme.matchAll(/<!-- run -->\n```bash\n([\s\S]*?)```(?:\n\n<!-- prints -->\n```text\n([\s\S]*?)```)?/g);
	return [...blocks].map(([, commands = "", prints = ""]) => ({ commands, expected: prints.split("\n").filter((line) => line.trim() !== "") }));
}
/** `…` is anything, space is any space, and seconds and counts of resources are any number. */
function pattern(line: string): RegExp {
	const literal = line.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
	return new RegExp(
		literal
			.replaceAll(/\s+/g, "\\s+")
			.replaceAll("…", ".*")
			.replaceAll(/\b\d+(?=\\s\+(s\b|to\\s))/g, "\\d+"),
	);
}

describe("the README's commands", { concurrency: false }, () => {
	const found = examples();

	before(async () => {
		await lab("up");
		const { stdout } = await lab("status");
		if (stdout.match(/ bare$/gm)?.length !== hosts.length) await lab("reset");
	});

	test("every marker stands before a block that is run or compared", () => {
		assert.equal(readme.match(/<!-- run -->/g)?.length, found.length);
		assert.equal(readme.match(/<!-- prints -->/g)?.length, found.filter(({ expected }) => expected.length > 0).length);
		assert.ok(found.length > 0);
		for (const { commands } of found) assert.doesNotMatch(commands, /^[$#] /m, "a prompt sign");
	});

	for (const { commands, expected } of found)
		test(`${commands.trim().split("\n").join("; ")}: prints what the README shows`, async () => {
			const { output } = await succeed("bash", ["-euo", "pipefail", "-c", commands]);
			const printed = output.split("\n");
			let from = 0;
			for (const line of expected) {
				const at = printed.findIndex((candidate, i) => i >= from && pattern(line).test(candidate));
				assert.ok(at >= 0, `not printed: ${line}\nafter line ${from} of:\n${output}`);
				from = at + 1;
			}
		});
});
