// A member that joins: one prepared host becomes a worker, or one more control plane.
import type { Command } from "@pulumi/command/remote/command.js";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings } from "../config/settings.ts";
import type { ControlPlane } from "./control-plane.ts";
import { versionOf } from "./control-plane.ts";
import { drain, uncordon } from "./drain.ts";
import { HandOver } from "./hand-over.ts";
import type { Host } from "./host.ts";
import { type HostConnections, runStep } from "./host-provider.ts";
import { closeJoin, listNodes, newToken, nodesAtFirst, openJoin, removeStrays } from "./join-token.ts";
import { controlPlaneDigest, joinConfiguration, kubeletDigest, upgradeSettings } from "./kubeadm.ts";
import type { Places } from "./places.ts";
import { settled } from "./settled.ts";
import { hostAct, printed } from "./step.ts";

/** The first control plane's host may have come up a moment ago: its API server comes and goes until all of it runs. */
const JOIN_PATIENCE = { patienceSeconds: 60 };

export interface MemberArgs {
	/** Prepared host. Its name becomes the Node's name. */
	host: Host;
	/** Where the cluster began. */
	controlPlane: ControlPlane;
	/** What it waits for beside its host: a worker for every control plane, a control plane for the one before. */
	after: pulumi.Resource[];
	connections: HostConnections;
	cluster: ClusterSettings;
	/** Tells this cluster from any other. A host that is a Node of another one is left alone. */
	clusterId: string;
	/** The Node's Pod CIDR; empty where the controller-manager gives it out. */
	nodePodCidr: string;
	/** Of those that join at once: shared by all that join. */
	places: Places;
	/** Of those that are upgraded at once: shared by all that join. */
	upgrades: Places;
}

/**
 * Joins one prepared host to the cluster.
 * Create: makes a join token that lives 15 minutes, joins, ends the token's life. On a joined host it changes nothing.
 * To a control plane the certificates are handed over before, on the cluster and encrypted, for as long as the join takes (hand-over.ts).
 * Another version of Kubernetes upgrades it in place, one host after the other: drained, upgraded, Ready again.
 * A new cluster makes it leave the old cluster and join again.
 * Delete: `kubeadm reset` on the host, and what that leaves behind. Where the cluster goes on, its Node was drained and deleted before (node.ts).
 */
export class Member extends pulumi.ComponentResource {
	/** The host it runs on. */
	readonly host: Host["spec"];
	/** The step that makes the host a Node. */
	readonly join: Command;
	/** The step after which the host's container runtime runs, long before the join. */
	readonly runtime: Host["runtime"];
	/** The kubelet's version, such as v1.29.15. */
	readonly version: pulumi.Output<string>;

