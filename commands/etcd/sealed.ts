// A fetched snapshot as a file: encrypted and authenticated with a passphrase, since it holds every Secret of its cluster. Pure.
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";

/** Not such a file, damaged, or another passphrase. */
export class SealError extends Error {}
export interface Snapshot {
	name: string;
	/** Lines KEY=VALUE, as the host keeps them beside it. */
	about: string;
	data: Buffer;
	/** A tar of the cluster's CAs and their keys, in base64: with them its control plane can be made anew on a host that was installed anew. None in files of a version before. */
	pki?: string;
}

// MAGIC, salt, nonce, what is encrypted, tag. scrypt with 2^17, 8, 1 takes 128 MiB and about half a second (OWASP's advice of 2023).
const MAGIC = Buffer.from("kubeadm-lab etcd snapshot 1\n");
const [SALT, NONCE, TAG, KEY] = [16, 12, 16, 32];
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 160 * 1024 * 1024 };
const keyOf = (passphrase: string, salt: Buffer): Buffer => scryptSync(passphrase.normalize("NFC"), salt, KEY, SCRYPT);

export function seal({ name, about, data, pki }: Snapshot, passphrase: string): Buffer {
	const [salt, nonce] = [randomBytes(SALT), randomBytes(NONCE)];
	const cipher = createCipheriv("aes-256-gcm", keyOf(passphrase, salt), nonce).setAAD(MAGIC);
	const head = cipher.update(`${JSON.stringify({ name, about, pki })}\n`, "utf8");
	const body = cipher.update(data);
	return Buffer.concat([MAGIC, salt, nonce, head, body, cipher.final(), cipher.getAuthTag()]);
}
/** @throws SealError */
export function unseal(file: Buffer, passphrase: string): Snapshot {
	if (file.length < MAGIC.length + SALT + NONCE + TAG || !file.subarray(0, MAGIC.length).equals(MAGIC))
		throw new SealError("is not a snapshot that npm run etcd -- fetch wrote. Give one of these.");
	const salt = file.subarray(MAGIC.length, MAGIC.length + SALT);
	const nonce = file.subarray(MAGIC.length + SALT, MAGIC.length + SALT + NONCE);
	const decipher = createDecipheriv("aes-256-gcm", keyOf(passphrase, salt), nonce).setAAD(MAGIC).setAuthTag(file.subarray(-TAG));
	const text = decipher.update(file.subarray(MAGIC.length + SALT + NONCE, -TAG));
	try {
		decipher.final();
	} catch {
		throw new SealError("can't be opened: another passphrase, or the file is damaged or cut short. Try the passphrase again, or fetch it again.");
	}
	const end = text.indexOf("\n");
	return { ...(JSON.parse(text.toString("utf8", 0, end)) as Omit<Snapshot, "data">), data: text.subarray(end + 1) };
}
