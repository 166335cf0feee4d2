// The gallery of Pods that go wrong, as far as the stack asks for it.
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster.ts";
import type { ScenarioName } from "../config/settings.ts";
import { type Images, refusal, SCENARIOS, type Scenario, scenarioPod } from "./scenarios.ts";

export interface GalleryArgs {
	cluster: Cluster;
	/** Which, in the order of the stack's file. */
	scenarios: ScenarioName[];
	images: Images;
	/** Started before any of them, so that their whole life is recorded. */
	recorders: pulumi.Resource[];
}
/** A Pod shows itself within this time, or what is seen instead is shown. A container's back-off after its second failure is 20 s. */
const SETTLE_SECONDS = 60;

/**
 * Makes one Pod for each scenario, in parallel. A scenario that the release can't show is listed with the release it needs.
 * Delete: each Pod is deleted in its own way, and waited for.
 */
export class Gallery extends pulumi.ComponentResource {
	/** By scenario: what it shows, and its line in `kubectl get pod`. */
	readonly shown: pulumi.Output<Record<string, string>>;

	constructor(name: string, { cluster, scenarios, images, recorders }: GalleryArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:workloads:Gallery", name, {}, opts);
		const dependsOn = [...cluster.ready, ...recorders];
		const lines = scenarios.map((scenario): [string, pulumi.Input<string>] => {
			const refused = refusal(scenario, cluster.release, cluster.featureGates);
			if (refused !== undefined) return [scenario, refused];
			const { shows, settled, deleteOptions = [] }: Scenario = SCENARIOS[scenario];
			// An act with a check and an undo: cluster/step.ts says why.
			const made = cluster.act(
				`${name}-${scenario}`,
				{
					host: cluster.controlPlane.host,
					step: new URL("./steps/scenario.sh", import.meta.url),
					triggers: [cluster.controlPlane.init.id],
					settings: {
						HOST_NAME: cluster.controlPlane.host.name,
						NAME: scenario,
						MANIFEST: JSON.stringify(scenarioPod(scenario, images)),
						SETTLED: settled,
						SETTLE_SECONDS,
						DELETE_OPTIONS: deleteOptions,
					},
				},
				{ parent: this, dependsOn, replacementTrigger: cluster.release.version }, // an upgrade drains its Node
			);
			return [scenario, pulumi.interpolate`${shows}: ${cluster.printed(made)}`];
		});
		this.shown = pulumi.output(Object.fromEntries(lines));
		this.registerOutputs({ shown: this.shown });
	}
}
