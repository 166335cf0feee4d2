// Runs scripts on the provider's hosts: one SSH connection each, shared by all its steps and opened when the first one needs it.
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "ssh2";
import { OneTry } from "./one-try.ts";
import { passwordOf, scriptCommand } from "./shell.ts";
import { dial, ProxyError } from "./ssh/connection.ts";
import { keyOrAgent } from "./ssh/login.ts";
import { ChannelRefused, type Ended, PasswordRefused, runScript } from "./ssh/script.ts";

export interface Host {
	address: string;
	port: number;
	/** root, or a user who may run sudo. */
	user: string;
	/** Public key that the host must show, such as `ssh-ed25519 AAAA…`. */
	hostKey: string;
}
export interface Settings {
	hosts: Record<string, Host>;
	/** What SSH goes through to each of them, with the same private key. Its `user` runs nothing there. */
	bastion?: Host;
	/** Undefined: the agent that SSH_AUTH_SOCK names has the keys. */
	privateKey: string | undefined;
	/** For users whose sudo asks. Default: none may. */
	sudoPassword?: string;
	/** Where API servers answer beside the hosts' own addresses, by now or in a configuration before: `address:port`. */
	apiServers: string[];
	/** Whose work is done: each script gets it, with the host's name behind it. Empty in the state of a version before. */
	owner: string;
	/** Settings that steps get besides their own, by name. */
	shared: Record<string, string>;
	/** Step's name -> script. Empty in the state of a version before. */
	scripts: Record<string, string>;
	/** How often a failed connection is tried again. */
	dialErrorLimit: number;
	perDialTimeoutSeconds: number;
	/** Bound of one probe of a host. */
	lookTimeoutSeconds: number;
	/** Bound of one apply or undo: for a script that hangs where it should have ended itself. */
	runTimeoutSeconds: number;
	/** A host that can't be probed fails the run; else it is a warning. */
	strict: boolean;
	/** A preview of new steps shows each item with what is wanted and found. */
	detailed: boolean;
	/** It shows all that as JSON, an object a line. */
	json: boolean;
}
export type Verb = "apply" | "check" | "undo";
export interface Work {
	verb: Verb;
	text: string;
	/** Changes nothing: few tries, and a bound on the whole. */
	isProbe?: boolean;
	/** One line of progress. */
	onLine?: (line: string) => void;
}

/** Nothing ran on the host. */
export class NotReached extends Error {}

const CHANNELS = 4; // sshd's MaxSessions is 10 by default, and 8 at once already met refusals (2026-11-24). A host that gives fewer is asked for no more than that
const CHANNEL_PAUSE_MS = 100; // MaxSessions counts sessions that have just ended
const CHANNEL_TRIES = 100; // for the only one
const PROBE_RETRIES = 1;
const REMEMBERED_MS = 20_000; // how long a host that did not answer is not asked again by a probe

export class Hosts {
	readonly settings: Settings;
	readonly #cancelled: AbortSignal;
	readonly #connections = new Map<string, HostConnection>();

	constructor(settings: Settings, cancelled: AbortSignal) {
		this.settings = settings;
		this.#cancelled = cancelled;
	}

	/** Runs a script with a verb. Throws NotReached where no connection came about, another Error where it broke or took too long. */
	async run(name: string, work: Work): Promise<Ended> {
		const host = this.settings.hosts[name];
		if (!host) throw new NotReached(`${name} is none of the provider's hosts: ${Object.keys(this.settings.hosts).join(", ")}`);
		if (this.#cancelled.aborted) throw new NotReached(`${name}: cancelled before it began`);
		const connection = this.#connections.get(name) ?? new HostConnection(host, this.settings, this.#cancelled);
		this.#connections.set(name, connection);
		return connection.run({ ...work, text: ownerLine(this.settings.owner, name) + work.text });
	}
}

/** In front of a script: it is in no resource's inputs, so another id changes no step. */
function ownerLine(owner: string, host: string): string {
	return owner === "" ? "" : `readonly OWNER='${`${owner} ${host}`.replaceAll("'", "'\\''")}'\n`;
}

class HostConnection {
	readonly #host: Host;
	readonly #settings: Settings;
	readonly #cancelled: AbortSignal;
	#client: Promise<Client> | undefined;
	/** A probe is dialling, with its few tries. */
	#isProbeDialling = false;
	#failed: { at: number; error: Error } | undefined;
	#channels = CHANNELS;
	#busy = 0;
	readonly #waiting: (() => void)[] = [];
	readonly #password: string | undefined;
	readonly #sudo = new OneTry((error) => error instanceof PasswordRefused);

	constructor(host: Host, settings: Settings, cancelled: AbortSignal) {
		this.#host = host;
		this.#settings = settings;
		this.#cancelled = cancelled;
		this.#password = passwordOf(host.user, settings.sudoPassword);
	}

