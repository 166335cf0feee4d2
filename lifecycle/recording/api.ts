// Turns what the API server sent about Pods and their events into entries.
import { containerIn, type Draft, type Pod } from "./entry.ts";
import type { Line } from "./recording.ts";

type Place = Pick<Draft, "at" | "meaning" | "host" | "line" | "uid">;
const second = (time: string | undefined): { apiSecond?: number } => {
	const value = Date.parse(time ?? "");
	return Number.isNaN(value) ? {} : { apiSecond: value };
};

/** Follows every Pod's versions; what differs from the one before becomes entries. */
export class PodFollower {
	readonly #last = new Map<string, Pod>();
	/** The last version of each Pod before its deletion was requested. */
	readonly alive = new Map<string, Pod>();
	/** The newest version of each Pod, by uid. */
	get pods(): ReadonlyMap<string, Pod> {
		return this.#last;
	}
	entries(line: Line, at: number): Draft[] {
		const { type, object } = line.data as { type?: string; object?: Pod & { message?: string } };
		const place: Place = { at, meaning: "by", host: line.host, line: line.number };
		const uid = object?.metadata?.uid;
		if (type === "ERROR" || object === undefined || uid === undefined)
			return [{ ...place, source: "API: Pod", kind: "recorder", text: `the watch ended: ${object?.message ?? JSON.stringify(line.data).slice(0, 200)}` }];
		const before = this.#last.get(uid);
		this.#last.set(uid, object);
		if (!object.metadata.deletionTimestamp && type !== "DELETED") this.alive.set(uid, object);
		const here = { ...place, uid, source: "API: Pod" as const };
		const found = before === undefined ? [added(object, here)] : [];
		found.push(...podChanges(before, object, here), ...containerChanges(before, object, here));
		if (type === "DELETED") found.push({ ...here, kind: "pod-gone", text: "the API server forgot the Pod" });
		// A version without any difference that matters is kept too: nothing that was recorded gets lost.
		return found.length > 0 ? found : [{ ...here, kind: "recorder", text: "a new version of the Pod without a change of its state" }];
	}
}
type Here = Place & { source: "API: Pod" };

function added({ metadata }: Pod, here: Here): Draft {
	return { ...here, ...second(metadata.creationTimestamp), kind: "pod-added", text: "the Pod is in the API" };
}
function podChanges(before: Pod | undefined, { metadata, spec, status }: Pod, here: Here): Draft[] {
	const found: Draft[] = [];
	if (metadata.deletionTimestamp && before?.metadata.deletionTimestamp !== metadata.deletionTimestamp) {
		const graceSeconds = metadata.deletionGracePeriodSeconds ?? undefined;
		// deletionTimestamp is when the grace period ends.
		const asked = Date.parse(metadata.deletionTimestamp) - (graceSeconds ?? 0) * 1000;
		const text = before?.metadata.deletionTimestamp
			? `the deletion has a new grace period: ${graceSeconds} s`
			: `deletion requested, grace period ${graceSeconds ?? "unknown"} s`;
		found.push({ ...here, apiSecond: asked, kind: "deletion-requested", text, ...(graceSeconds === undefined ? {} : { graceSeconds }) });
	}
	if (spec.nodeName && before?.spec.nodeName !== spec.nodeName && before !== undefined)
		found.push({ ...here, kind: "phase", text: `bound to Node ${spec.nodeName}` });
	if (status.phase && before?.status.phase !== status.phase)
		found.push({ ...here, kind: "phase", text: `phase ${status.phase}${status.reason ? ` (${status.reason})` : ""}`, reason: status.phase });
	for (const condition of status.conditions ?? []) {
		const old = before?.status.conditions?.find(({ type }) => type === condition.type);
		if (old?.status === condition.status && old.reason === condition.reason) continue;
		found.push({
			...here,
			...second(condition.lastTransitionTime),
			kind: "condition",
			reason: condition.type,
			isTrue: condition.status === "True",
			text: `condition ${condition.type} ${condition.status}${condition.reason ? ` (${condition.reason})` : ""}`,
		});
	}
	return found;
}

