// Keys in a stack's configuration: SSH keys from settings, files and known_hosts, and which of them are refused.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import ssh2 from "ssh2";
import { findKnownHost } from "../../config/host-keys.ts";
import { expandPath, parseHostKey } from "../../config/keys.ts";
import { ConfigError } from "../../config.ts";
import { base, hostKey, hosts, privateKey, read, settings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "config-keys-"));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string) => {
	writeFileSync(join(folder, name), text);
	return join(folder, name);
};
const keyless = () => hosts().map(({ hostKey: _, ...host }) => host);
function problems(changes: Record<string, unknown>, secretKeys?: string[]): string {
	try {
		read({ ...base(), ...changes }, secretKeys ? { secretKeys } : {});
	} catch (error) {
		assert.ok(error instanceof ConfigError, String((error as Error).stack));
		return error.message.replaceAll(folder, "<folder>").replaceAll("Pulumi.dev.yaml: ", "");
	}
	return "";
}

test("paths expand ~ and variables, and a variable that is not set is named", () => {
	const environment = { HOME: "/home/me", KEYS: "/keys" };
	assert.equal(expandPath("~/.ssh/id", environment), "/home/me/.ssh/id");
	assert.equal(expandPath("$KEYS/id", environment), "/keys/id");
	assert.equal(expandPath(["$", "{KEYS}2/~id"].join(""), environment), "/keys2/~id");
	assert.throws(
		() => expandPath("$NOWHERE/id", environment),
		/^Error: \$NOWHERE\/id uses \$NOWHERE, which is not set\. Export NOWHERE, or write the path out\.$/,
	);
});

test("the private key is read from a file named with a variable", () => {
	process.env.CONFIG_KEYS_TEST = folder;
	file("id", privateKey());
	assert.equal(problems({ sshPrivateKey: undefined, sshPrivateKeyFile: "$CONFIG_KEYS_TEST/id" }), "");
	delete process.env.CONFIG_KEYS_TEST;
	assert.match(
		problems({ sshPrivateKey: undefined, sshPrivateKeyFile: "$CONFIG_KEYS_TEST/id" }),
		/^sshPrivateKeyFile: \$CONFIG_KEYS_TEST\/id uses \$CONFIG_KEYS_TEST, which is not set\./,
	);
});

test("a private key that can't be used is refused, and never shown", () => {
	const refused: [string, string][] = [
		[file("public", `${hostKey()} me`), "sshPrivateKeyFile: found a public key, need the private one. Use the file without .pub."],
		[
			file("passphrase", privateKey("aes256-ctr")),
			"sshPrivateKeyFile: found a key with a passphrase, and none is set. Run: pulumi config set -s <stack> --secret sshPrivateKeyPassphrase",
		],
		[
			file("cut", privateKey().replace(/\n.{40}/, "\n")),
			"sshPrivateKeyFile: found a damaged private key. Use a private key such as one made by: ssh-keygen -t ed25519 -f <file>",
		],
		[file("putty", "PuTTY-User-Key-File-3: ssh-ed25519"), "sshPrivateKeyFile: found a PuTTY key. Convert it: puttygen <file> -O private-openssh -o <new file>"],
		[file("text", "hello"), "sshPrivateKeyFile: found no private key in it. Use a private key such as one made by: ssh-keygen -t ed25519 -f <file>"],
		[join(folder, "absent"), "sshPrivateKeyFile: cannot read <folder>/absent: no such file. Correct the path or the file's permissions."],
		[folder, "sshPrivateKeyFile: cannot read <folder>: it is a folder. Correct the path or the file's permissions."],
	];
	for (const [sshPrivateKeyFile, expected] of refused) assert.equal(problems({ sshPrivateKey: undefined, sshPrivateKeyFile }), expected);
});

