// From a `connection` input to a logged-in SSH client: a fixed host key, a bounded dial, retries, at most one bastion.
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2, { type AnyAuthMethod, type AuthenticationType, type Client, type ParsedKey } from "ssh2";
import { dialError } from "./go-text.ts";
import * as keys from "./keys.ts";

export interface Endpoint {
	host: string;
	port: number;
	user: string;
	password?: string;
	privateKey?: string;
	privateKeyPassword?: string;
	agentSocketPath?: string;
	hostKey?: string;
	dialErrorLimit: number;
	perDialTimeout: number;
}
export interface Connection extends Endpoint {
	proxy?: Endpoint;
}

const FIRST_DELAY_MS = 100; // sdk/go/common/util/retry/until.go, pulumi v3.274.1
const BACKOFF = 1.5;
const LONGEST_DELAY_MS = 5000;
const KEEPALIVE_MS = 15_000; // Go's net.Dialer

export interface Dialing {
	/** Stops the retries; a login that is on its way goes on. */
	signal: AbortSignal;
	/** Shows one line while the resource is being worked on. */
	status: (line: string) => void;
}

/** Logs in. Throws at once for a key that can't be read or an agent that isn't there; anything else is tried `dialErrorLimit` times more. */
export async function dial(connection: Connection, dialing: Dialing): Promise<Client> {
	const login = await prepare(connection);
	if (!connection.proxy) {
		return retry("Dial", connection.dialErrorLimit, dialing, async () => handshake(await tcp(connection), login));
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

interface Login {
	user: string;
	hostKey?: ParsedKey;
	methods: AnyAuthMethod[];
}

async function prepare(endpoint: Endpoint): Promise<Login> {
	const { user: username, password } = endpoint;
	const methods: AnyAuthMethod[] = [];
	if (endpoint.privateKey !== undefined) {
		const key = keys.privateKey(endpoint.privateKey, endpoint.privateKeyPassword);
		methods.push({ type: "publickey", username, key: key as unknown as string }); // @types/ssh2 1.15.5 doesn't know that a parsed key will do
	}
	if (password !== undefined) {
		methods.push({ type: "password", username, password });
		const prompt = (...[, , , prompts, finish]: [string, string, string, unknown[], (answers: string[]) => void]) => finish(prompts.map(() => password));
		methods.push({ type: "keyboard-interactive", username, prompt });
	}
	const agent = endpoint.agentSocketPath ?? (process.env.SSH_AUTH_SOCK || undefined);
	if (agent !== undefined) {
		(await reach(connect(agent), "unix", agent)).destroy(); // an agent that isn't there fails the connection, even beside a key
		if (endpoint.privateKey === undefined) methods.push({ type: "agent", username, agent: ssh2.createAgent(agent) });
	}
	return { user: username, hostKey: endpoint.hostKey === undefined ? undefined : keys.hostKey(endpoint.hostKey), methods };
}

function tcp({ host, port, perDialTimeout }: Endpoint): Promise<Socket> {
	const socket = connect({ host, port, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
	return reach(socket, "tcp", `${host.includes(":") ? `[${host}]` : host}:${port}`, perDialTimeout);
}

function reach(socket: Socket, network: "tcp" | "unix", address: string, timeoutSeconds = 0): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const fail = (error: NodeJS.ErrnoException) => {
			socket.destroy();
			reject(new Error(dialError(error, network, address)));
		};
		socket.setTimeout(timeoutSeconds * 1000, () => fail(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" })));
		socket.once("error", fail).once("connect", () => {
			socket.setTimeout(0).off("error", fail);
			resolve(socket);
		});
	});
}

function forward(hop: Client, { host, port }: Endpoint): Promise<Duplex> {
	return new Promise((resolve, reject) => {
		hop.forwardOut("127.0.0.1", 0, host, port, (error, pipe) => (error ? reject(new Error(`ssh: rejected: ${error.message}`)) : resolve(pipe)));
	});
}

function handshake(pipe: Duplex, { user, hostKey, methods }: Login): Promise<Client> {
	return new Promise((resolve, reject) => {
		const client = new ssh2.Client();
		const tried: string[] = [];
		let isWrongHost = false;
		const fail = (reason: string) => {
			client.destroy();
			pipe.destroy();
			reject(new Error(`ssh: handshake failed: ${reason}`));
		};
		client.once("ready", () => {
			client
				.off("error", refused)
				.off("close", lost)
				.on("error", () => {}); // from here on a broken connection shows at the channel
			resolve(client);
		});
		const refused = (error: Error & { level?: string }) => {
			if (isWrongHost) return fail("ssh: host key mismatch");
			if (error.level === "client-authentication") {
				return fail(`ssh: unable to authenticate, attempted methods [${tried.join(" ")}], no supported methods remain`);
			}
			fail(/Connection lost before handshake/.test(error.message) ? "EOF" : error.message);
		};
		const lost = () => fail("EOF");
		client.on("error", refused).on("close", lost);
		const waiting = [...methods];
		const authHandler = (left: AuthenticationType[] | null) => {
			if (left === null) {
				tried.push("none");
				return { type: "none", username: user };
			}
			for (let method = waiting.shift(); method; method = waiting.shift()) {
				const name = method.type === "agent" ? "publickey" : method.type;
				if (!left.includes(name as AuthenticationType)) continue;
				tried.push(name);
				return method;
			}
			return false;
		};
		try {
			client.connect({
				sock: pipe as Socket,
				username: user,
				authHandler: authHandler as never,
				readyTimeout: 0,
				hostVerifier: (shown: Buffer) => {
					isWrongHost = hostKey !== undefined && !hostKey.getPublicSSH().equals(shown);
					return !isWrongHost;
				},
				algorithms: hostKey ? { serverHostKey: [hostKey.type as never] } : undefined,
			});
		} catch (error) {
			fail((error as Error).message);
		}
	});
}
