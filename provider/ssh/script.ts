// Runs one script on a host, sent through stdin: how it ended, what it printed, its lines of progress as they come.
import type { Client, ClientChannel } from "ssh2";
import { BEGIN, LINES_GONE, scriptInput, scriptOutput } from "../shell.ts";

export interface Script {
	/** What the host runs, from scriptCommand; it reads `text`. */
	command: string;
	text: string;
	/** For a sudo that asks; `command` then reads it. Default none. */
	password?: string;
	/** The script itself has begun. */
	onStart?: () => void;
	/** One line of stderr, as soon as it is whole. */
	onLine?: (line: string) => void;
	/** Bound of the whole run; 0 for none: then the script bounds itself. */
	timeoutSeconds?: number;
}
export interface Ended {
	/** Exit status; null after a signal; undefined where the host gave none, as when the connection breaks. */
	code: number | null | undefined;
	signal?: string;
	stdout: string;
	stderr: string;
}

/** For a message: `exit status 3`. */
export function endOf({ code, signal }: Pick<Ended, "code" | "signal">): string {
	if (code === undefined) return "the connection was lost";
	return code === null ? `it was ended by ${signal ?? "a signal"}` : `exit status ${code}`;
}

/** Whatever a login shell's profile prints comes before its line and is dropped, on stdout and on stderr. */
const PREFIX = `echo ${BEGIN} >&2\n`;

/** Runs it to its end. Throws where it never started (ChannelRefused where the host has no session free), and where it took too long. */
export async function runScript(
	client: Client,
	{ command, text, password, onStart = () => {}, onLine = () => {}, timeoutSeconds = 0 }: Script,
): Promise<Ended> {
	const channel = await openChannel(client, command);
	const output = new Output(() => channel.destroy());
	const stderr: string[] = [];
	let isStarted = false;
	const lines = new Lines((line) => {
		if (!isStarted) {
			isStarted = line.endsWith(BEGIN); // what comes before it may lack its line's end
			if (isStarted) onStart();
			else before.push(line);
			return;
		}
		stderr.push(line);
		onLine(line);
	});
	const before: string[] = [];
	channel.on("data", (data: Buffer) => output.add(data));
	channel.stderr.on("data", (data: Buffer) => {
		output.count(data);
		lines.write(data);
	});
	channel.on("error", () => {}); // a script may end without reading all of stdin
	const closed = new Promise<Pick<Ended, "code" | "signal">>((resolve) => {
		channel.once("close", (code?: number | null, signal?: string) => resolve({ code, signal }));
	});
	const drained = new Promise((resolve) => channel.stderr.once("close", resolve));
	channel.end(scriptInput(PREFIX + text, password));
	const [end] = await bounded(Promise.all([closed, drained]), timeoutSeconds, () => channel.destroy());
	lines.end();
	const printed = output.text();
	const own = scriptOutput(printed);
	// Without the mark on stderr somebody took a part of stdin, and the script, whose first line is then gone, ended at once.
	if (own === undefined || !isStarted)
		throw notStarted(endOf(end), [...printed.split("\n"), ...before, ...(own === undefined || end.code === undefined ? [] : [LINES_GONE])]);
	return { ...end, stdout: own, stderr: stderr.join("\n") };
}

/** sudo did not take the password: each further try may lock the account. */
export class PasswordRefused extends Error {}
const REFUSED = /^sudo: (no password was provided|\d+ incorrect password attempts?)$/; // sudo 1.8 and 1.9

function notStarted(end: string, lines: string[]): Error {
	const said = lines.filter((line) => line.trim() !== "" && !line.endsWith(BEGIN)).slice(-5);
	const message = `the script did not start: ${end}${said.length > 0 ? `; the host said: ${said.join(" / ")}` : ""}`;
	if (!said.some((line) => REFUSED.test(line))) return new Error(message);
	return new PasswordRefused(
		`sudo did not take sudoPassword, which was tried once. Correct it: pulumi config set -s <stack> --secret sudoPassword. With rootpw or targetpw in its sudoers it is root's. (${message})`,
	);
}

async function bounded<T>(work: Promise<T>, seconds: number, stop: () => void): Promise<T> {
	if (seconds === 0) return work;
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => {
			stop();
			reject(new Error(`no answer within ${seconds} s`));
		}, seconds * 1000);
	});
	return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** The host opens no further session on this connection: nothing ran. */
export class ChannelRefused extends Error {}

function openChannel(client: Client, command: string): Promise<ClientChannel> {
	return new Promise<ClientChannel>((resolve, reject) => {
		client.once("close", gone);
		function gone() {
			reject(new Error("the connection was lost"));
		}
		client.exec(command, (error, channel) => {
			client.off("close", gone);
			if (!error) resolve(channel);
			else reject(/Channel open failure/i.test(error.message) ? new ChannelRefused(error.message) : error);
		});
	});
}

const MOST_BYTES = 64 * 1024 * 1024; // a recording of a day has 10 MB; gRPC's own bound in the engine is 400 MB
/** What a script prints, up to a bound: one that prints on and on must not take this machine's memory. */
export class Output {
	readonly #parts: Buffer[] = [];
	#bytes = 0;
	readonly #stop: () => void;
	constructor(stop: () => void) {
		this.#stop = stop;
	}
	add(data: Buffer): void {
		if (this.count(data)) this.#parts.push(data);
	}
	/** Whether it is still within the bound. */
	count(data: Buffer): boolean {
		this.#bytes += data.length;
		if (this.#bytes > MOST_BYTES) this.#stop();
		return this.#bytes <= MOST_BYTES;
	}
	/** Throws where it was too much. */
	text(): string {
		if (this.#bytes > MOST_BYTES) throw new Error(`the host printed more than ${MOST_BYTES / 1024 / 1024} MiB, and was cut off`);
		return Buffer.concat(this.#parts).toString("utf8");
	}
}

const LINE_BYTES = 64 * 1024; // more is told in pieces
/** Cuts what arrives in pieces into lines. */
export class Lines {
	#rest = Buffer.alloc(0);
	readonly #onLine: (line: string) => void;
	constructor(onLine: (line: string) => void) {
		this.#onLine = onLine;
	}
	write(data: Buffer): void {
		this.#rest = Buffer.concat([this.#rest, data]);
		for (let end = this.#rest.indexOf("\n"); end >= 0; end = this.#rest.indexOf("\n")) {
			this.#onLine(this.#rest.toString("utf8", 0, end).replace(/\r$/, ""));
			this.#rest = this.#rest.subarray(end + 1);
		}
		for (; this.#rest.length > LINE_BYTES; this.#rest = this.#rest.subarray(LINE_BYTES)) this.#onLine(this.#rest.toString("utf8", 0, LINE_BYTES));
	}
	end(): void {
		if (this.#rest.length > 0) this.#onLine(this.#rest.toString("utf8"));
	}
}
