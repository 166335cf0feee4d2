// What of ssh's configuration the program can't go by is refused before anything is contacted, with what to do: by the program and by the commands.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LoginError, loginOf } from "../../commands/login.ts";
import { StackFileError, stackReach } from "../../config/stack-file.ts";
import { userSsh } from "../user-ssh.ts";
import { noSecret } from "./key-servers.ts";
import { hostKey, hosts, privateKey, problems } from "./settings.ts";

const ASKED = { sshConfig: true, sshPrivateKey: undefined };
/** What the program reports of a stack whose user has this configuration, and what the commands say. */
async function refusals(t: Parameters<typeof userSsh>[0], config: string, last = "IdentityFile FOLDER/key"): Promise<[string[], string[]]> {
	const { folder } = userSsh(t, `${config}\nHost *\n  UserKnownHostsFile FOLDER/known\n  ${last}\n`);
	for (const name of ["key", "other"]) writeFileSync(join(folder, name), privateKey());
	writeFileSync(join(folder, "k.pub"), hostKey());
	writeFileSync(join(folder, "known"), ["a", "b", "c.example"].map((name) => `${name},[${name}]:23 ${hostKey(5)}\n`).join(""));
	const clean = (lines: string[]) => lines.map((line) => line.replaceAll(`${folder}/`, "/"));
	const program = problems(ASKED);
	const text = `config: ${JSON.stringify({ ...ASKED, hosts: hosts() })}`;
	const commands = await loginOf(text, noSecret).then(
		() => [],
		(error) => {
			assert.ok(error instanceof StackFileError || error instanceof LoginError, String(error));
			return error.message.split("\n");
		},
	);
	return [clean(program), clean(commands)];
}
const ALL = "k8s-master, k8s-node01, k8s-node02";
const FORWARD = "Pulumi's command plugin goes through no more than one. Forward a port of this machine to the last (ssh -L), and set bastion to that port.";
const ONE_WAY = "expected one way to all hosts: the program has one bastion. Set bastion, or give all the same ProxyJump.";
const ONE_FILE = "expected one for all. Set sshPrivateKeyFile, or load them into an SSH agent (ssh-add), and set sshAgent: true.";
const TABLE: [string, string, string[]][] = [
	[
		"a ProxyCommand",
		"Host 172.16.1.11[01]\nHost 172.16.1.111 172.16.1.112\n  ProxyCommand nc -x me:secret@proxy %h %p",
		[
			"sshConfig: found a ProxyCommand for k8s-node01, k8s-node02; expected ProxyJump with one host, or neither: Pulumi's command plugin runs no command to reach a host. Use ProxyJump there, or set bastion.",
		],
	],
	["two hops", "Host 172.*\n  ProxyJump a,me@b:23", [`sshConfig: found ProxyJump a,me@b:23 for k8s-master; expected one host: ${FORWARD}`]],
	[
		"a jump host behind another",
		"Host 172.*\n  ProxyJump a\nHost a\n  ProxyJump b",
		[`sshConfig: found ProxyJump b for the bastion a; expected none: ${FORWARD}`],
	],
	[
		"a jump host behind a command",
		"Host 172.*\n  ProxyJump a\nHost a\n  ProxyCommand nc %h %p",
		[`sshConfig: found a ProxyCommand for the bastion a; expected none: ${FORWARD}`],
	],
	[
		"different jump hosts",
		"Host 172.16.1.110\n  ProxyJump me@a\nHost 172.*\n  ProxyJump me@b:23",
		[`sshConfig: found k8s-master by me@a port 22, k8s-node01, k8s-node02 by me@b port 23; ${ONE_WAY}`],
	],
	[
		"a jump host for one host only",
		"Host 172.16.1.110\n  ProxyJump me@c\nHost c\n  HostName c.example",
		[`sshConfig: found k8s-master by me@c.example port 22, k8s-node01, k8s-node02 directly; ${ONE_WAY}`],
	],
	[
		"a jump host with an IPv6 address",
		"Host 172.*\n  ProxyJump me@[2001:db8::1]",
		['sshConfig["2001:db8::1"].address: "2001:db8::1" is not a host name or address. Use the one you ssh to, such as bastion.example.com.'],
	],
	[
		"a user that is none",
		'Host 172.16.1.110\n  User "a b"',
		['sshConfig["k8s-master"].user: "a b" is not a user name. Use root, or a user that may run sudo.'],
	],
	[
		"different private keys",
		"Host 172.16.1.110\n  IdentityFile FOLDER/absent\n  IdentityFile FOLDER/other",
		[`sshConfig: found IdentityFile /other for k8s-master, /key for k8s-node01, k8s-node02; ${ONE_FILE}`],
	],
	[
		"another private key for the jump host",
		"Host 172.*\n  ProxyJump me@a\nHost a\n  IdentityFile FOLDER/other",
		[`sshConfig: found IdentityFile /key for ${ALL}, /other for a; ${ONE_FILE}`],
	],
];
for (const [what, config, expected] of TABLE)
	test(`${what}: refused by the program and the commands alike`, async (t) => {
		assert.deepEqual(await refusals(t, config), [expected, expected]);
	});
