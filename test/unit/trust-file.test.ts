// npm run trust: what it reads of a stack's file, and how it writes keys into it without changing anything else.
import assert from "node:assert/strict";
import { appendFileSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { type Place, targetsIn, trust, withHostKeys } from "../../commands/trust.ts";
import { KeyServers, noSecret, scriptedTerminal } from "./key-servers.ts";
import { hostKey, stackConfig } from "./settings.ts";

const servers = new KeyServers();
const { folder } = servers;
after(() => servers.remove());
const other = join(folder, "other"); // stacks that the command does not see
mkdirSync(other);

const STACK = `# Hosts of this stack.
config:
  kubeadm-lab:hosts: # in order
    - name: k8s-master   # the first
      address: 127.0.0.1
      role: control-plane # and the only one
    - {name: k8s-node01, address: 127.0.0.1, role: worker}
    - address: 127.0.0.1
      hostKey: ${hostKey(3)} # written before
      name: 'k8s-node02'

  kubeadm-lab:sshPort: "22"
encryptionsalt: v1:abc
`;

test("keys are written in without changing anything else in the file", () => {
	const [key0, key1, key2] = [hostKey(10), hostKey(11), hostKey(12)];
	const written = withHostKeys(
		STACK,
		new Map([
			[2, key2],
			[0, key0],
			[1, key1],
		]),
	);
	const expected = STACK.replace("# and the only one\n", `# and the only one\n      hostKey: ${key0}\n`)
		.replace("role: worker}", `role: worker, hostKey: ${key1}}`)
		.replace(hostKey(3), key2);
	assert.equal(written, expected);
});
test("keys can be read back from wherever they were written, for any choice of hosts", () => {
	fc.assert(
		fc.property(fc.uniqueArray(fc.nat(2)), (indexes) => {
			const keys = new Map(indexes.map((i) => [i, hostKey(20 + i)]));
			const hosts = stackConfig(withHostKeys(STACK, keys)).hosts as { hostKey?: string }[];
			for (const [i, host] of hosts.entries()) assert.equal(host.hostKey, keys.get(i) ?? (i === 2 ? hostKey(3) : undefined));
		}),
	);
});
test("a bastion's key is written beside its other fields, however they are written, and into nothing else", () => {
	const [key, host] = [hostKey(30), hostKey(31)];
	const hosts = "  kubeadm-lab:hosts: [{name: a, address: 192.0.2.1}]\n";
	for (const [bastion, written] of [
		["  kubeadm-lab:bastion: {address: 192.0.2.9} # in front\n", `  kubeadm-lab:bastion: {address: 192.0.2.9, hostKey: ${key}} # in front\n`],
		["  kubeadm-lab:bastion:\n    address: b # in front\n", `  kubeadm-lab:bastion:\n    address: b # in front\n    hostKey: ${key}\n`],
		[`  bastion:\n    hostKey: ${hostKey(1)}\n    address: b\n`, `  bastion:\n    hostKey: ${key}\n    address: b\n`],
	]) {
		assert.equal(withHostKeys(`config:\n${hosts}${bastion}`, new Map([["bastion", key]])), `config:\n${hosts}${written}`);
		const both = withHostKeys(`config:\n${bastion}${hosts}`, new Map<Place, string>([["bastion", key], [0, host]])); // biome-ignore format: a pair
		assert.equal(both, `config:\n${written}${hosts.replace("}", `, hostKey: ${host}}`)}`);
	}
});
test("a file that ends with a host, without a newline, gets its key too", () => {
	const text = "config:\n  kubeadm-lab:hosts:\n    - name: a\n      address: 192.0.2.1";
	assert.equal(withHostKeys(text, new Map([[0, hostKey()]])), `${text}\n      hostKey: ${hostKey()}`);
	assert.equal(withHostKeys(`${text}\n      hostKey:\n`, new Map([[0, hostKey()]])), `${text}\n      hostKey: ${hostKey()}\n`);
});

