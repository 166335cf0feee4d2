// Dials a host: from a `connection` input to a logged-in SSH client, with a bound, retries, and at most one bastion.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "ssh2";
import { type Credentials, handshake, type Login, type Patience, prepare } from "./login.ts";
import { reachHost } from "./reach.ts";

export interface Endpoint extends Credentials {
	host: string;
	port: number;
	dialErrorLimit: number;
	perDialTimeout: number;
}
export interface Connection extends Endpoint {
	proxy?: Endpoint;
}

const FIRST_DELAY_MS = 100; // sdk/go/common/util/retry/until.go, pulumi v3.274.1
const BACKOFF = 1.5;
const LONGEST_DELAY_MS = 5000;

export interface Dialing {
	/** Stops the retries; a login that is on its way goes on. */
	signal: AbortSignal;
	/** Shows one line while the resource is being worked on. */
	status: (line: string) => void;
	/** Bounds of a login and of silence. Default: none, as the command plugin. */
	patience?: Patience;
}

/** Logs in. Throws at once for a key that can't be read or an agent that isn't there; anything else is tried `dialErrorLimit` times more. */
export async function dial(connection: Connection, dialing: Dialing): Promise<Client> {
	const login = await prepare(connection);
	if (!connection.proxy) {
		return retry("Dial", connection.dialErrorLimit, dialing, async () => handshake(await tcp(connection), login, dialing.patience));
	}
	try {
		return await dialThrough(connection.proxy, connection, login, dialing);
	} catch (error) {
		throw new Error(`proxy: ${(error as Error).message}`);
	}
}

async function dialThrough(bastion: Endpoint, target: Endpoint, login: Login, dialing: Dialing): Promise<Client> {
	const bastionLogin = await prepare(bastion);
	const hop = await retry("Dial proxy", bastion.dialErrorLimit, dialing, async () => handshake(await tcp(bastion), bastionLogin));
	try {
		const pipe = await retry("Dial from proxy", target.dialErrorLimit, dialing, () => forward(hop, target));
		const client = await handshake(pipe, login);
		return client.on("close", () => hop.end());
	} catch (error) {
		hop.end();
		throw error;
	}
}

async function retry<T>(what: string, limit: number, { signal, status }: Dialing, attempt: () => Promise<T>): Promise<T> {
	for (let failed = 0, delay = FIRST_DELAY_MS; ; delay = Math.min(delay * BACKOFF, LONGEST_DELAY_MS)) {
		try {
			return await attempt();
		} catch (error) {
			failed++;
			if (limit > -1 && failed > limit) throw new Error(`after ${failed - 1} failed attempts: ${(error as Error).message}`);
			status(`${what} ${failed}/${limit === -1 ? "inf" : limit} failed: retrying`);
		}
		await sleep(delay, undefined, { signal }).catch(() => {
			throw new Error(signal.reason?.name === "TimeoutError" ? "context deadline exceeded" : "context canceled");
		});
	}
}

function tcp({ host, port, perDialTimeout }: Endpoint): Promise<Socket> {
	return reachHost(host, port, perDialTimeout);
}

function forward(hop: Client, { host, port }: Endpoint): Promise<Duplex> {
	return new Promise((resolve, reject) => {
		hop.forwardOut("127.0.0.1", 0, host, port, (error, pipe) => (error ? reject(new Error(`ssh: rejected: ${error.message}`)) : resolve(pipe)));
	});
}