	async run({ verb, text, isProbe = false, onLine = () => {} }: Work): Promise<Ended> {
		const { lookTimeoutSeconds, runTimeoutSeconds } = this.#settings;
		const password = this.#password;
		const script = {
			command: scriptCommand(this.#host.user, verb, password !== undefined),
			text,
			onLine,
			timeoutSeconds: isProbe ? lookTimeoutSeconds : runTimeoutSeconds,
		};
		for (let tries = 1; ; tries++) {
			await this.#takeChannel();
			try {
				const client = await this.#connected(isProbe, onLine);
				if (password === undefined) return await runScript(client, script);
				return await this.#sudo.run((onStart) => runScript(client, { ...script, password, onStart }));
			} catch (error) {
				if (error instanceof PasswordRefused) throw new NotReached(error.message);
				if (!(error instanceof ChannelRefused)) throw error;
				// What this host gives is what it has given by now; with others at work this one waits for the end of one of them.
				this.#channels = Math.max(1, Math.min(this.#channels, this.#busy - 1));
				if (this.#busy > 1) tries = 0;
				else if (tries >= CHANNEL_TRIES)
					throw new NotReached(`the host opens no session (${error.message}): sshd's MaxSessions must be 1 at least. See sshd -T | grep -i maxsessions`);
			} finally {
				this.#busy--;
				this.#waiting.shift()?.();
			}
			await sleep(CHANNEL_PAUSE_MS);
		}
	}

	async #takeChannel(): Promise<void> {
		while (this.#busy >= this.#channels) await new Promise<void>((resolve) => this.#waiting.push(resolve));
		this.#busy++;
	}

	async #connected(isProbe: boolean, onLine: (line: string) => void): Promise<Client> {
		if (isProbe && this.#failed && performance.now() - this.#failed.at < REMEMBERED_MS) throw this.#failed.error;
		if (!isProbe && this.#isProbeDialling) await this.#client?.catch(() => {}); // what a probe gives up has tries left for an apply
		this.#client ??= this.#dialled(isProbe, onLine);
		return this.#client;
	}

	#dialled(isProbe: boolean, onLine: (line: string) => void): Promise<Client> {
		this.#isProbeDialling = isProbe;
		return this.#dial(isProbe, onLine).then(
			(client) => {
				this.#failed = undefined;
				this.#isProbeDialling = false;
				return client.once("close", () => {
					this.#client = undefined;
				});
			},
			(error: Error) => {
				this.#client = undefined;
				this.#isProbeDialling = false;
				this.#failed = { at: performance.now(), error: new NotReached(error.message) };
				throw this.#failed.error;
			},
		);
	}

	async #dial(isProbe: boolean, onLine: (line: string) => void): Promise<Client> {
		const { address: host, port, user, hostKey } = this.#host;
		const { privateKey, dialErrorLimit, perDialTimeoutSeconds: perDialTimeout, bastion } = this.#settings;
		const limit = isProbe ? Math.min(PROBE_RETRIES, dialErrorLimit) : dialErrorLimit;
		const same = { ...keyOrAgent(privateKey), dialErrorLimit: limit, perDialTimeout };
		const proxy = bastion && { host: bastion.address, port: bastion.port, user: bastion.user, hostKey: bastion.hostKey, ...same };
		const connection = { host, port, user, hostKey, ...same, ...(proxy ? { proxy } : {}) };
		const patience = { greetingSeconds: perDialTimeout, loginSeconds: LOGIN_SECONDS, keepaliveSeconds: KEEPALIVE_SECONDS };
		for (let drops = 1; ; drops++) {
			try {
				return await dial(connection, { signal: this.#cancelled, status: onLine, patience });
			} catch (error) {
				const where = `${error instanceof ProxyError && error.isBastion ? "the" : "by the"} bastion ${bastion?.address}: `;
				const message = (error as Error).message.replace(/^proxy: /, where);
				if (!DROPPED.test(message)) throw new Error(message);
				if (drops > DROP_RETRIES)
					throw new Error(
						`${message}. The host takes the connection and ends it: its sshd drops new ones while many log in (MaxStartups), or refuses this machine`,
					);
				await sleep(DROP_PAUSE_MS * drops, undefined, { signal: this.#cancelled });
			}
		}
	}
}

const KEEPALIVE_SECONDS = 10; // a host that vanishes in the middle is given up after four of them
const LOGIN_SECONDS = 120; // sshd's own LoginGraceTime
// With MaxStartups 10:30:100, its default, sshd drops three of ten new connections once ten are logging in, anybody's.
const DROPPED = /ssh: handshake failed: (EOF|read ECONNRESET)$/;
const DROP_RETRIES = 4;
const DROP_PAUSE_MS = 300;
