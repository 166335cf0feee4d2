// Keys as the real tools write them, and what this program's SSH client reads of the text that reaches it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { normalPrivateKey } from "../../config/private-key-form.ts";
import * as client from "../../provider/ssh/keys.ts";
import { settings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "private-key-form-"));
after(() => rmSync(folder, { recursive: true }));

function made(type: string, ...options: string[]): { text: string; publicKey: string } {
	const file = join(folder, [type, ...options].join("").replaceAll("/", ""));
	execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file, ...options]);
	return { text: readFileSync(file, "utf8"), publicKey: readFileSync(`${file}.pub`, "utf8").trim() };
}
/** The public key of what the client reads, as a line of authorized_keys. */
function publicOf(text: string): string {
	const key = client.privateKey(text);
	return `${key.type} ${key.getPublicSSH().toString("base64")}`;
}
const asPkcs8 = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();
const EC = { 256: "P-256", 384: "P-384", 521: "P-521" };
const small = ["-b", "1024"]; // made in no time; the form is the same

test("keys that ssh-keygen writes stay as they are, byte by byte, and the client reads them", () => {
	for (const key of [made("ed25519"), made("rsa", ...small), ...["256", "384", "521"].map((bits) => made("ecdsa", "-b", bits))]) {
		assert.equal(normalPrivateKey(key.text), key.text);
		assert.equal(publicOf(key.text), key.publicKey);
	}
	for (const key of [made("rsa", ...small, "-m", "PEM"), made("ecdsa", "-m", "PEM")]) {
		assert.equal(normalPrivateKey(key.text), key.text);
		assert.equal(publicOf(key.text), key.publicKey);
	}
});

test("a key in PKCS#8 form reaches the client in a form that it reads, the same key and the same text each time", () => {
	for (const key of [made("rsa", "-b", "1032", "-m", "PEM"), made("ecdsa", "-b", "384", "-m", "PEM")]) {
		const pkcs8 = asPkcs8(createPrivateKey(key.text));
		assert.match(pkcs8, /BEGIN PRIVATE KEY/);
		assert.throws(() => client.privateKey(pkcs8), /no key found/, "else there is nothing to do here");
		assert.equal(normalPrivateKey(pkcs8), key.text);
	}
	for (const curve of Object.values(EC))
		assert.doesNotThrow(() => publicOf(normalPrivateKey(asPkcs8(generateKeyPairSync("ec", { namedCurve: curve }).privateKey))));
	const { privateKey, publicKey } = generateKeyPairSync("ed25519");
	const normal = normalPrivateKey(asPkcs8(privateKey));
	assert.equal(normalPrivateKey(normal), normal);
	assert.equal(normalPrivateKey(asPkcs8(privateKey)), normal);
	const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
	assert.equal(
		publicOf(normal).split(" ")[1],
		Buffer.concat([Buffer.from("0000000b", "hex"), Buffer.from("ssh-ed25519"), Buffer.from([0, 0, 0, 32]), raw]).toString("base64"),
	);
	writeFileSync(join(folder, "normal"), normal, { mode: 0o600 });
	assert.equal(execFileSync("ssh-keygen", ["-y", "-f", join(folder, "normal")], { encoding: "utf8" }).trim(), publicOf(normal), "OpenSSH reads it too");
});

test("what a copy does to a key is undone: line ends, blanks, a lost last line end, a mark in front, text around it", () => {
	for (const { text } of [made("ed25519", "-Z", "aes256-ctr"), made("rsa", "-b", "1040", "-m", "PEM")]) {
		const damages = [
			text.replaceAll("\n", "\r\n"),
			text.replaceAll("\n", " \t\n"),
			text.trimEnd(),
			`\uFEFF${text}`,
			`\n\n${text}\n\n`,
			text.replaceAll(/^/gm, "    "),
			`Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n${text}`,
			`-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${text}`,
		];
		for (const damage of damages) assert.equal(normalPrivateKey(damage), text);
	}
});

test("the provider and the command plugin get this one text", async () => {
	const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
	const { ssh } = settings({ sshPrivateKey: asPkcs8(key) }).cluster;
	const text = await new Promise<string>((resolve) => ssh.privateKey?.apply(resolve));
	assert.equal(text, key.export({ type: "sec1", format: "pem" }));
});

