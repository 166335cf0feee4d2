// The ways in to a host that people have, with real SSH servers: each for the provider and for the `command` plugin, which log in for themselves.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, loginOf } from "../../commands/login.ts";
import { trust } from "../../commands/trust.ts";
import { normalPrivateKey } from "../../config/private-key-form.ts";
import { type StackHost, stackReach } from "../../config/stack-file.ts";
import type { Properties } from "../../provider/plugin/values.ts";
import { keyPair } from "../key-pair.ts";
import { noSecret, scriptedTerminal } from "../unit/key-servers.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
import { endWithThis } from "./support/ends.ts";
import { HostPlugin, scriptText } from "./support/host-plugin.ts";
import { freePort, Sshd } from "./support/sshd.ts";

let sshd: Sshd;
let command: CommandPlugin;
before(async () => {
	sshd = await Sshd.start();
	command = await CommandPlugin.start();
});
after(async () => {
	await command?.stop();
	await sshd?.remove();
});
const STEP = { host: "one", step: "it", text: scriptText({ apply: "echo in" }) };

test("a key that was opened by its passphrase lets the provider and the command plugin in", async () => {
	const privateKey = normalPrivateKey(sshd.privateKey("locked"), "open sesame");
	const plugin = await HostPlugin.start(sshd, { privateKey });
	try {
		assert.equal((await plugin.create("it", STEP)).state.printed, "in");
	} finally {
		await plugin.stop();
	}
	const { state } = await command.create("it", { connection: sshd.connection({ privateKey }), create: "echo in" });
	assert.equal(state.stdout, "in");
});

/** A bastion in front of the server, for the test. */
async function bastionFor(t: TestContext, settings = ""): Promise<Sshd> {
	const bastion = await Sshd.start(settings);
	t.after(() => bastion.remove());
	return bastion;
}
/** As the program hands it to the provider; the bastion knows the same key. */
function bastionOf(bastion: Sshd, changes: Properties = {}): string {
	const { host: address, port, user, hostKey } = bastion.connection();
	writeFileSync(`${bastion.folder}/authorized_keys`, `${sshd.publicKey("user")}\n`);
	return JSON.stringify({ address, port, user, hostKey, ...changes });
}
async function withPlugin<T>(changes: Properties, act: (plugin: HostPlugin) => Promise<T>): Promise<T> {
	const plugin = await HostPlugin.start(sshd, changes);
	try {
		return await act(plugin);
	} finally {
		await plugin.stop();
	}
}

