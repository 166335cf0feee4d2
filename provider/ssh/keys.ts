// Keys in a connection, read before the first dial: a key nobody can read heals by no retry.
import type { ParsedKey } from "ssh2";
import ssh2 from "ssh2";

/** A private key in PEM. Throws what golang.org/x/crypto v0.58.0 (ssh/keys.go) says. */
export function privateKey(pem: string, passphrase?: string): ParsedKey {
	const key = first(ssh2.utils.parseKey(pem, passphrase));
	if (key instanceof Error) throw new Error(words(pem, key.message));
	return key;
}

/** The one host key a server may show, as `ssh-ed25519 AAAA… comment`. */
export function hostKey(line: string): ParsedKey {
	const key = first(ssh2.utils.parseKey(line));
	if (key instanceof Error || key.isPrivateKey()) throw new Error("ssh: no key found");
	return key;
}

function first(parsed: ParsedKey | ParsedKey[] | Error): ParsedKey | Error {
	return Array.isArray(parsed) ? (parsed[0] ?? new Error("no key")) : parsed;
}

function words(pem: string, message: string): string {
	if (!pem.includes("-----BEGIN ")) return "ssh: no key found";
	if (/no passphrase given/i.test(message)) return "ssh: this private key is passphrase protected";
	if (/bad passphrase|integrity check|bad decrypt/i.test(message)) return "x509: decryption password incorrect";
	return "ssh: no key found";
}
