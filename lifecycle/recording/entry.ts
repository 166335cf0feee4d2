// An entry: one thing that happened to a Pod, and how exactly its time is known.
import type { core, meta } from "@pulumi/kubernetes/types/output.js";

export type Kind =
	| "pod-added"
	| "pod-gone"
	| "deletion-requested"
	| "phase"
	| "condition"
	| "container-waiting"
	| "container-running"
	| "container-terminated"
	| "event"
	| "sandbox-started"
	| "sandbox-stopping"
	| "sandbox-stopped"
	| "container-created"
	| "process-started"
	| "process-exited"
	| "exec-requested"
	| "exec-started"
	| "exec-exited"
	| "hook-request"
	| "stop-requested"
	| "signal"
	| "kill"
	| "line"
	| "line-before"
	| "line-after"
	| "recorder";

export type Source = "API: Pod" | "API: event" | "containerd event" | "containerd log" | "Docker event" | "container log" | "message file" | "recorder";

/** Whose a container or sandbox is. */
export interface Owner {
	uid: string;
	/** Undefined for the sandbox itself, which is the pause container. */
	container?: string;
}

export interface Entry {
	/** Place in the timeline, from 1. */
	id: number;
	/** ms since 1970, with a fraction where the source has one, by the clock of the control plane. */
	at: number;
	/** "at": it happened then. "by": it had happened by then (the moment when the recorder received it). */
	meaning: "at" | "by";
	/** What the API says, a whole second in ms: it happened within that second. */
	apiSecond?: number;
	source: Source;
	host: string;
	/** Line of the recording. */
	line: number;
	/** Of the Pod; undefined where the source doesn't say. */
	uid?: string;
	container?: string;
	/** containerd's id of a container, sandbox or exec. */
	containerId?: string;
	execId?: string;
	kind: Kind;
	text: string;
	exitCode?: number;
	/** A condition's new value. */
	isTrue?: boolean;
	/** Seconds that a stop gives the process. */
	graceSeconds?: number;
	/** What `kubectl describe` needs of an event; `first` is when it came first, in ms. */
	event?: { name: string; type: string; message: string; count: number; first?: number; host?: string };
	/** Who made an event, such as kubelet. */
	component?: string;
	/** An event's, condition's or state's. */
	reason?: string;
}
/** An entry before it has its place. */
export type Draft = Omit<Entry, "id">;

/** Earliest and latest moment at which it can have happened, in ms. */
export function span({ at, meaning, apiSecond }: Pick<Entry, "at" | "meaning" | "apiSecond">): { earliest: number; latest: number } {
	if (meaning === "at") return { earliest: at, latest: at };
	return { earliest: apiSecond ?? Number.NEGATIVE_INFINITY, latest: Math.min(at, apiSecond === undefined ? at : apiSecond + 999.999) };
}

export interface Pod {
	metadata: meta.v1.ObjectMeta;
	spec: core.v1.PodSpec;
	status: core.v1.PodStatus;
}
/** Of a message of the kubelet, such as `spec.initContainers{init-myservice}`. */
export const containerIn = (fieldPath: string | undefined): string | undefined => fieldPath?.match(/\{(.+)\}$/)?.[1];

/** What a container was told to stop with: SIGTERM, unless its image says otherwise. */
export const stopSignal = (term: Entry | undefined): string => term?.text.replace(/^signal: /, "") ?? "SIGTERM";