test("the provider goes through a bastion with the same key, by one connection for all steps of a host", async (t) => {
	const bastion = await bastionFor(t);
	await withPlugin({ bastion: bastionOf(bastion) }, async (plugin) => {
		for (const name of ["it", "that"]) assert.equal((await plugin.create(name, STEP)).state.printed, "in");
	});
	assert.equal(bastion.log.match(/Accepted publickey/g)?.length, 1);
});
test("a bastion with another key than the pinned one gets no login, and neither does a host behind it; which of the two it was is said", async (t) => {
	const bastion = await bastionFor(t);
	const [address, accepted] = ["the bastion 127\\.0\\.0\\.1: ", () => bastion.log.match(/Accepted publickey/g)?.length ?? 0];
	const mismatch = "ssh: handshake failed: ssh: host key mismatch$";
	await withPlugin({ bastion: bastionOf(bastion, { hostKey: bastion.publicKey("other") }) }, (plugin) =>
		assert.rejects(plugin.create("it", STEP), new RegExp(`^Error: one it: ${address}after 0 failed attempts: ${mismatch}`)),
	);
	assert.equal(accepted(), 0);
	const hosts = JSON.parse(String(HostPlugin.configuration(sshd).hosts)) as Record<string, object>;
	const impostor = JSON.stringify({ one: { ...hosts.one, hostKey: sshd.publicKey("other") } });
	await withPlugin({ bastion: bastionOf(bastion), hosts: impostor }, (plugin) =>
		assert.rejects(plugin.create("it", STEP), new RegExp(`^Error: one it: by ${address}${mismatch}`)),
	);
	assert.equal(accepted(), 1);
});
test("a bastion that is down, that forwards nothing, and a host that is down behind one are told apart", async (t) => {
	const port = await freePort();
	const [bastion, closed] = [await bastionFor(t), await bastionFor(t, "AllowTcpForwarding no")];
	const hosts = JSON.parse(String(HostPlugin.configuration(sshd).hosts)) as Record<string, object>;
	for (const [changes, reason] of [
		[
			{ bastion: bastionOf(bastion, { port }) },
			`the bastion 127\\.0\\.0\\.1: after 0 failed attempts: dial tcp 127\\.0\\.0\\.1:${port}: connect: connection refused`,
		],
		[{ bastion: bastionOf(closed) }, "by the bastion 127\\.0\\.0\\.1: after 0 failed attempts: ssh: rejected: administratively prohibited \\(open failed\\)"],
		[
			{ bastion: bastionOf(bastion), hosts: JSON.stringify({ one: { ...hosts.one, port } }) },
			"by the bastion 127\\.0\\.0\\.1: after 0 failed attempts: ssh: rejected: connect failed \\(Connection refused\\)",
		],
	] as const)
		await withPlugin(changes, (plugin) => assert.rejects(plugin.create("it", STEP), new RegExp(`^Error: one it: ${reason}$`)));
});
test("a bastion that never opens the way to a host is given up", async (t) => {
	const silent = createServer(() => {}).listen(0, "127.0.0.1"); // takes connections, and says nothing
	await once(silent, "listening");
	t.after(() => silent.close());
	const bastion = await bastionFor(t);
	const hosts = JSON.parse(String(HostPlugin.configuration(sshd).hosts)) as Record<string, object>;
	const behind = JSON.stringify({ one: { ...hosts.one, port: (silent.address() as AddressInfo).port } });
	await withPlugin({ bastion: bastionOf(bastion), hosts: behind, perDialTimeoutSeconds: 1 }, (plugin) =>
		assert.rejects(plugin.create("it", STEP), /^Error: one it: by the bastion .*: ssh: handshake failed: Timed out while waiting for handshake$/),
	);
});
test("the command plugin says the same of a bastion that forwards nothing", async (t) => {
	const closed = await bastionFor(t, "AllowTcpForwarding no");
	const create = command.create("closed", { connection: sshd.connection({ proxy: closed.connection() }), create: "true" });
	await assert.rejects(create, /^Error: proxy: after 0 failed attempts: ssh: rejected: administratively prohibited \(open failed\)$/);
});
test("two bastions are passed by a port of this machine that ssh forwards to the inner one, whose key is pinned", async (t) => {
	const [outer, inner] = [await bastionFor(t), await bastionFor(t)];
	bastionOf(outer);
	writeFileSync(`${outer.folder}/known_hosts`, `[127.0.0.1]:${outer.port} ${outer.publicKey("host")}\n`);
	const [port, { user }] = [await freePort(), outer.connection()];
	const options = ["-i", `${sshd.folder}/user`, "-o", `UserKnownHostsFile=${outer.folder}/known_hosts`, "-o", "BatchMode=yes", "-p", `${outer.port}`];
	const ssh = spawn("ssh", ["-F", "none", "-N", ...options, "-L", `127.0.0.1:${port}:127.0.0.1:${inner.port}`, `${user}@127.0.0.1`], {
		stdio: ["ignore", "ignore", "inherit"],
	});
	endWithThis(ssh);
	t.after(() => ssh.kill());
	await withPlugin({ bastion: bastionOf(inner, { port }), dialErrorLimit: 20 }, async (plugin) => {
		assert.equal((await plugin.create("it", STEP)).state.printed, "in");
	});
	for (const bastion of [outer, inner]) assert.equal(bastion.log.match(/Accepted publickey/g)?.length, 1);
});
test("trust pins the bastion first, then reads the hosts' keys through it; npm run lifecycle goes the same way", async (t) => {
	const bastion = await bastionFor(t);
	bastionOf(bastion);
	writeFileSync(`${bastion.folder}/key`, sshd.privateKey("user"));
	const file = `${bastion.folder}/Pulumi.x.yaml`;
	const { user } = sshd.connection();
	writeFileSync(
		file,
		`config:
  kubeadm-lab:bastion:
    address: 127.0.0.1 # in front
    port: ${bastion.port}
  kubeadm-lab:sshUser: ${user}
  kubeadm-lab:sshPrivateKeyFile: ${bastion.folder}/key
  kubeadm-lab:hosts:
    - { name: one, address: 127.0.0.1, port: ${sshd.port} }
`,
	);
	const before = readFileSync(file, "utf8");
	const refused = scriptedTerminal(false);
	assert.equal(await trust(file, refused, false, noSecret), false);
	assert.equal(readFileSync(file, "utf8"), before);
	assert.equal(refused.lines.at(-1), "The hosts are behind the bastion, and were not asked: its key is not trusted.");
	const dials = sshd.dials;
	assert.equal(await trust(file, scriptedTerminal(true, true), false, noSecret), true);
	assert.equal(
		readFileSync(file, "utf8"),
		before
			.replace(`    port: ${bastion.port}\n`, `    port: ${bastion.port}\n    hostKey: ${bastion.publicKey("host")}\n`)
			.replace(`port: ${sshd.port} }`, `port: ${sshd.port}, hostKey: ${sshd.publicKey("host")} }`),
	);
	assert.equal(bastion.log.match(/Accepted publickey/g)?.length, 1);
	assert.equal(sshd.dials - dials, 3, "one for each kind of key");

	const text = readFileSync(file, "utf8");
	const { hosts } = stackReach(text);
	const client = await connect(hosts[0] as StackHost, await loginOf(text, noSecret));
	client.end();
	assert.equal(bastion.log.match(/Accepted publickey/g)?.length, 2);

	writeFileSync(`${bastion.folder}/authorized_keys`, "");
	await assert.rejects(
		trust(file, scriptedTerminal(), false, noSecret),
		/^Error: the bastion 127\.0\.0\.1 did not let in: .*unable to authenticate.* Its key is trusted; no other host was asked\.$/,
	);
});