/** Each form with this passphrase, and the public key that it has. */
function lockedKeys(passphrase: string): { text: string; publicKey: string }[] {
	const lock = ([type = "", ...options]: string[], ...how: string[]) => {
		const { publicKey } = made(type, ...options);
		const file = join(folder, [type, ...options].join("").replaceAll("/", ""));
		execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", passphrase, "-f", file, ...how]);
		return { text: readFileSync(file, "utf8"), publicKey };
	};
	const pem = (key: string, type: "pkcs8" | "pkcs1" | "sec1") =>
		createPrivateKey(key)
			.export({ type: type as "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase })
			.toString();
	const [rsa, ec] = [made("rsa", "-b", "1048", "-m", "PEM"), made("ecdsa", "-b", "521", "-m", "PEM")];
	return [
		...["aes256-ctr", "aes128-cbc", "aes256-gcm@openssh.com", "3des-cbc"].map((cipher, i) => lock(["ed25519", "-a", `${i + 1}`], "-Z", cipher, "-a", "1")),
		lock(["rsa", "-b", "1056"], "-a", "1"),
		lock(["ecdsa", "-b", "384", "-a", "3"], "-a", "1"),
		lock(["rsa", "-b", "1064", "-m", "PEM"], "-m", "PEM"),
		{ text: pem(rsa.text, "pkcs1"), publicKey: rsa.publicKey },
		{ text: pem(rsa.text, "pkcs8"), publicKey: rsa.publicKey },
		{ text: pem(ec.text, "sec1"), publicKey: ec.publicKey },
	];
}
test("a key with a passphrase is opened by it, in each form that ssh-keygen and openssl write, and comes out the same each time", () => {
	for (const { text, publicKey } of lockedKeys("open sésame ")) {
		assert.throws(
			() => normalPrivateKey(text),
			/^Error: found a key with a passphrase, and none is set\. Run: pulumi config set -s <stack> --secret sshPrivateKeyPassphrase$/,
		);
		assert.throws(
			() => normalPrivateKey(text, "open sesame"),
			/^Error: found a key that the passphrase in sshPrivateKeyPassphrase does not open\. Correct it: pulumi config set/,
		);
		const normal = normalPrivateKey(text, "open sésame ");
		assert.equal(publicOf(normal), publicKey);
		assert.equal(normalPrivateKey(text, "open sésame "), normal);
		assert.equal(normalPrivateKey(normal, "whatever is set"), normal, "a key without one passes over it");
	}
});
test("a cipher that the client can't read, and a damaged key with a passphrase, are told apart from a wrong passphrase", () => {
	const { text } = made("ed25519", "-a", "9");
	const file = join(folder, "ed25519-a9");
	const lock = (cipher: string, old: string) => execFileSync("ssh-keygen", ["-q", "-p", "-P", old, "-N", "open sesame", "-a", "1", "-Z", cipher, "-f", file]);
	lock("chacha20-poly1305@openssh.com", "");
	assert.throws(
		() => normalPrivateKey(readFileSync(file, "utf8"), "open sesame"),
		/with a cipher that is not read here\. Give it another: ssh-keygen -p -Z aes256-ctr/,
	);
	writeFileSync(file, text);
	lock("aes256-ctr", "");
	assert.throws(() => normalPrivateKey(readFileSync(file, "utf8").replace(/.{8}\n-----END/, "\n-----END"), "open sesame"), /found a damaged private key/);
});

test("what is no usable key is refused by what it is", () => {
	const pair = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
	const refused = (text: string, reason: RegExp) => assert.throws(() => normalPrivateKey(text), reason);
	const { publicKey } = made("ecdsa", "-b", "256", "-C", "me");
	refused(`  ${publicKey}\n`, /found a public key, need the private one/);
	refused(generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString(), /found a public key/);
	refused("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", /found a public key/);
	refused("PuTTY-User-Key-File-2: ssh-rsa\n", /found a PuTTY key\. Convert it: puttygen/);
	refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", /found a certificate/);
	refused("", /found no private key in it/);
	refused(asPkcs8(generateKeyPairSync("ed448").privateKey), /found a key of type ed448, which servers don't take/);
	refused(asPkcs8(generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey), /an EC key of the curve secp256k1/);
	refused(asPkcs8(generateKeyPairSync("dsa", { modulusLength: 1024, divisorLength: 160 }).privateKey), /found a key of type dsa/);
	const { text } = made("ed25519", "-C", "damaged");
	const retyped = (type: string) =>
		text.replace(/\n([\s\S]+)\n-/, (_, body: string) => {
			const data = Buffer.from(Buffer.from(body, "base64").toString("latin1").replaceAll("ssh-ed25519", type), "latin1");
			return `\n${data.toString("base64")}\n-`;
		});
	refused(retyped("sk-ed25519@"), /found the handle of a key that is in a security key, which servers don't take/);
	refused(retyped("ssh-ed44800"), /found a key of type ssh-ed44800, which servers don't take/);
	for (const damage of [text.replace(/\n.{40}/, "\n"), text.replace(/\n.{4}/, "\n????"), text.replace(/(\n.{64}).{6}/, "$1")])
		refused(damage, /found a damaged private key/);
	refused(asPkcs8(pair).replace(/\n\w{9}/, "\n"), /found a damaged private key/);
});
