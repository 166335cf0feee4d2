// What a preview says of a change that ends the program's own Pods.
import type * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../cluster/cluster.ts";
import type { DemoSettings } from "../config/settings.ts";
import { PAUSE_PODS } from "./pause-pod.ts";
import { refusal, SCENARIOS, type Scenario } from "./scenarios.ts";

/**
 * Made also where no demo is asked for, or the preview that ends the last Pod had nothing to compare with.
 * @param made what makes the Pods: until all of it is done, each preview says the costs again
 */
export function podCosts(name: string, cluster: Cluster, settings: DemoSettings, made?: pulumi.Resource): void {
	cluster.costs(name, settings.enabled ? costs(cluster, settings) : {}, { parent: cluster, dependsOn: made ? [made] : [] });
}

/** By the setting that a Pod is asked for with. Its value is what another one of makes a new Pod: fields that the Kubernetes provider replaces it for, and the cluster. */
function costs(cluster: Cluster, { image, initImage, hostPath, pauseProof, gallery }: DemoSettings) {
	const { release, featureGates } = cluster;
	const rebuiltBy = { kubernetesVersion: release.version, ...cluster.rebuiltBy }; // an upgrade in place ends them too
	const images = { demoImage: image, demoInitImage: initImage };
	const node = cluster.workers[0]?.host.name ?? "";
	// Pods of the gallery stay as they are with another image: a command makes them, and leaves one alone that is there.
	const shown = gallery.filter((scenario) => refusal(scenario, release, featureGates) === undefined);
	return Object.fromEntries([
		["demoEnabled", { value: { ...images, demoHostPath: hostPath, ...rebuiltBy }, ...ends("the Pod lifecycle-demo-pod: its preStop hook runs", "it is") }],
		...(pauseProof
			? [
					[
						"pauseProof",
						{ value: { demoInitImage: initImage, "first worker": node, ...rebuiltBy }, ...ends(`the Pods ${PAUSE_PODS.join(" and ")}`, "they are") },
					],
				]
			: []),
		...shown.map((scenario) => [
			`gallery ${scenario}`,
			{ value: rebuiltBy, ...ends(`the Pod ${scenario}${hasHookAtItsEnd(SCENARIOS[scenario]) ? ": its preStop hook runs" : ""}`, "it is") },
		]),
	]);
}
function ends(pods: string, they: string) {
	return { changed: `This ends ${pods}, then ${they} made anew.`, gone: `This ends ${pods}, and ${they} not made anew.` };
}
/** Whether preStop runs when it is deleted: not where kubectl is told not to wait, and not where its process has ended before. */
function hasHookAtItsEnd({ spec, deleteOptions = [] }: Scenario): boolean {
	const { containers, restartPolicy } = spec({ busybox: "", nginx: "", pause: "" });
	return (
		deleteOptions.length === 0 && restartPolicy !== "Never" && (containers as { lifecycle?: { preStop?: object } }[]).some((one) => one.lifecycle?.preStop)
	);
}
