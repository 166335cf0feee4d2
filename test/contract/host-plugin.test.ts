// The provider of host state against a real SSH server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { asSecret, reveal } from "../../provider/plugin/values.ts";
import { temporaryFolder } from "./support/executable.ts";
import { HostError, HostPlugin, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

let sshd: Sshd;
let plugin: HostPlugin;
let folder: ReturnType<typeof temporaryFolder>;
before(async () => {
	sshd = await Sshd.start();
});
after(() => sshd.remove());
beforeEach(async () => {
	folder = temporaryFolder();
	plugin = await HostPlugin.start(sshd);
});
afterEach(async () => {
	await plugin.stop();
	folder.remove();
});

/** A step that keeps two files with one word each. */
const files = () => {
	const [a, b] = [join(folder.path, "a"), join(folder.path, "b")];
	const check = `n=0; for f in ${a} ${b}; do v="$(cat "$f" 2>/dev/null)"; [ "$v" = good ] || { printf 'file %s\\tgood\\t%s\\n' "$f" "$v"; n=3; }; done; exit $n`;
	return {
		a,
		b,
		step: {
			host: "one",
			step: "files",
			text: scriptText({ check, apply: `for f in ${a} ${b}; do echo "wrote $f" >&2; echo good >"$f"; done; echo done`, undo: `rm -f ${a} ${b}` }),
		},
	};
};
const rejection = async (act: Promise<unknown>): Promise<HostError> => {
	const error = await act.then(
		() => undefined,
		(error) => error,
	);
	assert.ok(error instanceof HostError, `expected a failure, found ${JSON.stringify(error)}`);
	return error;
};

test("create applies and shows each line, read finds no difference, delete undoes", async () => {
	const { a, step } = files();
	const made = await plugin.create("it", step);
	assert.equal(made.id, "one/files");
	assert.equal(readFileSync(a, "utf8"), "good\n");
	assert.deepEqual([made.state.found, made.state.printed], [{}, "done"]);
	assert.deepEqual(
		plugin.engine.of(plugin.urn("it")).map(({ message, isEphemeral }) => [message.replace(/^wrote .*/, "wrote"), isEphemeral]),
		[
			["wrote", true],
			["wrote", true],
		],
	);
	const seen = await plugin.read("it", made);
	assert.deepEqual(await plugin.diff(seen, (await plugin.check(step, seen.inputs)).inputs), {});
	await plugin.delete("it", seen);
	assert.equal(existsSync(a), false);
});

test("a changed item is one item of the difference, from what was found to what is wanted, and update repairs it", async () => {
	const { a, step } = files();
	const made = await plugin.create("it", step);
	writeFileSync(a, "bad\n");
	const seen = await plugin.read("it", made);
	const { inputs } = await plugin.check(step, seen.inputs);
	assert.deepEqual(await plugin.diff(seen, inputs), { [`found["file ${a}"]`]: "UPDATE" });
	assert.deepEqual([seen.state.found, inputs.found], [{ [`file ${a}`]: "bad" }, { [`file ${a}`]: "good" }]);
	const repaired = await plugin.update("it", seen, step);
	assert.equal(readFileSync(a, "utf8"), "good\n");
	const again = await plugin.read("it", repaired);
	assert.deepEqual(again.state, repaired.state, "a refresh after the repair sees no change");
	assert.deepEqual(await plugin.diff(again, (await plugin.check(step, again.inputs)).inputs), {});
});

test("preview of a new step names the items that will change, of all steps in one message, and changes nothing", async () => {
	const { a, step } = files();
	await Promise.all([plugin.create("one", step, { preview: true }), plugin.create("two", { ...step, step: "other" }, { preview: true })]);
	assert.equal(existsSync(a), false);
	const [line, ...rest] = plugin.engine.of("");
	assert.deepEqual(rest, []);
	assert.equal(line?.isEphemeral, false);
	assert.equal(line?.message, ["files", "other"].map((name) => `one: ${name}: 2 items will change: file ${a}, file ${a.replace(/a$/, "b")}`).join("\n"));
});

test("preview of a step that only looks runs it and tells its facts, and its problems as errors", async () => {
	const look = (apply: string) => ({ host: "one", step: "look", looksOnly: true, text: scriptText({ apply }) });
	await plugin.create("good", look("printf 'os=CentOS\\nempty=\\ncpus=2\\n'"), { preview: true });
	assert.deepEqual(plugin.engine.messages(""), ["one: os CentOS, cpus 2"]);
	await plugin.create("bad", look("echo cpus=1; echo 'one: CPUs: found 1' >&2; exit 1"), { preview: true });
	assert.deepEqual(plugin.engine.messages("").slice(1), ["one: cpus 1"], "a host that is refused has its facts too");
	assert.deepEqual(
		plugin.engine.of(plugin.urn("bad")).map(({ severity, message }) => [severity, message]),
		[["error", "one: CPUs: found 1"]],
	);
	const error = await rejection(plugin.create("bad", look("echo 'one: CPUs: found 1' >&2; exit 1")));
	assert.match(error.message, /one: CPUs: found 1/);
	assert.equal(error.kept, undefined, "nothing was changed, so nothing is kept");
});

test("what a host must have alone is compared with every other host, those of an earlier run too, before a change on any", async () => {
	const line = (what: string, value: string, kind: string) => `alone\t${what}\t${value}\t${kind}\tchange it`;
	const look = (host: string, ...lines: string[]) => ({
		host,
		step: "look",
		looksOnly: true,
		text: scriptText({ apply: `printf '%s\\n' os=CentOS ${lines.map((each) => `'${each}'`).join(" ")}` }),
	});
	const shown = (name: string) => other.engine.of(other.urn(name)).map(({ severity, message }) => [severity, message]);
	const { one } = JSON.parse(String(HostPlugin.configuration(sshd).hosts));
	const hosts = { hosts: JSON.stringify({ one, two: one, three: one }) };
	const other = await HostPlugin.start(sshd, hosts);
	const said = (host: string, what: string, others: string) =>
		`${host}: ${what}: found a, which ${others} has too; expected one of its own. To go on: change it.`;
	try {
		await other.create("first", look("one", line("id", "a", "noted"), line("MAC", "a", "refused")), { preview: true });
		assert.deepEqual(shown("first"), []);
		await other.create("second", look("two", line("id", "a", "noted"), line("MAC", "b", "refused")), { preview: true });
		assert.deepEqual(shown("second"), [["warning", said("two", "id", "one")]], "noted");
		await other.create("third", look("three", line("id", "b", "noted"), line("MAC", "a", "noted")), { preview: true });
		assert.deepEqual(shown("third"), [["error", said("three", "MAC", "one")]], "one of both is enough");
		assert.deepEqual(other.engine.messages("").sort(), ["one: os CentOS", "three: os CentOS", "two: os CentOS"], "its facts are without it");
		const made = await other.create("fourth", look("one", line("key", "a", "refused")));
		const error = await rejection(other.create("fifth", look("two", line("key", "a", "noted"))));
		assert.deepEqual([error.message, error.kept], [said("two", "key", "one"), undefined]);
		await other.update("fourth", made, look("one", line("key", "c", "refused")));
		await other.create("fifth", look("two", line("key", "a", "noted")));

		const next = await HostPlugin.start(sshd, hosts);
		try {
			await next.diff(made, made.inputs); // of the run before
			assert.equal((await rejection(next.create("new", look("three", line("key", "a", "noted"))))).message, said("three", "key", "one"));
		} finally {
			await next.stop();
		}
	} finally {
		await other.stop();
	}
});

test("a connection that breaks in the middle of a preview's look at a new host is a warning, and half its facts are not told", async () => {
	const breaks = ["kill -9 $PPID; sleep 1", "printf 'os=CentOS\\ncpus=2\\n'; sleep 0.3; kill -9 $PPID; sleep 1"];
	for (const [i, apply] of breaks.entries()) {
		const look = { host: "one", step: `look${i}`, looksOnly: true, text: scriptText({ apply }) };
		await plugin.create(look.step, look, { preview: true });
		assert.deepEqual(
			plugin.engine.of(plugin.urn(look.step)).map(({ severity, message }) => [severity, message.replace("the script did not start: ", "")]),
			[["warning", `one look${i} was not looked at: the connection was lost`]],
		);
	}
	assert.deepEqual(plugin.engine.messages(""), []);
	const strict = await HostPlugin.start(sshd, { strict: true });
	try {
		const look = { host: "one", step: "look", looksOnly: true, text: scriptText({ apply: breaks[1] ?? "" }) };
		assert.match((await rejection(strict.create("look", look, { preview: true }))).message, /^one look was not looked at: the connection was lost$/);
	} finally {
		await strict.stop();
	}
});
test("a look at a new host that ends with a status and no word is an error that says which", async () => {
	const look = { host: "one", step: "look", looksOnly: true, text: scriptText({ apply: "echo cpus=1; exit 7" }) };
	await plugin.create("look", look, { preview: true });
	assert.deepEqual(
		plugin.engine.of(plugin.urn("look")).map(({ severity, message }) => [severity, message]),
		[["error", "one look: exit status 7"]],
	);
});
test("neither a look after a failed apply nor one that took too long silences another step's warning", async () => {
	const server = await Sshd.start();
	const other = await HostPlugin.start(server, { lookTimeoutSeconds: 1 });
	try {
		const check = "echo same >&2; exit 1";
		const inputs = { host: "one", step: "step", text: scriptText({ check }), found: {} };
		const read = () => other.read("other", { id: "one/step", inputs, state: inputs });
		await rejection(other.create("cut", { host: "one", step: "step", text: scriptText({ apply: "exit 1", check }) }));
		await read();
		await other.create("slow", { host: "one", step: "slow", looksOnly: true, text: scriptText({ apply: "sleep 5" }) }, { preview: true });
		await other.create("end", { host: "one", step: "end", looksOnly: true, text: scriptText({ apply: "kill -9 $PPID; sleep 1" }) }, { preview: true });
		await server.stop();
		await read();
		const warnings = other.engine.lines.filter(({ severity }) => severity === "warning").map(({ message }) => message);
		assert.deepEqual(
			warnings.map((message) => message.replace(/ was not looked at: .*/, "")),
			["one step", "one slow", "one end", "one"],
		);
		assert.match(warnings[0] ?? "", /: exit status 1: same\. What is shown of it is the last known state\.$/);
	} finally {
		await other.stop();
		await server.remove();
	}
});

test("for a program, preview tells each host's facts and each step's items as JSON, an object a line", async () => {
	const { a, step } = files();
	const other = await HostPlugin.start(sshd, {}, { KUBEADM_LAB_DETAILS: "json" });
	try {
		const look = { host: "one", step: "look", looksOnly: true, text: scriptText({ apply: "printf 'os=CentOS\\nempty=\\ncpus=2\\n'" }) };
		await Promise.all([other.create("look", look, { preview: true }), other.create("files", step, { preview: true })]);
		await other.create("hidden", { ...step, settings: { PASSWORD: asSecret("pw") } }, { preview: true });
		const told = other.engine
			.messages("")
			.join("\n")
			.split("\n")
			.map((line) => JSON.parse(line));
		assert.deepEqual(told[0], { host: "one", facts: { os: "CentOS", cpus: "2" } });
		assert.deepEqual([told[1].host, told[1].step, told[1].items[`file ${a}`].wanted], ["one", "files", "good"]);
		assert.deepEqual(told.slice(2), [{ host: "one", step: "files" }], "what was found is a secret");
	} finally {
		await other.stop();
	}
});

test("an apply that fails half-way stays in the state with what is left, and the next one does the rest", async () => {
	const { a, b, step } = files();
	mkdirSync(b);
	const error = await rejection(plugin.create("it", { ...step, text: step.text.replace("apply) ", "apply) set -e; ") }));
	assert.match(error.message, /^one files: apply: exit status 1\n[\s\S]*Is a directory/);
	assert.ok(error.kept);
	assert.deepEqual([readFileSync(a, "utf8"), error.kept.id, error.kept.state.found], ["good\n", "one/files", { [`file ${b}`]: "" }]);
	assert.equal(error.kept.refreshesBeforeUpdate, true, "also a run without --refresh looks first");
	rmSync(b, { recursive: true });
	const half = await plugin.read("it", error.kept);
	const whole = await plugin.update("it", half, { ...step, text: half.inputs.text ?? "" });
	assert.equal(readFileSync(b, "utf8"), "good\n");
	assert.deepEqual(await plugin.diff(await plugin.read("it", whole), whole.inputs), {});
});

test("a connection that breaks in the middle of apply leaves the resource in the state, to be applied again", async () => {
	const step = { host: "one", step: "cut", text: scriptText({ apply: "sleep 0.3; kill -9 $PPID; sleep 1" }) };
	const error = await rejection(plugin.create("it", step));
	assert.match(error.message, /^one cut: apply: the connection was lost/);
	assert.deepEqual(error.kept?.state.found, { "apply ended": "no" });
	assert.deepEqual(await plugin.diff(error.kept ?? { state: {}, inputs: {} }, (await plugin.check(step)).inputs), { 'found["apply ended"]': "DELETE" });
});

test("a state made by remote.Command with the same text moves over without apply, and one that differs is applied", async () => {
	const { a, b, step } = files();
	for (const file of [a, b]) writeFileSync(file, "good\n");
	chmodSync(folder.path, 0o755);
	const old = { id: "step01234567", state: { stdin: step.text, create: "bash -s -- apply", stdout: "done", stderr: "" }, inputs: {} };
	const moved = await plugin.update("it", old, step);
	assert.deepEqual([moved.state.printed, moved.state.found], ["done", {}]);
	assert.deepEqual(plugin.engine.of(plugin.urn("it")), [], "apply would have said what it wrote");
	writeFileSync(b, "bad\n");
	await plugin.update("it", old, step);
	assert.equal(readFileSync(b, "utf8"), "good\n");
});

test("nothing of a step with a secret setting is shown", async () => {
	const { a, step } = files();
	const hidden = { ...step, settings: { PASSWORD: asSecret("pw") } };
	const made = await plugin.create("it", hidden);
	assert.deepEqual(plugin.engine.messages(plugin.urn("it")), []);
	assert.deepEqual(made.state.printed, asSecret("done"));
	writeFileSync(a, "bad\n");
	const seen = await plugin.read("it", made);
	assert.deepEqual(seen.state.found, asSecret({ [`file ${a}`]: "bad" }));
	await plugin.create("other", hidden, { preview: true });
	rmSync(a);
	assert.deepEqual(
		plugin.engine.messages("").map((line) => line.includes(a)),
		[false],
	);
});

for (const sessions of [1, 2])
	test(`all steps of a host share one connection, and wait for their turn where the server takes ${sessions} at a time, however long one takes`, async () => {
		const narrow = await Sshd.start(`MaxSessions ${sessions}`);
		const other = await HostPlugin.start(narrow);
		try {
			const step = (seconds: number) => ({ host: "one", step: "s", text: scriptText({ check: `sleep ${seconds}` }), found: {} });
			const states = [6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1].map((seconds, i) => ({ id: `${i}`, inputs: step(seconds), state: step(seconds) }));
			const seen = await Promise.all(states.map((state, i) => other.read(`s${i}`, state)));
			assert.ok(seen.every(({ state }) => JSON.stringify(state.found) === "{}"));
			assert.equal(narrow.dials, 2, "the test's own look, and the provider");
			assert.deepEqual(other.engine.lines, []);
		} finally {
			await other.stop();
			await narrow.remove();
		}
	});
test("a server that gives no session at all is told with the name of its setting", async () => {
	const closed = await Sshd.start("MaxSessions 0");
	const other = await HostPlugin.start(closed);
	try {
		const step = { host: "one", step: "s", text: scriptText({}) };
		assert.match((await rejection(other.create("s", step))).message, /the host opens no session .*sshd's MaxSessions must be 1 at least/);
	} finally {
		await other.stop();
		await closed.remove();
	}
});
test("a login that takes longer than a connection may is waited for", async () => {
	const slow = await Sshd.start(
		'AuthorizedKeysFile none\nAuthorizedKeysCommand /bin/sh -c "sleep 3; cat FOLDER/authorized_keys"\nAuthorizedKeysCommandUser root',
	);
	const other = await HostPlugin.start(slow, { perDialTimeoutSeconds: 1 });
	try {
		const from = performance.now();
		await other.create("s", { host: "one", step: "s", text: scriptText({}) });
		assert.ok(performance.now() - from > 2900, "the server was slow");
	} finally {
		await other.stop();
		await slow.remove();
	}
});
test("a connection that the server drops because many log in is tried again, and one that it always drops names the setting", async () => {
	const busy = await Sshd.start("MaxStartups 1");
	const other = await HostPlugin.start(busy);
	const hold = () => connect(busy.port, "127.0.0.1").on("error", () => {});
	const silent = hold();
	try {
		setTimeout(() => silent.destroy(), 800);
		await other.create("s", { host: "one", step: "s", text: scriptText({}) });
		assert.match(busy.log, /MaxStartups|drop connection/);
	} finally {
		await other.stop();
	}
	const late = await HostPlugin.start(busy);
	const again = hold();
	try {
		await once(again, "data");
		assert.match(
			(await rejection(late.create("s", { host: "one", step: "s", text: scriptText({}) }))).message,
			/ends it: its sshd drops new ones while many log in \(MaxStartups\)/,
		);
	} finally {
		again.destroy();
		await late.stop();
		await busy.remove();
	}
});

test("a step without apply is neither looked at nor changed, also where its script is another; delete undoes it, and what undo prints stays to be read", async () => {
	const gone = { host: "gone", step: "late", text: scriptText({ check: "exit 9", apply: "exit 9" }), apply: false };
	const made = await plugin.create("it", gone);
	await plugin.create("new", gone, { preview: true });
	assert.deepEqual((await plugin.read("it", made)).state, made.state);
	await plugin.update("it", made, { ...gone, text: `${gone.text}\n` });
	await plugin.update("moved", { id: "step01234567", state: { stdin: gone.text, delete: "bash -s -- undo" }, inputs: {} }, gone);
	assert.deepEqual([...plugin.engine.of(plugin.urn("it")), ...plugin.engine.of(plugin.urn("moved"))], []);

	const shows = { host: "one", step: "late", text: scriptText({ undo: "printf 'one line\\nand another\\n'; echo progress >&2" }), apply: false, found: {} };
	await plugin.delete("shows", { id: "one/late", state: shows, inputs: shows });
	const lines = plugin.engine.of(plugin.urn("shows")).map(({ message, isEphemeral, severity }) => [message, isEphemeral, severity]);
	assert.deepEqual(
		lines.filter(([message]) => message !== "progress"),
		[
			["one line", false, "info"],
			["and another", false, "info"],
		],
	);
	const secret = { ...shows, settings: { PASSWORD: asSecret("pw") } };
	await plugin.delete("secret", { id: "one/late", state: secret, inputs: secret });
	assert.deepEqual(plugin.engine.of(plugin.urn("secret")), []);
});

test("delete without anything to undo dials no host", async () => {
	const step = { host: "gone", step: "x", text: "exit 1", undo: false, found: {} };
	await plugin.delete("it", { id: "it", state: step, inputs: step });
	const looks = { ...step, undo: true, looksOnly: true };
	await plugin.delete("it", { id: "it", state: looks, inputs: looks });
});

test("cancel starts nothing new and lets a running apply end; an interrupt ends the plugin at once", async () => {
	const done = join(folder.path, "done");
	const running = plugin.create("it", { host: "one", step: "slow", text: scriptText({ apply: `echo begun >&2; sleep 1; touch ${done}` }) });
	await plugin.engine.line(plugin.urn("it"), "begun");
	await plugin.cancel();
	assert.match((await rejection(plugin.create("late", files().step))).message, /one: cancelled before it began/);
	await running;
	assert.equal(existsSync(done), true);
	const from = performance.now();
	plugin.executable.interrupt();
	await plugin.executable.exited;
	assert.ok(performance.now() - from < 1000);
});

test("a step whose check knows what apply printed sees that there is something else by now, and update reads it", async () => {
	const file = join(folder.path, "conf");
	writeFileSync(file, "first\n");
	const check = `[ -z "\${PRINTED_SHA256:-}" ] || [ "$(printf %s "$(cat ${file})" | sha256sum)" = "\${PRINTED_SHA256}  -" ] || { printf 'it\\tas there\\tolder\\n'; exit 3; }`;
	const step = { host: "one", step: "read", text: scriptText({ check, apply: `cat ${file}` }), settings: asSecret({}) };
	const made = await plugin.create("it", step);
	assert.deepEqual(made.state.printed, asSecret("first"));
	assert.deepEqual(reveal((await plugin.read("it", made)).state), reveal(made.state));
	writeFileSync(file, "second\n");
	const seen = await plugin.read("it", made);
	assert.deepEqual(seen.state.found, asSecret({ it: "older" }));
	const updated = await plugin.update("it", seen, step);
	assert.deepEqual(updated.state.printed, asSecret("second"));
	const again = await plugin.read("it", updated);
	assert.deepEqual(await plugin.diff(again, (await plugin.check(step, again.inputs)).inputs), {});
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
			/^one late: undo: .*connection refused\. Bring the host up and run it again: .*pulumi destroy --continue-on-error\. A host that will never come back: npm run forget -- STACK HOST/,
		);
	} finally {
		await other.stop();
		await server.remove();
	}
});
