// The `command` plugin: dialling, host keys, logins, retries, and how it is stopped.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { asSecret, isSecret, type Properties, reveal } from "../../provider/plugin/values.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
import { freePort, HARDENED_RSA, Sshd } from "./support/sshd.ts";

let sshd: Sshd;
let plugin: CommandPlugin;
before(async () => {
	sshd = await Sshd.start("PasswordAuthentication yes\nKbdInteractiveAuthentication no");
	plugin = await CommandPlugin.start();
});
after(async () => {
	await plugin?.stop();
	await sshd?.remove();
});
const retriesOf = (name: string) => plugin.engine.messages(plugin.urn(name)).filter((message) => / failed: retrying$/.test(message));
const secondsSince = (start: number) => (performance.now() - start) / 1000;

test("a host with the pinned key is let in, with a comment in the key too", async () => {
	const { state } = await plugin.create("pinned", { connection: sshd.connection({ hostKey: `${sshd.publicKey("host")} root@host` }), create: "echo in" });
	assert.equal(state.stdout, "in");
});

test("a host with another key gets no command; the dial is retried, then fails with a mismatch", async () => {
	const dials = sshd.dials;
	const create = plugin.create("impostor", { connection: sshd.connection({ hostKey: sshd.publicKey("other"), dialErrorLimit: 2 }), create: "echo never" });
	await assert.rejects(create, /^Error: after 2 failed attempts: ssh: handshake failed: ssh: host key mismatch$/);
	assert.deepEqual(plugin.engine.messages(plugin.urn("impostor")), ["Dial 1/2 failed: retrying", "Dial 2/2 failed: retrying"]);
	assert.equal(sshd.dials - dials, 3);
});

test("a host with several keys is let in by the pinned one, whichever is its favourite", async () => {
	const { state } = await plugin.create("second", { connection: sshd.connection({ hostKey: sshd.publicKey("second") }), create: "echo in" });
	assert.equal(state.stdout, "in");
});

