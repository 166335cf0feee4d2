// The whole program's resources as a state, and the state without one of its hosts. With the real engine: test/contract/forget.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { StateError, withoutHost } from "../../commands/forget/state.ts";
import { graph, HOSTS, program } from "./program.ts";
import { controlPlanes, hostKey, hosts } from "./settings.ts";

interface Kept {
	urn: string;
	type: string;
	dependencies: string[];
	deletedWith?: string;
	parent: string;
}
/** As `pulumi stack export` prints it; the Pod runs on k8s-node01. */
const state = (operations: { resource: object; type: string }[] = [], of = graph) =>
	JSON.stringify({
		version: 3,
		deployment: {
			resources: of.resources.map(({ urn, type, parent, inputs, needs, deletedWith }) => ({
				urn,
				type,
				parent,
				inputs,
				outputs: type === "kubernetes:core/v1:Pod" ? { spec: { nodeName: "k8s-node01" } } : {},
				dependencies: needs,
				...(deletedWith === "" ? {} : { deletedWith }),
			})),
			...(operations.length > 0 ? { pending_operations: operations } : {}),
		},
	});
const parsed = (text: string) => (JSON.parse(text) as { deployment: { resources: Kept[]; pending_operations?: object[] } }).deployment;
const nameOf = (urn: string) => urn.slice(urn.lastIndexOf("::") + 2);

test("one of several control planes is no more than itself: the cluster stays, and the first one takes its Node and its etcd member away", async () => {
	const { graph: several } = await program({
		changes: {
			hosts: controlPlanes(3, [
				...hosts(),
				{ ...hosts()[2], name: "k8s-node03", address: "172.16.1.113", externalAddress: "10.0.0.113", hostKey: hostKey() } as ReturnType<typeof hosts>[number],
			]),
			apiEndpoint: { address: "172.16.1.100" },
		},
	});
	const { text, isControlPlane } = withoutHost(state([], several), "k8s-node02");
	const left = parsed(text).resources.map(({ urn }) => nameOf(urn));
	assert.equal(isControlPlane, false);
	for (const name of ["lab-control-plane-init", "lifecycle-demo-pod", "lab-flannel-daemon-set", "lab-k8s-node01-control-plane-join", "lab-k8s-node02-node"])
		assert.ok(left.includes(name), name);
	for (const name of ["lab-k8s-node02-control-plane-join", "lab-k8s-node02-control-plane-certificate-key", "lab-k8s-node02-endpoint"])
		assert.ok(!left.includes(name), name);
	const first = withoutHost(state([], several), "k8s-master");
	assert.deepEqual([first.isControlPlane, first.others], [true, ["k8s-node01", "k8s-node02"]]);
});
test("a host whose name is the end of another's takes nothing of that one along", () => {
	const text = state().replaceAll("k8s-node02", "node01");
	const names = (of: string) => parsed(of).resources.map(({ urn }) => nameOf(urn));
	const left = names(withoutHost(text, "node01").text);
	const gone = names(text).filter((name) => !left.includes(name));
	assert.ok(gone.includes("lab-node01") && gone.includes("lab-node01-worker"), gone.join(" "));
	assert.deepEqual(
		gone.filter((name) => name.includes("k8s-node01")),
		[],
	);
});
for (const host of HOSTS)
	test(`without ${host} nothing that stays names what goes, and every step of another host stays`, () => {
		const { text, isControlPlane } = withoutHost(state(), host);
		const { resources } = parsed(text);
		const left = new Set(resources.map(({ urn }) => urn));
		for (const { urn, dependencies, deletedWith, parent } of resources)
			for (const named of [...dependencies, deletedWith ?? "", parent]) assert.ok(named === "" || left.has(named), `${nameOf(urn)} names ${nameOf(named)}`);
		assert.deepEqual(
			resources.filter(({ urn }) => nameOf(urn).includes(host)).map(({ urn }) => nameOf(urn)),
			[],
		);
		const others = HOSTS.filter((other) => other !== host);
		for (const other of others)
			for (const step of ["identity", "packages", "system", "runtime", "leave"])
				assert.ok(
					[...left].some((urn) => nameOf(urn) === `lab-${other}-${step}`),
					`${other} ${step}`,
				);
		const commands = resources.filter(({ type, urn }) => type === "command:remote:Command" && urn.includes("workloads"));
		assert.equal(commands.length > 0, host !== "k8s-master", "a workload's commands run on the control plane");
		assert.equal(isControlPlane, host === "k8s-master");
		assert.equal(
			resources.some(({ type }) => type.startsWith("kubernetes:")),
			host !== "k8s-master",
		);
	});

test("the Pod goes with the host that it ran on, and with no other worker", () => {
	assert.deepEqual(withoutHost(state(), "k8s-node01").pods, ["lifecycle-demo-pod"]);
	const { text, pods } = withoutHost(state(), "k8s-node02");
	assert.deepEqual(pods, []);
	assert.ok(parsed(text).resources.some(({ type }) => type === "kubernetes:core/v1:Pod"));
});
test("what a killed run was about to do to the host's resources goes too, and nothing else of that kind", () => {
	const find = (name: string) => graph.resources.find((one) => one.name === name);
	const operation = (name: string) => ({ resource: { urn: find(name)?.urn, type: find(name)?.type, inputs: find(name)?.inputs }, type: "creating" });
	const { text, dropped } = withoutHost(state([operation("lab-k8s-node02-system"), operation("lab-k8s-node01-system")]), "k8s-node02");
	assert.ok(dropped.includes("lab-k8s-node02-system: creating, which a killed run began"));
	assert.equal(parsed(text).pending_operations?.length, 1);
});
test("an empty state, and one without the host, are refused with the hosts that there are", () => {
	const refused = (text: string, pattern: RegExp) =>
		assert.throws(
			() => withoutHost(text, "k8s-node09"),
			(error) => error instanceof StateError && pattern.test(error.message),
		);
	refused('{"version":3,"deployment":{}}', /its hosts are: none$/);
	refused(state(), /found no host "k8s-node09" in the state; its hosts are: k8s-master, k8s-node01, k8s-node02$/);
});
