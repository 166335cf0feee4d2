// What only the stand-ins promise, whatever COMMAND_PLUGIN and LANGUAGE_HOST name: a quick end, no orphans, short errors.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { exitError, quote } from "../../lab/stand-ins/command/go-text.ts";
import * as resource from "../../lab/stand-ins/command/resource.ts";
import { shorten } from "../../provider/plugin/serve.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
import { standIn, temporaryFolder } from "./support/executable.ts";
import { isAlive, LanguageHost } from "./support/language-host.ts";
import { findPulumi } from "./support/project.ts";
import { Sshd } from "./support/sshd.ts";

delete process.env.COMMAND_PLUGIN;
delete process.env.LANGUAGE_HOST;
/** For a command that is run here, not by a plugin. */
const SHOWN = { signal: new AbortController().signal, status: () => {}, diagnostic: () => {} };

test("SIGTERM to the language host alone takes its program along", async (t) => {
	const host = await LanguageHost.start("setInterval(() => {}, 1000)");
	t.after(() => host.stop());
	host.run().catch(() => {});
	const { pid } = await host.seen();
	host.executable.process.kill("SIGTERM");
	await host.executable.exited;
	assert.equal(isAlive(pid), false);
});

test("a program that ignores signals is killed within the engine's patience", async (t) => {
	const host = await LanguageHost.start(`process.on("SIGINT", () => {}); process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)`);
	t.after(() => host.stop());
	host.run().catch(() => {});
	const { pid } = await host.seen();
	const start = performance.now();
	host.executable.interrupt();
	await host.executable.exited;
	assert.ok(performance.now() - start < 2500);
	assert.equal(isAlive(pid), false);
});

for (const name of ["command-plugin", "language-host"] as const) {
	test(`a ${name} whose engine is killed ends by itself`, async (t) => {
		const pid = await startUnderShell(t, name);
		for (const end = performance.now() + 5000; isAlive(pid) && performance.now() < end; ) await sleep(50);
		assert.equal(isAlive(pid), false);
	});
}

test("a failure with a long output tells its start and its end, and other calls go on", async (t) => {
	const sshd = await Sshd.start();
	t.after(() => sshd.remove());
	const plugin = await CommandPlugin.start();
	t.after(() => plugin.stop());
	const other = plugin.create("other", { connection: sshd.connection(), create: "sleep 1; echo done" });
	const create = "seq 1 20000; echo last words; exit 1";
	await assert.rejects(plugin.create("long", { connection: sshd.connection(), create, logging: "none" }), (error: Error) => {
		assert.match(error.message, /^Process exited with status 1: running "seq 1 20000; echo last words; exit 1":\n1\n2\n/);
		assert.match(error.message, /\n\[\d+ characters left out\]\n/);
		assert.match(error.message, /\nlast words\n$/);
		return true;
	});
	assert.equal((await other).state.stdout, "done");
});

test("a command that prints on and on is cut off", async (t) => {
	const sshd = await Sshd.start();
	t.after(() => sshd.remove());
	const plugin = await CommandPlugin.start();
	t.after(() => plugin.stop());
	await assert.rejects(
		plugin.create("endless", { connection: sshd.connection(), create: "yes", logging: "none" }),
		/the host printed more than 64 MiB, and was cut off/,
	);
});

test("a command that neither prints nor ends is given up, and one that prints is waited for", async (t) => {
	const sshd = await Sshd.start();
	t.after(() => sshd.remove());
	const connection = sshd.connection({ perDialTimeout: 15 });
	const run = (create: string, silenceSeconds: number) => resource.create("it", { connection, create }, { ...SHOWN, silenceSeconds });
	// As a host whose disk hangs: its kernel answers, its sshd does not.
	const hangs = "echo 'last words' >&2; sleep 0.5; (sleep 5; kill -CONT $PPID) & kill -STOP $PPID; exec sleep 10";
	const from = performance.now();
	await assert.rejects(run(hangs, 1), {
		message: `127.0.0.1: not done, and nothing printed for 1 s: running "${hangs}":\nlast words\n`,
	});
	assert.ok(performance.now() - from < 4000);
	assert.equal((await run("for i in 1 2 3 4 5 6; do sleep 0.5; echo $i >&2; done; echo done", 2)).state.stdout, "done");
});

