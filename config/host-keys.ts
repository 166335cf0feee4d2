// Which public key each host must show: from hosts[].hostKey, else from a known_hosts file.
import { HOST_KEY_TYPES, KeyError, parseHostKey, readKeyFile } from "./keys.ts";
import type { Report } from "./problems.ts";
import type { Values } from "./read.ts";

export interface KnownHosts {
	/** `192.0.2.1` or `[192.0.2.1]:2222` -> keys, in the file's order. */
	keys: Map<string, string[]>;
	/** Number of entries whose host is hashed, so that nothing can be found by it here. */
	hashed: number;
}

/** Reads a known_hosts file: plain and [host]:port entries. Skips @revoked and @cert-authority lines and keys of unknown type. */
export function parseKnownHosts(text: string): KnownHosts {
	const known: KnownHosts = { keys: new Map(), hashed: 0 };
	for (const line of text.split(/\r?\n/)) {
		const [hosts = "", type = "", data = ""] = line.trim().split(/\s+/);
		if (hosts === "" || hosts.startsWith("#") || hosts.startsWith("@")) continue;
		if (hosts.startsWith("|")) known.hashed++;
		else if (HOST_KEY_TYPES.includes(type)) for (const host of hosts.split(",")) known.keys.set(host, [...(known.keys.get(host) ?? []), `${type} ${data}`]);
	}
	return known;
}

/** The best key for an address (HOST_KEY_TYPES says which is best), or undefined. */
export function findKnownHost({ keys }: KnownHosts, address: string, port: number): string | undefined {
	const found = [...(keys.get(`[${address}]:${port}`) ?? []), ...(port === 22 ? (keys.get(address) ?? []) : [])];
	const rank = (key: string) => HOST_KEY_TYPES.indexOf(key.split(" ")[0] ?? "");
	return found.sort((a, b) => rank(a) - rank(b))[0];
}

/** One key per host, in the order of the stack's file; reports every host without one and every key that is none. */
export function resolveHostKeys({ hosts, top }: Values, stack: string, report: Report): (string | undefined)[] {
	const known = readKnownHosts(top.knownHostsFile ?? "", report);
	return hosts.map((host, i) => {
		const path = `hosts[${i}].hostKey`;
		const port = host.port ?? top.sshPort ?? 22;
		const text = host.hostKey ?? (known && host.address !== undefined ? findKnownHost(known, host.address, port) : undefined);
		if (text !== undefined) return attempt(() => parseHostKey(text), host.hostKey === undefined ? "knownHostsFile" : path, report);
		if (top.knownHostsFile && (known === undefined || host.address === undefined)) return undefined; // the file's or the address's own problem is reported
		report(path, missingText(top.knownHostsFile ?? "", known, host.address ?? "", stack));
		return undefined;
	});
}
function missingText(file: string, known: KnownHosts | undefined, address: string, stack: string): string {
	const inFile = file === "" ? "" : `, and ${file} has no entry for ${address}`;
	const hashed = known && known.hashed > 0 ? ` (its ${known.hashed} hashed entries can't be read; list addresses in plain text)` : "";
	return `not set${inFile}${hashed}. Run: npm run trust -- ${stack}`;
}
function readKnownHosts(file: string, report: Report): KnownHosts | undefined {
	return file === "" ? undefined : attempt(() => parseKnownHosts(readKeyFile(file)), "knownHostsFile", report);
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
