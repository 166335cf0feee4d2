// A Pod that is waited for, within a bound that holds.
import { Pod } from "@pulumi/kubernetes/core/v1/pod.js";
import type { core, meta } from "@pulumi/kubernetes/types/input.js";
import type * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster.ts";

export interface BoundedPodArgs {
	cluster: Cluster;
	metadata: meta.v1.ObjectMeta;
	spec: core.v1.PodSpec;
	/** Bound for it to become Ready, and again for its deletion, preStop hook included. */
	seconds: number;
}
/**
 * The provider's own wait for Pods starts its bound anew with each event of any Pod in the namespace, and its informers repeat all of them every minute: a bound of more
 * than a minute never ends (pkg/await/pod.go and informers/factory.go of pulumi-kubernetes 4.25.0; seen: 648 s instead of 300). That for a condition has one bound for all of it.
 */
const WAIT = { "pulumi.com/waitFor": "condition=Ready" };

/** Create waits until it is Ready, delete until it is gone. Both fail after `seconds`; the Pod then stays in the state, and the next `up` waits again. */
export function boundedPod(
	name: string,
	{ cluster, metadata, spec, seconds }: BoundedPodArgs,
	opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource; dependsOn: pulumi.Resource[] },
): Pod {
	const bound = `${seconds}s`;
	return new Pod(
		name,
		{ metadata: { ...metadata, annotations: { ...(metadata.annotations as object), ...WAIT } }, spec },
		{
			provider: cluster.provider,
			deleteBeforeReplace: true, // the name is fixed: the provider would take the old Pod for the new one, and then delete it (--replace, lab, 25 November 2026)
			replacementTrigger: cluster.release.version, // an upgrade drains its Node, and nobody else makes it again
			replaceWith: [cluster.controlPlane.init], // a new control plane knows nothing of the old one's Pods
			customTimeouts: { create: bound, update: bound, delete: bound },
			...opts,
		},
	);
}
