// The provider of host state against a real SSH server: what a preview shows, and what it must not show.
import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { asSecret, type Properties } from "../../provider/plugin/values.ts";
import { filesStep, HostPlugin, pluginForEachTest, rejection, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

const own = pluginForEachTest();

test("preview of a new step names the items that will change, of all steps in one message, and changes nothing", async () => {
	const { a, step } = filesStep(own.folder.path);
	await Promise.all([own.plugin.create("one", step, { preview: true }), own.plugin.create("two", { ...step, step: "other" }, { preview: true })]);
	assert.equal(existsSync(a), false);
	const [line, ...rest] = own.plugin.engine.of("");
	assert.deepEqual(rest, []);
	assert.equal(line?.isEphemeral, false);
	assert.equal(line?.message, ["files", "other"].map((name) => `one: ${name}: 2 items will change: file ${a}, file ${a.replace(/a$/, "b")}`).join("\n"));
});

test("preview of a step that only looks runs it and tells its facts, and its problems as errors", async () => {
	const look = (apply: string) => ({ host: "one", step: "look", looksOnly: true, text: scriptText({ apply }) });
	await own.plugin.create("good", look("printf 'os=CentOS\\nempty=\\ncpus=2\\n'"), { preview: true });
	assert.deepEqual(own.plugin.engine.messages(""), ["one: os CentOS, cpus 2"]);
	await own.plugin.create("bad", look("echo cpus=1; echo 'one: CPUs: found 1' >&2; exit 1"), { preview: true });
	assert.deepEqual(own.plugin.engine.messages("").slice(1), ["one: cpus 1"], "a host that is refused has its facts too");
	assert.deepEqual(
		own.plugin.engine.of(own.plugin.urn("bad")).map(({ severity, message }) => [severity, message]),
		[["error", "one: CPUs: found 1"]],
	);
	const error = await rejection(own.plugin.create("bad", look("echo 'one: CPUs: found 1' >&2; exit 1")));
	assert.match(error.message, /one: CPUs: found 1/);
	assert.equal(error.kept, undefined, "nothing was changed, so nothing is kept");
});

test("a host is looked at once more where a change that asks for it is not done, though its look was done before", async () => {
	const look = await own.plugin.known({ host: "one", step: "look", looksOnly: true, text: scriptText({ apply: "echo 'upgrade in place=1 -> 2'" }) });
	const before = await own.plugin.create("look", look);
	const costs = (value: string, cost = {}) => ({ costs: { kubernetesVersion: { value, changed: "It costs.", ...cost } } });
	const change = async (olds: Properties, news: Properties, preview = true) => {
		own.plugin.type = "host:index:Step";
		assert.deepEqual(await own.plugin.diff(before, before.inputs), {});
		own.plugin.type = "host:index:Costs";
		await own.plugin.update("costs", { id: "costs", state: olds, inputs: olds }, news, { preview });
	};
	const said = () => own.plugin.engine.messages("").filter((line) => line.startsWith("one: "));
	const looks = { looks: "yes" };
	await change(costs("1", looks), costs("1", looks));
	await change(costs("1"), costs("2"));
	await change(costs("1", looks), costs("2", looks), false);
	assert.deepEqual(said(), [], "nothing to be looked at for, or no preview");
	await change(costs("1"), costs("2", looks));
	assert.deepEqual(said(), ["one: upgrade in place 1 -> 2"]);

	own.plugin.type = "host:index:Step";
	await own.plugin.update("look", before, { ...look, settings: { VERSION: "3" } }, { preview: true });
	assert.equal(said().length, 2, "by its own change");
});

test("what a host must have alone is compared with every other host, those of an earlier run too, before a change on any", async () => {
	const line = (what: string, value: string, kind: string) => `alone\t${what}\t${value}\t${kind}\tchange it`;
	const look = (host: string, ...lines: string[]) => ({
		host,
		step: "look",
		looksOnly: true,
		settings: { SHOWN: lines },
		text: scriptText({ apply: `printf '%s\\n' os=CentOS "\${SHOWN[@]}"` }),
	});
	const shown = (name: string) => other.engine.of(other.urn(name)).map(({ severity, message }) => [severity, message]);
	const { one } = JSON.parse(String(HostPlugin.configuration(own.sshd).hosts));
	const hosts = { hosts: JSON.stringify({ one, two: one, three: one }) };
	const other = await HostPlugin.start(own.sshd, hosts);
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

		const next = await HostPlugin.start(own.sshd, hosts);
		try {
			await next.known(look("three"));
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
		await own.plugin.create(look.step, look, { preview: true });
		assert.deepEqual(
			own.plugin.engine.of(own.plugin.urn(look.step)).map(({ severity, message }) => [severity, message.replace("the script did not start: ", "")]),
			[["warning", `one look${i} was not looked at: the connection was lost`]],
		);
	}
	assert.deepEqual(own.plugin.engine.messages(""), []);
	const strict = await HostPlugin.start(own.sshd, { strict: true });
	try {
		const look = { host: "one", step: "look", looksOnly: true, text: scriptText({ apply: breaks[1] ?? "" }) };
		assert.match((await rejection(strict.create("look", look, { preview: true }))).message, /^one look was not looked at: the connection was lost$/);
	} finally {
		await strict.stop();
	}
});
test("a look at a new host that ends with a status and no word is an error that says which", async () => {
	const look = { host: "one", step: "look", looksOnly: true, text: scriptText({ apply: "echo cpus=1; exit 7" }) };
	await own.plugin.create("look", look, { preview: true });
	assert.deepEqual(
		own.plugin.engine.of(own.plugin.urn("look")).map(({ severity, message }) => [severity, message]),
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
		const cut = { host: "one", step: "step", text: scriptText({ apply: "exit 1", check }) };
		const slow = { host: "one", step: "slow", looksOnly: true, text: scriptText({ apply: "sleep 5" }) };
		const end = { host: "one", step: "end", looksOnly: true, text: scriptText({ apply: "kill -9 $PPID; sleep 1" }) };
		for (const step of [cut, slow, end]) await other.known(step); // another configuration would forget what was said
		await rejection(other.create("cut", cut));
		await read();
		await other.create("slow", slow, { preview: true });
		await other.create("end", end, { preview: true });
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
	const { a, step } = filesStep(own.folder.path);
	const other = await HostPlugin.start(own.sshd, {}, { KUBEADM_LAB_DETAILS: "json" });
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

test("nothing of a step with a secret setting is shown", async () => {
	const { a, step } = filesStep(own.folder.path);
	const hidden = { ...step, settings: { PASSWORD: asSecret("pw") } };
	const made = await own.plugin.create("it", hidden);
	assert.deepEqual(own.plugin.engine.messages(own.plugin.urn("it")), []);
	assert.deepEqual(made.state.printed, asSecret("done"));
	writeFileSync(a, "bad\n");
	const seen = await own.plugin.read("it", made);
	assert.deepEqual(seen.state.found, asSecret({ [`file ${a}`]: "bad" }));
	await own.plugin.create("other", hidden, { preview: true });
	rmSync(a);
	assert.deepEqual(
		own.plugin.engine.messages("").map((line) => line.includes(a)),
		[false],
	);
});
test("what a secret step printed before its connection broke is in no error", async () => {
	const printed = {
		host: "one",
		step: "kubeconfig",
		text: scriptText({ apply: "echo client-key-data: TOPSECRET; kill -KILL $$", undo: "echo TOPSECRET; kill -KILL $$" }),
	};
	const error = await rejection(own.plugin.create("it", { ...printed, settings: { SECRET: asSecret("x") } }));
	assert.match(error.message, /one kubeconfig: apply: /);
	assert.doesNotMatch(error.message, /TOPSECRET/);
	const open = await rejection(own.plugin.create("open", { ...printed, settings: {} }));
	assert.match(open.message, /TOPSECRET/, "else it helps to find the cause");
});
test("escape sequences that a host hands back reach nobody's terminal, whether as a fact, a difference, a line, an error or what is kept", async () => {
	const evil = "$'\\033]0;owned\\007\\033[2J\\r'";
	const control = /(?![\t\n])\p{Cc}/u;
	const look = { host: "one", step: "look", looksOnly: true, text: scriptText({ apply: `printf 'os=%s\\n' ${evil}; echo ${evil}bad >&2; exit 1` }) };
	await own.plugin.create("look", look, { preview: true });
	const step = {
		host: "one",
		step: "files",
		text: scriptText({ check: `printf 'file\\t%s\\t%s\\n' ${evil} ${evil}; exit 3`, apply: `echo ${evil} >&2; exit 1` }),
	};
	await own.plugin.create("files", step, { preview: true });
	const error = await rejection(own.plugin.create("files", step));
	const shown = [
		...["", own.plugin.urn("look"), own.plugin.urn("files")].flatMap((urn) => own.plugin.engine.messages(urn)),
		error.message,
		JSON.stringify(error.kept),
	];
	for (const text of shown) assert.doesNotMatch(text, control);
	assert.ok(shown.filter((text) => text.includes("u001b]0;owned")).length >= 4, shown.join("\n"));
});
