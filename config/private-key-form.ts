// Converts private keys from all the forms that people have into one that everything behind the configuration reads: this program's own SSH client (ssh2), which
// knows no PKCS#8; the official command plugin (golang.org/x/crypto/ssh), which takes the first PEM block whatever it is; and OpenSSH.
import { createPrivateKey, type KeyObject } from "node:crypto";
import ssh2, { type ParsedKey } from "ssh2";
import { KeyError } from "./keys.ts";

const ADVICE = "Use a private key such as one made by: ssh-keygen -t ed25519 -f <file>";
const PASSPHRASE = "pulumi config set -s <stack> --secret sshPrivateKeyPassphrase";
const MAGIC = Buffer.from("openssh-key-v1\0");
/** Types that the servers of CentOS 7 and later take from a client that has the whole key. */
const OPENSSH_TYPES = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/;
const EC_CURVES = ["prime256v1", "secp384r1", "secp521r1"];

/**
 * An OpenSSH key, an RSA or an EC key as openssl writes them, whatever was around it. A key in one of these forms comes out as it was, and one with a passphrase
 * opened: Go's reader knows fewer ciphers, and each of the logins would take a third of a second for it (bcrypt, 24 rounds).
 * Says nothing about the key's content.
 * @throws KeyError where it is no private key that can be used, or the passphrase is not its own. One that needs none passes over it.
 */
export function normalPrivateKey(given: string, passphrase = ""): string {
	const text = given.replace(/^\uFEFF/, "").replaceAll(/[ \t\r]*(\n|$)/g, "$1");
	if (/^\s*(ssh-|ecdsa-|sk-)\S+ AAAA/.test(text) || /BEGIN (SSH2 |RSA )?PUBLIC KEY/.test(text))
		throw new KeyError("found a public key, need the private one. Use the file without .pub.");
	if (text.trimStart().startsWith("PuTTY-User-Key-File")) throw new KeyError("found a PuTTY key. Convert it: puttygen <file> -O private-openssh -o <new file>");
	if (text.includes("BEGIN SSH2 ENCRYPTED PRIVATE KEY"))
		throw new KeyError(`found a key of another SSH program. Convert it: ssh-keygen -i -f <file> > <new file>`);
	const [block, word = "", body = ""] = text.match(/-----BEGIN ((?:[A-Z0-9]+ )?PRIVATE KEY)-----([\s\S]+?)-----END \1-----/) ?? [];
	if (block === undefined && text.includes("BEGIN CERTIFICATE")) throw new KeyError(`found a certificate, need the private key of an SSH user. ${ADVICE}`);
	if (block === undefined) throw new KeyError(`found no private key in it. ${ADVICE}`);
	if (word === "OPENSSH PRIVATE KEY") return openSsh(decoded(body), passphrase);
	const isLocked = word === "ENCRYPTED PRIVATE KEY" || body.includes("ENCRYPTED");
	if (isLocked && passphrase === "") throw locked();
	return fromPem(block.replaceAll(/^[ \t]+/gm, ""), isLocked ? passphrase : undefined);
}

/** A secret without what a pipe into `pulumi config set` puts behind it. */
export const oneLine = (secret: string): string => secret.replace(/[\r\n]+$/, "");

function locked(): KeyError {
	return new KeyError(`found a key with a passphrase, and none is set. Run: ${PASSPHRASE}`);
}
function notOpened(): KeyError {
	return new KeyError(`found a key that the passphrase in sshPrivateKeyPassphrase does not open. Correct it: ${PASSPHRASE}`);
}

function damaged(): KeyError {
	return new KeyError(`found a damaged private key. ${ADVICE}`);
}
function unusable(what: string): KeyError {
	return new KeyError(`found ${what}, which servers don't take. ${ADVICE}`);
}
function decoded(base64: string): Buffer {
	const text = base64.replaceAll(/\s/g, "");
	const data = Buffer.from(text, "base64");
	if (data.toString("base64") !== text) throw damaged(); // Buffer passes over what is no base64
	return data;
}

function fromPem(pem: string, passphrase?: string): string {
	let key: KeyObject;
	try {
		key = createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase });
	} catch {
		throw passphrase === undefined ? damaged() : notOpened();
	}
	const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
	if (type === "rsa") return key.export({ type: "pkcs1", format: "pem" }).toString();
	if (type === "ec" && EC_CURVES.includes(details?.namedCurve ?? "")) return key.export({ type: "sec1", format: "pem" }).toString();
	if (type === "ed25519") return fromEd25519(key);
	throw unusable(type === "ec" ? `an EC key of the curve ${details?.namedCurve}` : `a key of type ${type}`);
}
const field = (data: Buffer | string): Buffer => {
	const length = Buffer.alloc(4);
	length.writeUInt32BE(Buffer.byteLength(data));
	return Buffer.concat([length, Buffer.from(data)]);
};
/** Ed25519 has a PEM form of PKCS#8 only, so it becomes an OpenSSH key (PROTOCOL.key in openssh-portable). */
function fromEd25519(key: KeyObject): string {
	const { x = "", d = "" } = key.export({ format: "jwk" });
	const [publicPart, seed] = [Buffer.from(x, "base64url"), Buffer.from(d, "base64url")];
	const check = Buffer.alloc(4); // two equal numbers; random ones would make another text at each reading
	const name = field("ssh-ed25519");
	const secret = Buffer.concat([check, check, name, field(publicPart), field(Buffer.concat([seed, publicPart])), field("")]);
	const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (secret.length % 8)) % 8));
	const publicBlob = field(Buffer.concat([name, field(publicPart)]));
	const data = [MAGIC, field("none"), field("none"), field(""), Buffer.from([0, 0, 0, 1]), publicBlob, field(Buffer.concat([secret, padding]))];
	return openSshBlock(Buffer.concat(data));
}

/** Whether it is one whole key, and of which type, says the reader of the client. */
function openSsh(data: Buffer, passphrase: string): string {
	const text = openSshBlock(data);
	const read = (given?: string) => [ssh2.utils.parseKey(text, given)].flat(); // more than its types tell: several keys are an array
	const isFailure = (key: ParsedKey | Error | undefined, reason: RegExp) => key instanceof Error && reason.test(key.message);
	const isLocked = isFailure(read()[0], /^Encrypted/);
	if (isLocked && passphrase === "") throw locked();
	const [key, more] = isLocked ? read(passphrase) : read();
	if (isLocked && isFailure(key, /integrity check failed|unable to authenticate data/)) throw notOpened();
	if (isFailure(key, /^(Unsupported (cipher|kdf)|Invalid initialization vector)/))
		throw new KeyError("found a key with a cipher that is not read here. Give it another: ssh-keygen -p -Z aes256-ctr -f <file>");
	const type = key instanceof Error ? /^Unsupported OpenSSH private key type: (.*)/.exec(key.message)?.[1] : key?.type;
	if (type === undefined || more !== undefined) throw damaged();
	if (!OPENSSH_TYPES.test(type)) throw unusable(type.startsWith("sk-") ? "the handle of a key that is in a security key" : `a key of type ${type}`);
	return isLocked ? fromPem((key as ParsedKey).getPrivatePEM()) : text;
}
/** With lines as long as ssh-keygen's. */
function openSshBlock(data: Buffer): string {
	return `-----BEGIN OPENSSH PRIVATE KEY-----\n${data.toString("base64").replaceAll(/.{70}(?=.)/g, "$&\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
