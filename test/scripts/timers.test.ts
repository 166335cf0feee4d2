// What timers run on a host is a list of functions, written out: one that is missing would show only when the timer runs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { stepScript } from "../../cluster/step-text.ts";
import { settingsText } from "../../provider/shell.ts";
import { shellFiles, stepFile } from "./shell-files.ts";
import { SAMPLE_HOSTS, type SampleHost, sampleSettings } from "./verbs.ts";

const timed = shellFiles.filter(({ isStep, text }) => isStep && /^timer_program\(\)/m.test(text)).map(({ name }) => name);
/** Names, one a line: of all functions of the step, and of those in its program; then the words of the program, without what stands in quotes. */
const NAMES = `
compgen -A function | grep -v '^timer_program$'
echo --
program="$(timer_program)"
printf '%s\\n' "$program" | sed -n 's/^\\([a-z_]*\\) ()[ ]*$/\\1/p'
echo --
printf '%s\\n' "$program" | sed "s/'[^']*'//g" | grep -Eo '(^|[;&|({!]|then|else|do|if|until|while|&&|[(])[[:space:]]*[a-z_]+' | grep -Eo '[a-z_]+$' | sort -u
`;

for (const step of timed)
	test(`the program of the timer ${step} has every function that it calls`, () => {
		const text = settingsText(step, sampleSettings(step, SAMPLE_HOSTS[0] as SampleHost)) + stepScript(stepFile(step)).replace(/^main .*$/m, () => NAMES);
		const { stdout, stderr, status } = spawnSync("bash", ["-c", text, "bash", "check"], { encoding: "utf8" });
		assert.equal(status, 0, stderr);
		const [all = [], own = [], called = []] = stdout.split("--\n").map((part) => part.trim().split("\n"));
		assert.ok(own.length > 15 && called.includes("die"), stdout);
		assert.deepEqual(
			called.filter((name) => all.includes(name) && !own.includes(name)),
			[],
		);
	});