test("where no IdentityFile is there, an agent, the key's own place, and what can't be used are named", async (t) => {
	const none = "; expected one with the private key. Does an SSH agent have it, ";
	const own = "set sshAgent: true; else set sshPrivateKeyFile.";
	const table: [string, string][] = [
		["IdentityFile FOLDER/absent\n  IdentityFile FOLDER/k.pub", `no file of IdentityFile /absent, /k.pub${none}${own}`],
		["IdentityFile none", `no IdentityFile${none}${own}`],
		["IdentityFile /absent\n  IdentityAgent /run/agent", `no file of IdentityFile /absent${none}run: export SSH_AUTH_SOCK=/run/agent, and ${own}`],
		["IdentityFile /absent\n  CertificateFile FOLDER/key", `no file of IdentityFile /absent${none}${own} A CertificateFile can't be used: README.md, Ways in.`],
	];
	for (const [last, text] of table) assert.deepEqual(await refusals(t, "", last), [[`sshConfig: found ${text}`], [`sshConfig: found ${text}`]]);
});
test("a private key that can't be used is named by its file, and a CertificateFile beside one that can says nothing", async (t) => {
	const [program] = await refusals(t, "", "IdentityFile FOLDER/known");
	assert.match(program.join(), /^sshConfig: IdentityFile \/known: found no private key in it\./);
	assert.deepEqual(await refusals(t, "", "IdentityFile FOLDER/key\n  CertificateFile FOLDER/known"), [[], []]);
});
test("where ssh can't be asked nothing else of the way is reported, and what is wrong beside it is", (t) => {
	userSsh(t, "Sprache deutsch\n");
	const told = (changes: Record<string, unknown>) => problems({ ...ASKED, ...changes }).map((problem) => problem.replace(/ failed: .*/, " failed"));
	assert.deepEqual(told({ hosts: hosts().map(({ hostKey: _, ...host }) => host), podCidr: "x" }), [
		'podCidr: "x" is not a CIDR. Use address/prefix, such as 10.244.0.0/16.',
		"sshConfig: ssh -G k8s-master failed",
	]);
	assert.deepEqual(
		told({ hosts: [{ ...hosts()[0], address: "a" }, ...hosts().slice(1)] }),
		['hosts[0].address: "a" is not an IPv4 address. Use the address you ssh to, such as 172.16.1.111.'],
		"without an address there is nobody to ask for",
	);
});
test("the commands ask ssh for no name that is none: it may be any text in the stack's file", (t) => {
	const { folder } = userSsh(t, "Host evil\n  User evil\nHost *\n  User late\n");
	for (const name of ["-V", "evil@a", "ssh://evil", "ssh://evil@a", "a b", ""]) {
		const { hosts: [host] } = stackReach(`config: ${JSON.stringify({ ...ASKED, sshPrivateKeyFile: `${folder}/key`, hosts: [{ name, address: "192.0.2.1" }] })}`); // biome-ignore format: one line
		assert.equal(host?.user, "late", name);
	}
});
