// Prints a Pod as `kubectl get pod -o wide` does. Pure.
import type { core } from "@pulumi/kubernetes/types/output.js";
import { printable } from "../../printable.ts";
import type { Pod } from "../recording/entry.ts";

const HEADER = ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"];
/** kubectl's table: at least 3 spaces between columns (k8s.io/cli-runtime/pkg/printers/tabwriter.go). */
const GAP = 3;

/**
 * Header and row, as kubectl prints them. Ages are those at the moment the Pod became Ready, not now: a stack's output must not change with the clock.
 * Source of the columns: printPod in k8s.io/kubernetes v1.29 pkg/printers/internalversion/printers.go.
 */
export function podLine({ metadata, spec, status }: Pod): string {
	const containers = status.containerStatuses ?? [];
	const readyContainers = containers.filter((container) => container.ready && container.state?.running).length;
	const gates = spec.readinessGates ?? [];
	const trueGates = gates.filter((gate) => isTrue(status, gate.conditionType)).length;
	const row = [
		metadata.name,
		`${readyContainers}/${spec.containers.length}`,
		phase({ metadata, spec, status }),
		restartsText(status),
		age(metadata.creationTimestamp, readyTime(status)),
		status.podIP || "<none>",
		spec.nodeName || "<none>",
		status.nominatedNodeName || "<none>",
		gates.length === 0 ? "<none>" : `${trueGates}/${gates.length}`,
	];
	const widths = HEADER.map((title, column) => Math.max(title.length, row[column]?.length ?? 0) + GAP);
	return printable(
		[HEADER, row]
			.map((cells) =>
				cells
					.map((cell, column) => cell.padEnd(widths[column] ?? 0))
					.join("")
					.trimEnd(),
			)
			.join("\n"),
	);
}

function phase({ metadata, spec, status }: Pod): string {
	if (metadata.deletionTimestamp) return "Terminating";
	const inits = status.initContainerStatuses ?? [];
	const pending = inits.findIndex((container) => container.state?.terminated?.exitCode !== 0);
	if (pending >= 0 && !isTrue(status, "Initialized")) {
		const { terminated, waiting } = inits[pending]?.state ?? {};
		if (terminated) return `Init:${ended(terminated)}`;
		if (waiting?.reason && waiting.reason !== "PodInitializing") return `Init:${waiting.reason}`;
		return `Init:${pending}/${spec.initContainers?.length ?? 0}`;
	}
	let reason = status.reason || status.phase || "Unknown";
	for (const { state } of (status.containerStatuses ?? []).toReversed()) {
		if (state?.waiting?.reason) reason = state.waiting.reason;
		else if (state?.terminated) reason = ended(state.terminated);
	}
	const hasRunning = (status.containerStatuses ?? []).some((container) => container.ready && container.state?.running);
	return reason === "Completed" && hasRunning ? (isTrue(status, "Ready") ? "Running" : "NotReady") : reason;
}

function ended({ reason, signal, exitCode }: core.v1.ContainerStateTerminated): string {
	return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

function restartsText(status: core.v1.PodStatus): string {
	const initialised = isTrue(status, "Initialized");
	const counted = (initialised ? status.containerStatuses : status.initContainerStatuses) ?? [];
	const count = counted.reduce((sum, container) => sum + container.restartCount, 0);
	const last = counted
		.map((container) => container.lastState?.terminated?.finishedAt ?? "")
		.sort()
		.at(-1);
	return count > 0 && last ? `${count} (${age(last, readyTime(status))} ago)` : String(count);
}

function isTrue(status: core.v1.PodStatus, type: string): boolean {
	return (status.conditions ?? []).some((condition) => condition.type === type && condition.status === "True");
}
function readyTime(status: core.v1.PodStatus): string | undefined {
	return status.conditions?.find((condition) => condition.type === "Ready")?.lastTransitionTime;
}

/** Time between two timestamps as k8s.io/apimachinery/pkg/util/duration HumanDuration writes it, up to two years. */
export function age(from: string | undefined, to: string | undefined): string {
	const seconds = Math.floor((Date.parse(to ?? "") - Date.parse(from ?? "")) / 1000);
	if (Number.isNaN(seconds)) return "<unknown>";
	if (seconds < -1) return "<invalid>";
	if (seconds < 0) return "0s";
	const two = (big: number, bigUnit: string, small: number, smallUnit: string) => (small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`);
	const minutes = Math.floor(seconds / 60);
	const hours = Math.floor(minutes / 60);
	const days = Math.floor(hours / 24);
	if (seconds < 120) return `${seconds}s`;
	if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
	if (hours < 3) return `${minutes}m`;
	if (hours < 8) return two(hours, "h", minutes % 60, "m");
	if (hours < 48) return `${hours}h`;
	return days < 8 ? two(days, "d", hours % 24, "h") : `${days}d`;
}
