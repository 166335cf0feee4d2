// The provider of host state against real SSH servers that let few in, or late: sessions, logins and dropped connections.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { Properties } from "../../provider/plugin/values.ts";
import { HostPlugin, rejection, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

/** A plugin and the server that it is configured for, until the test's end. */
async function pluginOn(t: TestContext, directives: string, changes: Properties = {}) {
	const sshd = await Sshd.start(directives);
	const plugin = await HostPlugin.start(sshd, changes);
	t.after(async () => {
		await plugin.stop();
		await sshd.remove();
	});
	return { sshd, plugin };
}

for (const sessions of [1, 2])
	test(`all steps of a host share one connection, and wait for their turn where the server takes ${sessions} at a time, however long one takes`, async (t) => {
		const { sshd: narrow, plugin: other } = await pluginOn(t, `MaxSessions ${sessions}`);
		const step = (seconds: number) => ({ host: "one", step: "s", text: scriptText({ check: `sleep ${seconds}` }), found: {} });
		const states = [6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1].map((seconds, i) => ({ id: `${i}`, inputs: step(seconds), state: step(seconds) }));
		const seen = await Promise.all(states.map((state, i) => other.read(`s${i}`, state)));
		assert.ok(seen.every(({ state }) => JSON.stringify(state.found) === "{}"));
		assert.equal(narrow.dials, 2, "the test's own look, and the provider");
		assert.deepEqual(other.engine.lines, []);
	});
test("a server that gives no session at all is told with the name of its setting", async (t) => {
	const { plugin: other } = await pluginOn(t, "MaxSessions 0");
	const step = { host: "one", step: "s", text: scriptText({}) };
	assert.match((await rejection(other.create("s", step))).message, /the host opens no session .*sshd's MaxSessions must be 1 at least/);
});
test("a login that takes longer than a connection may is waited for", async (t) => {
	const slow = 'AuthorizedKeysFile none\nAuthorizedKeysCommand /bin/sh -c "sleep 3; cat FOLDER/authorized_keys"\nAuthorizedKeysCommandUser root';
	const { plugin: other } = await pluginOn(t, slow, { perDialTimeoutSeconds: 1 });
	const from = performance.now();
	await other.create("s", { host: "one", step: "s", text: scriptText({}) });
	assert.ok(performance.now() - from > 2900, "the server was slow");
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
