// The public keys that a host shows to whoever connects. Nobody logs in, and nothing is proven by it.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { type Client } from "ssh2";
import { forward } from "./connection.ts";
import { signatures } from "./login.ts";
import { reachHost } from "./reach.ts";

/** Best first; a host has at most one key of each. */
const KINDS = [["ssh-ed25519"], ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"], signatures("ssh-rsa")];

/** `type base64` of each, the best first. Throws where the host is not reached, by the bastion if there is one, ends the connection, or is silent for so many seconds. */
export async function shownKeys(host: string, port: number, seconds: number, bastion?: Client): Promise<string[]> {
	const keys: string[] = [];
	for (const kind of KINDS) {
		const pipe = bastion ? await forward(bastion, { host, port }, seconds) : await reachHost(host, port, seconds);
		const key = await shownKey(pipe, kind, seconds); // one after the other: a host counts those who don't log in
		if (key !== undefined) keys.push(key);
	}
	return keys;
}

/** Undefined where the host has no key of that kind. */
function shownKey(pipe: Duplex, serverHostKey: string[], seconds: number): Promise<string | undefined> {
	const client = new ssh2.Client();
	return new Promise<string | undefined>((resolve, reject) => {
		const hostVerifier = (key: Buffer) => {
			const parsed = ssh2.utils.parseKey(key);
			if (parsed instanceof Error) reject(parsed);
			else resolve(`${parsed.type} ${key.toString("base64")}`);
			return false;
		};
		client.on("error", (error) => (/no matching host key format/.test(error.message) ? resolve(undefined) : reject(error)));
		client.on("close", () => reject(new Error("the connection was lost")));
		client.connect({
			sock: pipe as Socket,
			username: "nobody",
			hostVerifier,
			readyTimeout: seconds * 1000,
			algorithms: { serverHostKey: serverHostKey as never },
		});
	}).finally(() => client.destroy());
}
