// The way to the hosts with sshConfig: what the program and the commands take from ssh's configuration, what the stack's file keeps for itself, and what is refused.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loginOf } from "../../commands/login.ts";
import { stackReach } from "../../config/stack-file.ts";
import { userSsh } from "../user-ssh.ts";
import { noSecret } from "./key-servers.ts";
import { program } from "./program.ts";
import { hostKey, hosts, privateKey, problems, settings, withHost } from "./settings.ts";

const keyless = () => hosts().map(({ hostKey: _, ...host }) => host);
const ASKED = { sshConfig: true, sshPrivateKey: undefined };
/** A configuration that says all: hosts by their names, behind a bastion, with keys. */
const WHOLE = `Host k8s-*
  User centos
  Port 2222
  IdentityFile FOLDER/absent
  IdentityFile FOLDER/key
  ProxyJump jump@gate:2200
  StrictHostKeyChecking no
Host k8s-master
  HostName 172.16.1.110
Host k8s-node01
  HostName 172.16.1.111
Host k8s-node02
  HostName 172.16.1.112
  HostKeyAlias second
Host gate
  HostName gate.example.com
  User nobody
  IdentityFile FOLDER/key
Host *
  UserKnownHostsFile FOLDER/known /nowhere
  GlobalKnownHostsFile FOLDER/global
`;
const hashed = (name: string) => `|1|${Buffer.from("salt").toString("base64")}|${createHmac("sha1", Buffer.from("salt")).update(name).digest("base64")}`;
function wholeSsh(t: TestContext, changes: (config: string) => string = (config) => config) {
	const ssh = userSsh(t, changes(WHOLE));
	writeFileSync(join(ssh.folder, "key"), privateKey());
	writeFileSync(
		join(ssh.folder, "known"),
		`[172.16.1.110]:2222 ${hostKey(1)}\n${hashed("[172.16.1.111]:2222")} ${hostKey(2)}\n[gate.example.com]:2200 ${hostKey(7)}\n`,
	);
	writeFileSync(join(ssh.folder, "global"), `second ${hostKey(3)}\n`);
	return ssh;
}
/** The problems of a stack with sshConfig, and hosts that have their keys. */
const refused = (changes: Record<string, unknown> = {}) => problems({ ...ASKED, ...changes });
/** As the commands get it. */
const fileOf = (changes: Record<string, unknown>) => `config: ${JSON.stringify({ ...ASKED, ...changes })}`;