	constructor(name: string, args: MemberArgs, opts?: pulumi.ComponentResourceOptions) {
		const isWorker = args.host.spec.role === "worker";
		super(`kubeadm-lab:cluster:${isWorker ? "Worker" : "JoinedControlPlane"}`, name, {}, opts);
		const { host, controlPlane, cluster, clusterId, nodePodCidr, places, upgrades, after, connections } = args;

		// The token's text is made once and kept in the state, encrypted; what is good for 15 minutes is the Secret of that name on the cluster (join-token.ts).
		// So the join's text stays the same from run to run, and a retry after an hour gets a valid token all the same.
		const stash = new pulumi.Stash(
			`${name}-token`,
			{ input: pulumi.secret(newToken()) },
			{ parent: this, ignoreChanges: ["input"], additionalSecretOutputs: ["input", "output"] },
		);
		const token = pulumi.secret(stash.output as pulumi.Output<string>);
		const known = settled(pulumi.all([controlPlane.kubeconfig, token]));
		const handOver = isWorker
			? undefined
			: new HandOver(
					`${name}-certificate-key`,
					{ giver: controlPlane.host, caHash: controlPlane.caHash, cluster, connections, clusterId, newcomer: host.spec },
					this,
				);
		const upgrade = {
			version: cluster.release.version,
			seconds: cluster.timeouts.drainSeconds,
			say: (line: string) => pulumi.log.info(line, this),
			warn: (line: string) => pulumi.log.warn(line, this),
			reconnect: async () => void (await runStep(connections, { host: host.name, step: "reconnect", verb: "apply", settings: { CLUSTER_ID: clusterId } })),
		};
		// An update of a joined worker whose kubelet is of another version is its upgrade. One that fails stops those that wait: the next up goes on with it.
		let isUpgrading = false;
		const stopUpgrades = () => {
			upgrades.stopped ||= host.name;
			upgrades.giveBack(host.name);
		};
		const drainFirst = async () => {
			const [kubeconfig] = await known();
			const bound = 2 * (cluster.timeouts.drainSeconds + cluster.timeouts.joinSeconds);
			const before = await upgrades.take(host.name, bound);
			try {
				if (before.length > 0) throw new Error(`${host.name} is not upgraded, because ${before.join(", ")} did not end in ${bound} s`);
				if (upgrades.stopped !== "") throw new Error(`${host.name} is not upgraded, because ${upgrades.stopped} was not`);
				isUpgrading = await drain(kubeconfig, host.name, upgrade);
			} catch (error) {
				stopUpgrades();
				throw error;
			}
		};
		const letIn = async () => {
			try {
				if (isUpgrading) await uncordon((await known())[0], host.name, upgrade);
				upgrades.giveBack(host.name);
			} catch (error) {
				stopUpgrades();
				throw error;
			}
		};
		const upgradeHooks = cluster.upgrade.inPlace
			? { before: [new pulumi.ResourceHook(`${name}-drain`, drainFirst)], after: [new pulumi.ResourceHook(`${name}-uncordon`, letIn)] }
			: { before: [], after: [] };
		// A join may leave an old cluster first, and has its bound for the join itself.
		const turn = async () => {
			const before = await places.take(host.name, 2 * cluster.timeouts.joinSeconds);
			if (before.length > 0) await pulumi.log.warn(`${host.name} joins beside ${before.join(", ")}, which did not end in time`, this);
		};
		const openNow = async (patience = {}) => {
			if (handOver && !(await handOver.give())) return; // it has joined, and needs no token
			await openJoin(...(await known()), host.name, patience);
		};
		const openFirst = async () => {
			try {
				await openNow(JOIN_PATIENCE);
			} catch (error) {
				places.giveBack(host.name); // the engine then calls no other hook
				throw error;
			}
		};
		const open = new pulumi.ResourceHook(`${name}-open`, openFirst);
		// An update mostly finds a joined worker, which needs no token, and so no API server; where it must join again, the join fails without one and this warning says why.
		const reopen = new pulumi.ResourceHook(`${name}-reopen`, () => openNow(), { ignoreErrors: true });
		// A token that outlives its join is worth a warning, not a failed join: it is dead soon anyway.
		const closeNow = async () => {
			places.giveBack(host.name);
			await Promise.all([closeJoin(...(await known())), handOver?.takeBack()]);
		};
		const close = new pulumi.ResourceHook(`${name}-close`, closeNow, { ignoreErrors: true });
		// What a join that failed, or one that was killed, left on the cluster under another name. A warning where it can't be done: the join's own error is what counts.
		const clear = async (nodes: typeof listNodes) => {
			try {
				const [kubeconfig] = await known();
				const strays = await removeStrays(kubeconfig, host.spec, await nodes(kubeconfig));
				if (strays.length > 0) await pulumi.log.warn(`${host.name} was in the cluster as Node ${strays.join(", ")}, which is deleted`, this);
			} catch (error) {
				await pulumi.log.warn(`${host.name}: a Node of another name may be left of its join: ${(error as Error).message}`, this);
			}
		};
		const before = new pulumi.ResourceHook(`${name}-clear`, async () => {
			await turn();
			await clear(nodesAtFirst);
		});
		const failed = new pulumi.ErrorHook(`${name}-failed`, async () => {
			places.giveBack(host.name);
			stopUpgrades();
			await clear(listNodes);
			await handOver
				?.giveUp()
				.catch((error: Error) => pulumi.log.warn(`${host.name}: what its join left on the cluster is still there: ${error.message}`, this));
			return false; // not again: what failed does not heal by itself
		});
		// An act with a check and an undo: step.ts says why.
		this.join = hostAct(
			`${name}-join`,
			{
				host: host.spec,
				ssh: cluster.ssh,
				step: new URL("./steps/join.sh", import.meta.url),
				settings: {
					CLUSTER_ID: clusterId,
					OWNER: host.owner,
					JOIN_CONFIG: pulumi
						.all([token, controlPlane.caHash, handOver?.key])
						.apply(([text, caHash, certificateKey]) =>
							joinConfiguration(cluster, host.spec, { token: text, caHash, ...(certificateKey === undefined ? {} : { certificateKey }) }),
						),
					...(isWorker ? {} : { ROLE: host.spec.role }),
					IGNORE_PREFLIGHT_ERRORS: cluster.kubeadm.ignorePreflightErrors,
					TIMEOUT_SECONDS: cluster.timeouts.joinSeconds,
					NODE_NAME: host.name,
					NODE_POD_CIDR: nodePodCidr,
					...upgradeSettings(cluster),
					KUBELET_CONFIG: isWorker ? kubeletDigest(cluster) : controlPlaneDigest(cluster),
					HOST_INSTALLED: host.installed, // it joins again then
					MAXIMUM_CLOCK_SKEW_SECONDS: cluster.preflight.maximumClockSkewSeconds,
				},
				triggers: [controlPlane.init.id],
			},
			{
				parent: this,
				dependsOn: [host, controlPlane.kubeconfigStep, ...after],
				deletedWith: host.leave,
				// Updates too: where a host was installed anew meanwhile, one joins again.
				hooks: {
					beforeCreate: [before, open],
					afterCreate: [close],
					beforeUpdate: [...upgradeHooks.before, reopen],
					afterUpdate: [close, ...upgradeHooks.after],
					onError: [failed],
				},
			},
		);

		this.host = host.spec;
		this.runtime = host.runtime;
		this.version = printed(this.join).apply((text) => versionOf(text, host.name, "join"));
		this.registerOutputs({ version: this.version });
	}
}
