// Turns what containerd did into entries: its events (ctr events) have nanoseconds; its log says whom it signalled, and which container belongs to which Pod.
import { dockerEntry, dockerEventIn, dockerOwner } from "./docker.ts";
import type { Draft, Owner } from "./entry.ts";
import type { Line } from "./recording.ts";

/** `2026-11-24 18:21:16.569453746 +0000 UTC` or RFC 3339 with any fraction and zone, in ms with what is left of the fraction. */
export function preciseTime(text: string): number {
	const [, day, time, fraction = "0", zone = "Z"] = text.match(/^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?/) ?? [];
	const whole = Date.parse(`${day}T${time}${zone}`);
	return whole + Number(`0.${fraction}`) * 1000;
}

const SANDBOX = /RunPodSandbox for &PodSandboxMetadata\{Name:([^,]*),Uid:([^,]*),Namespace:([^,]*),.*returns sandbox id \\?"(\w+)/;
const CREATED = /CreateContainer within sandbox \\?"(\w+)\\?" for &ContainerMetadata\{Name:([^,]*),.*returns container id \\?"(\w+)/;
const LOG_TIME = /^time="([^"]+)"/;
const UNQUOTED = (text: string) => text.replaceAll('\\"', '"');

/** Learns from containerd's log, or from Docker's own events, whose each id is. */
export function ownersIn(lines: Line[]): Map<string, Owner> {
	const owners = new Map<string, Owner>();
	for (const line of lines) {
		const docker = dockerEventIn(line);
		if (docker) owners.set(docker.id, dockerOwner(docker));
		const { from, data } = line;
		if (from !== "journal") continue;
		const sandbox = String(data).match(SANDBOX);
		if (sandbox) owners.set(sandbox[4] ?? "", { uid: sandbox[2] ?? "" });
		const created = String(data).match(CREATED);
		const owner = created && owners.get(created[1] ?? "");
		if (created && owner) owners.set(created[3] ?? "", { uid: owner.uid, container: created[2] ?? "" });
	}
	return owners;
}

/** A line of containerd's log; undefined where it is about nobody's Pod, or says nothing new. */
export function logEntry({ data, host, number }: Line, owners: ReadonlyMap<string, Owner>): Draft | undefined {
	const text = UNQUOTED(String(data));
	const at = preciseTime(text.match(LOG_TIME)?.[1] ?? "");
	const message = text.match(/ msg="(.*)"$/)?.[1] ?? text;
	const found = parseMessage(message);
	if (Number.isNaN(at) || found === undefined) return undefined;
	const { id, ...rest } = found;
	const owner = owners.get(id);
	if (owner === undefined) return undefined;
	return { at, meaning: "at", source: "containerd log", host, line: number, ...owner, containerId: id, ...rest };
}
/** An image's own stop signal, as Go words it (syscall.Signal on Linux): one without a word is `signal 28`, such as httpd's SIGWINCH. */
const SIGNALS: Record<string, string> = {
	hangup: "SIGHUP",
	interrupt: "SIGINT",
	quit: "SIGQUIT",
	aborted: "SIGABRT",
	killed: "SIGKILL",
	terminated: "SIGTERM",
	"alarm clock": "SIGALRM",
	"user defined signal 1": "SIGUSR1",
	"user defined signal 2": "SIGUSR2",
	"signal 28": "SIGWINCH",
	"signal 37": "SIGRTMIN+3",
};
const signalName = (words: string): string => SIGNALS[words.trim()] ?? words.trim();

