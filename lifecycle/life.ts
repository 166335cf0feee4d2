// The entries of one Pod, put in order as its life: which container ran when, what was run in it, how it was stopped.
import { type Entry, type Pod, span } from "./entry.ts";
import { type Heard, LATE_MS, NOT_HEARD } from "./heard.ts";
import { type Exec, type Hook, hookOf, nameHooks } from "./hooks.ts";
import type { Timeline } from "./timeline.ts";

/** One start of a container, until its end. */
export interface Run {
	containerId: string;
	created?: Entry;
	/** The entry point's process. */
	started?: Entry;
	exited?: Entry;
	execs: Exec[];
	/** What its server logged of the kubelet's httpGet hooks. */
	requests: Entry[];
	stopRequested?: Entry;
	/** All of them: a second deletion may give less time than the first. */
	stops: Entry[];
	term?: Entry;
	kill?: Entry;
}
export interface ContainerLife {
	name: string;
	role: "init" | "sidecar" | "main";
	/** In the order of their starts. */
	runs: Run[];
	/** What the Pod's spec gives it. */
	postStart?: Hook;
	preStop?: Hook;
}
export interface PodLife {
	uid: string;
	name: string;
	node: string;
	pod: Pod;
	/** As it was before its deletion was requested. */
	alive: Pod;
	/** Everything about this Pod, and every line of the message file on its Node while it lived. */
	entries: Entry[];
	/** Lines of the message file that were there before the Pod: those from before the recording, and the last ones of it. */
	earlier: Entry[];
	/** Init containers in their order, then the others. */
	containers: ContainerLife[];
	added?: Entry;
	deletionRequested?: Entry;
	gone?: Entry;
	sandboxes: Run[];
	/** Whether containerd's own times are there, or only the API's whole seconds. */
	hasRuntime: boolean;
	/** What could be heard of its Node. */
	heard: Heard;
}

/** Every Pod of the timeline, in the order in which they appeared. */
export function livesIn(timeline: Timeline): PodLife[] {
	const byUid = new Map<string, Entry[]>();
	for (const entry of timeline.entries) {
		if (entry.uid === undefined) continue;
		const own = byUid.get(entry.uid);
		if (own) own.push(entry);
		else byUid.set(entry.uid, [entry]);
	}
	const file = fileEntries(timeline.entries);
	return [...timeline.pods.entries()].map(([uid, pod]) =>
		lifeOf(
			pod,
			timeline.alive.get(uid) ?? pod,
			byUid.get(uid) ?? [],
			timeline.heard.get(pod.spec.nodeName ?? "") ?? NOT_HEARD,
			writes(pod, timeline.messageFile) ? (file.get(pod.spec.nodeName ?? "") ?? NO_FILE) : NO_FILE,
		),
	);
}

