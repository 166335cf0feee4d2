// How the certificates of the control plane reach a host that joins as another one: by a Secret on the cluster, encrypted, for as long as the join takes. No state has them.
//
// By hooks of the join, as the join token (join-token.ts says why). What is done on the first control plane's host goes through the provider, which has the way there.
import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import type { Setting } from "../provider/shell.ts";
import { type HostConnections, runStep } from "./host-provider.ts";
import { upgradeSettings, uploadConfiguration } from "./kubeadm.ts";
import { settled } from "./settled.ts";

/** kubeadm takes a key of AES-256 in hexadecimal. */
const KEY_BYTES = 32;
export const newCertificateKey = (): string => randomBytes(KEY_BYTES).toString("hex");

/** Who takes part, by name and address. */
export interface Parties {
	connections: HostConnections;
	clusterId: string;
	/** A control plane that has the certificates. */
	giver: HostSpec;
	/** The host that joins. */
	newcomer: HostSpec;
}
/** The step `hand-over` on the giver's host. */
export async function runHandOver(
	{ connections, clusterId, giver, newcomer }: Parties,
	verb: "apply" | "undo",
	settings: Record<string, Setting>,
): Promise<void> {
	const all = { HOST_NAME: giver.name, CLUSTER_ID: clusterId, NEWCOMER: newcomer.name, NEWCOMER_ADDRESS: newcomer.address, ...settings };
	await runStep(connections, { host: giver.name, step: "hand-over", verb, settings: all });
}

export interface HandOverArgs extends Parties {
	cluster: ClusterSettings;
	/** `sha256:...` of the CA's public key. */
	caHash: pulumi.Output<string>;
}

export class HandOver {
	/** A secret, and good for nothing but while a join runs. Made once: the join's text stays the same from run to run. */
	readonly key: pulumi.Output<string>;
	readonly #args: HandOverArgs;
	readonly #key: () => Promise<string>;
	readonly #caHash: () => Promise<string>;
	/** By this run. */
	#isGiven = false;

	constructor(name: string, args: HandOverArgs, parent: pulumi.Resource) {
		const input = pulumi.secret(newCertificateKey());
		const stash = new pulumi.Stash(name, { input }, { parent, ignoreChanges: ["input"], additionalSecretOutputs: ["input", "output"] });
		this.key = pulumi.secret(stash.output as pulumi.Output<string>);
		this.#args = args;
		this.#key = settled(this.key);
		this.#caHash = settled(args.caHash);
	}

	/**
	 * Where the newcomer is none of the cluster's control planes yet, by what its own host says, puts the certificates on the cluster, and takes an etcd member away that a
	 * host of this name has left there. A join that was cut off there is undone first. Throws where a host is not reached. Returns whether a join is due.
	 */
	async give(): Promise<boolean> {
		const differs = await this.#lookAtNewcomer();
		if (!differs.includes("cluster")) return false;
		if (differs.includes("join")) await this.#onNewcomer("undo");
		this.#isGiven = true;
		await this.#run("apply", { UPLOAD_CONFIG: uploadConfiguration(this.#args.cluster, await this.#key()), ...upgradeSettings(this.#args.cluster) });
		return true;
	}

	/** Takes them away again, where this run has given them. */
	async takeBack(): Promise<void> {
		if (this.#isGiven) await this.#run("undo", { GAVE_UP: false });
		this.#isGiven = false;
	}

	/** After a join that failed: its etcd member goes too, unless its host says that it is in the cluster all the same. */
	async giveUp(): Promise<void> {
		if (!this.#isGiven) return;
		const isOut = await this.#lookAtNewcomer().then(
			(differs) => differs.includes("cluster"),
			() => false, // not reached: nobody knows
		);
		await this.#run("undo", { GAVE_UP: isOut });
		this.#isGiven = false;
	}

	/** Items that differ from a host that has joined as a control plane. */
	async #lookAtNewcomer(): Promise<string[]> {
		return (await this.#onNewcomer("check")).differs;
	}

	async #onNewcomer(verb: "check" | "undo"): Promise<{ differs: string[] }> {
		const { newcomer, clusterId, connections, cluster } = this.#args;
		const settings = {
			CLUSTER_ID: clusterId,
			NODE_NAME: newcomer.name,
			ROLE: newcomer.role,
			JOIN_CONFIG: await this.#caHash(),
			TIMEOUT_SECONDS: cluster.timeouts.joinSeconds,
		};
		return runStep(connections, { host: newcomer.name, step: "join", verb, settings });
	}

	async #run(verb: "apply" | "undo", settings: Record<string, Setting>): Promise<void> {
		await runHandOver(this.#args, verb, settings);
	}
}