test("a passphrase opens the key, with the line end of a pipe too, and a wrong one or one in clear text is refused and never shown", async () => {
	execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "open sesame", "-a", "1", "-f", join(folder, "locked")]);
	const sshPrivateKeyFile = join(folder, "locked");
	const secretKeys = ["sshPrivateKeyPassphrase"];
	for (const sshPrivateKeyPassphrase of ["open sesame", "open sesame\n"]) {
		const { ssh } = read({ ...base(), sshPrivateKey: undefined, sshPrivateKeyFile, sshPrivateKeyPassphrase }, { secretKeys }).cluster;
		const text = await new Promise<string>((resolve) => ssh.privateKey?.apply(resolve));
		assert.ok(!text.includes("ENCRYPTED") && !(ssh2.utils.parseKey(text) instanceof Error), "a key that needs no passphrase");
	}
	const wrong = { sshPrivateKey: undefined, sshPrivateKeyFile, sshPrivateKeyPassphrase: "close sesame" };
	assert.equal(
		problems(wrong, secretKeys),
		"sshPrivateKeyFile: found a key that the passphrase in sshPrivateKeyPassphrase does not open. Correct it: pulumi config set -s <stack> --secret sshPrivateKeyPassphrase",
	);
	assert.equal(
		problems({ ...wrong, sshPrivateKeyPassphrase: "open sesame" }, []),
		"sshPrivateKeyPassphrase: stored in clear text. Give the key another (ssh-keygen -p -f <file>), then run: pulumi config set -s dev --secret sshPrivateKeyPassphrase",
	);
});

test("a private key in clear text is refused, and so are two of them", () => {
	assert.match(problems({}, []), /^sshPrivateKey: stored in clear text\. Make a new key pair, then run: pulumi config set -s dev --secret sshPrivateKey </);
	assert.equal(problems({ sshPrivateKeyFile: file("id2", privateKey()) }), "sshPrivateKeyFile: set together with sshPrivateKey. Remove one of them.");
});

test("host keys come from known_hosts where the stack's file has none", () => {
	const known = file(
		"known",
		hosts()
			.map(({ address }, i) => `${address} ${hostKey(i)}\n`)
			.join(""),
	);
	assert.deepEqual(
		settings({ hosts: keyless(), knownHostsFile: known }).cluster.hosts.map((host) => host.hostKey),
		[hostKey(0), hostKey(1), hostKey(2)],
	);
	assert.equal(settings({ knownHostsFile: known }).cluster.hosts[2]?.hostKey, hostKey(1), "a hostKey of the stack's file goes first");
});

test("a missing host key comes with the command that fetches it", () => {
	const known = file("some", `172.16.1.110,172.16.1.111 ${hostKey()}\n|1|aGVsbG8=|d29ybGQ= ${hostKey()}\n`);
	assert.equal(
		problems({ hosts: keyless(), knownHostsFile: known }),
		"hosts[2].hostKey: not set, and <folder>/some has no entry for 172.16.1.112. Run: npm run trust -- dev",
	);
	assert.equal(
		problems({ hosts: keyless(), knownHostsFile: join(folder, "absent") }),
		"knownHostsFile: cannot read <folder>/absent: no such file. Correct the path or the file's permissions.",
	);
});

test("a host whose address is none is not also told that known_hosts has no entry for it", () => {
	const wrong = hosts().map(({ hostKey: _, ...host }) => ({ ...host, address: host.name === "k8s-node01" ? "172.16.1.300" : host.address }));
	const known = file("others", `172.16.1.110,172.16.1.112 ${hostKey()}\n`);
	assert.equal(
		problems({ hosts: wrong, knownHostsFile: known }),
		'hosts[1].address: "172.16.1.300" is not an IPv4 address. Use the address you ssh to, such as 172.16.1.111.',
	);
});

