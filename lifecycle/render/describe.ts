// Prints a Pod as `kubectl describe pod` does: k8s.io/kubectl v0.29.15 and v0.18.3 pkg/describe/describe.go, for what a Pod of this project can have.
// Releases in between were not compared: they are taken as the newer one.
import type { core } from "@pulumi/kubernetes/types/output.js";
import type { Entry, Pod } from "../recording/entry.ts";
import type { Wording } from "../recording/timeline.ts";
import { age } from "./pod-line.ts";
import { tabbed } from "./tabs.ts";

/** Ages of events count to `now`, in ms. */
export function describePod({ metadata, spec, status }: Pod, events: Entry[], now: number, { minor, zone }: Wording): string {
	const isOld = minor <= 18;
	const date = dates(zone);
	const lines = [
		`Name:\t${metadata.name}`,
		`Namespace:\t${metadata.namespace}`,
		...some("Priority", spec.priority),
		...some("Priority Class Name", spec.priorityClassName || undefined),
		...some("Service Account", (!isOld && spec.serviceAccountName) || undefined),
		`Node:\t${spec.nodeName ? `${spec.nodeName}/${status.hostIP ?? ""}` : "<none>"}`,
		...some("Start Time", status.startTime && date(status.startTime)),
		...titledList("Labels", pairs(metadata.labels, "=")),
		...titledList("Annotations", pairs(metadata.annotations, ": ")),
		`Status:\t${status.phase ?? ""}`,
		...some("Reason", status.reason || undefined),
		...some("Message", status.message || undefined),
		`IP:\t${status.podIP ?? ""}`,
		...(status.podIPs?.length ? ["IPs:", ...status.podIPs.map(({ ip }) => `  IP:\t${ip}`)] : ["IPs:\t<none>"]),
		...(spec.initContainers?.length ? ["Init Containers:", ...blocks(spec.initContainers, status.initContainerStatuses, date)] : []),
		"Containers:",
		...blocks(spec.containers, status.containerStatuses, date),
		...(status.conditions?.length ? ["Conditions:", "  Type\tStatus", ...status.conditions.map(({ type, status: value }) => `  ${type} \t${value} `)] : []),
		...(spec.volumes?.length ? ["Volumes:", ...spec.volumes.flatMap(volume)] : ["Volumes:\t<none>"]),
		`QoS Class:\t${status.qosClass ?? ""}`,
		...titledList("Node-Selectors", pairs(spec.nodeSelector, "=")),
		...titledList(
			"Tolerations",
			(spec.tolerations ?? []).toSorted((a, b) => compared(a.key ?? "", b.key ?? "")).map((one) => toleration(one, isOld)),
		),
	];
	return `${tabbed(lines.join("\n"))}\n${tabbed(eventLines(events, now, isOld).join("\n"))}`;
}
const some = (title: string, value: string | number | undefined): string[] => (value === undefined ? [] : [`${title}:\t${value}`]);
const titledList = (title: string, values: string[]): string[] =>
	(values.length > 0 ? values : ["<none>"]).map((value, index) => `${index === 0 ? `${title}:` : ""}\t${value}`);
const pairs = (values: Record<string, string> | undefined, between: string): string[] =>
	Object.entries(values ?? {})
		.sort(([a], [b]) => compared(a, b))
		.map(([key, value]) => `${key}${between}${value}`);
