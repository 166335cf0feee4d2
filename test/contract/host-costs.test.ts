// What a preview of the real engine says of a change that ends more than it changes: in words, once, until it is done.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { costs, upgradeCosts } from "../../cluster/cluster.ts";
import type { ClusterSettings } from "../../config/settings.ts";
import { costsOf } from "../../provider/costs.ts";
import { Project } from "./support/project.ts";

const root = join(import.meta.dirname, "../..");
const PROGRAM = `
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { ChangeCosts, HostConnections } from ${JSON.stringify(join(root, "cluster/host-provider.ts"))};
const { costs, triggers, isBroken, image } = JSON.parse(readFileSync("settings.json", "utf8"));
const parent = new pulumi.ComponentResource("kubeadm-lab:cluster:Cluster", "lab");
const host = { name: "one", role: "worker", address: "192.0.2.1", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA", labels: {}, taints: [] };
const ssh = { privateKey: pulumi.secret("none"), dialErrorLimit: 1, perDialTimeoutSeconds: 1 };
const provider = new HostConnections("hosts", { hosts: [host], ssh, steps: [] } as any, { parent });
const init = new pulumi.Stash("init", { input: isBroken ? pulumi.output(triggers).apply(() => { if (!pulumi.runtime.isDryRun()) throw new Error("broken"); }) : triggers }, { parent });
new ChangeCosts("lab-costs", costs, { parent, provider, dependsOn: init });
const pod = image === "" ? [] : [new pulumi.Stash("pod", { input: image }, { parent, replaceOnChanges: ["input"], deleteBeforeReplace: true })];
const podCosts = { demoEnabled: { value: { demoImage: image, podCidr: "10.244.0.0/16" }, changed: "This ends the Pod x, then it is made anew.", gone: "This ends the Pod x, and it is not made anew." } };
new ChangeCosts("pod-costs", image === "" ? {} : podCosts, { parent, provider, dependsOn: pod });
`;
let project: Project;
before(async () => {
	project = new Project(PROGRAM, { host: join(root, "provider") });
	await project.init();
});
after(() => project?.remove());

const settings = (version: string, podCidr: string, ...workers: string[]) => {
	const hosts = [{ name: "m", role: "control-plane" }, ...workers.map((name) => ({ name, role: "worker" }))];
	return costs({ release: { version }, podCidr, serviceCidr: "10.96.0.0/12", hosts, upgrade: { inPlace: false, batch: 1 } } as unknown as ClusterSettings);
};
const run = async (command: "preview" | "up", costs: ReturnType<typeof settings>, { isBroken = false, image = "" } = {}) => {
	project.settings({ costs, triggers: JSON.stringify(costs), isBroken, image } as never);
	return project.pulumi(command, ...(command === "up" ? ["--yes", "--skip-preview"] : []), "--stack", "test");
};
const REBUILT = "This rebuilds the cluster: all that runs on it is gone.";

test("a first up and a preview without a change say nothing", async () => {
	const first = settings("1.29.15", "10.244.0.0/16", "a", "b");
	for (const command of ["up", "preview"] as const) {
		const { code, output } = await run(command, first);
		assert.equal(code, 0, output);
		assert.doesNotMatch(output, /This re/);
	}
});
test("another version, and a worker that is gone, are said once, with what makes them", async () => {
	const { code, output } = await run("preview", settings("1.30.14", "10.240.0.0/16", "a"));
	assert.equal(code, 0, output);
	assert.deepEqual(
		output.match(/(?<=^ +warning: ).*This re.*/gm)?.map((line) => line.trim()),
		[
			`kubernetesVersion 1.29.15 -> 1.30.14, podCidr 10.244.0.0/16 -> 10.240.0.0/16: ${REBUILT}`,
			"b: This removes a Node: the Pods on it end, and the host is given back.",
		],
	);
});
test("a version that is brought to the cluster in place is said to be no rebuild, with what it costs", async () => {
	const at = (version: string, featureGates = {}) =>
		upgradeCosts({
			release: { version },
			hosts: [{ name: "m", role: "control-plane" }],
			podCidr: "",
			serviceCidr: "",
			upgrade: { inPlace: true, batch: 1 },
			kubeadm: { featureGates },
			kubeProxy: {},
			timeouts: { initSeconds: 300 },
			imageRepository: "registry.example",
		} as unknown as ClusterSettings);
	assert.deepEqual(costsOf({ costs: at("1.29.15") } as never, { costs: at("1.30.14") } as never), [
		"kubernetesVersion 1.29.15 -> 1.30.14: This upgrades the cluster in place: the control plane, then the workers, one by one, each drained before. Pods that no controller makes again end, and what is in an emptyDir is gone.",
	]);
	const [sentence, ...others] = costsOf({ costs: at("1.29.15") } as never, { costs: at("1.29.15", { B: true, A: false }) } as never);
	assert.match(
		sentence ?? "",
		/^featureGates none -> A=false,B=true: This applies the cluster's configuration in place, .* Pods run on: no Node is drained for it\./,
	);
	assert.deepEqual(others, []);
});
test("one more worker costs nothing", async () => {
	assert.doesNotMatch((await run("preview", settings("1.29.15", "10.244.0.0/16", "a", "b", "c"))).output, /This re/);
});
test("an up that stops before the rebuild leaves it to be said again, and one that does it does not", async () => {
	const next = settings("1.30.14", "10.244.0.0/16", "a", "b");
	assert.notEqual((await run("up", next, { isBroken: true })).code, 0);
	assert.match((await run("preview", next)).output, /kubernetesVersion 1\.29\.15 -> 1\.30\.14: This rebuilds the cluster/);
	assert.equal((await run("up", next)).code, 0);
	assert.doesNotMatch((await run("preview", next)).output, /This re/);
});
test("a Pod that ends is said once, as long as it is there, with the setting that ends it", async () => {
	const same = settings("1.30.14", "10.244.0.0/16", "a", "b");
	const said = async (command: "preview" | "up", image: string) => {
		const { code, output } = await run(command, same, { image });
		assert.equal(code, 0, output);
		return output.match(/(?<=^ +warning: ).*This ends.*/gm)?.map((line) => line.trim()) ?? [];
	};
	assert.deepEqual(await said("preview", "nginx:1"), []);
	assert.deepEqual(await said("up", "nginx:1"), []);
	assert.deepEqual(await said("preview", "nginx:1"), []);
	assert.deepEqual(await said("preview", "nginx:2"), ["demoImage nginx:1 -> nginx:2: This ends the Pod x, then it is made anew."]);
	await said("up", "nginx:2");
	assert.deepEqual(await said("preview", "nginx:2"), []);
	assert.deepEqual(await said("preview", ""), ["demoEnabled: This ends the Pod x, and it is not made anew."]);
	await said("up", "");
	assert.deepEqual(await said("preview", ""), []);
	const { code, output } = await project.pulumi("destroy", "--yes", "--stack", "test");
	assert.equal(code, 0, output);
	assert.doesNotMatch(output, /This (ends|re)/);
});
