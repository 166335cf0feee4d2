// Prints a Pod's YAML as the seed's page shows it: what somebody wrote, without what the API server filled in.
import { Document, isScalar, visit } from "yaml";
import type { Pod } from "../recording/entry.ts";

/** Set by the API server where nobody said anything: left out, so that what a person wrote can be read. */
const DEFAULTS: Record<string, unknown> = {
	dnsPolicy: "ClusterFirst",
	restartPolicy: "Always",
	schedulerName: "default-scheduler",
	serviceAccount: "default",
	serviceAccountName: "default",
	terminationGracePeriodSeconds: 30,
	enableServiceLinks: true,
	preemptionPolicy: "PreemptLowerPriority",
	priority: 0,
	terminationMessagePath: "/dev/termination-log",
	terminationMessagePolicy: "File",
};
const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const ADDED = new Set(["nodeName", "tolerations", "securityContext", "resources"]);

/** The order of the seed's page; what it doesn't have comes after, as the API has it. */
const ORDER = ["name", "image", "imagePullPolicy", "restartPolicy", "command", "args", "lifecycle", "volumeMounts", "containers", "initContainers", "volumes"];

/** The Pod as somebody would have written it. */
export function podYaml({ metadata, spec }: Pod): string {
	const { name, namespace, labels } = metadata;
	const document = new Document(
		{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace, ...(labels ? { labels } : {}) }, spec: asWritten(spec) },
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
function asWritten(value: unknown): unknown {
	if (Array.isArray(value)) return value.filter((item) => !isToken(item)).map(asWritten);
	if (typeof value !== "object" || value === null) return value;
	const kept = Object.entries(value).filter(([key, item]) => DEFAULTS[key] !== item && !(ADDED.has(key) && isEmptyOrAdded(key, item)));
	const place = (key: string) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
	kept.sort(([a], [b]) => place(a) - place(b));
	return Object.fromEntries(kept.map(([key, item]) => [key, asWritten(item)]));
}
const isToken = (item: unknown): boolean => {
	const { mountPath, name, projected } = (item ?? {}) as { mountPath?: string; name?: string; projected?: unknown };
	return mountPath === TOKEN_PATH || (projected !== undefined && (name?.startsWith("kube-api-access-") ?? false));
};
const isEmptyOrAdded = (key: string, item: unknown): boolean =>
	key === "nodeName" || key === "tolerations" || (typeof item === "object" && item !== null && Object.keys(item).length === 0);
