// The contract tests themselves, run against plugins that are not the stand-in: they end, and nothing that they started is left.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { endWithThis } from "./support/ends.ts";
import { scriptFile, temporaryFolder } from "./support/executable.ts";

const plugin = join(import.meta.dirname, "../../lab/stand-ins/command-plugin.ts");
/** The stand-in with other handlers: a real server. Calls that it has no handler for it answers as gRPC does. */
const standInWith = (changed: string) => `import { Server } from ${JSON.stringify(import.meta.resolve("@grpc/grpc-js"))};
const { addService } = Server.prototype;
Server.prototype.addService = function (service, { ...handlers }) {
	${changed};
	return addService.call(this, service, handlers);
};
await import(${JSON.stringify(plugin)});`;
const DEAF = `process.on("SIGINT", () => {}); setInterval(() => {}, 1000);`;

interface Run {
	runner: ChildProcess;
	ended: Promise<{ code: number | null; output: string; seconds: number }>;
	/** Command lines of what runs for it: the plugin and the settings of the SSH server are in a folder of its own. */
	processes: () => string[];
}
/** Runs a contract test file against a plugin with this program. */
function start(t: TestContext, program: string, ...args: string[]): Run {
	const { path: folder, remove } = temporaryFolder();
	t.after(remove);
	writeFileSync(join(folder, "plugin.mjs"), program);
	const path = scriptFile(join(folder, "plugin.mjs"), join(folder, "pulumi-resource-command"));
	const { NODE_TEST_CONTEXT: _, ...env } = process.env; // or the runner takes itself for a part of this one, and runs nothing
	const from = performance.now();
	const runner = spawn(process.execPath, args, {
		cwd: import.meta.dirname,
		env: { ...env, COMMAND_PLUGIN: path, TMPDIR: folder, START_LIMIT_MS: "10000" },
		stdio: ["ignore", "pipe", "pipe"],
	});
	endWithThis(runner);
	let output = "";
	for (const stream of [runner.stdout, runner.stderr])
		stream.on("data", (data) => {
			output += data;
		});
	const ended = new Promise<Awaited<Run["ended"]>>((resolve) => {
		runner.once("close", (code) => resolve({ code, output, seconds: (performance.now() - from) / 1000 }));
	});
	return { runner, ended, processes: () => commandLines().filter((line) => line.includes(folder)) };
}
function commandLines(): string[] {
	return readdirSync("/proc").flatMap((pid) => {
		try {
			return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")] : [];
		} catch {
			return []; // gone meanwhile
		}
	});
}

test("a plugin that has neither Handshake nor DiffConfig keeps the contract, as the official one does", async (t) => {
	const { ended, processes } = start(t, standInWith("delete handlers.handshake; delete handlers.diffConfig"), "--test", "command-plan.test.ts");
	const { code, output } = await ended;
	assert.equal(code, 0, output);
	assert.match(output, /fail 0/);
	assert.deepEqual(processes(), []);
});

test("a plugin that can't be configured fails every test at once, and nothing is left of it or of the SSH server", async (t) => {
	const { ended, processes } = start(t, standInWith("delete handlers.configure"), "--test", "command-run.test.ts");
	const { code, output, seconds } = await ended;
	assert.notEqual(code, 0);
	assert.match(output, /The server does not implement the method/);
	assert.ok(seconds < 60, `${seconds} s`);
	assert.deepEqual(processes(), []);
});

test("a plugin that never prints its port fails every test within its time, and is ended although it ignores SIGINT", async (t) => {
	const { ended, processes } = start(t, DEAF, "--test", "command-run.test.ts");
	const { code, output, seconds } = await ended;
	assert.notEqual(code, 0, output);
	assert.match(output, /pulumi-resource-command printed no port within 10 s/);
	assert.ok(seconds < 60, `${seconds} s`); // 10 s for the port, 5 s for its end, and what a busy machine adds
	assert.deepEqual(processes(), []);
});

test("a call that is never answered fails its test at the time limit, and all that was started is ended", async (t) => {
	const one = ["--test", "--test-timeout=3000", "--test-name-pattern=stdin arrives", "command-run.test.ts"];
	const { ended, processes } = start(t, standInWith("handlers.check = () => {}"), ...one);
	const { code, output } = await ended;
	assert.notEqual(code, 0, output);
	assert.match(output, /test timed out after 3000ms/);
	assert.deepEqual(processes(), []);
});

test("a test file that is ended with SIGTERM takes along what it started", async (t) => {
	const { runner, ended, processes } = start(t, standInWith("handlers.check = () => {}"), "command-run.test.ts");
	const isUp = () => /\/pulumi-resource-command|plugin\.mjs/.test(processes().join()) && /sshd/.test(processes().join());
	for (const end = performance.now() + 20_000; !isUp() && performance.now() < end; ) await sleep(50);
	assert.ok(isUp(), processes().join("\n"));
	runner.kill("SIGTERM");
	assert.equal((await ended).code, 143);
	for (const end = performance.now() + 2000; processes().length > 0 && performance.now() < end; ) await sleep(50);
	assert.deepEqual(processes(), []);
});
