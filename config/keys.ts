// SSH keys: files with keys, and the public key that each host must show.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import ssh2 from "ssh2";
import { printable } from "../printable.ts";

/** Thrown by the readers of this file: what was found and what to do, without the path of the setting. */
export class KeyError extends Error {}
/** A path in a message of one line. */
const named = (path: string) => printable(path.slice(0, 300)).replaceAll("\n", "\\n");

/**
 * Expands a leading ~/ and every $NAME or ${NAME}.
 * @throws KeyError where a variable is not set: a path with a hole in it may name another file.
 */
export function expandPath(path: string, environment: NodeJS.ProcessEnv = process.env): string {
	const expanded = path.replace(/\$(?:(\w+)|\{(\w+)\})/g, (_match, plain?: string, braced?: string) => {
		const name = plain ?? braced ?? "";
		const value = environment[name];
		if (value === undefined || value === "") throw new KeyError(`${named(path)} uses $${name}, which is not set. Export ${name}, or write the path out.`);
		return value;
	});
	return expanded.startsWith("~/") ? `${environment.HOME ?? homedir()}${expanded.slice(1)}` : expanded;
}

/** @throws KeyError where the file can't be read. */
export function readKeyFile(path: string): string {
	try {
		return readFileSync(expandPath(path), "utf8");
	} catch (error) {
		if (error instanceof KeyError) throw error;
		const { code = "" } = error as NodeJS.ErrnoException; // its message has the path in it, as it stands
		const reason = { ENOENT: "no such file", EACCES: "permission denied", EISDIR: "it is a folder" }[code];
		throw new KeyError(`cannot read ${named(path)}: ${reason ?? code}. Correct the path or the file's permissions.`);
	}
}

/** Key types a host may show, best first: an ssh-rsa pin makes the client ask for SHA-1 signatures, which newer servers refuse. */
export const HOST_KEY_TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

export function bestFirst(keys: string[]): string[] {
	const rank = (key: string) => HOST_KEY_TYPES.indexOf(key.split(" ")[0] ?? "");
	return keys.toSorted((a, b) => rank(a) - rank(b));
}

/**
 * `type base64` of a public host key, without comment: what the SSH clients behind the configuration read too, this program's own (ssh2) and Go's.
 * @throws KeyError where the text is no such key.
 */
export function parseHostKey(text: string): string {
	const [type = "", data = ""] = text.trim().split(/\s+/);
	const fault = (found: string) => new KeyError(`${found}. Copy the line from /etc/ssh/ssh_host_ed25519_key.pub on the host, or let npm run trust write it.`);
	if (!HOST_KEY_TYPES.includes(type)) throw fault(`${JSON.stringify(text.slice(0, 60))} is not a public host key (types: ${HOST_KEY_TYPES.join(", ")})`);
	const key = ssh2.utils.parseKey(`${type} ${data}`);
	const whole = key instanceof Error ? "" : key.getPublicSSH().toString("base64");
	// ssh2 passes over what is no base64 and what follows the key; Go does not.
	if (whole === "" || whole.replace(/=+$/, "") !== data.replace(/=+$/, "")) throw fault(`the ${type} key is damaged, or a part of it is missing`);
	return `${type} ${whole}`;
}
