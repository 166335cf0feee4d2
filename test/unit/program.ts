// The whole program under Pulumi's mocks, run once for all tests that read its graph.
import { Cluster } from "../../cluster/cluster.ts";
import { LifecycleDemo } from "../../workloads/lifecycle-demo.ts";
import { podCosts } from "../../workloads/pod-costs.ts";
import { STEPS } from "../../workloads/steps.ts";
import { runProgram } from "./program-graph.ts";
import { base, read } from "./settings.ts";

export const WORKERS = ["k8s-node01", "k8s-node02"];
export const HOSTS = ["k8s-master", ...WORKERS];
export const NODE_STATES = ["kubelet", "node"];
export const HOST_STEPS = ["scripts", "identity", "packages", "system", "runtime", "images"];

/** The whole program, as index.ts puts it together. */
export async function program({ changes = {} as Record<string, unknown>, preview = false, secretKeys = ["sshPrivateKey"] } = {}) {
	const { cluster: clusterSettings, demo: demoSettings } = read({ ...base(), ...changes }, { secretKeys });
	const { image, initImage } = demoSettings;
	return runProgram(
		() => {
			const cluster = new Cluster("lab", { ...clusterSettings, workloadImages: [image, initImage], workloadSteps: STEPS });
			const demo = new LifecycleDemo("lifecycle-demo", { cluster, ...demoSettings, podSeconds: clusterSettings.timeouts.podSeconds });
			podCosts("lab-pod-costs", cluster, demoSettings, demo);
			return { cluster, demo };
		},
		{ preview },
	);
}
export const { graph, result } = await program();
