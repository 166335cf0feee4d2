// The `command` plugin: variables on the host, and lines shown while a command runs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Properties } from "../../provider/plugin/values.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
import { Sshd } from "./support/sshd.ts";

let sshd: Sshd;
let plugin: CommandPlugin;
before(async () => {
	sshd = await Sshd.start();
	plugin = await CommandPlugin.start();
});
after(async () => {
	await plugin?.stop();
	await sshd?.remove();
});
const connection = () => sshd.connection();
const SHOW = 'echo "$PULUMI_COMMAND_STDOUT/$PULUMI_COMMAND_STDERR"';

test("variables that the server accepts reach the command", async () => {
	const environment = { ACCEPTED_ONE: "a b", ACCEPTED_TWO: "'$x'" };
	const { state } = await plugin.create("accepted", { connection: connection(), environment, create: 'echo "$ACCEPTED_ONE $ACCEPTED_TWO"' });
	assert.equal(state.stdout, "a b '$x'");
});

test("many variables are no trouble", async () => {
	const environment = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`ACCEPTED_${i}`, String(i)]));
	const { state } = await plugin.create("many", { connection: connection(), environment, create: 'echo "$ACCEPTED_0 $ACCEPTED_29"' });
	assert.equal(state.stdout, "0 29");
	assert.equal(plugin.executable.stderr, "");
});

test("a variable that the server refuses fails the resource before the command runs", async () => {
	const create = plugin.create("refused", { connection: connection(), environment: { FOO_X: "1" }, create: "echo ran" });
	await assert.rejects(create, /^Error: could not set environment variable "FOO_X": ssh: setenv failed$/);
	const [line] = plugin.engine.of(plugin.urn("refused"));
	assert.equal(line?.severity, "error");
	assert.equal(line?.isEphemeral, false);
	assert.match(line?.message ?? "", /Unable to set 'FOO_X'/);
	assert.deepEqual(
		plugin.engine.messages(plugin.urn("refused")).filter((message) => message === "ran"),
		[],
	);
});

test("update and delete are given the last output, and a refusal is only a warning", async () => {
	const inputs = { connection: connection(), create: "echo out; echo err >&2", update: SHOW };
	const { state } = await plugin.create("warned", inputs);
	const updated = await plugin.update("warned", state, { ...inputs, stdin: "new" });
	assert.equal(updated.stdout, "/");
	const warnings = plugin.engine.of(plugin.urn("warned")).filter(({ severity }) => severity === "warning");
	assert.deepEqual(
		warnings.map(({ message, isEphemeral }) => [/Unable to set '(\w+)'/.exec(message)?.[1], isEphemeral]),
		[
			["PULUMI_COMMAND_STDOUT", false],
			["PULUMI_COMMAND_STDERR", false],
		],
	);
});

test("the last output is not sent where it is empty or unwanted", async () => {
	const cases: Record<string, Properties> = { empty: { create: "true" }, unwanted: { create: "echo out; echo err >&2", addPreviousOutputInEnv: false } };
	for (const [name, extra] of Object.entries(cases)) {
		const inputs = { connection: connection(), update: SHOW, ...extra };
		const { state } = await plugin.create(name, inputs);
		await plugin.update(name, state, { ...inputs, stdin: "new" });
		const warnings = plugin.engine.of(plugin.urn(name)).filter(({ severity }) => severity === "warning");
		assert.deepEqual(warnings, [], name);
	}
});

test("a server that takes them gets PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR on update and delete", async (t) => {
	const willing = await Sshd.start("AcceptEnv PULUMI_COMMAND_*");
	t.after(() => willing.remove());
	const inputs = { connection: willing.connection(), create: "echo out; echo err >&2", update: SHOW, delete: `${SHOW}; exit 9` };
	const { state } = await plugin.create("willing", inputs);
	const updated = await plugin.update("willing", state, { ...inputs, stdin: "new" });
	assert.equal(updated.stdout, "out/err");
	assert.deepEqual(
		[state.addPreviousOutputInEnv, state.environment, updated.environment],
		[undefined, undefined, undefined],
		"what was passed on is no part of the state",
	);
	for (const kept of [state, { ...state, addPreviousOutputInEnv: true }]) await assert.rejects(plugin.delete("willing", kept), /:\nout\/err\n$/);
});

test("lines are shown as status lines of the resource, in order, while the command runs", async () => {
	const urn = plugin.urn("shown");
	const create = plugin.create("shown", { connection: connection(), create: "for i in $(seq 50); do echo line $i; done; sleep 1; echo end >&2" });
	await plugin.engine.line(urn, "line 1");
	const early = performance.now();
	await create;
	assert.ok(performance.now() - early > 700, "the first line came before the end");
	assert.deepEqual(plugin.engine.messages(urn), [...Array.from({ length: 50 }, (_, i) => `line ${i + 1}`), "end"]);
	assert.ok(plugin.engine.of(urn).every(({ severity, isEphemeral }) => severity === "info" && isEphemeral));
	assert.equal(plugin.engine.hasOverlap, false);
});

for (const [logging, lines] of Object.entries({ stdout: ["out"], stderr: ["err"], stdoutAndStderr: ["out", "err"], none: [] })) {
	test(`logging ${logging} shows ${lines.join(" and ") || "nothing"} and keeps both outputs`, async () => {
		const name = `logging-${logging}`;
		const { state } = await plugin.create(name, { connection: connection(), logging, create: "echo out; sleep 0.2; echo err >&2" });
		assert.deepEqual(plugin.engine.messages(plugin.urn(name)), lines);
		assert.deepEqual([state.stdout, state.stderr], ["out", "err"]);
	});
}

test("all lines are shown before the resource is done, also where it fails and the last has no end", async () => {
	await assert.rejects(plugin.create("half", { connection: connection(), create: "echo whole; printf half; exit 1" }));
	assert.deepEqual(plugin.engine.messages(plugin.urn("half")), ["whole", "half"]);
});
