// The SSH agent that the shell names.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { expectLiveAgent } from "../../config/agent.ts";

test("an agent that answers passes, and so does a shell without one", async (t) => {
	const folder = mkdtempSync(join(tmpdir(), "agent-"));
	const server = createServer().listen(join(folder, "agent"));
	await new Promise((resolve) => server.once("listening", resolve));
	t.after(() => {
		server.close();
		rmSync(folder, { recursive: true });
	});
	await expectLiveAgent(join(folder, "agent"));
	await expectLiveAgent("");
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
		await assert.rejects(expectLiveAgent(path), {
			name: "ConfigError",
			message: `SSH_AUTH_SOCK: no SSH agent at ${path} (${code}); expected one that answers, or none: Pulumi's command plugin dials it even with a private key. Run: unset SSH_AUTH_SOCK`,
		});
	}
});
