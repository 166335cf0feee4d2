// What must be so once a run that something happened to was made good: a whole cluster, or hosts as before; and nothing of the run left.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unexplained } from "../bare/stays.ts";
import { hosts, kubectl, labFolder, pulumi, pulumiRun } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { LabHost, signalled } from "./host.ts";
import { processes } from "./run.ts";

/** How the message file of the Pod's Node ends while the Pod runs. */
export const RUNNING_MESSAGE = /Hello initContainers\nHello from the postStart handler\n$/;
export const podsNode = async () => (await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.spec.nodeName}'")).trim();

/** These Nodes, and no other, are there and Ready, the Pod is, and a preview with these settings has nothing to do. Resolves to the Pod's Node. */
export async function isCluster(nodes: readonly string[], ...settings: string[]): Promise<string> {
	const found = await kubectl("get nodes --no-headers -o custom-columns=N:.metadata.name,R:'.status.conditions[?(@.type==\"Ready\")].status'");
	assert.deepEqual(
		found
			.trim()
			.split("\n")
			.map((line) => line.split(/ +/))
			.sort(),
		nodes.map((host) => [host, "True"]).sort(),
	);
	await kubectl("wait pod lifecycle-demo-pod --for=condition=Ready --timeout=60s");
	await pulumi("preview", "--expect-no-changes", "--diff", ...settings);
	return podsNode();
}
/** `bare`: what `snapshot` saw of each before. `stays`: what may stay beside what README lists. */
export async function areAsBefore(bare: ReadonlyMap<string, Set<string>>, those: readonly string[], stays: RegExp[] = []): Promise<void> {
	for (const host of those) assert.deepEqual(unexplained(differences(bare.get(host) ?? new Set(), await snapshot(host)), stays), [], `${host}, given back`);
}
export async function isStateEmpty(): Promise<void> {
	const { stdout } = await pulumi("stack export");
	assert.deepEqual(JSON.parse(stdout).deployment.resources ?? [], []);
}
/** No script that runs on a host, no lock and no pending operation, no kubeconfig in TMPDIR and no process. */
export async function leftNothing(): Promise<void> {
	for (const host of hosts) assert.deepEqual(new LabHost(host).scripts(), [], `scripts that run on ${host}`);
	const { stdout } = await pulumiRun("stack export");
	const pending = (JSON.parse(stdout).deployment.pending_operations ?? []) as { resource: { urn: string } }[];
	assert.deepEqual(
		pending.map(({ resource }) => resource.urn),
		[],
		"pending operations",
	);
	const locks = join(labFolder, "state/.pulumi/locks");
	if (existsSync(locks))
		assert.deepEqual(
			readdirSync(locks, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json")),
			[],
			"locks of the stack",
		);
	assert.deepEqual(
		readdirSync(join(labFolder, "tmp")).filter((name) => name.startsWith("kubeconfig")),
		[],
		"kubeconfigs in TMPDIR",
	);
	// As README says: official plugins may outlive an engine that was killed, and are ended by whoever sees them.
	for (const { pid, command } of startedByLab().filter(({ parent }) => parent === 1)) {
		assert.match(command, /pulumi-resource-(kubernetes|command) |stand-ins\/command-plugin\.ts /, "a process of a run whose engine was killed");
		signalled(pid, "SIGTERM");
	}
	for (let i = 0; i < 50 && startedByLab().length > 0; i++) await sleep(100);
	assert.deepEqual(
		startedByLab().map(({ command }) => command),
		[],
		"processes of a run that is over",
	);
}

/** What `lab exec` started and what of it runs on, by its environment (lab/README.md). */
export const startedByLab = () => processes().filter(({ environment }) => environment.split("\0").includes(`KUBEADM_LAB=${labFolder}`));
