// The types that a Pod's history is made of, and small questions about it.
import type { Coverage } from "../recording/coverage.ts";
import { type Entry, type Pod, span } from "../recording/entry.ts";

/** A command that the kubelet ran in a container (a hook, or a probe), or a request that it made of it (a hook). */
export interface Exec {
	what: "postStart" | "preStop" | "command";
	/** Undefined for a request: its server tells only that it was answered. */
	requested?: Entry;
	started?: Entry;
	exited?: Entry;
}
export interface Hook {
	form: "exec" | "httpGet" | "tcpSocket" | "sleep";
	/** Of httpGet. */
	path?: string;
	/** Of sleep. */
	seconds?: number;
}
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
export interface ContainerHistory {
	name: string;
	role: "init" | "sidecar" | "main";
	/** In the order of their starts. */
	runs: Run[];
	/** What the Pod's spec gives it. */
	postStart?: Hook;
	preStop?: Hook;
}
export interface PodHistory {
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
	containers: ContainerHistory[];
	added?: Entry;
	deletionRequested?: Entry;
	gone?: Entry;
	sandboxes: Run[];
	/** Whether containerd's own times are there, or only the API's whole seconds. */
	hasRuntime: boolean;
	/** What is recorded of its Node, and since when and until when. */
	coverage: Coverage;
}

/** The hook's command in this run, or its request. */
export const hookIn = (run: Run, what: "postStart" | "preStop"): Exec | undefined => run.execs.find((exec) => exec.what === what);
/** Whether the run was stopped because of the Pod's deletion, and not before it, such as after a failed probe. */
export const isDeleted = ({ deletionRequested }: PodHistory, { stopRequested }: Run): boolean =>
	deletionRequested !== undefined && (stopRequested === undefined || stopRequested.at >= span(deletionRequested).earliest);
/** Seconds that hook and process of a container have together when it is stopped: the deletion's, or without one what the spec says (default 30). */
export function graceOf(history: PodHistory, run: Run): number {
	const asked = isDeleted(history, run) ? history.deletionRequested?.graceSeconds : undefined;
	return asked ?? history.pod.spec.terminationGracePeriodSeconds ?? 30;
}
/** Deleted with grace period 0: the API server forgets the Pod at once, whatever still runs. */
export const isForced = ({ deletionRequested }: PodHistory): boolean => deletionRequested?.graceSeconds === 0;
