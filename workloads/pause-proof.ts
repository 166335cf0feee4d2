// Checks on a real Pod, row by row, what the seed's page says of the pause container.
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster.ts";
import { pauseRows, pauseTable } from "../lifecycle/verdicts/pause.ts";
import { boundedPod } from "./bounded-pod.ts";
import { PAUSE_PODS, pausePod } from "./pause-pod.ts";

export interface PauseProofArgs {
	cluster: Cluster;
	/** busybox: needs sh, httpd and wget. */
	image: string;
	podSeconds: number;
	/** Started before the Pods, so that their whole life is recorded. */
	recorders: pulumi.Resource[];
}
/**
 * Two Pods of two containers on the first worker, one of them with a shared process namespace; probed once, when they are new.
 * The probe ends a container and a pause container, to see what becomes of the Pod's IP.
 */
export class PauseProof extends pulumi.ComponentResource {
	/** The rows, as a table. */
	readonly table: pulumi.Output<string>;

	constructor(name: string, { cluster, image, podSeconds, recorders }: PauseProofArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:workloads:PauseProof", name, {}, opts);
		const [worker] = cluster.workers;
		if (worker === undefined) throw new Error("pauseProof needs a worker: add one under hosts");
		const pods = PAUSE_PODS.map((podName) => {
			const { metadata, spec } = pausePod(podName, image);
			return boundedPod(
				`${name}-${podName}`,
				{ cluster, metadata, spec: { ...spec, nodeName: worker.host.name }, seconds: podSeconds },
				{ parent: this, dependsOn: [...cluster.ready, ...recorders] },
			);
		});
		// A state, though it happens once: an act is run again for another SSH key, and this one ends containers. It probes each pair of Pods once.
		const probe = cluster.state(
			`${name}-look`,
			{
				host: worker.host.name,
				step: new URL("./steps/pause.sh", import.meta.url),
				undo: false,
				settings: { HOST_NAME: worker.host.name, PODS: [...PAUSE_PODS] },
			},
			{ parent: this, dependsOn: pods, replaceWith: pods },
		);
		this.table = probe.printed.apply((text) => pauseTable(pauseRows(text)));
		this.registerOutputs({ table: this.table });
	}
}
