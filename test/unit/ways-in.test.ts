// The ways in to the hosts: what a stack may say of them, and what reaches the provider and each command.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { apiUnreachable } from "../../cluster/api-reach.ts";
import { stackReach } from "../../config/stack-file.ts";
import { checkConfiguration, settingsOf } from "../../provider/configuration.ts";
import { freePort } from "./key-servers.ts";
import { graph, program } from "./program.ts";
import { hostKey, problems, settings } from "./settings.ts";

/** The kernel itself refuses to connect there. */
const NOWHERE = "255.255.255.255";
const BASTION = { address: "bastion.example.com", hostKey: `${hostKey(7)} root@bastion` };

test("a bastion has the port and user of the hosts unless it says otherwise, and its key may come from known_hosts", (t) => {
	const folder = mkdtempSync(join(tmpdir(), "ways-in-"));
	t.after(() => rmSync(folder, { recursive: true }));
	writeFileSync(join(folder, "known_hosts"), `bastion.example.com ${hostKey(8)}\n`);
	const bastionOf = (changes: Record<string, unknown>) => settings(changes).cluster.ssh.bastion;
	assert.equal(bastionOf({}), undefined);
	const whole = { address: "bastion.example.com", port: 22, user: "root", hostKey: hostKey(7) };
	assert.deepEqual(bastionOf({ bastion: BASTION }), whole);
	assert.deepEqual(bastionOf({ bastion: BASTION, sshUser: "centos", sshPort: 2222 }), { ...whole, port: 2222, user: "centos" });
	assert.deepEqual(bastionOf({ bastion: { ...BASTION, user: "jump", port: 23 } }), { ...whole, port: 23, user: "jump" });
	const known = { bastion: { address: "bastion.example.com" }, knownHostsFile: join(folder, "known_hosts") };
	assert.deepEqual(bastionOf(known), { ...whole, hostKey: hostKey(8) });
});
test("a bastion without a key, a second one, and what is none of its fields are refused", () => {
	assert.deepEqual(problems({ bastion: { address: "bastion.example.com" } }), ["bastion.hostKey: not set. Run: npm run trust -- dev"]);
	assert.deepEqual(problems({ bastion: { ...BASTION, bastion: BASTION, key: "x" } }), [
		"bastion.bastion: found a second bastion; expected one: Pulumi's command plugin goes through no more. Forward a port of this machine to the second (ssh -L), and name that port here.",
		"bastion.key: unknown key. Use address, port, user, hostKey.",
	]);
	assert.match(problems({ bastion: [BASTION] }).join(), /^bastion: found \[.*, expected type object\./);
	assert.deepEqual(problems({ bastion: { ...BASTION, address: "a b", port: 0, hostKey: "x" } }), [
		'bastion.address: "a b" is not a host name or address. Use the one you ssh to, such as bastion.example.com.',
		"bastion.port: 0 is out of range. Use 1 to 65535.",
		'bastion.hostKey: "x" is not a public host key (types: ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa). Copy the line from /etc/ssh/ssh_host_ed25519_key.pub on the host, or let npm run trust write it.',
	]);
});
test("the commands read a stack's bastion as the program does", () => {
	const text = (bastion: string) => `config:\n  kubeadm-lab:sshUser: centos\n  kubeadm-lab:hosts: [{name: a, address: 192.0.2.1}]\n${bastion}`;
	assert.equal(stackReach(text("")).bastion, undefined);
	const expected = { name: "bastion", address: "b.example", port: 23, user: "centos", trusted: hostKey(7) };
	assert.deepEqual(stackReach(text(`  kubeadm-lab:bastion: {address: b.example, port: 23, hostKey: ${hostKey(7)} me}\n`)).bastion, expected);
	assert.throws(() => stackReach(text("  kubeadm-lab:bastion: {address: b, bastion: {address: c}}\n")), /^Error: bastion\.bastion: found a second bastion;/);
	assert.throws(() => stackReach(text("  kubeadm-lab:bastion: {port: 23}\n")), /^Error: bastion\.address: not set\./);
});

test("without the settings for it neither the provider nor a command gets anything new", () => {
	assert.ok(!("bastion" in graph.named("hosts").inputs));
	for (const { name, inputs } of graph.commands)
		assert.deepEqual(Object.keys(inputs.connection).sort(), ["dialErrorLimit", "host", "hostKey", "perDialTimeout", "port", "privateKey", "user"], name);
});
test("a bastion, with its own pinned key and the hosts' private key, reaches the provider and each command", async () => {
	const { graph } = await program({ changes: { bastion: { ...BASTION, user: "jump" }, sshUser: "centos" } });
	const bastion = { address: "bastion.example.com", port: 22, user: "jump", hostKey: hostKey(7) };
	const { inputs } = graph.named("hosts");
	assert.deepEqual(JSON.parse(inputs.bastion), bastion);
	for (const { name, inputs: own, secret } of graph.commands) {
		const { proxy, ...connection } = own.connection;
		const { host, user, hostKey, ...same } = connection;
		assert.deepEqual(proxy, { ...same, host: bastion.address, user: "jump", hostKey: bastion.hostKey }, name);
		assert.deepEqual([user, secret.includes("connection")], ["centos", true], `${name} ${host} ${hostKey}`);
	}
});
test("the provider refuses a bastion without a key, and takes one as text", () => {
	const one = { address: "192.0.2.1", port: 22, user: "root", hostKey: "k" };
	const configuration = (bastion: object) => ({ hosts: JSON.stringify({ one }), privateKey: "x", bastion: JSON.stringify(bastion) });
	const check = (bastion: object) => checkConfiguration("urn:pulumi:lab::kubeadm-lab::pulumi:providers:host::hosts", {}, configuration(bastion)).failures;
	assert.deepEqual(
		check({ ...one, hostKey: "", port: "22" }).map(({ property }) => property),
		["bastion.hostKey", "bastion.port"],
	);
	assert.deepEqual(check(one), []);
	assert.deepEqual(settingsOf(configuration(one))?.bastion, one);
});

test("behind a bastion an API server that this machine does not reach is told, and one that refuses is reached", async (t) => {
	const { cluster } = settings({ bastion: BASTION });
	const at = (address: string) => ({ ...cluster, hosts: cluster.hosts.map((host) => ({ ...host, address })) });
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	t.after(() => server.close());
	assert.equal(await apiUnreachable(at("127.0.0.1"), (server.address() as AddressInfo).port), undefined);
	assert.equal(await apiUnreachable(at("127.0.0.1"), await freePort()), undefined);
	assert.match(
		String(await apiUnreachable(at(NOWHERE))),
		/^k8s-master: dial tcp 255\.255\.255\.255:6443: connect: network is unreachable; expected an answer: the bastion bastion\.example\.com carries SSH only, .*Open a way to 255\.255\.255\.255:6443 before pulumi up: README\.md, Ways in$/,
	);
	assert.equal(await apiUnreachable({ ...at(NOWHERE), ssh: settings().cluster.ssh }), undefined, "nobody is asked without a bastion");
});