test("hosts are read with their port and the key that is trusted already", () => {
	writeFileSync(join(folder, "known"), `[192.0.2.2]:2222 ${hostKey(7)}\n`);
	const text = `config:\n  kubeadm-lab:sshPort: "2222"\n  kubeadm-lab:knownHostsFile: ${folder}/known\n  kubeadm-lab:hosts:\n    - {name: a, address: 192.0.2.1, port: 23, hostKey: ${hostKey(6)} me}\n    - {address: 192.0.2.2}\n`;
	assert.deepEqual(targetsIn(text), [
		{ place: 0, name: "a", address: "192.0.2.1", port: 23, trusted: hostKey(6) },
		{ place: 1, name: "192.0.2.2", address: "192.0.2.2", port: 2222, trusted: hostKey(7) },
	]);
});
test("hosts that can't be asked are named before any is asked", () => {
	assert.throws(() => targetsIn("config: {}"), /^Error: hosts: not set\. List the hosts first/);
	assert.throws(() => targetsIn(""), /hosts: not set/);
	assert.throws(
		() => targetsIn("config: {kubeadm-lab:hosts: [{name: a}, {address: -oProxyCommand=x}, {address: 192.0.2.1}]}"),
		/^Error: hosts\[0\]\.address: not set\. Add it, such as address: 172\.16\.1\.111\nhosts\[1\]\.address: "-oProxyCommand=x" is not an IPv4 address\. Use the address you ssh to, such as 172\.16\.1\.111\.$/,
	);
	const about = (host: string) => assert.throws.bind(undefined, () => targetsIn(`config: {"kubeadm-lab:hosts": [{name: a, address: 192.0.2.1, ${host}}]}`));
	about('port: "2222"')(/^Error: hosts\[0\]\.port: found "2222", expected type integer\. Write it without quotes\.$/);
	about("port: 70000")(/port: 70000 is out of range/);
	about("hostKey: ssh-ed25519 AAAA")(/hosts\[0\]\.hostKey: the ssh-ed25519 key is damaged/);
	assert.throws(() => targetsIn("config: {a: 1, a: 2}"), /Map keys must be unique/);
});
test("hosts are read as Pulumi reads them: anchors, <<, octal numbers, keys with and without the project's name", () => {
	const text = `x: &defaults
  port: 2222
  role: worker
config:
  hosts:
    - &first
      <<: *defaults
      name: a
      address: 192.0.2.1
    - {<<: [*first, *defaults], name: b, address: 192.0.2.2}
    - {<<: *defaults, name: c, address: 192.0.2.3, port: 026}
    - {name: d, address: 192.0.2.4, hostKey: }
  sshPort: 24
`;
	assert.deepEqual(
		targetsIn(text).map(({ name, address, port, trusted }) => [name, address, port, trusted]),
		[
			["a", "192.0.2.1", 2222, undefined],
			["b", "192.0.2.2", 2222, undefined],
			["c", "192.0.2.3", 22, undefined],
			["d", "192.0.2.4", 24, undefined],
		],
	);
});

/** A stack's file with one host, written in many ways, and what is to come of it. */
const WRITTEN: [string, string, string][] = [
	["labels last", "- name: a\n  address: 192.0.2.1\n  labels:\n    disk: ssd\n", "- name: a\n  address: 192.0.2.1\n  hostKey: KEY\n  labels:\n    disk: ssd\n"],
	["taints last", "- address: 192.0.2.1\n  taints:\n  - a=b:NoSchedule\n", "- address: 192.0.2.1\n  hostKey: KEY\n  taints:\n  - a=b:NoSchedule\n"],
	["labels in one line", "- address: 192.0.2.1\n  labels: {disk: ssd} # quick\n", "- address: 192.0.2.1\n  labels: {disk: ssd} # quick\n  hostKey: KEY\n"],
	["an empty key with a note", "- hostKey: # a note\n  address: 192.0.2.1\n", "- hostKey: KEY # a note\n  address: 192.0.2.1\n"],
	["an empty key at the end", "- address: 192.0.2.1\n  hostKey:", "- address: 192.0.2.1\n  hostKey: KEY"],
	["a key that is null", "- address: 192.0.2.1\n  hostKey: ~ # to do\n", "- address: 192.0.2.1\n  hostKey: KEY # to do\n"],
	["a key in quotes", `- hostKey: "${hostKey(9)}"\n  address: 192.0.2.1\n`, "- hostKey: KEY\n  address: 192.0.2.1\n"],
	["a text on its next line", "- address: 192.0.2.1\n  role: >-\n    worker\n", "- address: 192.0.2.1\n  hostKey: KEY\n  role: >-\n    worker\n"],
	["a text over two lines", '- address: 192.0.2.1\n  name: "a\n    b"\n', '- address: 192.0.2.1\n  hostKey: KEY\n  name: "a\n    b"\n'],
	["lines that end as on Windows", "- address: 192.0.2.1\r\n  name: a\r\n", "- address: 192.0.2.1\r\n  name: a\r\n  hostKey: KEY\r\n"],
	["a host in braces", "- {address: 192.0.2.1, labels: {a: b}, }\n", "- {address: 192.0.2.1, labels: {a: b}, hostKey: KEY, }\n"],
	[
		"a host in braces over lines",
		"- {\n    address: 192.0.2.1, # internal\n    name: a\n  }\n",
		"- {\n    address: 192.0.2.1, # internal\n    name: a, hostKey: KEY\n  }\n",
	],
	["an anchor", "- &a\n  address: &b 192.0.2.1\n  name: *b\n", "- &a\n  address: &b 192.0.2.1\n  name: *b\n  hostKey: KEY\n"],
	["a comment behind it", "- address: 192.0.2.1 # the first\n\n  # nobody knows\n", "- address: 192.0.2.1 # the first\n  hostKey: KEY\n\n  # nobody knows\n"],
];
for (const [how, before, after] of WRITTEN)
	test(`a key is written in beside all that is there: ${how}`, () => {
		const [key, head, tail] = [hostKey(30), "# mine\nconfig:\n  kubeadm-lab:hosts:\n", "  kubeadm-lab:sshPort: 22\n"];
		const whole = (hosts: string) => `${head}${hosts.replaceAll(/^(?=.)/gm, "    ")}${hosts.endsWith("\n") ? tail : ""}`;
		assert.equal(withHostKeys(whole(before), new Map([[0, key]])), whole(after).replace("KEY", key));
	});
