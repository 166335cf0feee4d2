// The provider of host state against real SSH servers that let few in, or late: sessions, logins and dropped connections.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { HostPlugin, rejection, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

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
