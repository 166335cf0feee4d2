// The first control plane's host, installed anew while other control planes go on: it joins them as they once joined it, and `init` then finds it done.
//
// In a hook of `init`, so it happens exactly where that runs again. It can't take the stack's kubeconfig for it, which is read after `init`: what the join needs of the
// cluster, a control plane that goes on makes there, the join token too.
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import { newCertificateKey, runHandOver } from "./hand-over.ts";
import { type HostConnections, runStep } from "./host-provider.ts";
import { newToken } from "./join-token.ts";
import { controlPlanes, initConfiguration, joinConfiguration, upgradeSettings, uploadConfiguration } from "./kubeadm.ts";

export interface RejoinArgs {
	/** The first control plane's. */
	host: HostSpec;
	cluster: ClusterSettings;
	connections: HostConnections;
	clusterId: string;
	nodePodCidr: string;
}

/**
 * Where the host is in no cluster, and another control plane is in this one: joins it there, as what `init` made. Else does nothing; `init` says what is to be done.
 * Throws where the host is not reached or the join fails; what was made for it on the cluster is gone then too.
 * @param caHash `sha256:...` of the CA's public key
 */
async function rejoin(args: RejoinArgs, caHash: string, parent: pulumi.Resource): Promise<void> {
	const { host: newcomer, cluster, connections, clusterId, nodePodCidr } = args;
	const isOut = async () => {
		const settings = { CLUSTER_ID: clusterId, NODE_NAME: newcomer.name };
		return (await runStep(connections, { host: newcomer.name, step: "init", verb: "check", settings })).differs.includes("cluster");
	};
	if (!(await isOut())) return;
	const giver = await giverAmong(args, caHash);
	if (giver === undefined) return;
	await pulumi.log.info(`${newcomer.name} is in no cluster, and ${giver.name} goes on with ${clusterId}: it joins there, as one of its control planes`, parent);
	const [parties, token, certificateKey] = [{ connections, clusterId, giver, newcomer }, newToken(), newCertificateKey()];
	const takeBack = (gaveUp: boolean) => runHandOver(parties, "undo", { GAVE_UP: gaveUp, TOKEN_ID: token.slice(0, 6) });
	try {
		await runHandOver(parties, "apply", {
			UPLOAD_CONFIG: uploadConfiguration(cluster, certificateKey, token),
			WITH_TOKEN: true,
			...upgradeSettings(cluster),
		});
		const settings = {
			CLUSTER_ID: clusterId,
			CLAIM_AS: "init",
			ROLE: newcomer.role,
			JOIN_CONFIG: joinConfiguration(cluster, newcomer, { token, caHash, certificateKey }),
			KUBEADM_CONFIG: initConfiguration(cluster),
			IGNORE_PREFLIGHT_ERRORS: cluster.kubeadm.ignorePreflightErrors,
			TIMEOUT_SECONDS: cluster.timeouts.joinSeconds,
			NODE_NAME: newcomer.name,
			NODE_POD_CIDR: nodePodCidr,
			...upgradeSettings(cluster),
			MAXIMUM_CLOCK_SKEW_SECONDS: cluster.preflight.maximumClockSkewSeconds,
		};
		await runStep(connections, { host: newcomer.name, step: "join", verb: "apply", settings });
	} catch (error) {
		const isOutStill = await isOut().catch(() => false); // not reached: nobody knows, and a member that answers is not removed
		await takeBack(isOutStill).catch((other: Error) => pulumi.log.warn(`what the join left on the cluster is still there: ${other.message}`, parent));
		throw error;
	}
	await takeBack(false).catch((error: Error) =>
		pulumi.log.warn(`the certificates are on the cluster still, encrypted, and the join token for 15 minutes: ${error.message}`, parent),
	);
}

/** The first of the others whose own host says that it is in the cluster. One that is not reached is none. */
async function giverAmong({ host, cluster, connections, clusterId }: RejoinArgs, caHash: string): Promise<HostSpec | undefined> {
	for (const other of controlPlanes(cluster).filter(({ name }) => name !== host.name)) {
		const settings = { CLUSTER_ID: clusterId, NODE_NAME: other.name, ROLE: other.role, JOIN_CONFIG: caHash, TIMEOUT_SECONDS: cluster.timeouts.joinSeconds };
		const looked = await runStep(connections, { host: other.name, step: "join", verb: "check", settings }).catch(() => undefined);
		if (looked && !looked.differs.includes("cluster") && !looked.differs.includes("kubelet running")) return other;
	}
	return undefined;
}

/** The hook for `init`. */
export function rejoinHook(name: string, args: RejoinArgs, caHashOf: (stdout: string) => string, parent: pulumi.Resource): pulumi.ResourceHook {
	return new pulumi.ResourceHook(`${name}-rejoin`, async ({ oldOutputs }) => {
		const stdout: unknown = oldOutputs?.stdout;
		if (typeof stdout !== "string") throw new Error(`${name}: its state has no output`);
		await rejoin(args, caHashOf(stdout), parent);
	});
}