function parseMessage(message: string): (Pick<Draft, "kind" | "text" | "graceSeconds"> & { id: string }) | undefined {
	const idOf = (pattern: RegExp) => message.match(pattern)?.[1];
	let id = idOf(/returns sandbox id "(\w+)"/);
	if (id) return { id, kind: "sandbox-started", text: "the sandbox runs (pause container, network)" };
	id = idOf(/returns container id "(\w+)"/);
	if (id) return { id, kind: "container-created", text: "container created" };
	const stop = message.match(/^StopContainer for "(\w+)" with timeout (\d+)/);
	if (stop) return { id: stop[1] ?? "", kind: "stop-requested", text: `the kubelet asks to stop it within ${stop[2]} s`, graceSeconds: Number(stop[2]) };
	const signal = message.match(/^Stop container "(\w+)" with signal (.+)/);
	if (signal) return { id: signal[1] ?? "", kind: "signal", text: `signal: ${signalName(signal[2] ?? "")}` };
	id = idOf(/^Kill container "(\w+)"/);
	if (id) return { id, kind: "kill", text: "signal: SIGKILL" };
	id = idOf(/^StopPodSandbox for "(\w+)" returns/);
	if (id) return { id, kind: "sandbox-stopped", text: "the sandbox is gone" };
	id = idOf(/^StopPodSandbox for "(\w+)"/);
	if (id) return { id, kind: "sandbox-stopping", text: "the kubelet asks to stop the sandbox" };
	return undefined;
}

/** `ID TIME STREAM TAG LINE`: a line of a container's log, as the kubelet keeps it. */
const LOGGED = /^(\w+) (\S+) (?:stdout|stderr) \S (.*)$/s;
/** What a server logged of the kubelet's request, which is an httpGet hook. Its time is when the runtime had read it. */
export function requestEntry({ data, host, number }: Line, owners: ReadonlyMap<string, Owner>): Draft | undefined {
	const [, id = "", time = "", text = ""] = String(data).match(LOGGED) ?? [];
	const owner = owners.get(id);
	if (owner === undefined) return undefined;
	return { at: preciseTime(time), meaning: "by", source: "container log", host, line: number, ...owner, containerId: id, kind: "hook-request", text };
}

interface TaskEvent {
	container_id?: string;
	id?: string;
	exec_id?: string;
	pid?: number;
	exit_status?: number;
	exited_at?: string;
}
const EVENT = /^(\d{4}-\d\d-\d\d \S+) \S+ \S+ \S+ (\/\S+) (\{.*\})$/;
/** A line of `ctr events` or `docker events`; undefined where it is about nobody's Pod, or of no interest. */
export function runtimeEntry(line: Line, owners: ReadonlyMap<string, Owner>): Draft | undefined {
	const docker = dockerEventIn(line);
	if (docker) return dockerEntry(docker, line);
	const { data, host, number } = line;
	const [, time = "", topic = "", json = "{}"] = String(data).match(EVENT) ?? [];
	const event = eventIn(json);
	const owner = event && owners.get(event.container_id ?? "");
	if (event === undefined || owner === undefined) return undefined;
	const exitCode = event.exit_status ?? 0;
	const isExec = event.id !== undefined && event.id !== event.container_id;
	const base = { meaning: "at" as const, source: "containerd event" as const, host, line: number, ...owner, containerId: event.container_id ?? "" };
	const at = preciseTime(time);
	switch (topic) {
		case "/tasks/start":
			return { ...base, at, kind: "process-started", text: `process ${event.pid} started` };
		case "/tasks/exec-added":
			return { ...base, at, execId: event.exec_id ?? "", kind: "exec-requested", text: "the kubelet runs a command in it" };
		case "/tasks/exec-started":
			return { ...base, at, execId: event.exec_id ?? "", kind: "exec-started", text: `its command runs as process ${event.pid}` };
		case "/tasks/exit":
			return {
				...base,
				at: preciseTime(event.exited_at ?? time),
				exitCode,
				...(isExec ? { execId: event.id ?? "" } : {}),
				kind: isExec ? "exec-exited" : "process-exited",
				text: `${isExec ? "its command" : "process"} ${event.pid} ended with exit code ${exitCode}`,
			};
		default:
			return undefined;
	}
}
function eventIn(json: string): TaskEvent | undefined {
	try {
		return JSON.parse(json) as TaskEvent;
	} catch {
		return undefined;
	}
}