test("known_hosts is read by port, the best key first; markers, comments and unknown types are passed over", () => {
	const [rsa, ecdsa] = ["ssh-rsa AAAA", "ecdsa-sha2-nistp256 AAAA"];
	const known = `# comment\n\n192.0.2.1 ${rsa}\n192.0.2.1 ${ecdsa} comment\r\n[192.0.2.1]:22 ${hostKey(1)}\n[192.0.2.1]:2222 ${hostKey(2)}\n@revoked 192.0.2.2 ${rsa}\n192.0.2.3 ssh-dss AAAA\n`;
	assert.equal(findKnownHost(known, "192.0.2.1", 22), hostKey(1));
	assert.equal(findKnownHost(known, "192.0.2.1", 2222), hostKey(2));
	assert.equal(findKnownHost(known, "192.0.2.1", 23), undefined);
	assert.equal(findKnownHost(known, "192.0.2.2", 22), undefined);
	assert.equal(findKnownHost(known, "192.0.2.3", 22), undefined);
});

test("known_hosts is read with hashed names too, as ssh-keygen -H writes them, and a key that it revokes is none", () => {
	const lines = [`192.0.2.1 ${hostKey(1)}`, `[192.0.2.1]:2222 ${hostKey(2)}`, `192.0.2.2,192.0.2.3 ${hostKey(3)}`];
	const path = file("hashed", lines.map((line) => `${line}\n`).join(""));
	execFileSync("ssh-keygen", ["-q", "-H", "-f", path], { stdio: "ignore" });
	const known = readFileSync(path, "utf8");
	assert.doesNotMatch(known, /192\.0/);
	const found = (text: string) => [findKnownHost(text, "192.0.2.1", 22), findKnownHost(text, "192.0.2.1", 2222), findKnownHost(text, "192.0.2.3", 22)];
	assert.deepEqual(found(known), [hostKey(1), hostKey(2), hostKey(3)]);
	assert.equal(findKnownHost(known, "192.0.2.4", 22), undefined);
	assert.deepEqual(found(`${known}@revoked * ${hostKey(2)}\n`), [hostKey(1), undefined, hostKey(3)]);
	assert.equal(findKnownHost(`@cert-authority 192.0.2.1 ${hostKey(1)}\n`, "192.0.2.1", 22), undefined);
});

/** A real one; its curve's points are what a made-up key can't have. */
function ecdsaHostKey(): string {
	const path = join(folder, "ecdsa");
	rmSync(path, { force: true });
	execFileSync("ssh-keygen", ["-q", "-t", "ecdsa", "-N", "", "-C", "", "-f", path]);
	return readFileSync(`${path}.pub`, "utf8").trim();
}
test("a host key is taken in one form: with its padding and without its comment, as Go's reader wants it", () => {
	const key = ecdsaHostKey();
	for (const text of [key, `${key} root@host`, `  ${key.replace(/ /, " \t")}\n`, key.replace(/=+$/, "")]) assert.equal(parseHostKey(text), key);
	assert.match(key, /=$/, "else there is no padding to lose");
});

test("a damaged host key is refused", () => {
	const [type = "", data = ""] = hostKey().split(" ");
	assert.throws(() => parseHostKey("SHA256:abc"), /"SHA256:abc" is not a public host key \(types: ssh-ed25519, /);
	const [ecdsa = "", point = ""] = ecdsaHostKey().split(" ");
	const damaged = [
		type,
		`${type} ${data}=x`,
		`${type} ?${data}`,
		`${type} ${data.slice(0, 40)}`,
		`${type} ${data}AAAA`,
		`ssh-rsa ${data}`,
		`ecdsa-sha2-nistp384 ${point}`,
		`${ecdsa} ${point.slice(0, 60)}`,
		`${ecdsa} ${point.slice(0, 100)}`,
	];
	for (const text of damaged) assert.throws(() => parseHostKey(text), / key is damaged, or a part of it is missing\. Copy the line from /, text);
	fc.assert(fc.property(fc.string(), (text) => assert.throws(() => parseHostKey(text))));
	assert.match(
		problems({ hosts: hosts().map((host, i) => (i === 0 ? { ...host, hostKey: `${type} ${data.slice(0, 40)}` } : host)) }),
		/^hosts\[0\]\.hostKey: the ssh-ed25519 key is damaged, or a part of it is missing\. Copy the line from \/etc\/ssh\/ssh_host_ed25519_key\.pub on the host, or let npm run trust write it\.$/,
	);
});
