// The text that a step sends to a host: quoting, comments, files, and the resource that it becomes.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { hostAct, printed } from "../../cluster/step.ts";
import { stepText, stripComments, usedFiles } from "../../cluster/step-text.ts";
import { BEGIN, type Setting, scriptCommand, shellQuote } from "../../provider/shell.ts";
import { shellFile, shellFiles, stepFile } from "../scripts/shell-files.ts";
import { runProgram } from "./program-graph.ts";
import { settings } from "./settings.ts";

const { hosts, ssh } = settings().cluster;
const [host] = hosts;
assert.ok(host);
const bash = (script: string) => execFileSync("bash", ["-s"], { input: script, encoding: "utf8" });

test("shellQuote gives bash back exactly what it got", () => {
	// Any character but NUL and halves of a pair. fast-check's own unit "binary" takes 3 s to get ready.
	const code = fc.oneof(fc.integer({ min: 1, max: 0x7f }), fc.integer({ min: 0x80, max: 0x10ffff })).filter((value) => value < 0xd800 || value > 0xdfff);
	const word = fc.string({ unit: code.map((value) => String.fromCodePoint(value)), maxLength: 30 });
	const texts = fc.sample(word, 500); // in one bash: each start of one costs more than all the words
	const printed = bash(texts.map((text) => `printf '%s\\0' ${shellQuote(text)}\n`).join(""));
	assert.deepEqual(printed.split("\0").slice(0, -1), texts);
});
test("shellQuote holds newlines, quotes, dollars, backslashes and comment lines", () => {
	const text = 'it\'s\n# not a comment\n$HOME `id` "x" \\ !\n';
	assert.equal(bash(`printf %s ${shellQuote(text)}; printf end`), `${text}end`);
});
test("shellQuote refuses NUL", () => {
	assert.throws(() => shellQuote("a\0b"), { message: 'a shell value can\'t hold a NUL character: "a\\u0000b"' });
});

test("stepText writes settings in order of their names, then the common part and the script", () => {
	const text = stepText(stepFile("identity"), { B: "it's", A: ["x y", ""], EMPTY: [], COUNT: 2, YES: true, NO: false });
	const head =
		"readonly STEP='identity'\nreadonly A=('x y' '')\nreadonly B='it'\\''s'\nreadonly COUNT='2'\nreadonly EMPTY=()\nreadonly NO='no'\nreadonly YES='yes'\n";
	assert.equal(text.slice(0, head.length), head);
	assert.ok(text.indexOf("write_file()") < text.indexOf("hosts_file()"), "common.sh comes first");
});
test("stepText refuses a setting whose name is no constant's", () => {
	assert.throws(() => stepText(stepFile("identity"), { "A;id": "x" }), { message: "A;id is not a setting's name: use capitals, digits and underscores" });
});
test("stepText brings the files that line 2 of a script names, before the script", () => {
	const text = stepText(stepFile("system"), {});
	const files = usedFiles(shellFile("system").text);
	assert.ok(files.length > 0);
	const places = files.map((file) => text.indexOf(stripComments(shellFile(file.replace(".sh", "")).text)));
	assert.ok(places.every((place) => place > 0));
	assert.deepEqual(
		places.toSorted((a, b) => a - b),
		places,
	);
	assert.ok(text.endsWith(stripComments(shellFile("system").text)));
});
test("stepText finds what a step uses in lib/ beside it, then in cluster/steps/lib, and says where it looked", (t) => {
	const folder = mkdtempSync(join(tmpdir(), "steps-"));
	t.after(() => rmSync(folder, { recursive: true }));
	mkdirSync(join(folder, "lib"));
	const step = (name: string, uses: string) => {
		writeFileSync(join(folder, `${name}.sh`), `#!/usr/bin/env bash\n# uses: ${uses}\nmain "$@" </dev/null\n`);
		return stepText(pathToFileURL(join(folder, `${name}.sh`)), {});
	};
	writeFileSync(join(folder, "lib/own.sh"), "own() { :; }\n");
	const text = step("mine", "kubectl.sh own.sh");
	assert.ok(text.startsWith("readonly STEP='mine'\n"));
	assert.ok(text.endsWith(`${stripComments(shellFile("kubectl").text)}own() { :; }\nmain "$@" </dev/null\n`));
	assert.throws(() => step("other", "nowhere.sh"), /other\.sh uses nowhere\.sh, which is neither in lib\/ beside it nor in cluster\/steps\/lib$/);
	assert.throws(() => stepText(pathToFileURL(join(folder, "none.sh")), {}), /^Error: no step \S+\/none\.sh$/);
});
test("a changed comment changes nothing that is sent", () => {
	const code = "f() {\n  g # stays\n}\nprintf '# %s\\n' x\n";
	assert.equal(stripComments(`#!/bin/bash\n# Why.\nf() {\n  # how\n  g # stays\n}\n\t# more\nprintf '# %s\\n' x\n# end`), code);
	assert.equal(stripComments(code), code);
});
test("no script has a line starting with # that bash would take for something else than a comment", () => {
	// bash prints functions without comments and from its own parse: equal prints mean that only comments went.
	const parsed = (codes: string[]) => bash(codes.map((code) => `f() {\n${code}\n:\n}\ndeclare -f f; printf '\\0'\n`).join("")).split("\0");
	const [bare, whole] = [parsed(shellFiles.map(({ text }) => stripComments(text))), parsed(shellFiles.map(({ text }) => text))];
	assert.equal(whole.length, shellFiles.length + 1);
	for (const [i, { path }] of shellFiles.entries()) assert.equal(bare[i], whole[i], path);
});

