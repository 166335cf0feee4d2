// A Node after its host has joined: what kubeadm wrote on the host, and the Node object. Both are read in each preview and repaired by `up`.
import type * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { Flannel } from "./flannel.ts";
import type { HostConnections } from "./host-provider.ts";
import { type HostState, hostState } from "./step.ts";

const RENEWAL = new URL("./steps/renewal.sh", import.meta.url);

export interface NodeArgs {
	spec: HostSpec;
	cluster: ClusterSettings;
	clusterId: string;
	controlPlane: ControlPlane;
	/** The step that made the host a Node: its join, or init. */
	member: pulumi.Resource;
	connections: HostConnections;
	/** What `node` waits for beside: the states of control planes whose repair may restart the API server that it asks; of a control plane that joined, those of the one before. */
	after: pulumi.Resource[];
	/** Without it no Node becomes Ready. */
	flannel: Flannel;
}

/**
 * Two states of one Node.
 * `kubelet`, on its host: flags, configuration, static Pods and certificates as kubeadm left them, and flannel's file. Delete: nothing, the
 * host's reset takes them along.
 * `node`, on the first control plane: labels, taints, Ready: what a Pod waits for. Delete: drains the Node and deletes it, with its etcd member, unless the first control plane goes too.
 */
export function nodeStates(name: string, args: NodeArgs, parent: pulumi.Resource): HostState[] {
	const { spec, cluster, clusterId, controlPlane, member, connections, flannel, after } = args;
	// A host that joins anew starts with new states: what kubeadm wrote is kept again.
	const opts = { parent, provider: connections, replaceWith: [member], deletedWith: controlPlane.init };
	const kubelet = hostState(
		`${name}-kubelet`,
		{
			host: spec.name,
			step: new URL("./steps/kubelet.sh", import.meta.url),
			undo: false,
			settings: {
				HOST_NAME: spec.name,
				CLUSTER_ID: clusterId,
				KUBERNETES_VERSION: cluster.release.version, // an upgrade writes its files anew
				TIMEOUT_SECONDS: cluster.timeouts.joinSeconds,
			},
		},
		{ ...opts, dependsOn: [member, flannel] },
	);
	const node = hostState(
		`${name}-node`,
		{
			host: controlPlane.host.name,
			step: new URL("./steps/node.sh", import.meta.url),
			settings: nodeSettings(spec, cluster, controlPlane.host),
			undo: spec.name !== controlPlane.host.name,
		},
		{ ...opts, dependsOn: [member, kubelet, controlPlane.kubeconfigStep, ...after] },
	);
	// After the kubelet's step, which renews what is due: the timer's first run has little to do then.
	if (spec.role === "control-plane" && cluster.renewCertificates === "timer") {
		const turn = cluster.hosts.filter(({ role }) => role === "control-plane").findIndex(({ name }) => name === spec.name);
		const settings = { HOST_NAME: spec.name, CLUSTER_ID: clusterId, TURN: turn };
		hostState(`${name}-renewal`, { host: spec.name, step: RENEWAL, settings }, { parent, provider: connections, dependsOn: kubelet, replaceWith: [member] });
	}
	return [kubelet, node];
}

function nodeSettings(spec: HostSpec, { release, timeouts }: ClusterSettings, controlPlane: HostSpec) {
	const { labels, taints } = spec;
	const own = spec.role === "control-plane" ? controlPlaneMarks(release.minor) : { labels: [], taints: [] };
	const keys = Object.keys(labels).sort();
	return {
		HOST_NAME: controlPlane.name,
		NODE_NAME: spec.name,
		...(spec.role === "control-plane" && spec.name !== controlPlane.name ? { ROLE: spec.role } : {}),
		TIMEOUT_SECONDS: timeouts.joinSeconds,
		DRAIN_SECONDS: timeouts.drainSeconds,
		LABELS: [...own.labels, ...keys.map((key) => `${key}=${labels[key]}`)],
		TAINTS: [...own.taints, ...taints].sort(),
	};
}

/** What kubeadm gives the Node of a control plane: first `master`, from 1.20 on `control-plane` too; the old label went with 1.24, the old taint with 1.25 (KEP-2067). */
function controlPlaneMarks(minor: number): { labels: string[]; taints: string[] } {
	const role = (word: string) => `node-role.kubernetes.io/${word}`;
	const labels = [...(minor < 24 ? ["master"] : []), ...(minor >= 20 ? ["control-plane"] : [])];
	const taints = [...(minor < 25 ? ["master"] : []), ...(minor >= 24 ? ["control-plane"] : [])];
	return { labels: labels.map((word) => `${role(word)}=`), taints: taints.map((word) => `${role(word)}:NoSchedule`) };
}
