// A Pod as the seed's page shows it: its YAML, and what kubectl describe prints of it.
import type { core } from "@pulumi/kubernetes/types/output.js";
import { Document, isScalar, visit } from "yaml";
import type { Entry, Pod } from "../entry.ts";

/** Set by the API server where nobody said anything: left out, so that what a person wrote can be read. */
const DEFAULTS: Record<string, unknown> = {
	...{ dnsPolicy: "ClusterFirst", restartPolicy: "Always", schedulerName: "default-scheduler", serviceAccount: "default", serviceAccountName: "default" },
	...{ terminationGracePeriodSeconds: 30, enableServiceLinks: true, preemptionPolicy: "PreemptLowerPriority", priority: 0 },
	...{ terminationMessagePath: "/dev/termination-log", terminationMessagePolicy: "File" },
};
const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const ADDED = new Set(["nodeName", "tolerations", "securityContext", "resources"]);

/** The order of the seed's page; what it doesn't have comes after, as the API has it. */
const ORDER = ["name", "image", "imagePullPolicy", "restartPolicy", "command", "args", "lifecycle", "volumeMounts", "containers", "initContainers", "volumes"];

/** The Pod as somebody would have written it. */
export function podYaml({ metadata, spec }: Pod): string {
	const { name, namespace, labels } = metadata;
	const document = new Document(
		{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace, ...(labels ? { labels } : {}) }, spec: written(spec) },
		{ aliasDuplicateObjects: false },
	);
	// Commands on one line, as people write them.
	visit(document, {
		Seq(_, list) {
			list.flow = list.items.every((item) => isScalar(item));
		},
	});
	return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}
function written(value: unknown): unknown {
	if (Array.isArray(value)) return value.filter((item) => !isToken(item)).map(written);
	if (typeof value !== "object" || value === null) return value;
	const kept = Object.entries(value).filter(([key, item]) => DEFAULTS[key] !== item && !(ADDED.has(key) && isEmptyOrAdded(key, item)));
	const place = (key: string) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
	kept.sort(([a], [b]) => place(a) - place(b));
	return Object.fromEntries(kept.map(([key, item]) => [key, written(item)]));
}
const isToken = (item: unknown): boolean => {
	const { mountPath, name, projected } = (item ?? {}) as { mountPath?: string; name?: string; projected?: unknown };
	return mountPath === TOKEN_PATH || (projected !== undefined && (name?.startsWith("kube-api-access-") ?? false));
};
const isEmptyOrAdded = (key: string, item: unknown): boolean =>
	key === "nodeName" || key === "tolerations" || (typeof item === "object" && item !== null && Object.keys(item).length === 0);

