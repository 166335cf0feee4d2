// The control plane: kubeadm init on one prepared host, its kubeconfig, and the Provider for everything on the cluster.
import type { Command } from "@pulumi/command/remote/command.js";
import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import type { Host } from "./host.ts";
import type { HostConnections } from "./host-provider.ts";
import { apiEndpoint, controlPlanes, initConfiguration, upgradeSettings } from "./kubeadm.ts";
import { rejoinHook } from "./rejoin.ts";
import { type HostState, hostAct, hostState, printed, resultIn } from "./step.ts";
import { stepName } from "./step-text.ts";

export interface ControlPlaneArgs {
	/** Prepared host. Its name becomes the Node's name. */
	host: Host;
	cluster: ClusterSettings;
	connections: HostConnections;
	/** Tells this cluster from any other, such as lab-172.16.1.110. A host that holds another one is left alone. */
	clusterId: string;
	/** The Node's Pod CIDR; empty where the controller-manager gives it out. */
	nodePodCidr: string;
}

const SNAPSHOTS = new URL("./steps/snapshots.sh", import.meta.url);
/** First minor whose API servers all know server-side apply (GA in 1.22). */
const FIRST_SERVER_SIDE_APPLY = 22;

/**
 * Runs kubeadm init.
 * Create: init; on a host that already is this cluster's control plane it changes nothing. A half-done init of ours is reset first.
 * On a host that was installed anew, beside other control planes that go on, it joins those (rejoin.ts).
 * What init can take only once (Pod and Service CIDRs) replaces the cluster when it changes: workers, flannel and Pods with it; so does another version where the stack
 * wants that. Any other change of the kubeadm configuration, another version too, runs the step again, which brings the control plane to it in place.
 * Delete: kubeadm reset, and what it leaves behind; where the host is given back too, its `leave` does that.
 */
export class ControlPlane extends pulumi.ComponentResource {
	/** Where it runs. */
	readonly host: HostSpec;
	/** The kubeadm init step: replaced when the cluster is a new one. */
	readonly init: Command;
	/** admin.conf, a secret. Its server is the host's internal address. */
	readonly kubeconfig: pulumi.Output<string>;
	/** The step that reads it, and in each preview checks whether the host has another one by now: it is renewed every year. */
	readonly kubeconfigStep: HostState;
	readonly provider: Provider;
	/** `sha256:...` of the CA's public key, which every join pins. */
	readonly caHash: pulumi.Output<string>;
	readonly version: pulumi.Output<string>;

