// What of a stack's state belongs to one host, and the state without it. Pure: reads and writes the text of `pulumi stack export`.

/** As far as it is read here (pulumi's apitype, DeploymentV3). */
interface Resource {
	urn: string;
	type: string;
	parent?: string;
	/** URN::id. */
	provider?: string;
	inputs?: Record<string, unknown>;
	outputs?: Record<string, unknown>;
	dependencies?: string[];
	propertyDependencies?: Record<string, string[] | null>;
	deletedWith?: string;
	replaceWith?: string[];
}
interface Exported {
	version: number;
	deployment: { resources?: Resource[]; pending_operations?: { resource: Resource; type: string }[] };
}
export interface Forgotten {
	/** For `pulumi stack import`. */
	text: string;
	/** Names and types of what is left out, in the order of the state; with it what a killed run was about to do to them. */
	dropped: string[];
	/** Pods that ran on the host, left out too: no kubelet is there that could end them. */
	pods: string[];
	/** The host is where the cluster began: all that was on the cluster is left out with it. */
	isControlPlane: boolean;
	/** Other control planes, which go on with the cluster. */
	others: string[];
}
/** The state is not one of this program, or knows no such host. */
export class StateError extends Error {}

const STEP = "host:index:Step";
const nameOf = ({ urn }: Pick<Resource, "urn">): string => urn.slice(urn.lastIndexOf("::") + 2);

/** @throws StateError */
export function withoutHost(exported: string, host: string): Forgotten {
	const state = JSON.parse(exported) as Exported;
	const resources = state.deployment?.resources ?? [];
	const hosts = hostsOf(resources);
	if (!hosts.includes(host)) throw new StateError(`found no host ${JSON.stringify(host)} in the state; its hosts are: ${hosts.join(", ") || "none"}`);
	const clusters = resources.filter(({ type }) => type === "kubeadm-lab:cluster:Cluster").map(nameOf);
	const own = ownOf(resources, host, clusters);
	const isControlPlane = resources.some((one) => one.type === "kubeadm-lab:cluster:ControlPlane" && own.has(one.urn));
	const left = resources.filter(({ urn }) => !own.has(urn)).map((one) => without(one, own));
	const cutOff = (state.deployment.pending_operations ?? []).filter(({ resource }) => own.has(resource.urn) || belongs(resource, host, clusters));
	const operations = state.deployment.pending_operations
		?.filter((one) => !cutOff.includes(one))
		.map(({ resource, type }) => ({ resource: without(resource, own), type }));
	const gone = resources.filter(({ urn }) => own.has(urn));
	return {
		text: JSON.stringify({
			...state,
			deployment: { ...state.deployment, resources: left, ...(operations === undefined ? {} : { pending_operations: operations }) },
		}),
		dropped: [
			...gone.map((one) => `${nameOf(one)} (${one.type})`),
			...cutOff.map(({ resource, type }) => `${nameOf(resource)}: ${type}, which a killed run began`),
		],
		pods: gone.filter((one) => podOn(one, host)).map(nameOf),
		isControlPlane,
		others: hosts.filter((other) =>
			resources.some((one) => one.type === "kubeadm-lab:cluster:JoinedControlPlane" && other !== host && belongs(one, other, clusters)),
		),
	};
}

/** The hosts that the stack's provider knows. */
function hostsOf(resources: Resource[]): string[] {
	const known = resources
		.filter(({ type }) => type === "pulumi:providers:host")
		.flatMap(({ inputs }) => {
			const hosts = inputs?.hosts;
			return typeof hosts === "string" ? Object.keys(JSON.parse(hosts) as object) : [];
		});
	const used = resources.flatMap(({ type, inputs }) => (type === STEP && typeof inputs?.host === "string" ? [inputs.host] : []));
	return [...new Set([...known, ...used])].sort();
}

/** Steps that run on the host, the Node that it became, and the components that are made for it. */
function belongs({ type, urn, inputs }: Resource, host: string, clusters: string[]): boolean {
	const isNamed = (end = "") => clusters.some((cluster) => nameOf({ urn }) === `${cluster}-${host}${end}`); // whole: k8s-node01 ends in another host's node01
	const settings = (inputs?.settings ?? {}) as Record<string, unknown>;
	// The Node of a control plane that joined is the first one's to take away, with its etcd member: that is done by the next up.
	if (type === STEP) return inputs?.host === host || (settings.NODE_NAME === host && settings.ROLE !== "control-plane");
	if (type === "kubeadm-lab:cluster:Host") return isNamed();
	if (type === "kubeadm-lab:cluster:JoinedControlPlane") return isNamed("-control-plane");
	return type === "kubeadm-lab:cluster:Worker" && isNamed("-worker");
}
function podOn({ type, outputs }: Resource, host: string): boolean {
	return type === "kubernetes:core/v1:Pod" && (outputs?.spec as { nodeName?: string } | undefined)?.nodeName === host;
}

/** A workload's command: it runs kubectl on the control plane, or reads what a Pod has written. */
const ofWorkload = (urn: string, type: string): boolean => type === "command:remote:Command" && urn.includes("kubeadm-lab:workloads:");

function ownOf(resources: Resource[], host: string, clusters: string[]): Set<string> {
	const own = new Set(resources.filter((one) => belongs(one, host, clusters) || podOn(one, host)).map(({ urn }) => urn));
	// The first control plane's component has no host's name: it is the one that its kubeconfig is read in, and all that lives on the cluster goes with it. A host whose run
	// died before that may be it as well, unless another one has joined the cluster that it would be.
	const isControlPlane = ({ inputs }: Resource) => (inputs?.settings as { ROLE?: string } | undefined)?.ROLE === "control-plane";
	const isJoined = resources.some((one) => one.type === "kubeadm-lab:cluster:JoinedControlPlane" && own.has(one.urn));
	if (!isJoined && resources.some((one) => own.has(one.urn) && one.type === STEP && isControlPlane(one)))
		for (const { urn, type } of resources)
			if (type === "kubeadm-lab:cluster:ControlPlane" || type === "pulumi:providers:kubernetes" || type.startsWith("kubernetes:") || ofWorkload(urn, type))
				own.add(urn);
	// A state lists parents and providers before what they have.
	for (const { urn, parent = "", provider = "" } of resources) if (own.has(parent) || own.has(provider.slice(0, provider.lastIndexOf("::")))) own.add(urn);
	return own;
}

/** One that stays, with nothing in it that names what goes. */
function without(resource: Resource, own: Set<string>): Resource {
	const kept = (urns: string[]) => urns.filter((urn) => !own.has(urn));
	const { dependencies, propertyDependencies, deletedWith, replaceWith, ...rest } = resource;
	return {
		...rest,
		...(dependencies ? { dependencies: kept(dependencies) } : {}),
		...(propertyDependencies
			? { propertyDependencies: Object.fromEntries(Object.entries(propertyDependencies).map(([name, urns]) => [name, urns && kept(urns)])) }
			: {}),
		...(deletedWith === undefined || own.has(deletedWith) ? {} : { deletedWith }),
		...(replaceWith ? { replaceWith: kept(replaceWith) } : {}),
	};
}
