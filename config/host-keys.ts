// Which public key each host must show: from hosts[].hostKey, else from a known_hosts file.
import { createHmac } from "node:crypto";
import { bestFirst, HOST_KEY_TYPES, KeyError, parseHostKey, readKeyFile } from "./keys.ts";
import type { Report } from "./problems.ts";
import type { Values } from "./read.ts";

/**
 * The best key that the text of a known_hosts file (sshd(8)) has for an address, or undefined. Names may be hashed; patterns are not read. A key that the
 * file revokes is none, for whatever host; keys of authorities and of unknown types are passed over.
 */
export function findKnownHost(text: string, address: string, port: number): string | undefined {
	const names = [`[${address}]:${port}`, ...(port === 22 ? [address] : [])];
	const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
	const revoked = lines.flatMap(([mark, , type, data]) => (mark === "@revoked" ? [`${type} ${data}`] : []));
	const own = lines.filter(([hosts = "", type = ""]) => HOST_KEY_TYPES.includes(type) && names.some((name) => isNamed(hosts, name)));
	return bestFirst(own.map(([, type, data]) => `${type} ${data}`).filter((key) => !revoked.includes(key)))[0];
}
/** Hashed it is `|1|salt|HMAC-SHA1 of the name`, as ssh-keygen -H writes it. */
function isNamed(hosts: string, name: string): boolean {
	const [, , salt = "", hash] = hosts.split("|");
	if (!hosts.startsWith("|1|")) return hosts.split(",").includes(name);
	return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
}

interface Shown {
	address?: string;
	port: number;
	hostKey?: string;
}
/** One key per host, in the order of the stack's file, and the bastion's; reports every host without one and every key that is none. */
export function resolveHostKeys(
	{ hosts, bastion }: { hosts: Shown[]; bastion?: Shown },
	{ top }: Values,
	stack: string,
	report: Report,
): { hosts: (string | undefined)[]; bastion?: string | undefined } {
	const known = readKnownHosts(top.knownHostsFile ?? "", report);
	const keyOf = (host: Shown, at: string) => {
		const path = `${at}.hostKey`;
		const text = host.hostKey ?? (known !== undefined && host.address !== undefined ? findKnownHost(known, host.address, host.port) : undefined);
		if (text !== undefined) return attempt(() => parseHostKey(text), host.hostKey === undefined ? "knownHostsFile" : path, report);
		if (top.knownHostsFile && (known === undefined || host.address === undefined)) return undefined; // the file's or the address's own problem is reported
		report(path, missingText(top.knownHostsFile ?? "", host.address ?? "", stack));
		return undefined;
	};
	return { ...(bastion ? { bastion: keyOf(bastion, "bastion") } : {}), hosts: hosts.map((host, i) => keyOf(host, `hosts[${i}]`)) };
}
function missingText(file: string, address: string, stack: string): string {
	const inFile = file === "" ? "" : `, and ${file} has no entry for ${address}`;
	return `not set${inFile}. Run: npm run trust -- ${stack}`;
}
function readKnownHosts(file: string, report: Report): string | undefined {
	return file === "" ? undefined : attempt(() => readKeyFile(file), "knownHostsFile", report);
}

/** Runs a reader of keys; its KeyError becomes a problem of the setting at `path`. */
export function attempt<T>(read: () => T, path: string, report: Report): T | undefined {
	try {
		return read();
	} catch (error) {
		if (!(error instanceof KeyError)) throw error;
		report(path, error.message);
		return undefined;
	}
}
