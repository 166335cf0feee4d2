// The SSH agent that the shell names.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { expectLiveAgent } from "../../config/agent.ts";

test("an agent that answers passes, and so does a shell without one", async (t) => {
	const folder = mkdtempSync(join(tmpdir(), "agent-"));
	const server = createServer().listen(join(folder, "agent"));
	await new Promise((resolve) => server.once("listening", resolve));
	t.after(() => {
		server.close();
		rmSync(folder, { recursive: true });
	});
	await expectLiveAgent(false, join(folder, "agent"));
	await expectLiveAgent(false, "");
});

test("an agent that is gone, with its socket or without it, and a file that is no socket are told with the path and what to do", async (t) => {
	const folder = mkdtempSync(join(tmpdir(), "agent-"));
	t.after(() => rmSync(folder, { recursive: true }));
	writeFileSync(join(folder, "file"), "");
	for (const [name, code] of [
		["nothing", "ENOENT"],
		["file", "ECONNREFUSED"],
	] as const) {
		const path = join(folder, name);
		await assert.rejects(expectLiveAgent(false, path), {
			name: "ConfigError",
			message: `SSH_AUTH_SOCK: no SSH agent at ${path} (${code}); expected one that answers, or none: Pulumi's command plugin dials it even with a private key. Run: unset SSH_AUTH_SOCK`,
		});
	}
});

test("where the keys are to come from the agent, one that is not named, is gone or has no key is told before any host is contacted", async (t) => {
	const folder = mkdtempSync(join(tmpdir(), "agent-"));
	const [socket, key] = [join(folder, "agent"), join(folder, "key")];
	const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
	t.after(() => {
		agent.kill();
		rmSync(folder, { recursive: true });
	});
	const start = 'Run: eval "$(ssh-agent)" && ssh-add';
	await assert.rejects(expectLiveAgent(true, ""), { message: `SSH_AUTH_SOCK: not set; expected the socket of an SSH agent, for sshAgent. ${start}` });
	const gone = join(folder, "gone");
	await assert.rejects(expectLiveAgent(true, gone), {
		message: `SSH_AUTH_SOCK: no SSH agent at ${gone} (ENOENT); expected one that answers, for sshAgent. ${start}`,
	});
	const answers = () => spawnSync("ssh-add", ["-l"], { env: { ...process.env, SSH_AUTH_SOCK: socket } }).status !== 2; // its socket is there before it listens
	for (let i = 0; !answers() && i < 100; i++) await sleep(50);
	const empty = { message: `SSH_AUTH_SOCK: the agent at ${socket} has no key; expected one that opens the hosts. Run: ssh-add` };
	await assert.rejects(expectLiveAgent(true, socket), empty);
	execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
	execFileSync("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: "ignore" });
	await expectLiveAgent(true, socket);
});