test("a file that can't be changed line by line is refused with the lines to add, and says why before anything is asked", async () => {
	const key = hostKey(31);
	const refused = (hosts: string, lines: RegExp) =>
		assert.throws(() => withHostKeys(`k: &k [{name: a, address: 192.0.2.1}]\nconfig:\n  hosts: ${hosts}\n`, new Map([[0, key]])), lines);
	const line = new RegExp(
		`can't be changed line by line, and stays as it is\\. Add by hand, once the fingerprints are right:\\nhosts\\[0\\] a: hostKey: ${key.replaceAll("+", "\\+")}$`,
	);
	refused("*k", line);
	refused(
		"\n    - address: 192.0.2.1\n      name: a\n      hostKey: >-\n        ssh-ed25519\n        AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
		line,
	);
	// Another host has what this one has: it would be trusted by this one's key.
	refused("\n    - &a {name: a, address: 192.0.2.1}\n    - {<<: *a, address: 192.0.2.2}", line);
	refused("\n    - ? address\n      : 192.0.2.1\n      ? name\n      : a", line);

	const { port } = await servers.serve("ed25519");
	const file = join(other, "Pulumi.alias.yaml");
	const text = `x: &hosts [{name: a, address: 127.0.0.1, port: ${port}}]\nconfig:\n  kubeadm-lab:hosts: *hosts\n`;
	writeFileSync(file, text);
	const terminal = scriptedTerminal(true);
	await assert.rejects(trust(file, terminal, false, noSecret), /Add by hand, once the fingerprints are right:\nhosts\[0\] a: hostKey: ssh-ed25519 /);
	assert.deepEqual(
		terminal.lines.filter((said) => said.startsWith("?")),
		[],
	);
	assert.equal(readFileSync(file, "utf8"), text);
});
test("the file keeps its mode and a link to it stays a link; what somebody wrote meanwhile is not lost", async () => {
	const { port, key } = await servers.serve("ed25519");
	const [real, link] = [join(other, "real.yaml"), join(other, "Pulumi.link.yaml")];
	writeFileSync(real, `config:\n  kubeadm-lab:hosts:\n    - {name: a, address: 127.0.0.1, port: ${port}}\n`, { mode: 0o640 });
	symlinkSync("real.yaml", link);
	const terminal = scriptedTerminal();
	const typing = { ...terminal, ask: async () => appendFileSync(real, "# and I\n") === undefined };
	await assert.rejects(trust(link, typing, false, noSecret), /somebody changed it meanwhile, and nothing was written\. Run this again\./);
	assert.match(readFileSync(real, "utf8"), /port: \d+\}\n# and I\n$/);
	assert.equal(await trust(link, scriptedTerminal(true), false, noSecret), true);
	assert.ok(lstatSync(link).isSymbolicLink());
	assert.equal(lstatSync(real).mode & 0o777, 0o640);
	assert.match(readFileSync(real, "utf8"), new RegExp(`hostKey: ${key.replaceAll("+", "\\+")}\\}\\n# and I\\n$`));
	assert.deepEqual(
		readdirSync(other).filter((name) => name.endsWith(".new")),
		[],
	);
});
