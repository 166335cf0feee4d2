// How the certificates of the control plane reach a host that joins as another one: by a Secret on the cluster, encrypted, for as long as the join takes. No state has them.
//
// By hooks of the join, as the join token (join-token.ts says why). What is done on the first control plane's host goes through the provider, which has the way there.
import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import type { Setting } from "../provider/shell.ts";
import type { ControlPlane } from "./control-plane.ts";
import { type HostConnections, runStep } from "./host-provider.ts";
import { uploadConfiguration } from "./kubeadm.ts";
import { settled } from "./settled.ts";

/** kubeadm takes a key of AES-256 in hexadecimal. */
const KEY_BYTES = 32;

export interface HandOverArgs {
	controlPlane: ControlPlane;
	cluster: ClusterSettings;
	connections: HostConnections;
	clusterId: string;
	/** The host that joins. */
	newcomer: HostSpec;
}

export class HandOver {
	/** A secret, and good for nothing but while a join runs. Made once: the join's text stays the same from run to run. */
	readonly key: pulumi.Output<string>;
	readonly #args: HandOverArgs;
	readonly #key: () => Promise<string>;

	constructor(name: string, args: HandOverArgs, parent: pulumi.Resource) {
		const input = pulumi.secret(randomBytes(KEY_BYTES).toString("hex"));
		const stash = new pulumi.Stash(name, { input }, { parent, ignoreChanges: ["input"], additionalSecretOutputs: ["input", "output"] });
		this.key = pulumi.secret(stash.output as pulumi.Output<string>);
		this.#args = args;
		this.#key = settled(this.key);
	}

	/** Whether the newcomer is none of the cluster's control planes yet, by what its own host says; `caHash` is the cluster's. Throws where that host is not reached. */
	async isDue(caHash: string): Promise<boolean> {
		const { newcomer, clusterId, connections } = this.#args;
		const settings = { CLUSTER_ID: clusterId, NODE_NAME: newcomer.name, JOIN_CONFIG: caHash };
		const { differs } = await runStep(connections, { host: newcomer.name, step: "join", verb: "check", settings });
		return differs.includes("cluster");
	}

	/** Puts the certificates on the cluster, and takes an etcd member away that a host of this name has left there. */
	async give(): Promise<void> {
		await this.#run("apply", { UPLOAD_CONFIG: uploadConfiguration(this.#args.cluster, await this.#key()) });
	}

	/** Takes them away again. `gaveUp`: the join has failed, and its etcd member goes too. */
	async takeBack(gaveUp = false): Promise<void> {
		await this.#run("undo", { GAVE_UP: gaveUp });
	}

	async #run(verb: "apply" | "undo", settings: Record<string, Setting>): Promise<void> {
		const { connections, controlPlane, clusterId, newcomer } = this.#args;
		const { name } = controlPlane.host;
		const all = { HOST_NAME: name, CLUSTER_ID: clusterId, NEWCOMER: newcomer.name, NEWCOMER_ADDRESS: newcomer.address, ...settings };
		await runStep(connections, { host: name, step: "hand-over", verb, settings: all });
	}
}
