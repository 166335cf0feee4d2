// The hosts of a provider's configuration: one SSH connection each, shared by all its steps and opened when the first one needs it.
import type { Client } from "ssh2";
import { scriptCommand } from "./shell.ts";
import { dial } from "./ssh/connection.ts";
import { type Ended, runScript } from "./ssh/script.ts";

export interface Host {
	address: string;
	port: number;
	/** root, or a user who may run `sudo -n`. */
	user: string;
	/** Public key that the host must show, such as `ssh-ed25519 AAAA…`. */
	hostKey: string;
}
export interface Settings {
	hosts: Record<string, Host>;
	privateKey: string;
	/** How often a failed connection is tried again. */
	dialErrorLimit: number;
	perDialTimeoutSeconds: number;
	/** Bound of one look at a host. */
	lookTimeoutSeconds: number;
	/** A host that can't be looked at fails the run; else it is a warning. */
	strict: boolean;
	/** A preview of new steps tells each item with what is wanted and found. */
	detailed: boolean;
	/** It tells all that as JSON, an object a line. */
	json: boolean;
}
export type Verb = "apply" | "check" | "undo";
export interface Work {
	verb: Verb;
	text: string;
	/** Only looks: few tries, and a bound on the whole. */
	isLook?: boolean;
	/** One line of progress. */
	onLine?: (line: string) => void;
}

/** Nothing ran on the host. */
export class NotReached extends Error {}

const CHANNELS = 4; // sshd's MaxSessions is 10 by default, and 8 at once already met refusals (2026-11-24)
const LOOK_RETRIES = 1;
const REMEMBERED_MS = 20_000; // how long a host that did not answer is not asked again by a look

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
		return connection.run(work);
	}
}

class HostConnection {
	readonly #host: Host;
	readonly #settings: Settings;
	readonly #cancelled: AbortSignal;
	#client: Promise<Client> | undefined;
	#failed: { at: number; error: Error } | undefined;
	#free = CHANNELS;
	readonly #waiting: (() => void)[] = [];

	constructor(host: Host, settings: Settings, cancelled: AbortSignal) {
		this.#host = host;
		this.#settings = settings;
		this.#cancelled = cancelled;
	}

	async run({ verb, text, isLook = false, onLine = () => {} }: Work): Promise<Ended> {
		await this.#takeChannel();
		try {
			const client = await this.#connected(isLook, onLine);
			const command = scriptCommand(this.#host.user, verb);
			return await runScript(client, { command, text, onLine, timeoutSeconds: isLook ? this.#settings.lookTimeoutSeconds : 0 });
		} finally {
			this.#free++;
			this.#waiting.shift()?.();
		}
	}

	async #takeChannel(): Promise<void> {
		while (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
		this.#free--;
	}

	#connected(isLook: boolean, onLine: (line: string) => void): Promise<Client> {
		if (isLook && this.#failed && Date.now() - this.#failed.at < REMEMBERED_MS) throw this.#failed.error;
		this.#client ??= this.#dial(isLook, onLine).then(
			(client) => {
				this.#failed = undefined;
				return client.once("close", () => {
					this.#client = undefined;
				});
			},
			(error: Error) => {
				this.#client = undefined;
				this.#failed = { at: Date.now(), error: new NotReached(error.message) };
				throw this.#failed.error;
			},
		);
		return this.#client;
	}

	#dial(isLook: boolean, onLine: (line: string) => void): Promise<Client> {
		const { address: host, port, user, hostKey } = this.#host;
		const { privateKey, dialErrorLimit, perDialTimeoutSeconds: perDialTimeout } = this.#settings;
		const limit = isLook ? Math.min(LOOK_RETRIES, dialErrorLimit) : dialErrorLimit;
		const connection = { host, port, user, hostKey, privateKey, dialErrorLimit: limit, perDialTimeout, ignoresAgent: true };
		return dial(connection, { signal: this.#cancelled, status: onLine, patience: { loginSeconds: perDialTimeout, keepaliveSeconds: KEEPALIVE_SECONDS } });
	}
}

const KEEPALIVE_SECONDS = 10; // a host that vanishes in the middle is given up after four of them
