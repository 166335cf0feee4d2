// Commands of the README, run as they stand there, in order.
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { examplesIn, runExample } from "./examples.ts";
import { hosts, lab, project } from "./lab.ts";

const found = examplesIn(await readFile(`${project}README.md`, "utf8"));

describe("the README's commands", { concurrency: false }, () => {
	before(async () => {
		await lab("up");
		const { stdout } = await lab("status");
		if (stdout.match(/ bare$/gm)?.length !== hosts.length) await lab("reset");
	});

	for (const example of found)
		test(`${example.commands.trim().split("\n").join("; ")}: prints what the README shows`, async () => {
			await runExample(example);
		});
});
