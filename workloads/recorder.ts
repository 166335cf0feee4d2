// The recorders: each host records what happens to Pods, from before they exist until after they are gone.
import type { Pod } from "@pulumi/kubernetes/core/v1/pod.js";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster.ts";
import type { HostSpec } from "../config/settings.ts";

/** Prints what a recorder wrote on a host. */
const RECORDING = new URL("./steps/recording.sh", import.meta.url);

export interface RecorderArgs {
	cluster: Cluster;
	/** Its Pods and events are recorded. */
	namespace: string;
	/** The file on a worker that the Pods' hooks write to: each line is recorded with its arrival. */
	messageFile: string;
	/** The recorder ends by itself after this time. */
	hours: number;
	/** The Pod that gets the whole summary at the end. */
	pod: string;
}

/**
 * A recorder on each host: a unit that only listens (API server, container runtime, message file) and outlives the pulumi run, and the host's reboots.
 * Create: starts it, and waits until it listens. Delete: stops it, shows a summary, and leaves the recording on the host until it is fetched,
 * a week at most.
 */
export class Recorder extends pulumi.ComponentResource {
	/** What a Pod must wait for, so that its history is whole. */
	readonly started: pulumi.Resource[];
	readonly #name: string;
	readonly #args: RecorderArgs;

	constructor(name: string, args: RecorderArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:workloads:Recorder", name, {}, opts);
		this.#name = name;
		this.#args = args;
		const { cluster } = args;
		// Made before the recorders, so at destroy it comes after them.
		const summary = cluster.recording(`${name}-told`, { pod: args.pod, step: RECORDING }, { parent: this });
		// Beside the joins, on nobody's way: once the API server answers. So at destroy all of them stop in one stage, that of the witnesses.
		const start = (host: HostSpec, role: HostSpec["role"], ...needs: pulumi.Resource[]) => this.#start(host, role, [cluster.provider, summary, ...needs]);
		this.started = [start(cluster.controlPlane.host, "control-plane"), ...cluster.workers.map(({ host, runtime }) => start(host, "worker", runtime))];
		this.registerOutputs({});
	}

	#start(host: HostSpec, role: HostSpec["role"], dependsOn: pulumi.Resource[]): pulumi.Resource {
		const { cluster, namespace, messageFile, hours } = this.#args;
		const reference = cluster.controlPlane.host;
		return cluster.state(
			`${this.#name}-${host.name}-recorder`,
			{
				host: host.name,
				step: new URL("./steps/recorder.sh", import.meta.url),
				settings: {
					HOST_NAME: host.name,
					ROLE: role,
					NAMESPACE: namespace,
					MESSAGE_FILE: messageFile,
					REFERENCE: reference.name,
					REFERENCE_ADDRESS: reference.address,
					RUNTIME_KIND: cluster.runtimeKind,
					BOUND_SECONDS: hours * 3600,
				},
			},
			{ parent: this, dependsOn },
		);
	}

	/** The recording of a Pod that is Ready, packed (lifecycle/recording/packed.ts): of the control plane and of the Pod's `host`. Read again for another Pod. */
	read(host: pulumi.Output<HostSpec>, pod: Pod): pulumi.Output<string[]> {
		const uid = pod.metadata.uid;
		const read = (name: string, from: pulumi.Input<HostSpec>, settings: Record<string, pulumi.Input<string>>) =>
			this.#args.cluster.act(
				`${this.#name}-${name}`,
				{
					host: from,
					step: RECORDING,
					undo: false,
					isQuiet: true,
					triggers: [uid],
					settings: { HOST_NAME: pulumi.output(from).name, ...settings },
				},
				{ parent: this, dependsOn: pod },
			);
		const steps = [read("api-recording", this.#args.cluster.controlPlane.host, { READY_UID: uid }), read("node-recording", host, {})];
		return pulumi.all(steps.map((step) => this.#args.cluster.printed(step)));
	}
}
