// The provider of host state against a real SSH server: create, read, update, delete, and what is kept when one of them fails.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { asSecret, type Properties, reveal, UNKNOWN } from "../../provider/plugin/values.ts";
import { filesStep, HostPlugin, pluginForEachTest, rejection, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

const own = pluginForEachTest();

test("create applies and shows each line, read finds no difference, delete undoes", async () => {
	const { a, step } = filesStep(own.folder.path);
	const made = await own.plugin.create("it", step);
	assert.equal(made.id, "one/files");
	assert.equal(readFileSync(a, "utf8"), "good\n");
	assert.deepEqual([made.state.found, made.state.printed], [{}, "done"]);
	assert.deepEqual(
		own.plugin.engine.of(own.plugin.urn("it")).map(({ message, isEphemeral }) => [message.replace(/^wrote .*/, "wrote"), isEphemeral]),
		[
			["wrote", true],
			["wrote", true],
		],
	);
	const seen = await own.plugin.read("it", made);
	assert.deepEqual(await own.plugin.diff(seen, (await own.plugin.check(step, seen.inputs)).inputs), {});
	await own.plugin.delete("it", seen);
	assert.equal(existsSync(a), false);
});

test("a changed item is one item of the difference, from what was found to what is wanted, and update repairs it", async () => {
	const { a, step } = filesStep(own.folder.path);
	const made = await own.plugin.create("it", step);
	writeFileSync(a, "bad\n");
	const seen = await own.plugin.read("it", made);
	const { inputs } = await own.plugin.check(step, seen.inputs);
	assert.deepEqual(await own.plugin.diff(seen, inputs), { [`found["file ${a}"]`]: "UPDATE" });
	assert.deepEqual([seen.state.found, inputs.found], [{ [`file ${a}`]: "bad" }, { [`file ${a}`]: "good" }]);
	const repaired = await own.plugin.update("it", seen, step);
	assert.equal(readFileSync(a, "utf8"), "good\n");
	const again = await own.plugin.read("it", repaired);
	assert.deepEqual(again.state, repaired.state, "a refresh after the repair sees no change");
	assert.deepEqual(await own.plugin.diff(again, (await own.plugin.check(step, again.inputs)).inputs), {});
});

test("an apply that fails half-way stays in the state with what is left, and the next one does the rest", async () => {
	const { a, b, step } = filesStep(own.folder.path);
	mkdirSync(b);
	const strict = { ...step, text: step.text.replace("apply) ", "apply) set -e; ") };
	const error = await rejection(own.plugin.create("it", strict));
	assert.match(error.message, /^one files: apply: exit status 1\n[\s\S]*Is a directory/);
	assert.ok(error.kept);
	assert.deepEqual([readFileSync(a, "utf8"), error.kept.id, error.kept.state.found], ["good\n", "one/files", { [`file ${b}`]: "", "apply ended": "no" }]);
	assert.equal(error.kept.refreshesBeforeUpdate, true, "also a run without --refresh looks first");
	rmSync(b, { recursive: true });
	const half = await own.plugin.read("it", error.kept);
	const whole = await own.plugin.update("it", half, strict);
	assert.equal(readFileSync(b, "utf8"), "good\n");
	assert.deepEqual(await own.plugin.diff(await own.plugin.read("it", whole), whole.inputs), {});
});

test("an update that ends half-way is held against what it was to do, although the engine keeps the inputs of before, and the next one does the rest", async () => {
	const { a, step } = filesStep(own.folder.path);
	const before = { ...step, settings: { WANTED: "good" } };
	const made = await own.plugin.create("it", before);
	const after = { ...before, settings: { WANTED: "better" }, text: step.text.replaceAll("good", "better") };
	const error = await rejection(own.plugin.update("it", made, { ...after, text: after.text.replace("apply) ", "apply) exit 1; ") }));
	assert.ok(error.kept);
	const half = await own.plugin.read("it", { ...error.kept, inputs: made.inputs });
	assert.equal((half.state.found as Record<string, string>)[`file ${a}`], "good");
	const { inputs } = await own.plugin.check(after, half.inputs);
	assert.equal((await own.plugin.diff(half, inputs))[`found["file ${a}"]`], "UPDATE");
	const back = (await own.plugin.check(before, half.inputs)).inputs;
	assert.equal((await own.plugin.diff(half, back))['settings["WANTED"]'], "UPDATE", "also on the way back to the settings of before");
});

test("a script that prints on and on is cut off, and a long line is told in pieces", async () => {
	const { step } = filesStep(own.folder.path);
	const endless = { ...step, text: scriptText({ check: "exit 0", apply: "yes", undo: "" }) };
	assert.match((await rejection(own.plugin.create("endless", endless))).message, /^one files: the host printed more than 64 MiB, and was cut off$/);
	const long = { ...step, text: scriptText({ check: "exit 0", apply: "head -c 150000 /dev/zero | tr '\\0' x >&2", undo: "" }) };
	await own.plugin.create("long", long);
	const told = own.plugin.engine.of(own.plugin.urn("long")).map(({ message }) => message);
	assert.deepEqual([told.length, told.join("") === "x".repeat(150_000)], [3, true]);
});

test("a connection that breaks in the middle of apply leaves the resource in the state, to be applied again", async () => {
	const step = { host: "one", step: "cut", text: scriptText({ apply: "sleep 0.3; kill -9 $PPID; sleep 1" }) };
	const error = await rejection(own.plugin.create("it", step));
	assert.match(error.message, /^one cut: apply: the connection was lost/);
	assert.deepEqual(error.kept?.state.found, { "apply ended": "no" });
	assert.deepEqual(await own.plugin.diff(error.kept ?? { state: {}, inputs: {} }, (await own.plugin.check(step)).inputs), { 'found["apply ended"]': "DELETE" });
});

for (const isSecret of [false, true])
	test(`what a step that was cut off would have printed${isSecret ? ", a secret," : ""} is printed by the next apply, although nothing differs on the host`, async () => {
		const once = join(own.folder.path, "once");
		const text = scriptText({ apply: `[ -e ${once} ] || { : >${once}; kill -9 $PPID; sleep 1; }; echo kubeconfig` });
		const settings = { OF: "k8s-master" };
		const step = { host: "one", step: "prints", text, settings: isSecret ? asSecret(settings) : settings } as Properties;
		const { kept } = await rejection(own.plugin.create("it", step));
		assert.ok(kept);
		const again = await own.plugin.read("it", kept);
		assert.deepEqual(reveal(again.state.found ?? null), { "apply ended": "no" });
		const { inputs } = await own.plugin.check(step, again.inputs);
		assert.deepEqual(await own.plugin.diff(again, inputs), { 'found["apply ended"]': "DELETE" });
		assert.equal((await own.plugin.update("it", again, step, { preview: true })).state.printed, UNKNOWN);
		const done = await own.plugin.update("it", again, step);
		assert.deepEqual([reveal(done.state.printed ?? null), reveal(done.state.found ?? null)], ["kubeconfig", {}]);
		assert.deepEqual(await own.plugin.diff(await own.plugin.read("it", done), done.inputs), {});
	});

test("a state of the version before, which has its text, is looked at with that and moves over by apply; what moves over from remote.Command too", async () => {
	const { a, b, step } = filesStep(own.folder.path);
	const { text: _, ...now } = (await own.plugin.check(step)).inputs;
	for (const file of [a, b]) writeFileSync(file, "good\n");
	const inputs = { ...now, text: step.text.replaceAll(b, `${b}-older`), found: {} };
	const seen = await own.plugin.read("it", { id: "one/files", state: { ...inputs, text: null, printed: "done" } as never, inputs });
	assert.deepEqual(seen.state.found, { [`file ${b}-older`]: "" });
	for (const old of [
		{ id: "one/files", state: { ...now, script: null, printed: "done" }, inputs },
		{ id: "step01234567", state: { stdin: step.text, create: "bash -s -- apply", stdout: "done", stderr: "" }, inputs: {} },
	]) {
		writeFileSync(b, "bad\n");
		assert.ok(Object.values(await own.plugin.diff(old as never, now)).includes("ADD"));
		const moved = await own.plugin.update("it", old as never, step);
		assert.deepEqual([moved.state.printed, moved.state.found, moved.state.script], ["done", {}, now.script]);
		assert.equal(readFileSync(b, "utf8"), "good\n");
	}
});

test("a step without apply is neither looked at nor changed, also where its script is another; delete undoes it, and what undo prints stays to be read", async () => {
	const gone = { host: "gone", step: "late", text: scriptText({ check: "exit 9", apply: "exit 9" }), apply: false };
	const made = await own.plugin.create("it", gone);
	await own.plugin.create("new", gone, { preview: true });
	assert.deepEqual((await own.plugin.read("it", made)).state, made.state);
	await own.plugin.update("it", made, { ...gone, text: `${gone.text}\n` });
	await own.plugin.update("moved", { id: "step01234567", state: { stdin: gone.text, delete: "bash -s -- undo" }, inputs: {} }, gone);
	assert.deepEqual([...own.plugin.engine.of(own.plugin.urn("it")), ...own.plugin.engine.of(own.plugin.urn("moved"))], []);

	const shows = { host: "one", step: "late", text: scriptText({ undo: "printf 'one line\\nand another\\n'; echo progress >&2" }), apply: false, found: {} };
	await own.plugin.delete("shows", { id: "one/late", state: shows, inputs: shows });
	const lines = own.plugin.engine.of(own.plugin.urn("shows")).map(({ message, isEphemeral, severity }) => [message, isEphemeral, severity]);
	assert.deepEqual(
		lines.filter(([message]) => message !== "progress"),
		[
			["one line", false, "info"],
			["and another", false, "info"],
		],
	);
	const secret = { ...shows, settings: { PASSWORD: asSecret("pw") } };
	await own.plugin.delete("secret", { id: "one/late", state: secret, inputs: secret });
	assert.deepEqual(own.plugin.engine.of(own.plugin.urn("secret")), []);
});

test("delete without anything to undo dials no host", async () => {
	const step = { host: "gone", step: "x", text: "exit 1", undo: false, found: {} };
	await own.plugin.delete("it", { id: "it", state: step, inputs: step });
	const looks = { ...step, undo: true, looksOnly: true };
	await own.plugin.delete("it", { id: "it", state: looks, inputs: looks });
});

test("cancel starts nothing new and lets a running apply end; an interrupt ends the plugin at once", async () => {
	const done = join(own.folder.path, "done");
	const running = own.plugin.create("it", { host: "one", step: "slow", text: scriptText({ apply: `echo begun >&2; sleep 1; touch ${done}` }) });
	await own.plugin.engine.line(own.plugin.urn("it"), "begun");
	await own.plugin.cancel();
	assert.match((await rejection(own.plugin.create("late", filesStep(own.folder.path).step))).message, /one: cancelled before it began/);
	await running;
	assert.equal(existsSync(done), true);
	const from = performance.now();
	own.plugin.executable.interrupt();
	await own.plugin.executable.exited;
	assert.ok(performance.now() - from < 1000);
});

test("a step whose check knows what apply printed sees that there is something else by now, and update reads it", async () => {
	const file = join(own.folder.path, "conf");
	writeFileSync(file, "first\n");
	const check = `[ -z "\${PRINTED_SHA256:-}" ] || [ "$(printf %s "$(cat ${file})" | sha256sum)" = "\${PRINTED_SHA256}  -" ] || { printf 'it\\tas there\\tolder\\n'; exit 3; }`;
	const step = { host: "one", step: "read", text: scriptText({ check, apply: `cat ${file}` }), settings: asSecret({}) };
	const made = await own.plugin.create("it", step);
	assert.deepEqual(made.state.printed, asSecret("first"));
	assert.deepEqual(reveal((await own.plugin.read("it", made)).state), reveal(made.state));
	writeFileSync(file, "second\n");
	const seen = await own.plugin.read("it", made);
	assert.deepEqual(seen.state.found, asSecret({ it: "older" }));
	const updated = await own.plugin.update("it", seen, step);
	assert.deepEqual(updated.state.printed, asSecret("second"));
	const again = await own.plugin.read("it", updated);
	assert.deepEqual(await own.plugin.diff(again, (await own.plugin.check(step, again.inputs)).inputs), {});
});

test("an undo that does not reach its host says what to do, and how the others are given back", async () => {
	const server = await Sshd.start();
	const other = await HostPlugin.start(server);
	try {
		await server.stop();
		const step = { host: "one", step: "late", text: scriptText({}), found: {} };
		const { message } = await rejection(other.delete("it", { id: "one/late", state: step, inputs: step }));
		assert.match(
			message,
			/^one late: undo: .*connection refused\. Bring the host up and run it again: .*pulumi destroy --continue-on-error\. Where its address, port, user or key is another by now: correct the stack, then pulumi destroy --run-program\. A host that will never come back: npm run forget -- STACK HOST/,
		);
	} finally {
		await other.stop();
		await server.remove();
	}
});
test("the kubeconfig that the Kubernetes provider leaves in TMPDIR goes when the run ends, and no other file does", async () => {
	const { host } = own.sshd.connection() as { host: string };
	const plugin = await HostPlugin.start(own.sshd, {}, { TMPDIR: own.folder.path });
	const write = (name: string, server: string) => writeFileSync(join(own.folder.path, name), `clusters:\n- cluster:\n    server: ${server}\n`);
	write("kubeconfig123", `https://${host}:6443`);
	write("kubeconfig124", "https://192.0.2.1:6443");
	await plugin.stop();
	assert.deepEqual(
		readdirSync(own.folder.path).filter((name) => name.startsWith("kubeconfig")),
		["kubeconfig124"],
	);
});
