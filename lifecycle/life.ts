// The entries of one Pod, put in order as its life: which container ran when, what was run in it, how it was stopped.
import type { Entry, Pod } from "./entry.ts";
import type { Timeline } from "./timeline.ts";

/** A command that the kubelet ran in a container: a hook, or a probe. */
export interface Exec {
	what: "postStart" | "preStop" | "command";
	requested?: Entry;
	started?: Entry;
	exited?: Entry;
}
/** One start of a container, until its end. */
export interface Run {
	containerId: string;
	created?: Entry;
	/** The entry point's process. */
	started?: Entry;
	exited?: Entry;
	execs: Exec[];
	stopRequested?: Entry;
	term?: Entry;
	kill?: Entry;
}
export interface ContainerLife {
	name: string;
	role: "init" | "sidecar" | "main";
	/** In the order of their starts. */
	runs: Run[];
	/** Whether the Pod's spec gives it these hooks, and in which form. */
	postStart?: HookForm;
	preStop?: HookForm;
}
export type HookForm = "exec" | "httpGet" | "tcpSocket" | "sleep";
export interface PodLife {
	uid: string;
	name: string;
	node: string;
	pod: Pod;
	/** As it was before its deletion was requested. */
	alive: Pod;
	/** Everything about this Pod, and every line of the message file on its Node while it lived. */
	entries: Entry[];
	/** Init containers in their order, then the others. */
	containers: ContainerLife[];
	added?: Entry;
	deletionRequested?: Entry;
	gone?: Entry;
	sandboxes: Run[];
	/** Whether containerd's own times are there, or only the API's whole seconds. */
	hasRuntime: boolean;
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
		lifeOf(pod, timeline.alive.get(uid) ?? pod, byUid.get(uid) ?? [], writes(pod, timeline.messageFile) ? (file.get(pod.spec.nodeName ?? "") ?? []) : []),
	);
}

function lifeOf(pod: Pod, alive: Pod, own: Entry[], file: Entry[]): PodLife {
	const node = pod.spec.nodeName ?? "";
	const added = own.find(({ kind }) => kind === "pod-added");
	const gone = own.find(({ kind }) => kind === "pod-gone");
	const until = (gone?.at ?? Number.POSITIVE_INFINITY) + LATE_MS;
	const [first, last] = [firstAfter(file, added?.at ?? 0), firstAfter(file, until)];
	const lines = file.filter(({ kind }, index) => kind !== "line" || (index >= first && index < last));
	const deletionRequested = own.find(({ kind }) => kind === "deletion-requested");
	const specs = [
		...(pod.spec.initContainers ?? []).map((spec) => ({
			spec,
			role: (spec as { restartPolicy?: string }).restartPolicy === "Always" ? ("sidecar" as const) : ("init" as const),
		})),
		...pod.spec.containers.map((spec) => ({ spec, role: "main" as const })),
	];
	const containers = specs.map(({ spec, role }): ContainerLife => {
		const { postStart, preStop } = spec.lifecycle ?? {};
		const life: ContainerLife = { name: spec.name, role, runs: runsOf(own.filter((entry) => entry.container === spec.name)) };
		if (postStart) life.postStart = formOf(postStart);
		if (preStop) life.preStop = formOf(preStop);
		for (const run of life.runs) nameExecs(run, life, deletionRequested);
		return life;
	});
	return {
		...{ uid: pod.metadata.uid ?? "", name: pod.metadata.name ?? "", node, pod, alive, containers },
		entries: [...own, ...lines].sort((a, b) => a.id - b.id),
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
/** What is about the message file, by host. */
function fileEntries(entries: Entry[]): Map<string, Entry[]> {
	const byHost = new Map<string, Entry[]>();
	for (const entry of entries) {
		if (entry.source !== "message file") continue;
		const own = byHost.get(entry.host);
		if (own) own.push(entry);
		else byHost.set(entry.host, [entry]);
	}
	return byHost;
}
/** Place of the first entry that is later than `at`, in a list in order of time. */
function firstAfter(entries: Entry[], at: number): number {
	const index = entries.findIndex((entry) => entry.at > at);
	return index < 0 ? entries.length : index;
}
/** The message file is looked at fifty times a second, and the recorder may be busy. */
const LATE_MS = 2000;

function runsOf(entries: Entry[]): Run[] {
	const runs = new Map<string, Run>();
	const set = <K extends keyof Run>(run: Run, key: K, entry: Run[K]) => {
		run[key] ??= entry;
	};
	for (const entry of entries) {
		const id = entry.containerId;
		if (id === undefined) continue;
		const run = runs.get(id) ?? { containerId: id, execs: [] };
		runs.set(id, run);
		if (entry.kind === "container-created") set(run, "created", entry);
		else if (entry.kind === "process-started") run.started = entry;
		else if (entry.kind === "process-exited") run.exited = entry;
		// The API's whole seconds stand in where the runtime was not heard.
		else if (entry.kind === "container-running") set(run, "started", entry);
		else if (entry.kind === "container-terminated") set(run, "exited", entry);
		else if (entry.kind === "stop-requested") set(run, "stopRequested", entry);
		else if (entry.kind === "signal") set(run, "term", entry);
		else if (entry.kind === "kill") set(run, "kill", entry);
		else if (entry.execId !== undefined) addExec(run, entry);
	}
	return [...runs.values()].filter(({ started, exited, created }) => started || exited || created);
}
function addExec(run: Run, entry: Entry): void {
	const isOf = ({ requested, started, exited }: Exec) => [requested, started, exited].some((one) => one?.execId === entry.execId);
	let exec = run.execs.find(isOf);
	if (exec === undefined) {
		exec = { what: "command" };
		run.execs.push(exec);
	}
	if (entry.kind === "exec-requested") exec.requested = entry;
	else if (entry.kind === "exec-started") exec.started = entry;
	else exec.exited = entry;
}
function formOf(hook: object): HookForm {
	return (["exec", "httpGet", "tcpSocket", "sleep"] as const).find((form) => form in hook) ?? "exec";
}

/**
 * containerd doesn't say what a command was for. The kubelet runs postStart before anything else in a container, so the first is postStart where
 * there is one; the last before the stop is preStop where there is one and no probe can be meant instead (then: the first after the deletion).
 */
function nameExecs(run: Run, { postStart, preStop }: ContainerLife, deletion: Entry | undefined): void {
	const [first, ...rest] = run.execs;
	if (first && postStart === "exec") first.what = "postStart";
	const candidates = postStart === "exec" ? rest : run.execs;
	if (preStop !== "exec") return;
	const stop = run.stopRequested?.at ?? run.exited?.at ?? Number.POSITIVE_INFINITY;
	const deletedAt = deletion?.apiSecond ?? Number.POSITIVE_INFINITY;
	const asked = stop >= deletedAt ? deletedAt : Number.NEGATIVE_INFINITY; // else it was stopped before, such as after a failed postStart
	const isStopping = run.stopRequested !== undefined || deletion !== undefined;
	const last = candidates.filter(({ requested }) => requested !== undefined && requested.at <= stop && requested.at >= asked).at(-1);
	if (isStopping && last) last.what = "preStop";
}
/** The hook's command in this run. */
export const hookIn = (run: Run, what: "postStart" | "preStop"): Exec | undefined => run.execs.find((exec) => exec.what === what);
/** Deleted with grace period 0: the API server forgets the Pod at once, whatever still runs. */
export const isForced = ({ deletionRequested }: PodLife): boolean => deletionRequested?.graceSeconds === 0;
