// Builds each Pod's history from a timeline: which container ran when, what was run in it, how it was stopped.
import { type Coverage, LATE_MS, NO_COVERAGE } from "../recording/coverage.ts";
import type { Entry, Pod } from "../recording/entry.ts";
import type { Timeline } from "../recording/timeline.ts";
import { hookOf, nameHooks } from "./hooks.ts";
import type { ContainerHistory, Exec, PodHistory, Run } from "./pod-history.ts";

/** Every Pod of the timeline, in the order in which they appeared. */
export function historiesIn(timeline: Timeline): PodHistory[] {
	const byUid = new Map<string, Entry[]>();
	for (const entry of timeline.entries) {
		if (entry.uid === undefined) continue;
		const own = byUid.get(entry.uid);
		if (own) own.push(entry);
		else byUid.set(entry.uid, [entry]);
	}
	const file = fileEntries(timeline.entries);
	return [...timeline.pods.entries()].map(([uid, pod]) =>
		historyOf(
			pod,
			timeline.alive.get(uid) ?? pod,
			byUid.get(uid) ?? [],
			timeline.coverage.get(pod.spec.nodeName ?? "") ?? NO_COVERAGE,
			writes(pod, timeline.messageFile) ? (file.get(pod.spec.nodeName ?? "") ?? NO_FILE) : NO_FILE,
		),
	);
}

function historyOf(pod: Pod, alive: Pod, own: Entry[], coverage: Coverage, file: MessageFile): PodHistory {
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
	const containers = specs.map(({ spec, role }): ContainerHistory => {
		const { postStart, preStop } = spec.lifecycle ?? {};
		const container: ContainerHistory = { name: spec.name, role, runs: runsIn(byContainer.get(spec.name) ?? []) };
		if (postStart) container.postStart = hookOf(postStart);
		if (preStop) container.preStop = hookOf(preStop);
		for (const run of container.runs)
			nameHooks(run, container, deletionRequested, deletionRequested?.graceSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30);
		return container;
	});
	return {
		uid: pod.metadata.uid ?? "",
		name: pod.metadata.name ?? "",
		node,
		pod,
		alive,
		containers,
		coverage,
		entries: [...own, ...lines].sort((a, b) => a.id - b.id),
		earlier: [...file.before, ...file.lines.slice(Math.max(0, first - EARLIER_LINES), first)],
		...(added ? { added } : {}),
		...(deletionRequested ? { deletionRequested } : {}),
		...(gone ? { gone } : {}),
		sandboxes: runsIn(own.filter((entry) => entry.container === undefined && entry.containerId !== undefined)),
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
function runsIn(entries: Entry[]): Run[] {
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
		// The API's whole seconds stand in where the runtime's own times are not recorded.
		else if (entry.kind === "container-running") set(run, "started", entry);
		else if (entry.kind === "container-terminated") set(run, "exited", entry);
		else if (entry.kind === "stop-requested") {
			run.stops.push(entry);
			set(run, "stopRequested", entry);
		} else if (entry.kind === "signal") {
			set(run, "term", entry);
			if (entry.source === "Docker event") set(run, "stopRequested", entry); // it signals at once when it is asked, and says of neither how long it gives
		} else if (entry.kind === "kill") set(run, "kill", entry);
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