/** As `kubectl describe pod` prints it, in its order; ages of events count to `now`, in ms. */
export function describePod({ metadata, spec, status }: Pod, events: Entry[], now: number): string {
	const lines: string[] = [];
	const put = (indent: number, key: string, value: string | number | undefined, width = 14) =>
		value === undefined ? undefined : lines.push(`${" ".repeat(indent)}${`${key}:`.padEnd(width)}${value}`.trimEnd());
	put(0, "Name", metadata.name, 18);
	put(0, "Namespace", metadata.namespace, 18);
	put(0, "Priority", spec.priority ?? 0, 18);
	put(0, "Node", spec.nodeName ? `${spec.nodeName}/${status.hostIP ?? ""}` : "<none>", 18);
	put(0, "Start Time", date(status.startTime), 18);
	put(
		0,
		"Labels",
		Object.entries(metadata.labels ?? {})
			.map(([key, value]) => `${key}=${value}`)
			.join("\n".padEnd(19)) || "<none>",
		18,
	);
	put(0, "Status", status.phase, 18);
	put(0, "IP", status.podIP || undefined, 18);
	const block = (title: string, specs: core.v1.Container[], statuses: core.v1.ContainerStatus[]) => {
		if (specs.length > 0)
			lines.push(
				`${title}:`,
				...specs.flatMap((one) =>
					containerBlock(
						one,
						statuses.find(({ name }) => name === one.name),
					),
				),
			);
	};
	block("Init Containers", spec.initContainers ?? [], status.initContainerStatuses ?? []);
	block("Containers", spec.containers, status.containerStatuses ?? []);
	const conditions = status.conditions ?? [];
	if (conditions.length > 0) lines.push("Conditions:", ...columns([["Type", "Status"], ...conditions.map(({ type, status: value }) => [type, value])], 2));
	lines.push("Volumes:", ...(spec.volumes ?? []).flatMap(volumeBlock));
	put(0, "QoS Class", status.qosClass, 29);
	put(
		0,
		"Node-Selectors",
		Object.entries(spec.nodeSelector ?? {})
			.map(([key, value]) => `${key}=${value}`)
			.join(", ") || "<none>",
		29,
	);
	put(0, "Tolerations", (spec.tolerations ?? []).map(toleration).join(`\n${" ".repeat(29)}`) || "<none>", 29);
	lines.push(...eventBlock(events, now));
	return lines.join("\n");
}
function containerBlock(spec: core.v1.Container, status: core.v1.ContainerStatus | undefined): string[] {
	const lines = [`  ${spec.name}:`];
	const put = (indent: number, key: string, value: string | number | undefined) =>
		value === undefined ? undefined : lines.push(`${" ".repeat(indent)}${`${key}:`.padEnd(20 - indent)}${value}`.trimEnd());
	put(4, "Container ID", status?.containerID ?? "");
	put(4, "Image", spec.image);
	put(4, "Image ID", status?.imageID ?? "");
	put(4, "Port", spec.ports?.map(({ containerPort, protocol }) => `${containerPort}/${protocol ?? "TCP"}`).join(", ") ?? "<none>");
	if (spec.command) lines.push("    Command:", ...spec.command.map((word) => `      ${word}`));
	const state = status?.state;
	if (state?.running) {
		put(4, "State", "Running");
		put(6, "Started", date(state.running.startedAt));
	} else if (state?.terminated) {
		put(4, "State", "Terminated");
		put(6, "Reason", state.terminated.reason);
		put(6, "Exit Code", state.terminated.exitCode);
		put(6, "Started", date(state.terminated.startedAt));
		put(6, "Finished", date(state.terminated.finishedAt));
	} else {
		put(4, "State", "Waiting");
		put(6, "Reason", state?.waiting?.reason);
	}
	put(4, "Ready", status?.ready ? "True" : "False");
	put(4, "Restart Count", status?.restartCount ?? 0);
	lines.push("    Mounts:", ...(spec.volumeMounts ?? []).map(({ name, mountPath, readOnly }) => `      ${mountPath} from ${name} (${readOnly ? "ro" : "rw"})`));
	return lines;
}
function volumeBlock({ name, hostPath, emptyDir, projected }: core.v1.Volume): string[] {
	const line = (key: string, value: string) => `    ${`${key}:`.padEnd(15)}${value}`;
	if (hostPath)
		return [`  ${name}:`, line("Type", "HostPath (bare host directory volume)"), line("Path", hostPath.path), line("HostPathType", hostPath.type ?? "")];
	if (emptyDir) return [`  ${name}:`, line("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)")];
	return [`  ${name}:`, line("Type", projected ? "Projected (a volume that contains injected data from multiple sources)" : "see the YAML")];
}
function toleration({ key = "", effect = "", tolerationSeconds, value, operator }: core.v1.Toleration): string {
	return `${key}${value ? `=${value}` : ""}:${effect}${operator === "Exists" && !value ? " op=Exists" : ""}${tolerationSeconds === undefined ? "" : ` for ${tolerationSeconds}s`}`;
}
function eventBlock(events: Entry[], now: number): string[] {
	if (events.length === 0) return ["Events:  <none>"];
	const rows = events.map(({ text, reason = "", apiSecond, at, component = "" }) => {
		const [, type = "Normal", message = text] = text.match(/^(\w+) [^:]*: (.*)$/s) ?? [];
		return [type, reason, `${Math.max(0, Math.round((now - (apiSecond ?? at)) / 1000))}s`, component, message];
	});
	return ["Events:", ...columns([["Type", "Reason", "Age", "From", "Message"], ["----", "------", "---", "----", "-------"], ...rows], 2)];
}
function columns(rows: string[][], indent: number): string[] {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)) + 2);
	return rows.map((row) =>
		`${" ".repeat(indent)}${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("")}`.trimEnd(),
	);
}
const date = (time: string | undefined): string => (time ? new Date(time).toUTCString().replace("GMT", "+0000") : "");
