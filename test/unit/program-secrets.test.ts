// What is secret, what is shown, and whom a connection trusts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { scriptCommand } from "../../provider/shell.ts";
import { graph, HOSTS, result, WORKERS } from "./program.ts";
import { CA_HASH, isSecretOutput, KUBECONFIG, MESSAGE, resolved } from "./program-graph.ts";
import { settings } from "./settings.ts";

test("the provider reaches every host by its internal address, with its host key pinned and the private key secret", () => {
	const { inputs, secret } = graph.named("hosts");
	const hosts = settings().cluster.hosts.map(({ name, address, port, user, hostKey }) => [name, { address, port, user, hostKey }]);
	assert.deepEqual(JSON.parse(inputs.hosts), Object.fromEntries(hosts));
	assert.ok(inputs.privateKey.includes("PRIVATE KEY"));
	assert.deepEqual(secret, ["privateKey", "scripts"], "the scripts hold none, but a preview would show them");
});

test("every connection pins the host key of its host and reaches it by its internal address", () => {
	const { hosts } = settings().cluster;
	for (const { name, inputs, secret } of graph.commands) {
		const host = hosts.find(({ address }) => address === inputs.connection.host);
		assert.ok(host, name);
		assert.equal(inputs.connection.hostKey, host.hostKey, name);
		assert.ok(inputs.connection.privateKey.includes("PRIVATE KEY"), name);
		assert.ok(secret.includes("connection"), name);
	}
});
test("joins, their tokens and the kubeconfig are secret, and nothing else of a step's text is", () => {
	const secretTexts = graph.commands.filter(({ secret }) => secret.includes("stdin")).map(({ name }) => name);
	assert.deepEqual(
		secretTexts.sort(),
		WORKERS.map((host) => `lab-${host}-worker-join`),
	);
	for (const host of WORKERS) {
		const token = graph.named(`lab-${host}-worker-token`);
		assert.deepEqual([token.secret, token.secretOutputs.toSorted()], [["input"], ["input", "output"]]);
	}
	const kubeconfig = graph.named("lab-control-plane-kubeconfig");
	assert.ok(kubeconfig.secret.includes("settings"), "or the provider would show what it printed");
	assert.ok(kubeconfig.secretOutputs.includes("printed"));
	assert.ok(graph.named("lab-control-plane-provider").secret.includes("kubeconfig"));
});
test("no command line holds anything but the verb", () => {
	for (const { name, inputs } of graph.commands)
		for (const line of [inputs.create, inputs.update, inputs.delete])
			assert.ok(
				[undefined, "apply", "again", "undo"].some((verb) => line === verb || line === scriptCommand("root", `${verb}`)),
				name,
			);
});
test("each worker has a token of its own, kept from run to run, and made valid only around its join", () => {
	const tokens = WORKERS.map((host) => graph.named(`lab-${host}-worker-token`));
	assert.equal(new Set(tokens.map(({ inputs }) => inputs.input)).size, WORKERS.length);
	for (const { name, ignoreChanges } of tokens) assert.deepEqual(ignoreChanges, ["input"], name);
	for (const [index, host] of WORKERS.entries()) {
		const join = graph.named(`lab-${host}-worker-join`);
		assert.ok(join.inputs.stdin.includes(tokens[index]?.inputs.input));
		assert.ok(join.inputs.stdin.includes(CA_HASH));
		assert.deepEqual(join.ignoreChanges, []);
	}
});
test("what is told at destroy is read from every host", () => {
	const { inputs, secret } = graph.named("lifecycle-demo-life-told");
	assert.deepEqual(inputs, { hosts: HOSTS, step: "recording", pod: "lifecycle-demo-pod", stack: "lab" });
	assert.deepEqual(secret, []);
});
test("what a recording prints is not logged, and the output tells it in short", async () => {
	for (const name of ["api-recording", "node-recording"]) {
		const { inputs, secretOutputs } = graph.named(`lifecycle-demo-life-${name}`);
		assert.equal(inputs.logging, "none");
		assert.ok(!secretOutputs.includes("stdout"));
	}
	assert.match((await resolved(result.demo.lifecycle as pulumi.Output<string>)) ?? "", /^lifecycle-demo-pod on k8s-node0\d\nby +\+0\.000 s {2}Pod +Pending\n/);
});
test("the kubeconfig is a secret output", async () => {
	assert.equal(await resolved(result.cluster.kubeconfig), KUBECONFIG);
	assert.equal(await isSecretOutput(result.cluster.kubeconfig), true);
});
test("nodes and the Pod's message are shown in the clear", async () => {
	assert.equal(await resolved(result.demo.message), MESSAGE);
	assert.equal(await isSecretOutput(result.demo.message), false);
});
