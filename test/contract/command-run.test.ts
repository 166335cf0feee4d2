// The `command` plugin: what runs on the host, what it gets, what comes back.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CommandPlugin, type PluginError } from "./support/command-plugin.ts";
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
const file = (name: string) => join(sshd.folder, name);
const connection = () => sshd.connection();

test("create runs the command and returns its outputs, the inputs and an id made of the name", async () => {
	const { id, state } = await plugin.create("first", { connection: connection(), create: "echo out; echo err >&2" });
	assert.match(id, /^first[0-9a-f]{8}$/);
	assert.equal(state.stdout, "out");
	assert.equal(state.stderr, "err");
	assert.equal(state.create, "echo out; echo err >&2");
});

test("exactly one newline is taken from the end of each output", async () => {
	const { state } = await plugin.create("newlines", { connection: connection(), create: "printf 'a\\n\\n'; printf 'b\\r\\n' >&2" });
	assert.equal(state.stdout, "a\n");
	assert.equal(state.stderr, "b\r");
});

test("stdin arrives as it is, and ends", async () => {
	const stdin = `'quotes' "and" $dollars \`ticks\`\nümläüte\n\n${"x".repeat(300_000)}`;
	const { state } = await plugin.create("stdin", { connection: connection(), create: "cat", stdin, logging: "none" });
	assert.equal(state.stdout, stdin);
});

test("without stdin a command that reads gets the end at once", async () => {
	const { state } = await plugin.create("no-stdin", { connection: connection(), create: "cat; echo read" });
	assert.equal(state.stdout, "read");
});

test("a command may end without reading its stdin", async () => {
	// With more than 2 MB, SSH's window, the official plugin fails with EOF.
	const { state } = await plugin.create("unread", { connection: connection(), create: "echo ready", stdin: "x".repeat(1_000_000) });
	assert.equal(state.stdout, "ready");
});

test("large outputs on both streams are kept whole", async () => {
	const create = "seq 1 200000; seq 200001 400000 >&2";
	const { state } = await plugin.create("large", { connection: connection(), create, logging: "none" });
	assert.equal(String(state.stdout).split("\n").length, 200_000);
	assert.equal(String(state.stderr).split("\n").at(-1), "400000");
});

test("characters of several bytes survive being cut into packets", async () => {
	const { state } = await plugin.create("utf8", { connection: connection(), create: "for i in $(seq 20000); do printf 'xé€😀'; done", logging: "none" });
	assert.equal(state.stdout, "xé€😀".repeat(20_000));
});

test("create without a command is a success that dials nobody", async () => {
	const before = sshd.dials;
	const { state } = await plugin.create("nothing", { connection: connection(), delete: "true" });
	assert.equal(state.stdout, "");
	assert.equal(state.stderr, "");
	assert.equal(sshd.dials, before);
});

test("update runs `update` with the new inputs and replaces the outputs, even by nothing", async () => {
	const inputs = { connection: connection(), create: "echo created", update: "echo updated >&2", stdin: "1" };
	const { state } = await plugin.create("update", inputs);
	const updated = await plugin.update("update", state, { ...inputs, stdin: "2" });
	assert.equal(updated.stdout, "");
	assert.equal(updated.stderr, "updated");
	assert.equal(updated.stdin, "2");
});

test("update falls back to `create`", async () => {
	const inputs = { connection: connection(), create: `echo run >>${file("fallback")}; wc -l <${file("fallback")}` };
	const { state } = await plugin.create("fallback", inputs);
	const updated = await plugin.update("fallback", state, { ...inputs, delete: "true" });
	assert.equal(state.stdout, "1");
	assert.equal(updated.stdout, "2");
});

test("update with neither command keeps what was printed last and dials nobody", async () => {
	const { state } = await plugin.create("kept", { connection: connection(), create: "echo kept" });
	const before = sshd.dials;
	const updated = await plugin.update("kept", state, { connection: connection(), delete: "true" });
	assert.equal(updated.stdout, "kept");
	assert.equal(sshd.dials, before);
});

test("update dials the new connection", async () => {
	const inputs = { connection: connection(), create: "echo there" };
	const { state } = await plugin.create("moved", { ...inputs, connection: connection() });
	const elsewhere = { ...state, connection: { ...connection(), port: 1 } };
	assert.equal((await plugin.update("moved", elsewhere, inputs)).stdout, "there");
});

test("delete runs the command of the state on the connection of the state, with its stdin", async () => {
	const { state } = await plugin.create("deleted", { connection: connection(), create: "true", delete: `cat >${file("deleted")}`, stdin: "bye" });
	assert.equal(existsSync(file("deleted")), false);
	await plugin.delete("deleted", state);
	assert.equal(readFileSync(file("deleted"), "utf8"), "bye");
});

test("delete without a command dials nobody", async () => {
	const { state } = await plugin.create("left", { connection: connection(), create: "true" });
	const before = sshd.dials;
	await plugin.delete("left", { ...state, connection: sshd.connection({ port: 1 }) });
	assert.equal(sshd.dials, before);
});

test("a failed command is an error with status, command and all that was printed in order, and leaves nothing to keep", async () => {
	const create = 'echo "one\ttwo"; sleep 0.2; echo three >&2; exit 3';
	await assert.rejects(plugin.create("failed", { connection: connection(), create }), (error: PluginError) => {
		assert.equal(error.message, `Process exited with status 3: running ${JSON.stringify(create)}:\none\ttwo\nthree\n`);
		assert.equal(error.code, "UNKNOWN");
		assert.equal(error.hasDetails, false);
		return true;
	});
});

test("a command that a signal ends is an error that names the signal", async () => {
	await assert.rejects(
		plugin.create("killed", { connection: connection(), create: "kill -TERM $$" }),
		/Process exited with status 143 from signal TERM: running/,
	);
});

test("failed update and delete are errors too", async () => {
	const inputs = { connection: connection(), create: "true", update: "exit 4", delete: "exit 5" };
	const { state } = await plugin.create("later", inputs);
	await assert.rejects(plugin.update("later", state, { ...inputs, stdin: "new" }), /^Error: Process exited with status 4: running "exit 4":\n/);
	await assert.rejects(plugin.delete("later", state), /^Error: Process exited with status 5: running "exit 5":\n/);
});

test("a connection that breaks under a command is an error", async () => {
	await assert.rejects(
		plugin.create("broken", { connection: connection(), create: "kill -KILL $PPID; sleep 5" }),
		/remote command exited without exit status or exit signal/,
	);
});

test("two commands on one host run at the same time", async () => {
	const meet = (mine: string, other: string) =>
		`touch ${file(mine)}; for i in $(seq 100); do [ -e ${file(other)} ] && echo met && exit; sleep 0.05; done; exit 1`;
	const both = [
		plugin.create("one", { connection: connection(), create: meet("a", "b") }),
		plugin.create("two", { connection: connection(), create: meet("b", "a") }),
	];
	assert.deepEqual(
		(await Promise.all(both)).map(({ state }) => state.stdout),
		["met", "met"],
	);
});
