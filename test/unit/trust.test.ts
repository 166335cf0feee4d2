// npm run trust with real servers: which keys it shows and writes, and what it asks before.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "../../commands/run.ts";
import { fingerprint, trust } from "../../commands/trust.ts";
import { freePort, KeyServers, noSecret, scriptedTerminal } from "./key-servers.ts";
import { hostKey, rsaHostKey, stackConfig } from "./settings.ts";

const servers = new KeyServers();
const { folder } = servers;
after(() => servers.remove());

test("fingerprints are those of ssh-keygen", () => {
	const file = join(folder, "ecdsa");
	execFileSync("ssh-keygen", ["-q", "-t", "ecdsa", "-b", "384", "-N", "", "-C", "", "-f", file]);
	for (const key of [hostKey(), readFileSync(`${file}.pub`, "utf8").trim(), rsaHostKey(2048), rsaHostKey(3072)]) {
		const shown = execFileSync("ssh-keygen", ["-lf", "-"], { input: `${key}\n`, encoding: "utf8" });
		assert.equal(fingerprint(key), shown.replace(" no comment ", " ").trim());
	}
});

const stackFile = (hosts: { port: number; hostKey?: string }[]) => {
	const file = join(folder, "Pulumi.test.yaml");
	const lines = hosts.map(
		({ port, hostKey: key }, i) => `    - name: node${i}\n      address: 127.0.0.1\n      port: ${port}\n${key ? `      hostKey: ${key}\n` : ""}`,
	);
	writeFileSync(file, `config:\n  kubeadm-lab:hosts:\n${lines.join("")}`);
	return file;
};
const keysOf = (file: string) => (stackConfig(readFileSync(file, "utf8")).hosts as { hostKey?: string }[]).map((host) => host.hostKey);

test("with real servers: new keys are shown and written after a yes, and a second run finds nothing to do", async () => {
	const [a, b] = [await servers.serve("ed25519"), await servers.serve("ecdsa")];
	const file = stackFile([a, b].map(({ port }) => ({ port })));
	const no = scriptedTerminal(false);
	assert.equal(await trust(file, no, false, noSecret), false);
	assert.deepEqual(keysOf(file), [undefined, undefined]);
	assert.deepEqual(no.lines.slice(0, 2), [
		`node0 (127.0.0.1 port ${a.port}): new: ${fingerprint(a.key)}`,
		`node1 (127.0.0.1 port ${b.port}): new: ${fingerprint(b.key)}`,
	]);
	assert.match(no.lines[3] ?? "", /^\? Write these 2 keys to /);
	assert.equal(await trust(file, scriptedTerminal(true), false, noSecret), true);
	assert.deepEqual(keysOf(file), [a.key, b.key]);
	const again = scriptedTerminal();
	assert.equal(await trust(file, again, false, noSecret), true);
	assert.match(again.lines.at(-1) ?? "", /is unchanged\.$/);
});

test("with a real server: an RSA key is found where SHA-1 is not taken", async () => {
	const { port, key } = await servers.serve("rsa", "HostKeyAlgorithms=rsa-sha2-512,rsa-sha2-256");
	const file = stackFile([{ port }]);
	assert.equal(await trust(file, scriptedTerminal(true), false, noSecret), true);
	assert.deepEqual(keysOf(file), [key]);
});

test("with a real server: of several keys the best is proposed, and any of them that is trusted already will do", async () => {
	const more = ["rsa", "ecdsa", "ed25519"].map((type) => {
		const file = join(folder, `more-${type}`);
		execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file]);
		return { file, key: readFileSync(`${file}.pub`, "utf8").trim() };
	});
	const { port } = await servers.serve("ecdsa", ...more.map(({ file }) => `HostKey=${file}`));
	const file = stackFile([{ port }]);
	assert.equal(await trust(file, scriptedTerminal(true), false, noSecret), true);
	assert.deepEqual(keysOf(file), [more.at(-1)?.key]);
	const again = stackFile([{ port, hostKey: more[0]?.key ?? "" }]);
	assert.equal(await trust(again, scriptedTerminal(), false, noSecret), true);
});

test("with a real server: a key that changed is replaced only after a yes of its own, even with --yes", async () => {
	const { port, key } = await servers.serve("ed25519");
	const file = stackFile([{ port, hostKey: hostKey() }]);
	const no = scriptedTerminal();
	assert.equal(await trust(file, no, true, noSecret), false);
	assert.deepEqual(keysOf(file), [hostKey()]);
	assert.ok(no.lines.includes(`  trusted: ${fingerprint(hostKey())}`) && no.lines.includes(`  found:   ${fingerprint(key)}`));
	assert.equal(await trust(file, scriptedTerminal(true), false, noSecret), true);
	assert.deepEqual(keysOf(file), [key]);
});

test("a host that is silent is named, and the others are written", async () => {
	const { port, key } = await servers.serve("ed25519");
	const file = stackFile([{ port }, { port: await freePort() }]);
	const terminal = scriptedTerminal();
	assert.equal(await trust(file, terminal, true, noSecret), false);
	assert.deepEqual(keysOf(file), [key, undefined]);
	assert.ok(terminal.lines.some((line) => /^node1 .*no SSH host key from 127\.0\.0\.1 port \d+ within 5 s/.test(line)));
});

test("the command tells usage from failure, reads answers line by line, and takes the end of input for a no", async () => {
	const [a, b] = [await servers.serve("ed25519"), await servers.serve("ed25519")];
	const file = stackFile([{ port: a.port }, { port: b.port, hostKey: hostKey() }]);
	const command = async (args: string[], input: string) => {
		const { code, output } = await run(process.execPath, [join(import.meta.dirname, "../../commands/trust.ts"), ...args], { cwd: folder, input });
		return { status: code, text: output };
	};
	const [usage, unknown, silent] = await Promise.all([command([], ""), command(["prod"], ""), command(["test"], "")]);
	assert.deepEqual(usage, { status: 2, text: "usage: npm run trust -- STACK [--yes]\nstacks here: test\n" });
	assert.deepEqual(unknown, { status: 2, text: "Pulumi.prod.yaml: no such file. Stacks here: test\n" });
	assert.equal(silent.status, 1);
	assert.match(silent.text, /Write this key to Pulumi\.test\.yaml\? \[y\/N\] \nPulumi\.test\.yaml is unchanged\.\n$/);
	assert.equal((await command(["test"], "no\nyes\n")).status, 1);
	assert.deepEqual(keysOf(file), [a.key, hostKey()]);
	assert.equal((await command(["test"], "y\n")).status, 0);
	assert.deepEqual(keysOf(file), [a.key, b.key]);
	assert.equal((await command(["test", "--yes"], "")).status, 0);
});
