// The ways in to a host that people have, with real SSH servers: each for the provider and for the `command` plugin, which log in for themselves.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { after, before, type TestContext, test } from "node:test";
import { connect, loginOf } from "../../commands/login.ts";
import { trust } from "../../commands/trust.ts";
import { normalPrivateKey } from "../../config/private-key-form.ts";
import { type StackHost, stackReach } from "../../config/stack-file.ts";
import type { Properties } from "../../provider/plugin/values.ts";
import { noSecret, scriptedTerminal } from "../unit/key-servers.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
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
		assert.rejects(plugin.create("it", STEP), new RegExp(`^Error: ${address}after 0 failed attempts: ${mismatch}`)),
	);
	assert.equal(accepted(), 0);
	const hosts = JSON.parse(String(HostPlugin.configuration(sshd).hosts)) as Record<string, object>;
	const impostor = JSON.stringify({ one: { ...hosts.one, hostKey: sshd.publicKey("other") } });
	await withPlugin({ bastion: bastionOf(bastion), hosts: impostor }, (plugin) =>
		assert.rejects(plugin.create("it", STEP), new RegExp(`^Error: by ${address}${mismatch}`)),
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
		await withPlugin(changes, (plugin) => assert.rejects(plugin.create("it", STEP), new RegExp(`^Error: ${reason}$`)));
});
test("a bastion that never opens the way to a host is given up", async (t) => {
	const silent = createServer(() => {}).listen(0, "127.0.0.1"); // takes connections, and says nothing
	await once(silent, "listening");
	t.after(() => silent.close());
	const bastion = await bastionFor(t);
	const hosts = JSON.parse(String(HostPlugin.configuration(sshd).hosts)) as Record<string, object>;
	const behind = JSON.stringify({ one: { ...hosts.one, port: (silent.address() as AddressInfo).port } });
	await withPlugin({ bastion: bastionOf(bastion), hosts: behind, perDialTimeoutSeconds: 1 }, (plugin) =>
		assert.rejects(plugin.create("it", STEP), /^Error: by the bastion .*: ssh: handshake failed: Timed out while waiting for handshake$/),
	);
});
test("the command plugin says the same of a bastion that forwards nothing", async (t) => {
	const closed = await bastionFor(t, "AllowTcpForwarding no");
	const create = command.create("closed", { connection: sshd.connection({ proxy: closed.connection() }), create: "true" });
	await assert.rejects(create, /^Error: proxy: after 0 failed attempts: ssh: rejected: administratively prohibited \(open failed\)$/);
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