test("user, port, ProxyJump, private key and host keys come from ssh's configuration, for the program and for the commands alike", async (t) => {
	const { folder } = wholeSsh(t);
	const { cluster } = settings({ ...ASKED, hosts: keyless() });
	const ends = cluster.hosts.map(({ address, port, user, hostKey }) => ({ address, port, user, hostKey }));
	const common = { port: 2222, user: "centos" };
	assert.deepEqual(ends, [
		{ address: "172.16.1.110", ...common, hostKey: hostKey(1) },
		{ address: "172.16.1.111", ...common, hostKey: hostKey(2) },
		{ address: "172.16.1.112", ...common, hostKey: hostKey(3) },
	]);
	const bastion = { address: "gate.example.com", port: 2200, user: "jump", hostKey: hostKey(7) };
	assert.deepEqual(cluster.ssh.bastion, bastion);
	assert.equal(await new Promise((resolve) => cluster.ssh.privateKey?.apply(resolve)), privateKey());

	const text = fileOf({ hosts: keyless() });
	const reach = stackReach(text);
	assert.deepEqual(
		reach.hosts.map(({ address, port, user, trusted }) => ({ address, port, user, hostKey: trusted })),
		ends,
	);
	const { hostKey: trusted, ...way } = bastion;
	assert.deepEqual([reach.bastion, reach.isJump], [{ name: "bastion", ...way, trusted }, true]);
	assert.deepEqual(reach.identity, { file: join(folder, "key") });
	assert.deepEqual(await loginOf(text, noSecret), { privateKey: privateKey(), bastion: reach.bastion });
});
test("the bastion that is a ProxyJump reaches the provider and each command, and nothing else of the state is another", async (t) => {
	wholeSsh(t);
	const { graph } = await program({ changes: { ...ASKED, hosts: keyless() } });
	const bastion = { address: "gate.example.com", port: 2200, user: "jump", hostKey: hostKey(7) };
	const { inputs } = graph.named("hosts");
	assert.equal(inputs.bastion, JSON.stringify(bastion));
	assert.ok(graph.commands.length > 0);
	for (const { name, inputs: own } of graph.commands) {
		const { host, port, user, proxy } = own.connection;
		assert.deepEqual(
			[port, user, proxy.host, proxy.port, proxy.user, proxy.hostKey],
			[2222, "centos", "gate.example.com", 2200, "jump", hostKey(7)],
			`${name} ${host}`,
		);
	}
	const said = { sshUser: "centos", sshPort: 2222, bastion };
	const { graph: same } = await program({
		changes: { ...said, hosts: hosts().map((host, i) => ({ ...host, hostKey: hostKey(i + 1) })) },
	});
	assert.deepEqual(graph.named("hosts").inputs, same.named("hosts").inputs, "a stack that says it all itself has the same");
});
test("what the stack's file says goes before, field by field, and without sshConfig ssh is not asked", (t) => {
	const { folder } = wholeSsh(t);
	writeFileSync(join(folder, "mine"), privateKey());
	writeFileSync(join(folder, "hosts"), keyless().map(({ address }) => `[${address}]:24,${address} ${hostKey(9)}\n`).join("")); // biome-ignore format: one line
	const { ssh, hosts: own } = settings({
		...withHost(1, { user: "admin", port: 23 }),
		...ASKED,
		sshUser: "root",
		sshPort: 24,
		bastion: { address: "gate", hostKey: hostKey(8) },
		sshPrivateKeyFile: join(folder, "mine"),
	}).cluster;
	assert.deepEqual(own.map(({ user, port, hostKey }) => [user, port, hostKey]), [["root", 24, hostKey()], ["admin", 23, hostKey()], ["root", 24, hostKey()]]); // biome-ignore format: one line
	assert.deepEqual(ssh.bastion, { address: "gate", port: 24, user: "root", hostKey: hostKey(8) });
	const known = settings({
		...ASKED,
		hosts: keyless(),
		knownHostsFile: join(folder, "hosts"),
		bastion: { address: "gate", hostKey: hostKey(8) },
		sshPort: 24,
	}).cluster;
	assert.deepEqual(known.hosts.map(({ hostKey }) => hostKey), [hostKey(9), hostKey(9), hostKey(9)]); // biome-ignore format: one line
	assert.deepEqual(
		known.ssh.bastion,
		{ address: "gate", port: 24, user: "nobody", hostKey: hostKey(8) },
		"a bastion of the stack's own has its user from there too",
	);

	for (const own of [{ sshPrivateKey: { secure: "v1:AAAA" } }, { sshAgent: true }])
		assert.equal(stackReach(fileOf({ hosts: hosts(), ...own })).identity, undefined);
	assert.equal(settings({ ...ASKED, sshAgent: true }).cluster.ssh.privateKey, undefined);

	writeFileSync(join(folder, "ssh"), "#!/bin/bash\nexit 9\n");
	assert.deepEqual(settings().cluster.hosts.map(({ user, port }) => [user, port]), [["root", 22], ["root", 22], ["root", 22]]); // biome-ignore format: one line
	assert.equal(settings().cluster.ssh.bastion, undefined);
});
test("a host is asked for by name where HostName is its address, else by address, and by a name that only a DNS knows where nothing is about the address", (t) => {
	const ssh = (config: string) => {
		const { folder } = userSsh(t, config);
		writeFileSync(join(folder, "key"), privateKey());
		return settings({ ...ASKED, sshPrivateKeyFile: join(folder, "key") }).cluster.hosts.map(({ user }) => user);
	};
	const late = "Host *\n  User late\n";
	const table: [string, string, string[]][] = [
		["its address", "Host k8s-master\n  HostName 172.16.1.110\n  User named\nHost 172.16.*\n  User addressed\n", ["named", "addressed", "addressed"]],
		["another machine's", "Host k8s-master\n  HostName 192.0.2.7\n  User named\n", ["late", "late", "late"]],
		[
			"another machine's, by a name",
			"Host k8s-master\n  HostName old.example.com\n  User named\nHost 172.16.*\n  User addressed\n",
			["addressed", "addressed", "addressed"],
		],
		["names that only a DNS knows", "Host k8s-*\n  User named\n", ["named", "named", "named"]],
		["names of a domain", "Host k8s-node*\n  HostName %h.example.com\n  User named\n", ["late", "named", "named"]],
		["both", "Host k8s-*\n  User named\nHost 172.16.1.110\n  User addressed\n", ["addressed", "named", "named"]],
		["neither", "", ["late", "late", "late"]],
	];
	for (const [what, config, users] of table) assert.deepEqual(ssh(config + late), users, what);
});
test("a host whose key ssh does not know, or that it revokes, is sent to npm run trust, whatever StrictHostKeyChecking says", (t) => {
	const { folder } = wholeSsh(t, (config) => config.replace("ProxyJump jump@gate:2200", "ProxyJump none"));
	writeFileSync(join(folder, "known"), `[172.16.1.111]:2222 ${hostKey(2)}\n@revoked * ${hostKey(2)}\n172.16.1.110 ${hostKey(1)}\n`);
	assert.deepEqual(refused({ hosts: keyless() }), [
		"hosts[0].hostKey: not set. Run: npm run trust -- dev",
		"hosts[1].hostKey: not set. Run: npm run trust -- dev",
	]);
	assert.deepEqual(
		stackReach(fileOf({ hosts: keyless() })).hosts.map(({ trusted }) => trusted),
		[undefined, undefined, hostKey(3)],
	);
});
test("a jump host whose key ssh does not know is told, since there is no line for it in the stack's file", (t) => {
	const { folder } = wholeSsh(t);
	writeFileSync(join(folder, "known"), "");
	const text = `sshConfig: found no host key of gate.example.com port 2200 (ProxyJump gate) in ${folder}/known, /nowhere, ${folder}/global; expected one. Log in there once by hand (ssh gate), or set bastion, and run: npm run trust -- <stack>`;
	assert.deepEqual(refused(), [text]);
	assert.throws(() => stackReach(fileOf({ hosts: hosts() })), { message: text });
	assert.deepEqual(refused({ bastion: { address: "gate.example.com" } }), ["bastion.hostKey: not set. Run: npm run trust -- dev"]);
});
test("one of the hosts may be the jump host of the others", (t) => {
	const { folder } = userSsh(
		t,
		"Host k8s-node02\n  HostName 172.16.1.112\nHost 172.16.1.* !172.16.1.112\n  ProxyJump k8s-node02\nHost *\n  UserKnownHostsFile FOLDER/known\n",
	);
	writeFileSync(join(folder, "key"), privateKey());
	writeFileSync(join(folder, "known"), `172.16.1.112 ${hostKey(3)}\n`);
	const { bastion } = settings({ ...ASKED, sshPrivateKeyFile: join(folder, "key") }).cluster.ssh;
	assert.deepEqual([bastion?.address, bastion?.hostKey], ["172.16.1.112", hostKey(3)]);
});