const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
type Dates = (time: string | undefined) => string;
function dates(zone: string): Dates {
	const [, sign, hours, minutes] = zone.match(/^([+-])(\d\d)(\d\d)$/) ?? [];
	const ms = (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
	return (time) => (time ? new Date(Date.parse(time) + ms).toUTCString().replace("GMT", zone) : "");
}

function blocks(specs: core.v1.Container[], statuses: core.v1.ContainerStatus[] = [], date: Dates): string[] {
	return specs.flatMap((spec) => {
		const status = statuses.find(({ name }) => name === spec.name);
		const ports = (spec.ports ?? []).map(({ containerPort, protocol }) => `${containerPort}/${protocol ?? "TCP"}`).join(", ");
		const hostPorts = (spec.ports ?? []).map(({ hostPort, protocol }) => `${hostPort ?? 0}/${protocol ?? "TCP"}`).join(", ");
		const plural = ports.includes(",") ? "s" : "";
		const { limits, requests } = spec.resources ?? {};
		return [
			`  ${spec.name}:`,
			...(status ? [`    Container ID:\t${status.containerID ?? ""}`] : []),
			`    Image:\t${spec.image}`,
			...(status ? [`    Image ID:\t${status.imageID}`] : []),
			`    Port${plural}:\t${ports || "<none>"}`,
			`    Host Port${plural}:\t${hostPorts || "<none>"}`,
			...wordList("Command", spec.command),
			...wordList("Args", spec.args),
			...(status
				? [...stateLines("State", status.state ?? {}, date), ...(status.lastState?.terminated ? stateLines("Last State", status.lastState, date) : [])]
				: []),
			...(status ? [`    Ready:\t${status.ready ? "True" : "False"}`, `    Restart Count:\t${status.restartCount}`] : []),
			...quantities("Limits", limits),
			...quantities("Requests", requests),
			...(spec.env?.length ? ["    Environment:", ...spec.env.map(({ name, value = "" }) => `      ${name}:\t${value}`)] : ["    Environment:\t<none>"]),
			...mounts(spec.volumeMounts ?? []),
		];
	});
}
const wordList = (title: string, list: string[] | undefined): string[] =>
	list?.length ? [`    ${title}:`, ...list.flatMap((word) => word.split("\n").map((line) => `      ${line}`))] : [];
const quantities = (title: string, list: Record<string, string> | undefined): string[] =>
	list && Object.keys(list).length > 0 ? [`    ${title}:`, ...pairs(list, ":\t").map((line) => `      ${line}`)] : [];
const mounts = (list: core.v1.VolumeMount[]): string[] =>
	list.length > 0
		? [
				"    Mounts:",
				...list
					.toSorted((a, b) => compared(a.mountPath, b.mountPath))
					.map(
						({ name, mountPath, readOnly, subPath }) =>
							`      ${mountPath} from ${name} (${readOnly ? "ro" : "rw"}${subPath ? `,path=${JSON.stringify(subPath)}` : ""})`,
					),
			]
		: ["    Mounts:\t<none>"];
function stateLines(title: string, { running, terminated, waiting }: core.v1.ContainerState, date: Dates): string[] {
	const line = (key: string, value: string | number | undefined) => (value === undefined || value === "" ? [] : [`      ${key}:\t${value}`]);
	if (running) return [`    ${title}:\tRunning`, `      Started:\t${date(running.startedAt)}`];
	if (!terminated) return [`    ${title}:\tWaiting`, ...line("Reason", waiting?.reason)];
	const { reason, message, exitCode, signal, startedAt, finishedAt } = terminated;
	return [
		`    ${title}:\tTerminated`,
		...line("Reason", reason),
		...line("Message", message),
		`      Exit Code:\t${exitCode}`,
		...line("Signal", signal || undefined),
		`      Started:\t${date(startedAt)}`,
		`      Finished:\t${date(finishedAt)}`,
	];
}
function volume({ name, hostPath, emptyDir, secret, projected }: core.v1.Volume): string[] {
	const put = (key: string, value: string | number) => `    ${key}:\t${value}`;
	if (hostPath)
		return [`  ${name}:`, put("Type", "HostPath (bare host directory volume)"), put("Path", hostPath.path), put("HostPathType", hostPath.type ?? "<none>")];
	if (emptyDir)
		return [
			`  ${name}:`,
			put("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)"),
			put("Medium", emptyDir.medium ?? ""),
			put("SizeLimit", emptyDir.sizeLimit ?? "<unset>"),
		];
	if (secret)
		return [
			`  ${name}:`,
			put("Type", "Secret (a volume populated by a Secret)"),
			put("SecretName", secret.secretName ?? ""),
			put("Optional", String(secret.optional ?? false)),
		];
	if (!projected) return [`  ${name}:`, put("Type", "see the YAML")];
	const optional = (value: boolean | undefined) => String(value ?? "<nil>");
	return [
		`  ${name}:`,
		put("Type", "Projected (a volume that contains injected data from multiple sources)"),
		...(projected.sources ?? []).flatMap(({ secret, downwardAPI, configMap, serviceAccountToken }) => {
			if (secret) return [put("SecretName", secret.name ?? ""), put("SecretOptionalName", optional(secret.optional))];
			if (downwardAPI) return [put("DownwardAPI", "true")];
			if (configMap) return [put("ConfigMapName", configMap.name ?? ""), put("ConfigMapOptional", optional(configMap.optional))];
			return serviceAccountToken ? [put("TokenExpirationSeconds", serviceAccountToken.expirationSeconds ?? 0)] : [];
		}),
	];
}
function toleration({ key = "", effect = "", tolerationSeconds, value, operator }: core.v1.Toleration, isOld: boolean): string {
	const isAny = operator === "Exists" && !value && !isOld;
	const name = `${key}${value ? `=${value}` : ""}${effect ? `:${effect}` : ""}`;
	return `${name}${isAny ? `${name ? " " : ""}op=Exists` : ""}${tolerationSeconds === undefined ? "" : ` for ${tolerationSeconds}s`}`;
}

/** An event that came again replaces the one before it. */
function eventLines(entries: Entry[], now: number, isOld: boolean): string[] {
	const events = [...new Map(entries.map((entry) => [entry.event?.name ?? String(entry.id), entry])).values()];
	if (events.length === 0) return ["Events:\t<none>"];
	const since = (time: number) => age(new Date(time).toISOString(), new Date(Math.max(now, time)).toISOString());
	const rows = events
		.toSorted((a, b) => (a.apiSecond ?? a.at) - (b.apiSecond ?? b.at))
		.map(({ apiSecond, at, reason = "", component = "", event }) => {
			const { type = "Normal", message = "", count = 1, first, host } = event ?? {};
			const from = isOld && host ? `${component}, ${host}` : component;
			const last = since(apiSecond ?? at);
			return `  ${type}\t${reason}\t${count > 1 ? `${last} (x${count} over ${since(first ?? at)})` : last}\t${from}\t${message.trim()}`;
		});
	return ["Events:", "  Type\tReason\tAge\tFrom\tMessage", "  ----\t------\t----\t----\t-------", ...rows];
}