/** An agent with these keys, in this order, as a variable of a plugin's. */
async function agentWith(t: TestContext, keys: string[]): Promise<{ SSH_AUTH_SOCK: string }> {
	const folder = mkdtempSync(join(tmpdir(), "contract-agent-"));
	const SSH_AUTH_SOCK = join(folder, "socket");
	const agent = spawn("ssh-agent", ["-D", "-a", SSH_AUTH_SOCK], { stdio: "ignore" });
	endWithThis(agent);
	t.after(() => {
		agent.kill();
		rmSync(folder, { recursive: true });
	});
	for (let i = 0; !existsSync(SSH_AUTH_SOCK) && i < 200; i++) await sleep(50);
	for (const key of keys) execFileSync("ssh-add", ["-q", "-"], { input: key, env: { ...process.env, SSH_AUTH_SOCK }, stdio: ["pipe", "ignore", "ignore"] });
	return { SSH_AUTH_SOCK };
}
const AGENT = { privateKey: null, sshAgent: "true" };
/** What the provider's script and the command plugin's command print, through a bastion too. */
async function byAgent(variables: NodeJS.ProcessEnv, bastion: Sshd): Promise<unknown[]> {
	const plugins = [await HostPlugin.start(sshd, { ...AGENT, bastion: bastionOf(bastion) }, variables), await CommandPlugin.start(variables)] as const;
	const connection = sshd.connection({ privateKey: undefined, proxy: bastion.connection({ privateKey: undefined }) });
	try {
		const both = [
			plugins[0].create("it", STEP).then(({ state }) => state.printed),
			plugins[1].create("it", { connection, create: "echo in" }).then(({ state }) => state.stdout),
		];
		return (await Promise.allSettled(both)).map((end) => (end.status === "fulfilled" ? end.value : end.reason.message));
	} finally {
		await Promise.all(plugins.map((plugin) => plugin.stop()));
	}
}
const strangers = (count: number) => Array.from({ length: count }, () => keyPair().private);

test("an agent's keys let the provider and the command plugin in, past keys that open nothing, and through a bastion", async (t) => {
	const bastion = await bastionFor(t);
	assert.deepEqual(await byAgent(await agentWith(t, [...strangers(3), sshd.privateKey("user")]), bastion), ["in", "in"]);
});
test("an agent with more keys than a host's MaxAuthTries, the right one last, is told in the host's words by both", async (t) => {
	const bastion = await bastionFor(t);
	for (const said of await byAgent(await agentWith(t, [...strangers(7), sshd.privateKey("user")]), bastion))
		assert.match(String(said), /Too many authentication failures/);
});
test("a run without the agent that the stack wants is told what is missing, also where the program does not run", async () => {
	const plugin = await HostPlugin.start(sshd, AGENT, { SSH_AUTH_SOCK: undefined });
	try {
		await assert.rejects(
			plugin.create("it", STEP),
			/SSH_AUTH_SOCK is not set, and the stack logs in by an SSH agent \(sshAgent\)\. Run: eval "\$\(ssh-agent\)" && ssh-add/,
		);
	} finally {
		await plugin.stop();
	}
});
