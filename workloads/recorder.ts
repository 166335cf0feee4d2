// Records what happens to Pods, from before they exist until after they are gone.
import type { Command } from "@pulumi/command/remote/command.js";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster.ts";
import type { HostSpec } from "../config.ts";

export interface RecorderArgs {
	cluster: Cluster;
	/** Its Pods and events are recorded. */
	namespace: string;
	/** The file on a worker that the Pods' hooks write to: each line is recorded with its arrival. */
	messageFile: string;
	/** The recorder ends by itself after this time. */
	hours: number;
	/** The Pod whose life is told in full at the end. */
	pod: string;
}

/**
 * A recorder on each host: a transient unit that only listens (API server, container runtime, message file) and outlives the pulumi run.
 * Create: starts it, and waits until it listens. Delete: stops it, tells what happened as a short table, and leaves the recording on the host until it is fetched.
 */
export class Recorder extends pulumi.ComponentResource {
	/** What a Pod must wait for, so that nothing of its life is missed. */
	readonly started: Command[];
	readonly #name: string;
	readonly #args: RecorderArgs;

	constructor(name: string, args: RecorderArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:workloads:Recorder", name, {}, opts);
		this.#name = name;
		this.#args = args;
		const { cluster } = args;
		const { host: controlPlane, init } = cluster.controlPlane;
		// Made before the recorders, so at destroy it comes after them.
		const told = cluster.recording(`${name}-told`, args.pod, { parent: this });
		this.started = [
			this.#start(controlPlane, "control-plane", [init, told]),
			...cluster.workers.map((worker) => this.#start(worker.host, "worker", [worker, told])),
		];
		this.registerOutputs({});
	}

	#start(host: HostSpec, role: HostSpec["role"], dependsOn: pulumi.Resource[]): Command {
		const { cluster, namespace, messageFile, hours } = this.#args;
		const reference = cluster.controlPlane.host;
		return cluster.step(
			`${this.#name}-${host.name}-recorder`,
			{
				...{ host, step: "recorder" },
				settings: {
					...{ HOST_NAME: host.name, ROLE: role, NAMESPACE: namespace, MESSAGE_FILE: messageFile },
					...{ REFERENCE: reference.name, REFERENCE_ADDRESS: reference.address, BOUND_SECONDS: hours * 3600 },
				},
			},
			{ parent: this, dependsOn },
		);
	}

	/** The recording so far, packed (lifecycle/packed.ts): of the control plane and of `host`. Read again when a trigger changes. */
	read(host: pulumi.Output<HostSpec>, triggers: pulumi.Input<unknown>[], dependsOn: pulumi.Resource[]): pulumi.Output<string[]> {
		const read = (name: string, from: pulumi.Input<HostSpec>) =>
			this.#args.cluster.step(
				`${this.#name}-${name}`,
				{ host: from, step: "recording", settings: { HOST_NAME: pulumi.output(from).name }, undo: false, isQuiet: true, triggers },
				{ parent: this, dependsOn },
			);
		const steps = [read("api-recording", this.#args.cluster.controlPlane.host), read("node-recording", host)];
		return pulumi.unsecret(pulumi.all(steps.map(({ stdout }) => stdout)));
	}
}
