// The provider of host state and a host that does not answer as it should: the run goes on with the last known state, unless it must be read.
import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { asSecret, type Properties } from "../../provider/plugin/values.ts";
import { HostError, HostPlugin, scriptText } from "./support/host-plugin.ts";
import type { State } from "./support/resource-plugin.ts";
import { freePort, HARDENED_RSA, Sshd } from "./support/sshd.ts";

const LAST_KNOWN = " What is shown of it is the last known state.";
const stateWith = (step: string, check: string): State => {
	const inputs = { host: "one", step, text: scriptText({ check }), found: {} };
	return { id: `one/${step}`, inputs, state: { ...inputs, found: {}, printed: "as before" } };
};
const hostsAt = (sshd: Sshd, fields: Properties): Properties => {
	const { host, user, hostKey, port } = sshd.connection() as Record<string, string | number>;
	return { hosts: JSON.stringify({ one: { address: host, user, hostKey, port, ...fields } }) };
};
/** Reads a step and returns what the engine was told; the state must be as it was. */
async function look(sshd: Sshd, check: string, changes: Properties = {}): Promise<string[]> {
	const plugin = await HostPlugin.start(sshd, changes);
	try {
		const old = stateWith("step", check);
		assert.deepEqual(await plugin.read("it", old), old);
		assert.ok(plugin.engine.lines.filter(({ isEphemeral }) => !isEphemeral).every(({ severity }) => severity === "warning"));
		return plugin.engine.lines.filter(({ isEphemeral }) => !isEphemeral).map(({ message }) => message);
	} finally {
		await plugin.stop();
	}
}
async function strictly(sshd: Sshd, check: string, changes: Properties, env?: NodeJS.ProcessEnv): Promise<string> {
	const plugin = await HostPlugin.start(sshd, changes, env);
	try {
		const error = await plugin.read("it", stateWith("step", check)).then(
			() => undefined,
			(error) => error,
		);
		assert.ok(error instanceof HostError);
		return error.message;
	} finally {
		await plugin.stop();
	}
}

describe("a host that can't be looked at", () => {
	let sshd: Sshd;
	before(async () => {
		sshd = await Sshd.start();
	});
	after(() => sshd.remove());

	test("is said once for all its steps, and its state stays as it was", async () => {
		const plugin = await HostPlugin.start(sshd, hostsAt(sshd, { port: await freePort() }));
		try {
			const olds = ["a", "b", "c"].map((name) => stateWith(name, "exit 0"));
			assert.deepEqual(await Promise.all(olds.map((old) => plugin.read(old.id, old))), olds);
			const said = plugin.engine.lines.filter(({ severity }) => severity === "warning").map(({ message }) => message);
			assert.equal(said.length, 1);
			assert.match(
				said[0] ?? "",
				/^one was not looked at: after 0 failed attempts: dial tcp 127\.0\.0\.1:\d+: connect: connection refused\. What is shown of it is the last known state\.$/,
			);
		} finally {
			await plugin.stop();
		}
	});
	test("for a reason that several steps give in the same words is said once", async () => {
		const plugin = await HostPlugin.start(sshd);
		try {
			for (const name of ["a", "b"]) await plugin.read(name, stateWith("node", "echo 'no API server' >&2; exit 1"));
			await plugin.read("c", stateWith("node", "echo 'something else' >&2; exit 1"));
			const said = plugin.engine.lines.filter(({ severity }) => severity === "warning").map(({ message }) => message);
			assert.deepEqual(
				said,
				["no API server", "something else"].map((why) => `one node was not looked at: exit status 1: ${why}.${LAST_KNOWN}`),
			);
		} finally {
			await plugin.stop();
		}
	});
	test("fails a strict run, by configuration or by KUBEADM_LAB_STRICT", async () => {
		const closed = hostsAt(sshd, { port: await freePort() });
		assert.match(await strictly(sshd, "exit 0", { ...closed, strict: true }), /^one was not looked at: .*connection refused$/);
		assert.match(await strictly(sshd, "exit 0", closed, { KUBEADM_LAB_STRICT: "true" }), /connection refused$/);
		assert.match(await strictly(sshd, "echo nonsense; exit 3", { strict: true }), /^one step was not looked at: .*nonsense$/);
	});
	test("is none that shows another host key or takes another private key", async () => {
		assert.match((await look(sshd, "exit 0", hostsAt(sshd, { hostKey: sshd.publicKey("other") }))).join(), /^one was not looked at: .*ssh: host key mismatch/);
		assert.match((await look(sshd, "exit 0", { privateKey: asSecret(sshd.privateKey("other")) })).join(), /unable to authenticate/);
	});
	test("is none that has no key of the pinned type; one whose only key is RSA, and that takes no SHA-1, is looked at", async () => {
		const hardened = await Sshd.start(...HARDENED_RSA);
		try {
			const said = (await look(hardened, "exit 0")).join();
			assert.match(
				said,
				/ssh: host key mismatch: an ssh-ed25519 key is pinned, and the host offers rsa-sha2-512, rsa-sha2-256\. Look on its console, then: npm run trust/,
			);
			assert.deepEqual(await look(hardened, "exit 0", hostsAt(hardened, { hostKey: hardened.publicKey("rsa") })), []);
		} finally {
			await hardened.remove();
		}
	});
	test("that is silent after the connection is given up after the login's bound", async () => {
		const sockets: Socket[] = [];
		const server: Server = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		const { port } = server.address() as { port: number };
		try {
			assert.match(
				(await look(sshd, "exit 0", { ...hostsAt(sshd, { port }), perDialTimeoutSeconds: 1 })).join(),
				/^one was not looked at: .*Timed out while waiting for handshake/,
			);
		} finally {
			for (const socket of sockets) socket.destroy();
			server.close();
		}
	});
	test("because its check takes too long is given up after the look's bound", async () => {
		const said = await look(sshd, "sleep 30", { lookTimeoutSeconds: 1 });
		assert.deepEqual(said, [`one step was not looked at: no answer within 1 s.${LAST_KNOWN}`]);
	});
	test("because the connection breaks in the middle of a check says so", async () => {
		const said = await look(sshd, "kill -9 $PPID; sleep 1");
		assert.match(said.join(), /^one step was not looked at: (the script did not start: )?the connection was lost/);
	});
});

