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
	const hop = await dialBastion(connection.proxy, dialing).catch((error: Error) => {
		throw new ProxyError(error, true);
	});
	return dialThrough(hop, connection, login, dialing).catch((error: Error) => {
		throw new ProxyError(error, false);
	});
}

/** The plugin's text does not tell which of the two it was. */
export class ProxyError extends Error {
	/** It was the bastion, not the host behind it. */
	readonly isBastion: boolean;
	constructor(error: Error, isBastion: boolean) {
		super(`proxy: ${error.message}`);
		this.isBastion = isBastion;
	}
}

async function dialBastion(bastion: Endpoint, dialing: Dialing): Promise<Client> {
	const login = await prepare(bastion);
	return retry("Dial proxy", bastion.dialErrorLimit, dialing, async () => handshake(await tcp(bastion), login, dialing.patience));
}

async function dialThrough(hop: Client, target: Endpoint, login: Login, dialing: Dialing): Promise<Client> {
	const { patience } = dialing;
	try {
		const pipe = await retry("Dial from proxy", target.dialErrorLimit, dialing, () => forward(hop, target, patience?.greetingSeconds ?? 0));
		const client = await handshake(pipe, login, patience);
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

/** A pipe to a port that the other end of a connection reaches. No bound where it is 0: then that end gives up by itself, or the connection breaks. */
export function forward(hop: Client, { host, port }: Pick<Endpoint, "host" | "port">, seconds: number): Promise<Duplex> {
	return new Promise((resolve, reject) => {
		const fail = (reason: string) => {
			clearTimeout(late);
			reject(new Error(reason));
		};
		const late = seconds > 0 ? setTimeout(() => fail(`dial tcp ${host}:${port}: i/o timeout`), seconds * 1000) : undefined;
		hop.once("close", () => fail("EOF")); // ssh2 answers no request that is on its way then
		hop.forwardOut("127.0.0.1", 0, host, port, (error, pipe) => {
			if (error) return fail(`ssh: rejected: ${rejection(error)}`);
			clearTimeout(late);
			resolve(pipe);
		});
	});
}
/** As Go has it (golang.org/x/crypto v0.58.0, ssh/channel.go): `administratively prohibited (open failed)`. */
function rejection({ message, reason }: Error & { reason?: number }): string {
	const words = ["administratively prohibited", "connect failed", "unknown channel type", "resource shortage"];
	return `${words[(reason ?? 0) - 1] ?? `unknown reason ${reason}`} (${message.replace(/^.*Channel open failure: /, "")})`;
}
