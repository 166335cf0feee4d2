// Every step as it is sent to a host: it parses in bash, shellcheck passes it, and no two functions or files have one name.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { COMMON_FILES, stripComments, usedFiles } from "../../cluster/step-text.ts";
import { shellFile, shellFiles } from "./shell-files.ts";
import { SAMPLE_HOSTS, sampleSteps } from "./verbs.ts";

const bash = (args: string[], input: string) => spawnSync("bash", args, { input, encoding: "utf8" });
const samples = SAMPLE_HOSTS.slice(0, 2).flatMap((host) => sampleSteps(host).map((sample) => ({ ...sample, host: host.name })));

test("every file of steps has verbs, and sample settings; no other file has verbs", () => {
	for (const { path, isStep, text } of shellFiles) assert.equal(text.includes('\nmain "$@" </dev/null'), isStep, path);
	const steps = shellFiles.filter(({ isStep }) => isStep).map(({ name }) => name);
	assert.deepEqual([...new Set(samples.map(({ step }) => step))].sort(), steps.sort());
});

test("every file of lib is used by a step", () => {
	const used = new Set([...COMMON_FILES, ...shellFiles.filter(({ isStep }) => isStep).flatMap(({ text }) => usedFiles(text))]);
	assert.deepEqual(
		shellFiles.filter(({ name, isStep }) => !isStep && !used.has(`${name}.sh`)).map(({ path }) => path),
		[],
	);
});

/** What a step is asked for by verbs.sh, and by timer.sh. */
const ASKED_FOR = ["check", "apply", "undo", "at_exit", "takes_no_lock", "changes_nothing", "timer_service", "timer_timer", "timer_program"];
test("no two functions have one name but those that a step is asked for", () => {
	const names = shellFiles.flatMap(({ text }) => [...text.matchAll(/^([a-z_]+)\(\)/gm)].map(([, name = ""]) => name));
	assert.ok(names.length > 300);
	assert.deepEqual(
		names.filter((name, i) => names.indexOf(name) !== i && !ASKED_FOR.includes(name)),
		[],
	);
});

test("no two files have one name: it is what a step's `# uses:` and the records on hosts say", () => {
	assert.equal(new Set(shellFiles.map(({ name }) => name)).size, shellFiles.length);
});

for (const { step, host, text } of samples) {
	test(`${step} for ${host}, as it is sent, parses in bash and passes shellcheck`, () => {
		const parsed = bash(["-n"], text);
		assert.equal(parsed.stderr, "");
		assert.equal(parsed.status, 0);
		// SC2034: common.sh has names that only some scripts use, and settings may be there for others to read.
		const checked = spawnSync("shellcheck", ["--shell", "bash", "--exclude", "SC2034", "-"], { input: text, encoding: "utf8" });
		assert.equal(checked.stdout, "");
		assert.equal(checked.status, 0);
	});
}

test("no script has a here-string or a here-document, which bash 4.2 puts into /tmp: a secret would be on disk, and a full /tmp would end the script", () => {
	for (const { path, text } of shellFiles) assert.doesNotMatch(stripComments(text), /<<[<\-\w'"]/, path);
});

test("a run waits for another one longer than any single command of it may take", () => {
	const bounds = shellFiles.flatMap(({ text }) => [...text.matchAll(/\btimeout (?:-k \d+ )?(\d+) /g)].map(([, seconds]) => Number(seconds)));
	assert.ok(bounds.length > 40);
	const bound = (settings: string) => Number(bash(["-s"], `readonly STEP=x${settings}\n${shellFile("common").text}\nprintf %s "\${LOCK_SECONDS}"`).stdout);
	assert.ok(bound("") > Math.max(...bounds), `${bound("")} s, of ${Math.max(...bounds)} s`);
	assert.ok(bound(" TIMEOUT_SECONDS=7200") > 7200);
});

test("no script uses what bash 4.2 does not have", () => {
	const newer: [RegExp, string][] = [
		[/\$\{\w+@[A-Za-z]\}/, "x@Q (4.4)"],
		[/\b(mapfile|readarray) .*-d/, "mapfile -d (4.4)"],
		[/\bwait -[np]/, "wait -n (4.3)"],
		[/\b(local|declare|typeset) -\w*n/, "name references (4.3)"],
		[/\b(EPOCHSECONDS|EPOCHREALTIME|SRANDOM)\b/, "EPOCHSECONDS (5.0)"],
		[/\$\{\w+\[-\d+\]\}/, "negative index (4.3)"],
	];
	for (const { path, text } of shellFiles) for (const [pattern, what] of newer) assert.ok(!pattern.test(stripComments(text)), `${path}: ${what}`);
});

test("an unknown verb is refused with the usage", () => {
	const answer = bash(["-s", "--", "destroy"], samples[0]?.text ?? "");
	assert.equal(answer.status, 2);
	assert.equal(answer.stderr, "usage: bash -s -- apply|check|undo\n");
});

test("a comment is never sent, so that changing one changes no resource", () => {
	for (const { step, text } of samples) assert.doesNotMatch(text, /^\s*#/m, step);
});
