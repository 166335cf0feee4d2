// The `command` plugin: what it makes of inputs before anything runs. Nobody is dialled here.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { asSecret, isSecret, type Properties, reveal, UNKNOWN, type Value } from "../../provider/plugin/values.ts";
import { CommandPlugin } from "./support/command-plugin.ts";

let plugin: CommandPlugin;
before(async () => {
	plugin = await CommandPlugin.start();
});
after(() => plugin?.stop());

const connection = (fields: Properties = {}): Value => asSecret({ host: "192.0.2.1", privateKey: "key", hostKey: "ssh-ed25519 AAAA", ...fields });
/** A state as create leaves it, without having run. */
async function stateAfter(news: Properties): Promise<Properties> {
	return { ...(await plugin.check(news)).inputs, stdout: "out", stderr: "err" };
}

test("the plugin says that it is version 1.2.1", async () => {
	assert.equal((await plugin.version()).replace(/^v/, ""), "1.2.1");
});

test("a provider configuration that stays the same has no difference", async () => {
	assert.equal(await plugin.diffConfig({ version: "1.2.1" }, { version: "1.2.1" }), false);
});

test("check fills in defaults", async () => {
	const { inputs } = await plugin.check({ connection: asSecret({ host: "h", proxy: { host: "p" } }), create: "true" });
	const endpoint = { port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 };
	assert.deepEqual(reveal(inputs), { create: "true", connection: { host: "h", ...endpoint, proxy: { host: "p", ...endpoint } } });
});

test("check makes a connection without a host of a secret one that is not known yet", async () => {
	const { inputs, failures } = await plugin.check({ connection: asSecret(UNKNOWN), create: "true" });
	assert.deepEqual(failures, []);
	assert.ok(isSecret(inputs.connection));
	assert.deepEqual(reveal(inputs.connection), { host: "", port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 });
});

test("check keeps what is given", async () => {
	const given = {
		connection: connection({ port: 2222, user: "u", dialErrorLimit: -1, perDialTimeout: 0 }),
		addPreviousOutputInEnv: false,
		triggers: [1, "a", { b: true }],
	};
	assert.deepEqual(reveal((await plugin.check(given)).inputs), reveal(given));
});

test("check makes the connection a secret, and its key and password secrets of their own", async () => {
	const { inputs } = await plugin.check({ connection: { host: "h", privateKey: "key", password: "word" } });
	assert.ok(isSecret(inputs.connection));
	const inner = inputs.connection.value as Properties;
	assert.deepEqual([isSecret(inner.privateKey), isSecret(inner.password), isSecret(inner.host)], [true, true, false]);
});

test("check keeps a secret input secret and others plain", async () => {
	const { inputs } = await plugin.check({ connection: connection(), stdin: asSecret("token"), create: "true" });
	assert.deepEqual(inputs.stdin, asSecret("token"));
	assert.equal(inputs.create, "true");
});

test("check keeps a bastion secret that is a secret of its own", async () => {
	const { inputs } = await plugin.check({ connection: asSecret({ host: "h", proxy: asSecret({ host: "p" }) }) });
	const { proxy } = (inputs.connection as Properties).value as Properties;
	assert.ok(isSecret(proxy));
	assert.equal((reveal(proxy) as Properties).user, "root");
});

test("check lets values through that are not known yet", async () => {
	const unknown: Properties[] = [
		{ connection: UNKNOWN },
		{ connection: asSecret({ host: UNKNOWN }) },
		{ connection: connection(), create: UNKNOWN, environment: UNKNOWN, triggers: [UNKNOWN] },
	];
	for (const news of unknown) {
		assert.deepEqual((await plugin.check(news)).failures, []);
	}
});

test("check names a missing connection, a missing host, an unknown field and a wrong type, and never shows a value", async () => {
	const problems: [Properties, string][] = [
		[{ create: "true" }, "connection"],
		[{ connection: asSecret({ privateKey: "key" }) }, "host"],
		[{ connection: connection(), craete: "hush" }, "craete"],
		[{ connection: connection(), stdin: 5 }, "stdin"],
	];
	for (const [news, field] of problems) {
		const { failures } = await plugin.check(news);
		assert.equal(failures.length, 1, field);
		assert.match(`${failures[0]?.property} ${failures[0]?.reason}`, new RegExp(field));
		assert.doesNotMatch(failures[0]?.reason ?? "", /hush/);
	}
});

