import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMON_FILES, stripComments, usedFiles } from "../../cluster/step.ts";
import { SAMPLE_HOSTS, sampleSteps } from "./verbs.ts";

const folder = new URL("../../cluster/scripts/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".sh"));
const source = (name: string) => readFileSync(new URL(name, folder), "utf8");
const bash = (args: string[], input: string) => spawnSync("bash", args, { input, encoding: "utf8" });
const samples = SAMPLE_HOSTS.slice(0, 2).flatMap((host) => sampleSteps(host).map((sample) => ({ ...sample, host: host.name })));

test("every script with verbs has sample settings", () => {
	const steps = files.filter((name) => source(name).includes('\nmain "$@" </dev/null')).map((name) => name.replace(".sh", ""));
	assert.deepEqual([...new Set(samples.map(({ step }) => step))].sort(), steps.sort());
});

test("every script is used, by itself or by another", () => {
	const used = new Set([...COMMON_FILES, ...samples.map(({ step }) => `${step}.sh`), ...files.flatMap((name) => usedFiles(source(name)))]);
	assert.deepEqual(
		files.filter((name) => !used.has(name)),
		[],
	);
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
	for (const name of files) assert.doesNotMatch(stripComments(source(name)), /<<[<\-\w'"]/, name);
});

test("a run waits for another one longer than any single command of it may take", () => {
	const bounds = files.flatMap((name) => [...source(name).matchAll(/\btimeout (?:-k \d+ )?(\d+) /g)].map(([, seconds]) => Number(seconds)));
	assert.ok(bounds.length > 40);
	const bound = (settings: string) => Number(bash(["-s"], `readonly STEP=x${settings}\n${source("common.sh")}\nprintf %s "\${LOCK_SECONDS}"`).stdout);
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
	for (const name of files) for (const [pattern, what] of newer) assert.ok(!pattern.test(stripComments(source(name))), `${name}: ${what}`);
});

test("an unknown verb is refused with the usage", () => {
	const answer = bash(["-s", "--", "destroy"], samples[0]?.text ?? "");
	assert.equal(answer.status, 2);
	assert.equal(answer.stderr, "usage: bash -s -- apply|check|undo\n");
});

test("a comment is never sent, so that changing one changes no resource", () => {
	for (const { step, text } of samples) assert.doesNotMatch(text, /^\s*#/m, step);
});