test("a host with an RSA key only, and without SHA-1, is let in by it; a key of another type is told with what it offers", async () => {
	const hardened = await Sshd.start(...HARDENED_RSA);
	try {
		const { state } = await plugin.create("rsa", { connection: hardened.connection({ hostKey: hardened.publicKey("rsa") }), create: "echo in" });
		assert.equal(state.stdout, "in");
		await assert.rejects(
			plugin.create("no-rsa", { connection: hardened.connection(), create: "echo never" }),
			/: ssh: (host key mismatch|no common algorithm for host key).* ssh-ed25519 .*offer\S* \[?rsa-sha2-512,? rsa-sha2-256\b/,
		);
	} finally {
		await hardened.remove();
	}
});

test("without a pinned key any host is let in", async () => {
	const { state } = await plugin.create("unpinned", { connection: sshd.connection({ hostKey: undefined }), create: "echo in" });
	assert.equal(state.stdout, "in");
});

test("a key that nobody can read fails at once, without a dial", async () => {
	const dials = sshd.dials;
	for (const [name, fields] of Object.entries({ "garbage-key": { privateKey: "garbage" }, "garbage-host-key": { hostKey: "garbage" } })) {
		await assert.rejects(plugin.create(name, { connection: sshd.connection({ ...fields, dialErrorLimit: 5 }), create: "true" }), /ssh: no key found/);
		assert.deepEqual(retriesOf(name), []);
	}
	assert.equal(sshd.dials, dials);
});

test("a key with a passphrase works with it, and without it fails at once", async () => {
	const privateKey = sshd.privateKey("locked");
	const { state } = await plugin.create("unlocked", { connection: sshd.connection({ privateKey, privateKeyPassword: "open sesame" }), create: "echo in" });
	assert.equal(state.stdout, "in");
	const locked = plugin.create("locked", { connection: sshd.connection({ privateKey, dialErrorLimit: 5 }), create: "true" });
	await assert.rejects(locked, /^Error: ssh: this private key is passphrase protected$/);
	const wrong = plugin.create("wrong", { connection: sshd.connection({ privateKey, privateKeyPassword: "sesame", dialErrorLimit: 5 }), create: "true" });
	await assert.rejects(wrong, /^Error: x509: decryption password incorrect$/);
});

test("a refused login is retried and then tells which methods were tried", async () => {
	const key = plugin.create("stranger", { connection: sshd.connection({ privateKey: sshd.privateKey("other"), dialErrorLimit: 1 }), create: "true" });
	const refused =
		/after 1 failed attempts: ssh: handshake failed: ssh: unable to authenticate, attempted methods \[none publickey\], no supported methods remain$/;
	await assert.rejects(key, refused);
	assert.deepEqual(retriesOf("stranger"), ["Dial 1/1 failed: retrying"]);
	const password = plugin.create("guesser", { connection: sshd.connection({ privateKey: undefined, password: "wrong" }), create: "true" });
	await assert.rejects(password, /attempted methods \[none password\]/);
});

test("an agent that isn't there fails at once, even beside a key", async () => {
	const create = plugin.create("agent", { connection: sshd.connection({ agentSocketPath: "/nowhere/agent", dialErrorLimit: 5 }), create: "true" });
	await assert.rejects(create, /^Error: dial unix \/nowhere\/agent: connect: no such file or directory$/);
	assert.deepEqual(retriesOf("agent"), []);
});

test("a closed port is dialled again after 100 ms, then after 1.5 times as long", async () => {
	const port = await freePort();
	const start = performance.now();
	const create = plugin.create("closed", { connection: sshd.connection({ port, dialErrorLimit: 4 }), create: "true" });
	await assert.rejects(create, new RegExp(`^Error: after 4 failed attempts: dial tcp 127.0.0.1:${port}: connect: connection refused$`));
	const total = secondsSince(start);
	assert.ok(total >= 0.8 && total < 3, `100 + 150 + 225 + 337 ms, and it took ${total} s`);
	assert.deepEqual(retriesOf("closed"), ["Dial 1/4 failed: retrying", "Dial 2/4 failed: retrying", "Dial 3/4 failed: retrying", "Dial 4/4 failed: retrying"]);
	assert.ok(plugin.engine.of(plugin.urn("closed")).every(({ isEphemeral, severity }) => isEphemeral && severity === "info"));
});

test("ten retries and fifteen seconds a dial are the default", async () => {
	const { inputs } = await plugin.check({ connection: sshd.connection({ dialErrorLimit: undefined, perDialTimeout: undefined }) });
	const { dialErrorLimit, perDialTimeout } = (reveal(inputs) as { connection: Properties }).connection;
	assert.deepEqual([dialErrorLimit, perDialTimeout], [10, 15]);
});

test("a host that comes up late is reached", async (t) => {
	const late = await Sshd.prepare();
	t.after(() => late.remove());
	const create = plugin.create("late", { connection: late.connection({ dialErrorLimit: -1 }), create: "echo up" });
	await plugin.engine.line(plugin.urn("late"), "Dial 3/inf failed: retrying");
	await late.start();
	assert.equal((await create).state.stdout, "up");
});

test("a host that doesn't answer is given up after perDialTimeout", async (t) => {
	const port = await silentPort(t);
	const start = performance.now();
	const create = plugin.create("silent", { connection: sshd.connection({ port, perDialTimeout: 1 }), create: "true" });
	await assert.rejects(create, new RegExp(`after 0 failed attempts: dial tcp 127.0.0.1:${port}: i/o timeout$`));
	assert.ok(secondsSince(start) > 0.9 && secondsSince(start) < 4);
});

test("the timeout of a resource ends dialling, not a command", async () => {
	const port = await freePort();
	const unreachable = plugin.create("deadline", { connection: sshd.connection({ port, dialErrorLimit: -1 }), create: "true" }, { timeout: 1 });
	await assert.rejects(unreachable, /context deadline exceeded/);
	const { state } = await plugin.create("slow", { connection: sshd.connection(), create: "sleep 2; echo done" }, { timeout: 1 });
	assert.equal(state.stdout, "done");
});

test("a bastion is passed on the way, and both host keys are checked", async (t) => {
	const bastion = await Sshd.start();
	t.after(() => bastion.remove());
	const through = (proxy: Properties) => sshd.connection({ proxy });
	const dials = bastion.dials;
	const { state } = await plugin.create("hop", { connection: through(bastion.connection()), create: "echo through" });
	assert.equal(state.stdout, "through");
	assert.equal(bastion.dials - dials, 1);
	const impostor = plugin.create("hopless", {
		connection: through(bastion.connection({ hostKey: bastion.publicKey("other"), dialErrorLimit: 1 })),
		create: "true",
	});
	await assert.rejects(impostor, /^Error: proxy: after 1 failed attempts: ssh: handshake failed: ssh: host key mismatch$/);
	assert.deepEqual(retriesOf("hopless"), ["Dial proxy 1/1 failed: retrying"]);
});

test("the state keeps the connection secret, and its key a secret of its own", async () => {
	const { state } = await plugin.create("kept", { connection: sshd.connection(), create: "echo plain" });
	assert.ok(isSecret(state.connection));
	assert.ok(isSecret((state.connection.value as Properties).privateKey));
	assert.equal(state.stdout, "plain");
});

test("a secret command keeps its inputs secret in the state, and its outputs plain", async () => {
	const { state } = await plugin.create("hush", { connection: sshd.connection(), create: asSecret("cat"), stdin: asSecret("token") });
	assert.deepEqual([state.create, state.stdin], [asSecret("cat"), asSecret("token")]);
	assert.equal(state.stdout, "token");
});

test("cancel stops the retries, while a command that runs goes on", async (t) => {
	const own = await CommandPlugin.start();
	t.after(() => own.stop());
	const port = await freePort();
	const dialling = own.create("dialling", { connection: sshd.connection({ port, dialErrorLimit: -1 }), create: "true" });
	const stopped = assert.rejects(dialling, /context canceled/);
	const running = own.create("running", { connection: sshd.connection(), create: "echo started; sleep 2; echo done" });
	await Promise.all([own.engine.line(own.urn("dialling"), "Dial 5/inf failed: retrying"), own.engine.line(own.urn("running"), "started")]);
	const start = performance.now();
	await own.cancel();
	await stopped;
	assert.ok(secondsSince(start) < 1, "at once, not at the next dial");
	assert.equal((await running).state.stdout, "started\ndone");
});

test("SIGINT ends the plugin at once, also while a command runs", async (t) => {
	const own = await CommandPlugin.start();
	t.after(() => own.stop());
	const running = own.create("interrupted", { connection: sshd.connection(), create: "echo started; sleep 30" });
	running.catch(() => {});
	await own.engine.line(own.urn("interrupted"), "started");
	const start = performance.now();
	own.executable.interrupt();
	await own.executable.exited;
	assert.ok(secondsSince(start) < 1);
	await assert.rejects(running);
});

/** A port whose queue is full: the kernel answers no further dial. */
async function silentPort(t: { after: (end: () => void) => void }): Promise<number> {
	const program = `const s = require("net").createServer().listen({port: 0, host: "127.0.0.1", backlog: 1}, () => {
		require("fs").writeSync(1, s.address().port + "\\n"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });`;
	const server = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
	t.after(() => server.kill("SIGKILL"));
	const port = await new Promise<number>((resolve) => server.stdout.once("data", (data) => resolve(Number(data))));
	const queue = Array.from({ length: 4 }, () => connect(port, "127.0.0.1").on("error", () => {}));
	t.after(() => {
		for (const socket of queue) socket.destroy();
	});
	await sleep(300);
	return port;
}