describe("a host that can be looked at", () => {
	let sshd: Sshd;
	before(async () => {
		sshd = await Sshd.start();
	});
	after(() => sshd.remove());

	test("does not wait for one that is silent, which is given up once for all its steps", async () => {
		const sockets: Socket[] = [];
		const server: Server = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		const { host: address, user, hostKey, port } = sshd.connection() as Record<string, string | number>;
		const silent = (server.address() as { port: number }).port;
		const hosts = JSON.stringify({ one: { address, user, hostKey, port }, two: { address, user, hostKey, port: silent } });
		const plugin = await HostPlugin.start(sshd, { hosts, perDialTimeoutSeconds: 2 });
		try {
			const ended: string[] = [];
			const look = (host: string, step: string) => {
				const inputs = { host, step, text: scriptText({}), found: {} };
				return plugin.read(`${host}-${step}`, { id: "it", inputs, state: inputs }).then(() => ended.push(host));
			};
			await Promise.all(["a", "b", "c"].flatMap((step) => [look("two", step), look("one", step)]));
			assert.deepEqual(ended, ["one", "one", "one", "two", "two", "two"]);
			assert.equal(plugin.engine.lines.filter(({ severity }) => severity === "warning").length, 1);
			assert.equal(sockets.length, 1, "it was dialled once");
		} finally {
			await plugin.stop();
			for (const socket of sockets) socket.destroy();
			server.close();
		}
	});
	test("has all its tries for an apply, also while a look gives it up", async () => {
		const { host: address, user, hostKey, port } = sshd.connection() as Record<string, string | number>;
		let dials = 0;
		const server: Server = createServer((socket) => {
			dials++;
			if (dials < 4)
				socket.end("SSH-1.5-of old\r\n"); // no drop, which is tried again by itself
			else
				socket
					.on("error", () => {})
					.pipe(connect(port as number, "127.0.0.1").on("error", () => {}))
					.pipe(socket);
		}).listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		const hosts = JSON.stringify({ one: { address, user, hostKey, port: (server.address() as { port: number }).port } });
		const plugin = await HostPlugin.start(sshd, { hosts, dialErrorLimit: 3 });
		try {
			const old = stateWith("step", "exit 0");
			const look = plugin.read("it", old);
			const applies = ["a", "b"].map((step) => plugin.create(step, { host: "one", step, text: scriptText({ apply: "echo done" }) }));
			assert.deepEqual(await look, old);
			assert.match(plugin.engine.lines.find(({ severity }) => severity === "warning")?.message ?? "", /^one was not looked at: after 1 failed attempts/);
			for (const apply of applies) assert.equal((await apply).state.printed, "done");
			assert.equal(dials, 4, "two for the look, two for both applies");
		} finally {
			await plugin.stop();
			server.close();
		}
	});
	test("gives up an apply or an undo that never ends", async () => {
		const plugin = await HostPlugin.start(sshd, { runTimeoutSeconds: 1 });
		try {
			const hangs = scriptText({ apply: "sleep 30", undo: "sleep 30" });
			await assert.rejects(plugin.create("it", { host: "one", step: "step", text: hangs }), /one step: no answer within 1 s/);
			await assert.rejects(
				plugin.delete("it", { id: "one/step", inputs: {}, state: { host: "one", step: "step", text: hangs, found: {} } }),
				/no answer within 1 s/,
			);
		} finally {
			await plugin.stop();
		}
	});
	test("is dialled anew after its connection broke, and then answers", async () => {
		const plugin = await HostPlugin.start(sshd);
		try {
			const broken = stateWith("step", "kill -9 $PPID; sleep 1");
			assert.deepEqual(await plugin.read("it", broken), broken);
			assert.deepEqual((await plugin.read("it", stateWith("step", "printf 'item\\tgood\\tbad\\n'; exit 3"))).state.found, { item: "bad" });
		} finally {
			await plugin.stop();
		}
	});
	test("may take its time, as long as it is within the look's bound", async () => {
		const plugin = await HostPlugin.start(sshd, { lookTimeoutSeconds: 20 });
		try {
			const seen = await plugin.read("it", stateWith("step", "sleep 3; printf 'item\\tgood\\tbad\\n'; exit 3"));
			assert.deepEqual([seen.state.found, plugin.engine.lines], [{ item: "bad" }, []]);
		} finally {
			await plugin.stop();
		}
	});
	test("may name an item that nobody knew: it is one more difference, and gone when it is named no more", async () => {
		const plugin = await HostPlugin.start(sshd);
		try {
			const check = (line: string) => scriptText({ check: line });
			const inputs = { host: "one", step: "step", text: check("printf 'brand new\\tgood\\tbad\\n'; exit 3"), found: { known: "good" } };
			const seen = await plugin.read("it", { id: "it", inputs, state: { ...inputs, found: { known: "good" } } });
			assert.deepEqual(await plugin.diff(seen, seen.inputs), { 'found["brand new"]': "UPDATE" });
			const quiet = { ...seen, inputs: { ...seen.inputs, text: check("exit 0") } };
			const later = await plugin.read("it", quiet);
			assert.deepEqual(later.state.found, later.inputs.found);
		} finally {
			await plugin.stop();
		}
	});
});