test("a host that takes the connection and never greets is given up", async (t) => {
	const server = createServer().listen(0, "127.0.0.1");
	t.after(() => server.close());
	server.on("connection", (socket) => t.after(() => socket.destroy()));
	await new Promise((resolve) => server.once("listening", resolve));
	const connection = { host: "127.0.0.1", port: (server.address() as AddressInfo).port, user: "root", password: "x", dialErrorLimit: 0, perDialTimeout: 15 };
	const shown = { ...SHOWN, patience: { greetingSeconds: 0, loginSeconds: 1, keepaliveSeconds: 0 } };
	await assert.rejects(resource.create("it", { connection, create: "true" }, shown), {
		message: "after 0 failed attempts: ssh: handshake failed: Timed out while waiting for handshake",
	});
});

test("a line of 10 MB is shown in pieces, and kept whole", async (t) => {
	const sshd = await Sshd.start();
	t.after(() => sshd.remove());
	const pieces: number[] = [];
	const shown = { ...SHOWN, status: (line: string) => pieces.push(line.length) };
	const create = `head -c ${LINE_BYTES} /dev/zero | tr '\\0' x`;
	const { state } = await resource.create("it", { connection: sshd.connection({ perDialTimeout: 15 }), create }, shown);
	assert.equal(String(state.stdout).length, LINE_BYTES);
	assert.ok(Math.max(...pieces) <= 64 * 1024);
	assert.equal(
		pieces.reduce((sum, length) => sum + length, 0),
		LINE_BYTES,
	);
});
const LINE_BYTES = 10_000_000;

test("a short error stays as it is, and a long one fits however many bytes a character takes", () => {
	assert.equal(shorten("short € text\n"), "short € text\n");
	for (const character of ["x", "\n", "€", "😀"]) assert.ok(encodeURI(shorten(character.repeat(100_000))).length <= 48 * 1024);
});

test("a command is quoted as Go quotes it", () => {
	assert.equal(quote('a "b" \\ \n\t\u0001\u007f\u00a0é\u200b😀'), '"a \\"b\\" \\\\ \\n\\t\\x01\\x7f\\u00a0é\\u200b😀"');
});

test("an exit is told as Go tells it", () => {
	assert.equal(exitError({ code: 0 }), undefined);
	assert.equal(exitError({ code: 255 }), "Process exited with status 255");
	assert.equal(exitError({ code: null, signal: "SIGKILL", message: "gone" }), "Process exited with status 137 from signal KILL. Reason was: gone");
	assert.equal(exitError({ code: undefined }), "wait: remote command exited without exit status or exit signal");
});

/** Starts a stand-in as the child of a shell, kills the shell the hard way, and returns the stand-in's process id. */
async function startUnderShell(t: TestContext, name: "command-plugin" | "language-host"): Promise<number> {
	const folder = temporaryFolder();
	t.after(folder.remove);
	const path = standIn(name, folder.path, name);
	const shell = spawn("sh", ["-c", `'${path}' 127.0.0.1:1 & echo "pid $!"; wait`], { stdio: ["ignore", "pipe", "inherit"] });
	let output = "";
	for await (const data of shell.stdout) {
		output += data;
		if (/^pid \d+$/m.test(output) && /^\d+$/m.test(output)) break;
	}
	shell.kill("SIGKILL");
	const pid = Number(/^pid (\d+)$/m.exec(output)?.[1]);
	assert.ok(isAlive(pid));
	return pid;
}

test("the engine's tests take the lab's pulumi, and else the one on PATH", (t) => {
	const { path, remove } = temporaryFolder();
	t.after(remove);
	for (const folder of ["cache/toolchain/pulumi-1", "official", "empty"]) mkdirSync(join(path, folder), { recursive: true });
	const [own, official] = ["cache/toolchain/pulumi-1/pulumi", "official/pulumi"].map((name) => join(path, name)) as [string, string];
	for (const file of [own, official]) writeFileSync(file, "");
	const env = { KUBEADM_LAB_CACHE: join(path, "cache"), PATH: [join(path, "empty"), join(path, "official")].join(delimiter) };
	assert.equal(findPulumi(env), own);
	assert.equal(findPulumi({ ...env, PULUMI: official }), official);
	rmSync(own);
	assert.equal(findPulumi(env), official);
	rmSync(official);
	assert.throws(() => findPulumi(env), /no pulumi in .*cache\/toolchain or on PATH/);
});
