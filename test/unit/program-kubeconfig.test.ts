// The kubeconfig for who is only to see the demo.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { Cluster } from "../../cluster/cluster.ts";
import { DemoKubeconfig, demoKubeconfig } from "../../workloads/demo-kubeconfig.ts";
import { runProgram } from "./program-graph.ts";
import { settings } from "./settings.ts";

const ADMIN = `apiVersion: v1
clusters: [{ name: kubernetes, cluster: { server: "https://172.16.1.110:6443", certificate-authority-data: Q0E= } }]
users: [{ name: kubernetes-admin, user: { client-key-data: S0VZ } }]
contexts: [{ name: a, context: { cluster: kubernetes, user: kubernetes-admin } }]
current-context: a
`;

test("it has the admin's cluster and a token instead of the admin's key", () => {
	const text = demoKubeconfig(ADMIN, Buffer.from("token").toString("base64"));
	const { clusters, users, contexts, "current-context": current } = parse(text);
	assert.deepEqual(
		[clusters[0].cluster.server, users, contexts[0].context.namespace, current],
		["https://172.16.1.110:6443", [{ name: "lifecycle-demo", user: { token: "token" } }], "default", "lifecycle-demo"],
	);
	assert.doesNotMatch(text, /S0VZ|kubernetes-admin/);
});
test("its Role lets nobody make a Pod, run something in one, or read a Secret; the kubeconfig is a secret", async () => {
	const { cluster } = settings();
	let isSecret: Promise<boolean> | undefined;
	const { graph } = await runProgram(
		() => {
			isSecret = (new DemoKubeconfig("lifecycle-demo-user", new Cluster("lab", cluster)).kubeconfig as unknown as { isSecret: Promise<boolean> }).isSecret;
		},
		{ kubeconfig: ADMIN },
	);
	assert.equal(await isSecret, true);
	const { rules } = graph.named("lifecycle-demo-user-role").inputs as { rules: { resources: string[]; verbs: string[] }[] };
	assert.deepEqual(rules.flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`))).sort(), [
		"delete pods",
		"get events",
		"get pods",
		"get pods/log",
		"list events",
		"list pods",
		"watch events",
		"watch pods",
	]);
});
