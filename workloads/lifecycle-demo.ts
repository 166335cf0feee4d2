// The Pod of the seed's page, and what its hooks wrote.
import type { core } from "@pulumi/kubernetes/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster.ts";
import type { ScenarioName } from "../config/settings.ts";
import type { Pod as PodState } from "../lifecycle/recording/entry.ts";
import { podLine } from "../lifecycle/render/pod-line.ts";
import { summarySoFar } from "../lifecycle/render/summary.ts";
import { boundedPod } from "./bounded-pod.ts";
import { Gallery } from "./gallery.ts";
import { PauseProof } from "./pause-proof.ts";
import { Recorder } from "./recorder.ts";

export interface LifecycleDemoArgs {
	/** Where it runs: on one of the workers, because of the control plane's taint. */
	cluster: Cluster;
	/** nginx, such as registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17. */
	image: string;
	/** busybox, for the init container. */
	initImage: string;
	/** Folder on the host that the containers see as /var/log/nginx/. */
	hostPath: string;
	/** Empty every worker's message file once, before this demo's first Pod. Default false: as on the seed's page, each Pod appends to it. */
	freshFile?: boolean;
	/** Record the Pod's history for this many hours at most; 0 records nothing. */
	recordHours: number;
	/** Pods of the gallery. Default none. */
	gallery?: ScenarioName[];
	/** Probe the pause container, on Pods made for it. Default false. */
	pauseProof?: boolean;
	/** Bound for the Pod to become Ready, and again for its deletion, preStop hook included. */
	podSeconds: number;
}
/** As on the seed's page. */
const POD = "lifecycle-demo-pod";

/**
 * Runs lifecycle-demo-pod and reads its message file on the node where it landed.
 * Create: waits until the Pod is Ready, which is after its init container and its postStart hook.
 * Delete: deletes the Pod and waits until it is gone, so that preStop has run; then every worker prints its message file, before any worker is reset.
 */
export class LifecycleDemo extends pulumi.ComponentResource {
	/** Header and row as `kubectl get pod -o wide` prints them. */
	readonly pod: pulumi.Output<string>;
	/** Where it landed. */
	readonly location: pulumi.Output<{ node: string; host: string; file: string }>;
	/** What the init container and the hooks wrote, read on that host. */
	readonly message: pulumi.Output<string>;
	/** A summary of the Pod's history so far, timed and judged; undefined where nothing is recorded. */
	readonly lifecycle: pulumi.Output<string> | undefined;
	/** What the pause container holds together, row by row. */
	readonly pause: pulumi.Output<string> | undefined;
	/** By scenario of the gallery: what it shows, and how its Pod is. */
	readonly gallery: pulumi.Output<Record<string, string>> | undefined;

	constructor(name: string, args: LifecycleDemoArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:workloads:LifecycleDemo", name, {}, opts);
		const { cluster, freshFile = false, podSeconds, recordHours, gallery = [], pauseProof = false } = args;
		const file = `${args.hostPath.replace(/\/*$/, "")}/message`;

		// States that keep nothing: their undo is what they are there for. Made before the Pod and after the join, so at destroy they come between the two. They dial at create only if there is a file to empty.
		const witnesses = cluster.workers.map((worker) =>
			cluster.state(
				`${name}-${worker.host.name}-witness`,
				{
					host: worker.host.name,
					step: new URL("./steps/witness.sh", import.meta.url),
					settings: { HOST_NAME: worker.host.name, MESSAGE_FILE: file, FRESH: freshFile },
					apply: freshFile,
				},
				{ parent: this, dependsOn: worker },
			),
		);
		const recorded = { cluster, namespace: "default", messageFile: file, hours: recordHours, pod: POD };
		const recorder = recordHours > 0 ? new Recorder(`${name}-life`, recorded, { parent: this }) : undefined;
		const pod = boundedPod(
			`${name}-pod`,
			{ cluster, metadata: { name: POD, namespace: "default", labels: { test: "lifecycle" } }, spec: demoPodSpec(args), seconds: podSeconds },
			{ parent: this, dependsOn: [...cluster.ready, ...witnesses, ...(recorder?.started ?? [])] },
		);
		const placed = pulumi.all([pod.metadata, pod.spec, pod.status]).apply(([metadata, spec, status]) => unlessGuess({ metadata, spec, status }));
		const host = placed.apply(({ spec }) => cluster.hostOf(spec.nodeName));
		const message = cluster.act(
			`${name}-message`,
			{
				host,
				step: new URL("./steps/message.sh", import.meta.url),
				settings: { HOST_NAME: host.name, MESSAGE_FILE: file },
				undo: false,
				triggers: [pod.metadata.uid],
			},
			{ parent: this, dependsOn: pod },
		);

		this.pod = placed.apply(podLine);
		this.location = host.apply(({ name: node, address }) => ({ node, host: address, file }));
		this.message = cluster.printed(message);
		this.lifecycle = recorder?.read(host, pod).apply((packed) => this.#show(summarySoFar(packed, POD)));
		const images = { busybox: args.initImage, nginx: args.image, pause: cluster.pauseImage };
		this.gallery =
			gallery.length > 0
				? new Gallery(`${name}-gallery`, { cluster, scenarios: gallery, images, recorders: recorder?.started ?? [] }, { parent: this }).shown
				: undefined;
		this.pause = pauseProof
			? new PauseProof(`${name}-pause`, { cluster, image: args.initImage, podSeconds, recorders: recorder?.started ?? [] }, { parent: this }).table
			: undefined;
		this.registerOutputs({ pod: this.pod, location: this.location, message: this.message, lifecycle: this.lifecycle });
	}

	/** Shows it at the end of `pulumi up`: the CLI cuts an output of more than a few lines short. */
	#show(text: string): string {
		if (!pulumi.runtime.isDryRun()) void pulumi.log.info(text, this);
		return text;
	}
}

/** The Pod, unless it is a preview's idea of a new one: the API server's dry run fills in a status, but no Node and no address. */
function unlessGuess(pod: PodState): pulumi.Output<PodState> {
	const isGuess = pulumi.runtime.isDryRun() && !pod.spec.nodeName;
	return pulumi.output(isGuess ? (pulumi.unknown as unknown as PodState) : pod) as pulumi.Output<PodState>;
}

/** The seed's lifecycle-events.yaml, field by field. */
export function demoPodSpec({ image, initImage, hostPath }: Pick<LifecycleDemoArgs, "image" | "initImage" | "hostPath">): core.v1.PodSpec {
	const say = (text: string) => ["/bin/sh", "-c", `echo '${text}' >> /var/log/nginx/message`];
	const volumeMounts = [{ name: "message-log", mountPath: "/var/log/nginx/", readOnly: false }];
	return {
		containers: [
			{
				name: "lifecycle-demo",
				image,
				imagePullPolicy: "IfNotPresent",
				lifecycle: {
					postStart: { exec: { command: say("Hello from the postStart handler") } },
					preStop: { exec: { command: say("Hello from the preStop handler") } },
				},
				volumeMounts,
			},
		],
		initContainers: [{ name: "init-myservice", image: initImage, command: say("Hello initContainers"), volumeMounts }],
		volumes: [{ name: "message-log", hostPath: { path: hostPath, type: "DirectoryOrCreate" } }],
	};
}
