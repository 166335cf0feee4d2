// One command on a host, as the command plugin runs it: its environment, what it reads, what it prints, how it ends.
import type { Client, ClientChannel } from "ssh2";
import { Lines, Output as Printed } from "../../../provider/ssh/script.ts";
import { exitError, quote } from "./go-text.ts";

export interface Run {
	/** What an error calls it. */
	host: string;
	command: string;
	stdin: string;
	/** Variables that the host must take. */
	environment: Record<string, string>;
	/** Variables that it may refuse. */
	optional: Record<string, string>;
	shows: { stdout: boolean; stderr: boolean };
	/** One line of output, while the command runs. */
	onLine: (line: string) => void;
	/** A variable the host refused. */
	onRefused: (name: string, isFatal: boolean) => void;
	/** How long the command may print nothing. Not in the official plugin. */
	silenceSeconds: number;
}
export interface Output {
	stdout: string;
	stderr: string;
}

/** Runs the command to its end. Throws for a refused variable, and for silence and any end but exit status 0 with the command and all that it printed. */
export async function runCommand(
	client: Client,
	{ host, command, stdin, environment, optional, shows, onLine, onRefused, silenceSeconds }: Run,
): Promise<Output> {
	let isSilent = false;
	const silence = setTimeout(() => {
		isSilent = true;
		client.destroy(); // end() would wait for the host
	}, silenceSeconds * 1000);
	client.once("close", () => clearTimeout(silence));
	const channel = await openSession(client);
	for (const [name, value] of Object.entries(environment)) {
		if (await isAccepted(client, channel, name, value)) continue;
		onRefused(name, true);
		throw new Error(`could not set environment variable ${quote(name)}: ssh: setenv failed`);
	}
	for (const [name, value] of Object.entries(optional)) {
		if (!(await isAccepted(client, channel, name, value))) onRefused(name, false);
	}

	const outputs = { stdout: new Printed(() => channel.destroy()), stderr: new Printed(() => channel.destroy()), both: new Printed(() => channel.destroy()) };
	const lines = new Lines(onLine);
	const collect = (part: Printed, isShown: boolean) => (data: Buffer) => {
		part.add(data);
		outputs.both.add(data);
		silence.refresh();
		if (isShown) lines.write(data);
	};
	channel.on("data", collect(outputs.stdout, shows.stdout));
	channel.stderr.on("data", collect(outputs.stderr, shows.stderr));
	const closed = new Promise<string | undefined>((resolve) => {
		channel.once("close", (code?: number | null, signal?: string, _dumped?: boolean, message?: string) => resolve(exitError({ code, signal, message })));
	});
	const drained = new Promise((resolve) => channel.stderr.once("close", resolve)); // comes by itself: "close" above waits for stdout only
	await startCommand(client, channel, command);
	channel.on("error", () => {}); // a command may end without reading all of stdin
	channel.end(stdin);
	const [end] = await Promise.all([closed, drained]);
	const error = isSilent ? `${host}: not done, and nothing printed for ${silenceSeconds} s` : end;
	lines.end();
	const both = outputs.both.text();
	if (error !== undefined) throw new Error(`${error}: running ${quote(command)}:\n${both}`);
	return { stdout: outputs.stdout.text().replace(/\n$/, ""), stderr: outputs.stderr.text().replace(/\n$/, "") };
}

// ssh2's exec() sends variables without asking whether the host took them (1.17.0, lib/client.js reqEnv), and that answer decides whether the
// command may run at all. So the channel is opened, asked and started step by step, with what exec() itself uses.
interface Internals {
	_chanMgr: { add(opened: (error: Error | undefined, channel: ClientChannel) => void): number };
	_protocol: {
		session(id: number, window: number, packet: number): void;
		env(id: number, name: string, value: string, wantsReply: true): void;
		exec(id: number, command: string, wantsReply: true): void;
	};
}
interface ChannelInternals {
	_callbacks: ((isRefused: boolean | Error) => void)[];
	outgoing: { id: number; state: string };
	subtype?: string;
}
const WINDOW_BYTES = 2 * 1024 * 1024; // lib/Channel.js MAX_WINDOW and PACKET_SIZE
const PACKET_BYTES = 32 * 1024;

function openSession(client: Client): Promise<ClientChannel> {
	const { _chanMgr, _protocol } = client as unknown as Internals;
	return new Promise((resolve, reject) => {
		const opened = (error: Error | undefined, channel: ClientChannel) => (error ? reject(error) : resolve(channel));
		const id = _chanMgr.add(Object.assign(opened, { type: "session", allowHalfOpen: true }));
		_protocol.session(id, WINDOW_BYTES, PACKET_BYTES);
	});
}

function isAccepted(client: Client, channel: ClientChannel, name: string, value: string): Promise<boolean> {
	return askChannel(channel, (id) => (client as unknown as Internals)._protocol.env(id, name, value, true));
}

async function startCommand(client: Client, channel: ClientChannel, command: string): Promise<void> {
	(channel as unknown as ChannelInternals).subtype = "exec";
	const isStarted = await askChannel(channel, (id) => (client as unknown as Internals)._protocol.exec(id, command, true));
	if (!isStarted) throw new Error(`ssh: command ${command} failed`);
}

/** Whether the host agrees. A connection that breaks meanwhile is a no. */
function askChannel(channel: ClientChannel, send: (id: number) => void): Promise<boolean> {
	const { _callbacks, outgoing } = channel as unknown as ChannelInternals;
	return new Promise((resolve) => {
		_callbacks.push((isRefused) => resolve(isRefused === false));
		send(outgoing.id);
	});
}
