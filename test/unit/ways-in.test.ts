// The ways in to the hosts: what a stack may say of them, and what reaches the provider and each command.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Output } from "@pulumi/pulumi";
import { apiUnreachable } from "../../cluster/api-reach.ts";
import { stackReach } from "../../config/stack-file.ts";
import { checkConfiguration, settingsOf } from "../../provider/configuration.ts";
import { OneTry } from "../../provider/one-try.ts";
import { asSecret, type Properties, UNKNOWN, type Value } from "../../provider/plugin/values.ts";
import { passwordOf, scriptCommand, scriptInput } from "../../provider/shell.ts";
import { freePort } from "./key-servers.ts";
import { graph, program } from "./program.ts";
import { isSecretOutput, resolved } from "./program-graph.ts";
import { base, hostKey, problems, read, settings, withHost } from "./settings.ts";

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
	for (const key of ["bastion", "sudoPassword", "sshAgent"]) assert.ok(!(key in graph.named("hosts").inputs), key);
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
test("sudo's password is a secret of one line, with the line end of a pipe too, and never shown", async () => {
	const secretKeys = ["sshPrivateKey", "sudoPassword"];
	const given = (sudoPassword: string) => read({ ...base(), sudoPassword }, { secretKeys }).cluster.ssh.sudoPassword;
	assert.equal(settings().cluster.ssh.sudoPassword, undefined);
	assert.equal(await resolved(given(" s'es\"ame \n") as Output<string>), " s'es\"ame ");
	assert.equal(await isSecretOutput(given("x") as Output<string>), true);
	assert.deepEqual(problems({ sudoPassword: "sesame" }), [
		"sudoPassword: stored in clear text. Choose another on the hosts, then run: pulumi config set -s dev --secret sudoPassword",
	]);
	assert.deepEqual(problems({ sudoPassword: "a\nb" }, { secretKeys }), [
		"sudoPassword: found several lines, and sudo reads one. Run: pulumi config set -s dev --secret sudoPassword",
	]);
});
test("sudo's password reaches the provider and what a command reads as a secret, only for users who need it, and no command line", async () => {
	const changes = { sudoPassword: "sesame", ...withHost(1, { user: "centos" }) };
	const { graph } = await program({ changes, secretKeys: ["sshPrivateKey", "sudoPassword"] });
	const { inputs, secret } = graph.named("hosts");
	assert.deepEqual([inputs.sudoPassword, secret.includes("sudoPassword")], ["sesame", true]);
	for (const { name, inputs: own, secret } of graph.commands) {
		const isAsked = own.connection.user === "centos";
		assert.equal(own.create, scriptCommand(own.connection.user, "apply", true), name);
		assert.equal(own.stdin.includes("\nsudo:sesame\n"), isAsked, name);
		assert.ok(secret.includes("stdin"), name);
		assert.doesNotMatch(`${own.create}${own.update}${own.delete}`, /sesame/);
	}
	assert.ok(graph.commands.some(({ inputs: own }) => own.connection.user === "centos"));
});
test("root's scripts are sent without a password, which bash would run", () => {
	assert.equal(scriptCommand("root", "check", true), scriptCommand("root", "check"));
	assert.equal(passwordOf("root", "sesame"), undefined);
	assert.doesNotMatch(scriptInput("x"), /sudo:/);
	assert.match(scriptCommand("centos", "check"), /^exec sudo -n \/bin\/bash /);
});
test("the provider refuses a sudo password of several lines, and waits for one that is not known yet", () => {
	const one = { address: "192.0.2.1", port: 22, user: "root", hostKey: "k" };
	const configuration = (sudoPassword: Value) => ({ hosts: JSON.stringify({ one }), privateKey: "x", sudoPassword });
	const check = (sudoPassword: Value) =>
		checkConfiguration("urn:pulumi:lab::kubeadm-lab::pulumi:providers:host::hosts", {}, configuration(sudoPassword)).failures;
	for (const wrong of ["", "a\nb", 7]) assert.deepEqual(check(wrong), [{ property: "sudoPassword", reason: "must be one line that is not empty" }]);
	for (const right of ["a b", asSecret("a"), UNKNOWN]) assert.deepEqual(check(right), []);
	assert.equal(settingsOf(configuration(asSecret("a")))?.sudoPassword, "a");
	assert.equal(settingsOf(configuration(UNKNOWN)), undefined);
});
test("of many that want to try a password one does, and the others go on as soon as it is taken, or fail with its error", async () => {
	const refused = new Error("wrong");
	const wrong = new OneTry((error) => error === refused);
	let tries = 0;
	const attempt = async () => {
		tries++;
		await sleep(5);
		throw refused;
	};
	const ends = await Promise.allSettled([1, 2, 3].map(() => wrong.run(attempt)));
	assert.deepEqual([tries, ends.map((end) => end.status === "rejected" && end.reason)], [1, [refused, refused, refused]]);

	const right = new OneTry((error) => error === refused);
	const order: string[] = [];
	const first = right.run(async (taken) => {
		await sleep(5);
		order.push("taken");
		taken();
		await sleep(20);
		order.push("first ends");
	});
	await Promise.all([first, right.run(async () => order.push("second"))]);
	assert.deepEqual(order, ["taken", "second", "first ends"]);

	const lost = new OneTry((error) => error === refused);
	await assert.rejects(
		lost.run(() => Promise.reject(new Error("no connection"))),
		/no connection/,
	);
	assert.equal(await lost.run(async () => "in"), "in", "what says nothing of the password is tried again");
});
test("an agent takes the place of the private key, for the provider, each command and a bastion; beside one it is refused", async () => {
	assert.deepEqual(problems({ sshAgent: true }), ["sshAgent: set together with a private key. Remove one of them."]);
	const { graph } = await program({ changes: { sshPrivateKey: undefined, sshAgent: true, bastion: BASTION } });
	const { inputs } = graph.named("hosts");
	assert.deepEqual([String(inputs.sshAgent), "privateKey" in inputs], ["true", false]);
	for (const { name, inputs: own } of graph.commands)
		for (const end of [own.connection, own.connection.proxy]) assert.ok(!("privateKey" in end) && !("agentSocketPath" in end), name);
});
test("the provider takes an agent for a private key, and asks for one of the two", () => {
	const one = { address: "192.0.2.1", port: 22, user: "root", hostKey: "k" };
	const configuration = (more: Properties) => ({ hosts: JSON.stringify({ one }), ...more });
	const check = (more: Properties) => checkConfiguration("urn:pulumi:lab::kubeadm-lab::pulumi:providers:host::hosts", {}, configuration(more)).failures;
	assert.deepEqual([check({ sshAgent: "true" }), check({ sshAgent: true })], [[], []]);
	assert.deepEqual(
		check({}).map(({ property }) => property),
		["privateKey"],
	);
	assert.equal(settingsOf(configuration({ sshAgent: "true" }))?.privateKey, undefined);
	assert.equal(settingsOf(configuration({})), undefined);
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