function containerChanges(before: Pod | undefined, { status }: Pod, here: Here): Draft[] {
	const olds = [...(before?.status.initContainerStatuses ?? []), ...(before?.status.containerStatuses ?? [])];
	return [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].flatMap((now) => {
		const old = olds.find(({ name }) => name === now.name);
		const id = now.containerID?.replace(/^\w+:\/\//, "");
		const base = { ...here, container: now.name, ...(id ? { containerId: id } : {}) };
		const found: Draft[] = [];
		// Between two versions a container may have ended and started again: its last end comes first.
		const last = now.lastState?.terminated;
		if (last?.containerID && last.containerID !== old?.lastState?.terminated?.containerID && last.containerID !== old?.state?.terminated?.containerID)
			found.push(terminated({ ...base, containerId: last.containerID.replace(/^\w+:\/\//, "") }, last));
		if (JSON.stringify(old?.state) === JSON.stringify(now.state) && old?.restartCount === now.restartCount) return found;
		if (now.state?.running) found.push({ ...base, ...second(now.state.running.startedAt), kind: "container-running", text: `${now.name} runs` });
		else if (now.state?.terminated) found.push(terminated(base, now.state.terminated));
		else if (now.state?.waiting) {
			const { reason = "unknown", message } = now.state.waiting;
			found.push({ ...base, kind: "container-waiting", text: `${now.name} waits: ${reason}${message ? ` (${message})` : ""}`, reason });
		}
		return found;
	});
}
function terminated(
	base: Here & { container: string; containerId?: string },
	state: { exitCode: number; reason?: string; finishedAt?: string; signal?: number },
): Draft {
	const { exitCode, reason, finishedAt } = state;
	const text = `${base.container} has ended: exit code ${exitCode}${reason ? ` (${reason})` : ""}`;
	return { ...base, ...second(finishedAt), kind: "container-terminated", text, exitCode, ...(reason ? { reason } : {}) };
}

interface ApiEvent {
	metadata?: { name?: string };
	involvedObject?: { kind?: string; uid?: string; fieldPath?: string; name?: string };
	reason?: string;
	message?: string;
	type?: string;
	count?: number;
	firstTimestamp?: string;
	lastTimestamp?: string;
	eventTime?: string;
	source?: { component?: string; host?: string };
	reportingComponent?: string;
}
const firstSeen = ({ firstTimestamp, eventTime }: ApiEvent): { first?: number } => {
	const { apiSecond } = second(eventTime ?? firstTimestamp);
	return apiSecond === undefined ? {} : { first: apiSecond };
};
/** One version of an event. Its time in the API is a whole second; the recorder received it at `at`. */
export function eventEntries(line: Line, at: number): Draft[] {
	const { type, object } = line.data as { type?: string; object?: ApiEvent };
	const place: Place = { at, meaning: "by", host: line.host, line: line.number };
	if (type === "DELETED" || object?.involvedObject === undefined)
		return [{ ...place, source: "API: event", kind: "recorder", text: `an event went away: ${object?.metadata?.name ?? ""}` }];
	const { involvedObject, reason = "", message = "", count = 1 } = object;
	const container = containerIn(involvedObject.fieldPath);
	return [
		{
			...place,
			...second(object.lastTimestamp ?? object.firstTimestamp ?? object.eventTime),
			source: "API: event" as const,
			kind: "event" as const,
			reason,
			...(involvedObject.kind === "Pod" && involvedObject.uid ? { uid: involvedObject.uid } : {}),
			...(container ? { container } : {}),
			event: {
				name: object.metadata?.name ?? "",
				type: object.type ?? "Normal",
				message,
				count,
				...firstSeen(object),
				...(object.source?.host ? { host: object.source.host } : {}),
			},
			component: object.source?.component || object.reportingComponent || "unknown",
			text: `${object.type ?? "Normal"} ${reason}: ${message}${count > 1 ? ` (${count} times)` : ""}`,
		},
	];
}