	constructor(name: string, args: ControlPlaneArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:cluster:ControlPlane", name, {}, opts);
		const { host, cluster, clusterId, nodePodCidr, connections } = args;
		const { release, ssh } = cluster;
		this.host = host.spec;

		// An act with a check and an undo: step.ts says why.
		this.init = hostAct(
			`${name}-init`,
			{
				host: host.spec,
				ssh,
				step: new URL("./steps/init.sh", import.meta.url),
				settings: {
					CLUSTER_ID: clusterId,
					OWNER: host.owner,
					KUBEADM_CONFIG: initConfiguration(cluster),
					IGNORE_PREFLIGHT_ERRORS: cluster.kubeadm.ignorePreflightErrors,
					TIMEOUT_SECONDS: cluster.timeouts.initSeconds,
					NODE_NAME: host.name,
					NODE_POD_CIDR: nodePodCidr,
					...upgradeSettings(cluster),
					HOST_INSTALLED: host.installed,
				},
				again: true,
				triggers: [clusterId, release.version, cluster.podCidr, cluster.serviceCidr],
			},
			{
				parent: this,
				dependsOn: host,
				deletedWith: host.leave,
				ignoreChanges: ["triggers[1]"], // another version is no other cluster, unless asked for; what a state of before has there stays
				...(cluster.upgrade.inPlace ? {} : { replacementTrigger: release.version }),
				...(controlPlanes(cluster).length > 1
					? { hooks: { beforeUpdate: [rejoinHook(name, { ...args, host: host.spec }, (text) => caHashOf(resultIn(text), host.name), this)] } }
					: {}),
			},
		);
		this.kubeconfigStep = hostState(
			`${name}-kubeconfig`,
			{
				host: host.name,
				step: new URL("./steps/kubeconfig.sh", import.meta.url),
				settings: { HOST_NAME: host.name, ...(cluster.apiEndpoint ? { SERVER: `https://${apiEndpoint(cluster)}` } : {}) }, // nothing of the release: with another kubeconfig, as far as a preview knows, all on the cluster would be updated
				isSecret: true,
				undo: false,
			},
			{ parent: this, provider: connections, dependsOn: this.init, replaceWith: [this.init], deletedWith: this.init },
		);
		if (cluster.etcdSnapshots) {
			const { every, keep, keepOnDestroy } = cluster.etcdSnapshots;
			hostState(
				`${name}-snapshots`,
				{ host: host.name, step: SNAPSHOTS, settings: { HOST_NAME: host.name, EVERY: every, KEEP: keep, KEEP_ON_DESTROY: keepOnDestroy } },
				{ parent: this, provider: connections, dependsOn: this.init, replaceWith: [this.init] },
			);
		}
		this.kubeconfig = pulumi.secret(this.kubeconfigStep.printed);
		this.provider = new Provider(
			`${name}-provider`,
			{
				kubeconfig: this.kubeconfig,
				clusterIdentifier: clusterId, // or an unknown kubeconfig would plan to replace everything on the cluster
				enableServerSideApply: release.minor >= FIRST_SERVER_SIDE_APPLY,
				skipUpdateUnreachable: true, // with no answer of the API server, a warning and the last known state: the hosts are shown and repaired all the same
				enableConfigMapMutable: true, // or a ConfigMap that was changed by hand is replaced, and all that mount it with it
			},
			{ parent: this },
		);
		const output = printed(this.init);
		this.caHash = output.apply((text) => caHashOf(text, host.name));
		this.version = output.apply((text) => versionOf(text, host.name, "init"));
		this.registerOutputs({ kubeconfig: this.kubeconfig });
	}
}

/** What of the cluster's steps this stack's hosts keep no script of: `npm run etcd` brings its own, and the other is a setting's. */
export function unusedSteps({
	apiEndpoint,
	etcdSnapshots,
	renewCertificates,
	upgrade,
}: Pick<ClusterSettings, "apiEndpoint" | "etcdSnapshots" | "renewCertificates" | "upgrade">): string[] {
	return [
		"etcd",
		...(apiEndpoint ? [] : ["endpoint", "hand-over"]),
		...(etcdSnapshots ? [] : [stepName(SNAPSHOTS)]),
		...(renewCertificates === "timer" ? [] : ["renewal"]),
		...(upgrade.inPlace ? [] : ["reconnect"]),
	];
}

/** What makes another cluster with another value: what kubeadm init takes only once, and the version where the stack wants it so. */
export function rebuiltBy({ release, podCidr, serviceCidr, upgrade }: ClusterSettings): Record<string, string> {
	return { ...(upgrade.inPlace ? {} : { kubernetesVersion: release.version }), podCidr, serviceCidr };
}

/** The line of a step's output that matches; throws with what was printed instead. */
function lineOf(text: string, pattern: RegExp, who: string): string {
	const line = text.split("\n").find((candidate) => pattern.test(candidate));
	if (line === undefined) throw new Error(`${who}: expected a line like ${pattern.source} in its output, found ${JSON.stringify(text)}`);
	return line;
}
/** The hash that init prints. */
export function caHashOf(text: string, node: string): string {
	return lineOf(text, /^sha256:[0-9a-f]{64}$/, `init on ${node}`);
}
/** The kubelet's version, from the line `<node> <version>` that init and join print. */
export function versionOf(text: string, node: string, step: string): string {
	return lineOf(text, new RegExp(`^${node} v\\d+\\.\\d+\\.\\d+\\S*$`), `${step} on ${node}`).slice(node.length + 1);
}
