// Logs in to a host over a socket: the host's key is checked first, then the ways to log in are tried in Go's order.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { type AnyAuthMethod, type AuthenticationType, type Client, type ParsedKey } from "ssh2";
import * as keys from "./keys.ts";
import { reachAgent } from "./reach.ts";

export interface Credentials {
	user: string;
	password?: string;
	privateKey?: string;
	privateKeyPassword?: string;
	agentSocketPath?: string;
	hostKey?: string;
	/** Neither SSH_AUTH_SOCK nor anything else names an agent. */
	ignoresAgent?: boolean;
}

/** A private key; or else the agent that SSH_AUTH_SOCK names, which throws where it names none. */
export function keyOrAgent(privateKey: string | undefined): Pick<Credentials, "privateKey" | "agentSocketPath" | "ignoresAgent"> {
	if (privateKey !== undefined) return { privateKey, ignoresAgent: true };
	const { SSH_AUTH_SOCK: agentSocketPath } = process.env;
	if (!agentSocketPath) throw new Error('SSH_AUTH_SOCK is not set, and the stack logs in by an SSH agent (sshAgent). Run: eval "$(ssh-agent)" && ssh-add');
	return { agentSocketPath };
}

export interface Patience {
	/** Until the host has greeted and shown its key; 0 for ever. */
	greetingSeconds: number;
	/** Until it has let the user in: PAM and look-ups of names take their time; 0 for ever. */
	loginSeconds: number;
	/** Asks a quiet host for a sign of life this often, and gives it up after four without; 0 for never. */
	keepaliveSeconds: number;
}

export interface Login {
	user: string;
	hostKey?: ParsedKey;
	methods: AnyAuthMethod[];
}

/** Reads the keys and looks for the agent. What fails here fails again, so it is done once, before any dial. */
export async function prepare(credentials: Credentials): Promise<Login> {
	const { user: username, password } = credentials;
	const methods: AnyAuthMethod[] = [];
	if (credentials.privateKey !== undefined) {
		const key = keys.privateKey(credentials.privateKey, credentials.privateKeyPassword);
		methods.push({ type: "publickey", username, key: key as unknown as string }); // @types/ssh2 1.15.5 doesn't know that a parsed key will do
	}
	if (password !== undefined) {
		methods.push({ type: "password", username, password });
		const prompt = (...[, , , prompts, finish]: [string, string, string, unknown[], (answers: string[]) => void]) => finish(prompts.map(() => password));
		methods.push({ type: "keyboard-interactive", username, prompt });
	}
	const agent = credentials.agentSocketPath ?? (process.env.SSH_AUTH_SOCK || undefined);
	if (agent !== undefined && !credentials.ignoresAgent) {
		(await reachAgent(agent)).destroy(); // an agent that isn't there fails the connection, even beside a key
		if (credentials.privateKey === undefined) methods.push({ type: "agent", username, agent: ssh2.createAgent(agent) });
	}
	return { user: username, hostKey: credentials.hostKey === undefined ? undefined : keys.hostKey(credentials.hostKey), methods };
}

/** Speaks SSH over a pipe. Throws `ssh: handshake failed: …`. */
export function handshake(
	pipe: Duplex,
	{ user, hostKey, methods }: Login,
	patience: Patience = { greetingSeconds: 0, loginSeconds: 0, keepaliveSeconds: 0 },
): Promise<Client> {
	return new Promise((resolve, reject) => {
		const client = new ssh2.Client();
		const tried: string[] = [];
		let isWrongHost = false;
		let offered = "";
		const greeting =
			patience.greetingSeconds > 0 ? setTimeout(() => fail("Timed out while waiting for handshake"), patience.greetingSeconds * 1000) : undefined;
		const fail = (reason: string) => {
			clearTimeout(greeting);
			client.destroy();
			pipe.destroy();
			reject(new Error(`ssh: handshake failed: ${reason}`));
		};
		client.once("handshake", () => clearTimeout(greeting));
		client.once("ready", () => {
			client
				.off("error", refused)
				.off("close", lost)
				.on("error", () => {}); // from here on a broken connection shows at the channel
			resolve(client);
		});
		const refused = (error: Error & { level?: string }) => {
			if (isWrongHost) return fail("ssh: host key mismatch");
			if (hostKey && /no matching host key format/.test(error.message)) return fail(noSuchKey(hostKey, offered));
			if (error.level === "client-authentication") {
				return fail(`ssh: unable to authenticate, attempted methods [${tried.join(" ")}], no supported methods remain`);
			}
			fail(/Connection lost before handshake/.test(error.message) ? "EOF" : error.message);
		};
		const lost = () => fail("EOF");
		client.on("error", refused).on("close", lost);
		try {
			client.connect({
				sock: pipe as Socket,
				username: user,
				authHandler: inTurn(methods, user, tried) as never,
				readyTimeout: patience.loginSeconds * 1000,
				keepaliveInterval: patience.keepaliveSeconds * 1000,
				keepaliveCountMax: 4,
				hostVerifier: (shown: Buffer) => {
					isWrongHost = hostKey !== undefined && !hostKey.getPublicSSH().equals(shown);
					return !isWrongHost;
				},
				algorithms: hostKey ? { serverHostKey: signatures(hostKey.type) as never } : undefined,
				debug: (line: string) => {
					offered ||= line.match(/^Handshake: \(remote\) Host key format: (.*)$/)?.[1] ?? ""; // ssh2 1.17.0 tells it nowhere else
				},
			});
		} catch (error) {
			fail((error as Error).message);
		}
	});
}

/** What may prove a pinned key, best first. An RSA key signs with SHA-1, too old for servers of today, or with SHA-2 (RFC 8332), which OpenSSH has since 7.2. */
export function signatures(type: string): string[] {
	return type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [type];
}
function noSuchKey({ type }: ParsedKey, offered: string): string {
	const others = offered.replaceAll(",", ", ") || "no key";
	return `ssh: host key mismatch: an ${type} key is pinned, and the host offers ${others}. Look on its console, then: npm run trust -- <stack>`;
}

/** Offers each method once, if the server takes it at that point, and notes what was tried. The first try is always without any. */
function inTurn(methods: AnyAuthMethod[], username: string, tried: string[]): (left: AuthenticationType[] | null) => object | false {
	const waiting = [...methods];
	return (left) => {
		if (left === null) {
			tried.push("none");
			return { type: "none", username };
		}
		for (let method = waiting.shift(); method; method = waiting.shift()) {
			const name = method.type === "agent" ? "publickey" : method.type;
			if (!left.includes(name)) continue;
			tried.push(name);
			return method;
		}
		return false;
	};
}