describe("a check", () => {
	let sshd: Sshd;
	before(async () => {
		sshd = await Sshd.start();
	});
	after(() => sshd.remove());

	for (const [what, check, said] of [
		["a line without tabs", "echo 'hello world'; exit 3", "its check printed a line that is no difference: hello world"],
		["a line with too many tabs", "printf 'a\\tb\\tc\\td\\n'; exit 3", "its check printed a line that is no difference: a\tb\tc\td"],
		["a line without an item", "printf '\\tb\\tc\\n'; exit 3", "its check printed a line that is no difference: b\tc"],
		["no line and the status for differences", "exit 3", "its check ended with exit status 3 and named 0 differences"],
		["a difference and the status for none", "printf 'a\\tb\\tc\\n'", "its check ended with exit status 0 and named 1 differences"],
		["an error", "echo 'one step: error: no such thing' >&2; exit 1", "exit status 1: one step: error: no such thing"],
		["a syntax error's status", "exit 127", "exit status 127"],
		["a signal", "kill -TERM $BASHPID", "it was ended by SIGTERM"],
	] as const)
		test(`that answers with ${what} is not believed`, async () => {
			assert.deepEqual(await look(sshd, check), [`one step was not looked at: ${said}.${LAST_KNOWN}`]);
		});
});

describe("a profile that prints", () => {
	for (const [what, command] of [
		["on stdout and stderr", `echo 'Welcome!'; echo 'Last login: never' >&2; eval "$SSH_ORIGINAL_COMMAND"`],
		["what looks like an answer", `printf 'file /etc/x\\twanted\\tfound\\n'; eval "$SSH_ORIGINAL_COMMAND"`],
		["without a line's end", `printf 'Welcome! '; printf 'Welcome! ' >&2; eval "$SSH_ORIGINAL_COMMAND"`],
	] as const)
		test(`${what} changes no answer and is shown nowhere`, async () => {
			const sshd = await Sshd.start(`ForceCommand ${command}`);
			const plugin = await HostPlugin.start(sshd);
			try {
				const seen = await plugin.read("it", stateWith("step", "printf 'item\\tgood\\tbad\\n'; exit 3"));
				assert.deepEqual([seen.state.found, seen.inputs.found], [{ item: "bad" }, { item: "good" }]);
				const made = await plugin.create("it", { host: "one", step: "step", text: scriptText({ apply: "echo out; echo err >&2" }) });
				assert.equal(made.state.printed, "out");
				assert.deepEqual(
					plugin.engine.lines.map(({ message }) => message),
					["err"],
				);
			} finally {
				await plugin.stop();
				await sshd.remove();
			}
		});
	test("and ends the session is told with what it said", async () => {
		const sshd = await Sshd.start("ForceCommand echo 'This account is closed.'; exit 1");
		try {
			assert.deepEqual(await look(sshd, "exit 0"), [
				`one step was not looked at: the script did not start: exit status 1; the host said: This account is closed.${LAST_KNOWN}`,
			]);
		} finally {
			await sshd.remove();
		}
	});
});