function lifeOf(pod: Pod, alive: Pod, own: Entry[], heard: Heard, file: MessageFile): PodLife {
	const node = pod.spec.nodeName ?? "";
	const added = own.find(({ kind }) => kind === "pod-added");
	const gone = own.find(({ kind }) => kind === "pod-gone");
	const until = (gone?.at ?? Number.POSITIVE_INFINITY) + LATE_MS;
	const [first, last] = [firstAfter(file.lines, added?.at ?? 0), firstAfter(file.lines, until)];
	const lines = [...file.before, ...file.lines.slice(first, last), ...file.after];
	const deletionRequested = own.find(({ kind }) => kind === "deletion-requested");
	const specs = [
		...(pod.spec.initContainers ?? []).map((spec) => ({
			spec,
			role: (spec as { restartPolicy?: string }).restartPolicy === "Always" ? ("sidecar" as const) : ("init" as const),
		})),
		...pod.spec.containers.map((spec) => ({ spec, role: "main" as const })),
	];
	const byContainer = Map.groupBy(own, ({ container }) => container ?? "");
	const containers = specs.map(({ spec, role }): ContainerLife => {
		const { postStart, preStop } = spec.lifecycle ?? {};
		const life: ContainerLife = { name: spec.name, role, runs: runsOf(byContainer.get(spec.name) ?? []) };
		if (postStart) life.postStart = hookOf(postStart);
		if (preStop) life.preStop = hookOf(preStop);
		for (const run of life.runs) nameHooks(run, life, deletionRequested);
		return life;
	});
	return {
		...{ uid: pod.metadata.uid ?? "", name: pod.metadata.name ?? "", node, pod, alive, containers, heard },
		entries: [...own, ...lines].sort((a, b) => a.id - b.id),
		earlier: [...file.before, ...file.lines.slice(Math.max(0, first - EARLIER_LINES), first)],
		...(added ? { added } : {}),
		...(deletionRequested ? { deletionRequested } : {}),
		...(gone ? { gone } : {}),
		sandboxes: runsOf(own.filter((entry) => entry.container === undefined && entry.containerId !== undefined)),
		hasRuntime: own.some(({ kind }) => kind === "process-started"),
	};
}
/** Whether the Pod can write to the file at all: it has the file's folder on the host, or one above. */
function writes({ spec }: Pod, messageFile: string): boolean {
	return (spec.volumes ?? []).some(({ hostPath }) => hostPath && messageFile.startsWith(`${hostPath.path.replace(/\/*$/, "")}/`));
}
/** Entries about the message file of one host: what was in it when the recording began, what came, and what was in it at the end. */
interface MessageFile {
	before: Entry[];
	lines: Entry[];
	after: Entry[];
}
const NO_FILE: MessageFile = { before: [], lines: [], after: [] };
/** So many lines of Pods before it are shown with a Pod. */
const EARLIER_LINES = 20;
/** By host. */
function fileEntries(entries: Entry[]): Map<string, MessageFile> {
	const byHost = new Map<string, MessageFile>();
	for (const entry of entries) {
		if (entry.source !== "message file") continue;
		const own = byHost.get(entry.host) ?? { before: [], lines: [], after: [] };
		byHost.set(entry.host, own);
		own[entry.kind === "line" ? "lines" : entry.kind === "line-before" ? "before" : "after"].push(entry);
	}
	return byHost;
}
/** Place of the first entry that is later than `at`, in a list in order of time. */
function firstAfter(entries: Entry[], at: number): number {
	let [low, high] = [0, entries.length];
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((entries[middle]?.at ?? 0) > at) high = middle;
		else low = middle + 1;
	}
	return low;
}
function runsOf(entries: Entry[]): Run[] {
	const runs = new Map<string, Run>();
	const execs = new Map<string, Exec>();
	const set = <K extends keyof Run>(run: Run, key: K, entry: Run[K]) => {
		run[key] ??= entry;
	};
	for (const entry of entries) {
		const id = entry.containerId;
		if (id === undefined) continue;
		const run = runs.get(id) ?? { containerId: id, execs: [], requests: [], stops: [] };
		runs.set(id, run);
		if (entry.kind === "container-created") set(run, "created", entry);
		else if (entry.kind === "process-started") run.started = entry;
		else if (entry.kind === "process-exited") run.exited = entry;
		// The API's whole seconds stand in where the runtime was not heard.
		else if (entry.kind === "container-running") set(run, "started", entry);
		else if (entry.kind === "container-terminated") set(run, "exited", entry);
		else if (entry.kind === "stop-requested") {
			run.stops.push(entry);
			set(run, "stopRequested", entry);
		} else if (entry.kind === "signal") set(run, "term", entry);
		else if (entry.kind === "kill") set(run, "kill", entry);
		else if (entry.kind === "hook-request") run.requests.push(entry);
		else if (entry.execId !== undefined) addExec(run, execs, entry);
	}
	return [...runs.values()].filter(({ started, exited, created }) => started || exited || created);
}
function addExec(run: Run, execs: Map<string, Exec>, entry: Entry): void {
	const key = `${run.containerId} ${entry.execId}`;
	let exec = execs.get(key);
	if (exec === undefined) {
		exec = { what: "command" };
		execs.set(key, exec);
		run.execs.push(exec);
	}
	if (entry.kind === "exec-requested") exec.requested = entry;
	else if (entry.kind === "exec-started") exec.started = entry;
	else exec.exited = entry;
}
/** The hook's command in this run, or its request. */
export const hookIn = (run: Run, what: "postStart" | "preStop"): Exec | undefined => run.execs.find((exec) => exec.what === what);
/** Whether the run was stopped because of the Pod's deletion, and not before it, such as after a failed probe. */
export const isDeleted = ({ deletionRequested }: PodLife, { stopRequested }: Run): boolean =>
	deletionRequested !== undefined && (stopRequested === undefined || stopRequested.at >= span(deletionRequested).earliest);
/** Seconds that hook and process of a container have together when it is stopped: the deletion's, or without one what the spec says (default 30). */
export function graceOf(life: PodLife, run: Run): number {
	const asked = isDeleted(life, run) ? life.deletionRequested?.graceSeconds : undefined;
	return asked ?? life.pod.spec.terminationGracePeriodSeconds ?? 30;
}
/** Deleted with grace period 0: the API server forgets the Pod at once, whatever still runs. */
export const isForced = ({ deletionRequested }: PodLife): boolean => deletionRequested?.graceSeconds === 0;