const made = async (args: {
	user?: string;
	isSecret?: boolean;
	apply?: boolean;
	undo?: boolean;
	triggers?: string[];
	settings?: Record<string, pulumi.Input<Setting>>;
}) => {
	const { user = "root", settings = {}, ...rest } = args;
	const { graph } = await runProgram(() => {
		const parent = new pulumi.ComponentResource("kubeadm-lab:test:Parent", "parent");
		hostAct("step", { host: { ...host, user }, ssh, step: stepFile("identity"), settings, ...rest }, { parent });
	});
	return graph.named("step");
};
test("hostAct runs apply on create and on update, undo on delete", async () => {
	const { inputs, deleteBeforeReplace } = await made({});
	const [apply, undo] = [scriptCommand("root", "apply"), scriptCommand("root", "undo")];
	assert.deepEqual([inputs.create, inputs.update, inputs.delete], [apply, apply, undo]);
	assert.equal(inputs.addPreviousOutputInEnv, false);
	assert.equal(deleteBeforeReplace, true);
	assert.deepEqual(Object.keys(inputs).sort(), ["addPreviousOutputInEnv", "connection", "create", "delete", "logging", "stdin", "update"]);
});
test("hostAct goes through sudo for a user who is not root", async () => {
	const { inputs } = await made({ user: "centos" });
	for (const line of [inputs.create, inputs.update, inputs.delete]) assert.match(line, /^exec sudo -n \/bin\/bash --norc -p -c '.*' (apply|undo)$/);
});
test("hostAct leaves out what has nothing to do", async () => {
	assert.ok(!("delete" in (await made({ undo: false })).inputs));
});
test("hostAct pins the host key and keeps the connection secret", async () => {
	const { inputs, secret } = await made({});
	assert.deepEqual(Object.keys(inputs.connection).sort(), ["dialErrorLimit", "host", "hostKey", "perDialTimeout", "port", "privateKey", "user"]);
	assert.equal(inputs.connection.hostKey, host.hostKey);
	assert.ok(secret.includes("connection"));
});
test("hostAct never logs a secret step and keeps its output secret", async () => {
	const { inputs, secretOutputs } = await made({ isSecret: true });
	assert.equal(inputs.logging, "none");
	assert.ok(["stdout", "stderr"].every((name) => secretOutputs.includes(name)));
	assert.equal((await made({})).inputs.logging, "stderr", "what goes to the program is not logged");
});
test("hostAct keeps a text with a secret setting secret", async () => {
	const { inputs, secret } = await made({ settings: { A: pulumi.secret("hidden") } });
	assert.match(inputs.stdin, /^readonly A='hidden'$/m);
	assert.ok(secret.includes("stdin"));
	assert.ok(!(await made({ settings: { A: "open" } })).secret.includes("stdin"));
});
test("what a login prints before a script's own output is no part of it, and a state from before the mark is taken as it is", async () => {
	const of = (stdout: string) => new Promise((resolve) => printed({ stdout: pulumi.output(stdout) } as never).apply(resolve));
	assert.equal(await of(`Welcome\nno end${BEGIN}\nsha256:1\nk8s v1`), "sha256:1\nk8s v1");
	assert.equal(await of("sha256:1\nk8s v1"), "sha256:1\nk8s v1");
});
