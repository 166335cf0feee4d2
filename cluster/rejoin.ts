// The first control plane's host, installed anew while other control planes go on: it joins them as they once joined it, and `init` then finds it done.
//
// In a hook of `init`, so it happens exactly where that runs again. It can't take the stack's kubeconfig for it, which is read after `init`: what the join needs of the
// cluster, a control plane that goes on makes there, the join token too.
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import { newCertificateKey, runHandOver } from "./hand-over.ts";
import { type HostConnections, runStep } from "./host-provider.ts";
import { newToken } from "./join-token.ts";
import { controlPlaneDigest, controlPlanes, initConfiguration, joinConfiguration, upgradeSettings, uploadConfiguration } from "./kubeadm.ts";
import { settled } from "./settled.ts";

export interface RejoinArgs {
	/** The first control plane's. */
	host: HostSpec;
	cluster: ClusterSettings;
	connections: HostConnections;
	clusterId: string;
	nodePodCidr: string;
}

/**
 * Where the host is in no cluster, and another control plane goes on with this one: joins it there, as what `init` made. A join that was cut off is undone before. Else does
 * nothing; `init` says what is to be done.
 * Throws where the host is not reached or the join fails; what was made for it on the cluster is gone then too.
 */
async function rejoin(args: RejoinArgs, caHash: string, parent: pulumi.Resource): Promise<void> {
	const { host: newcomer, cluster, connections, clusterId, nodePodCidr } = args;
	const claim = {
		CLUSTER_ID: clusterId,
		CLAIM_AS: "init",
		NODE_NAME: newcomer.name,
		ROLE: newcomer.role,
		TIMEOUT_SECONDS: cluster.timeouts.joinSeconds,
	};
	const onNewcomer = (verb: "check" | "undo") => runStep(connections, { host: newcomer.name, step: "join", verb, settings: { ...claim, JOIN_CONFIG: caHash } });
	const { differs } = await onNewcomer("check");
	if (!differs.includes("cluster")) return;
	const giver = await giverAmong(args, caHash, parent);
	if (giver === undefined) return;
	await pulumi.log.info(`${newcomer.name} is in no cluster, and ${giver.name} goes on with ${clusterId}: it joins there, as one of its control planes`, parent);
	if (differs.includes("join")) await onNewcomer("undo"); // its etcd may run, and the others' count on it
	const [parties, token, certificateKey] = [{ connections, clusterId, giver, newcomer }, newToken(), newCertificateKey()];
	const takeBack = (gaveUp: boolean) => runHandOver(parties, "undo", { GAVE_UP: gaveUp, TOKEN_ID: token.slice(0, 6) });
	try {
		await runHandOver(parties, "apply", {
			UPLOAD_CONFIG: uploadConfiguration(cluster, certificateKey, token),
			WITH_TOKEN: true,
			...upgradeSettings(cluster),
		});
		const isOfNow = !(await lookAtGiver(args, giver)).includes("configuration");
		const settings = {
			...claim,
			JOIN_CONFIG: joinConfiguration(cluster, newcomer, { token, caHash, certificateKey }),
			...(isOfNow ? { KUBEADM_CONFIG: initConfiguration(cluster) } : {}), // else `init` applies it in place
			IGNORE_PREFLIGHT_ERRORS: cluster.kubeadm.ignorePreflightErrors,
			NODE_POD_CIDR: nodePodCidr,
			...upgradeSettings(cluster),
			MAXIMUM_CLOCK_SKEW_SECONDS: cluster.preflight.maximumClockSkewSeconds,
		};
		await runStep(connections, { host: newcomer.name, step: "join", verb: "apply", settings });
	} catch (error) {
		const isOut = await onNewcomer("check").then(
			(now) => now.differs.includes("cluster"),
			() => false, // not reached: nobody knows, and a member that answers is not removed
		);
		await takeBack(isOut).catch((other: Error) => pulumi.log.warn(`what the join left on the cluster is still there: ${other.message}`, parent));
		throw error;
	}
	await takeBack(false).catch((error: Error) =>
		pulumi.log.warn(`the certificates are on the cluster still, encrypted, for two hours, and the join token for 15 minutes: ${error.message}`, parent),
	);
}

async function lookAtGiver({ cluster, connections, clusterId }: RejoinArgs, giver: HostSpec): Promise<string[]> {
	const settings = { HOST_NAME: giver.name, CLUSTER_ID: clusterId, CONFIG_DIGEST: controlPlaneDigest(cluster) };
	return (await runStep(connections, { host: giver.name, step: "hand-over", verb: "check", settings })).differs;
}
/** The first of the others whose own host says that it is in the cluster, and whose API server is ready: so its etcd has a majority. One that is not reached is none. */
async function giverAmong(args: RejoinArgs, caHash: string, parent: pulumi.Resource): Promise<HostSpec | undefined> {
	const { host, cluster, connections, clusterId } = args;
	for (const other of controlPlanes(cluster).filter(({ name }) => name !== host.name)) {
		const settings = { CLUSTER_ID: clusterId, NODE_NAME: other.name, ROLE: other.role, JOIN_CONFIG: caHash, TIMEOUT_SECONDS: cluster.timeouts.joinSeconds };
		try {
			const { differs } = await runStep(connections, { host: other.name, step: "join", verb: "check", settings });
			if (!differs.includes("cluster") && !(await lookAtGiver(args, other)).includes("API server")) return other;
		} catch (error) {
			await pulumi.log.warn(
				`${host.name} is in no cluster, and whether ${other.name} goes on with ${clusterId} is not known: ${(error as Error).message}`,
				parent,
			);
		}
	}
	return undefined;
}

/** The hook for `init`. */
export function rejoinHook(name: string, args: RejoinArgs, caHashOf: (stdout: string) => string, parent: pulumi.Resource): pulumi.ResourceHook {
	return new pulumi.ResourceHook(`${name}-rejoin`, async ({ oldOutputs }) => {
		const stdout = await settled(pulumi.output(oldOutputs?.stdout as pulumi.Input<unknown>))(); // of a plugin that takes it for a secret, an Output
		if (typeof stdout !== "string") throw new Error(`${name}: its state has no output`);
		await rejoin(args, caHashOf(stdout), parent);
	});
}