test("another resource type is an error that names it", async () => {
	await assert.rejects(plugin.check({ create: "true" }, "command:remote:NoSuchThing"), /NoSuchThing/);
});

test("equal inputs have no difference", async () => {
	const news = { connection: connection(), create: "true", triggers: [1], environment: { A: "1" }, stdin: asSecret("x") };
	assert.deepEqual(await plugin.diff(await stateAfter(news), news), { changes: false, replaces: [], detailed: {} });
});

test("any other input that changes is an update, told by its path", async () => {
	const old = { connection: connection(), create: "one", stdin: "gone", environment: { A: "1", "B.C": "2" } };
	const news = { connection: connection(), create: "two", delete: "new", environment: { A: "2", "B.C": "3" } };
	assert.deepEqual(await plugin.diff(await stateAfter(old), news), {
		changes: true,
		replaces: [],
		detailed: { create: "UPDATE", stdin: "DELETE", delete: "ADD", "environment.A": "UPDATE", 'environment["B.C"]': "UPDATE" },
	});
});

test("a change inside the connection is an update of the connection, without telling which field", async () => {
	const difference = await plugin.diff(await stateAfter({ connection: connection() }), { connection: connection({ port: 2222 }) });
	assert.deepEqual(difference, { changes: true, replaces: [], detailed: { connection: "UPDATE" } });
});

test("a value that becomes secret is an update", async () => {
	const difference = await plugin.diff(await stateAfter({ connection: connection(), stdin: "x" }), { connection: connection(), stdin: asSecret("x") });
	assert.deepEqual(difference.detailed, { stdin: "UPDATE" });
});

test("a changed trigger is told by its place, for the SDK's replaceOnChanges to make a replacement of it", async () => {
	const difference = await plugin.diff(await stateAfter({ connection: connection(), triggers: ["a", "b"] }), {
		connection: connection(),
		triggers: ["a", "c", "d"],
	});
	assert.deepEqual(difference, { changes: true, replaces: [], detailed: { "triggers[1]": "UPDATE", "triggers[2]": "ADD" } });
});

test("triggers that appear as a whole are a replacement", async () => {
	const difference = await plugin.diff(await stateAfter({ connection: connection() }), { connection: connection(), triggers: ["a"] });
	assert.deepEqual(difference, { changes: true, replaces: ["triggers"], detailed: { triggers: "ADD_REPLACE" } });
});

test("outputs are no part of the difference", async () => {
	const news = { connection: connection(), create: "true" };
	assert.equal((await plugin.diff({ ...(await stateAfter(news)), stdout: "something else" }, news)).changes, false);
});

test("a preview of create runs nothing, knows the inputs and leaves the outputs unknown", async () => {
	const { state } = await plugin.create("previewed", { connection: connection(), create: "true", stdin: asSecret("x") }, { preview: true });
	assert.equal(state.stdout, UNKNOWN);
	assert.equal(state.stderr, UNKNOWN);
	assert.equal(state.create, "true");
	assert.deepEqual(state.stdin, asSecret("x"));
});

test("a preview of update leaves the outputs unknown once an input changes", async () => {
	const old = { connection: connection(), create: "true", stdin: "1" };
	const updated = await plugin.update("previewed", await stateAfter(old), { ...old, stdin: "2" }, { preview: true });
	assert.equal(updated.stdout, UNKNOWN);
	assert.equal(updated.stderr, UNKNOWN);
	assert.equal(updated.stdin, "2");
});

test("read returns state and inputs as they are", async () => {
	const inputs = (await plugin.check({ connection: connection(), create: "true" })).inputs;
	const state = { ...inputs, stdout: "out", stderr: "" };
	assert.deepEqual(await plugin.read("read", { id: "it", state, inputs }), { id: "it", state, inputs });
});
