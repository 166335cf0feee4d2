// What the program is made of, and what comes out of it.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { caHashOf, versionOf } from "../../cluster/control-plane.ts";
import { graph, HOST_STEPS, HOSTS, NODE_STATES, program, result, WORKERS } from "./program.ts";
import { CA_HASH, isSecretOutput, MESSAGE, resolved, runProgram } from "./program-graph.ts";
import { base, read } from "./settings.ts";

test("every resource has a parent and carries its parent's name in front of its own, but for the two outermost", () => {
	const outermost = graph.resources.filter(({ parent }) => parent === "").map(({ name }) => name);
	assert.deepEqual(outermost, ["lab", "lifecycle-demo"]);
	for (const { name, parent } of graph.resources) {
		if (parent === "") continue;
		const owner = graph.resources.find(({ urn }) => urn === parent);
		assert.ok(owner, `${name}: parent ${parent}`);
		if (name === "hosts") continue; // a stack that was renamed must find it under the same name
		assert.ok(name.startsWith(`${owner.name}-`), `${name} below ${owner.name}`);
	}
	assert.equal(new Set(graph.resources.map(({ name }) => name)).size, graph.resources.length);
});
test("the program makes these resources and no others", () => {
	const ofHosts = HOSTS.flatMap((host) => [`lab-${host}`, ...["preflight", ...HOST_STEPS, "leave", ...NODE_STATES].map((step) => `lab-${host}-${step}`)]);
	const ofWorkers = WORKERS.flatMap((host) => [`lab-${host}-worker`, `lab-${host}-worker-token`, `lab-${host}-worker-join`, `lifecycle-demo-${host}-witness`]);
	const flannel = ["namespace", "cluster-role", "service-account", "cluster-role-binding", "config-map", "daemon-set"].map((name) => `lab-flannel-${name}`);
	const controlPlane = ["init", "kubeconfig", "provider"].map((name) => `lab-control-plane-${name}`);
	const others = [
		"lab",
		"hosts",
		"lab-costs",
		"lab-upgrade-costs",
		"lab-pod-costs",
		"lab-control-plane",
		"lab-flannel",
		"lifecycle-demo",
		"lifecycle-demo-pod",
		"lifecycle-demo-message",
	];
	const recorder = [
		"lifecycle-demo-life",
		...[...HOSTS.map((host) => `${host}-recorder`), "told", "api-recording", "node-recording"].map((name) => `lifecycle-demo-life-${name}`),
	];
	assert.deepEqual(graph.resources.map(({ name }) => name).sort(), [...recorder, ...ofHosts, ...ofWorkers, ...flannel, ...controlPlane, ...others].sort());
});

test("a new control plane makes workers join again and the Pod start again; nothing else does", () => {
	const init = graph.named("lab-control-plane-init");
	assert.deepEqual(init.inputs.triggers, ["lab-172.16.1.110", "1.29.15", "10.244.0.0/16", "10.96.0.0/12"]);
	for (const name of WORKERS.map((host) => `lab-${host}-worker-join`)) assert.deepEqual(graph.named(name).inputs.triggers, ["lab-control-plane-init-id"], name);
	assert.deepEqual(graph.named("lab-control-plane-kubeconfig").replaceWith, [init.urn]);
	assert.deepEqual(graph.named("lifecycle-demo-pod").replaceWith, [init.urn]);
	assert.equal(graph.named("lab-control-plane-provider").inputs.clusterIdentifier, "lab-172.16.1.110");
	const triggered = graph.commands.filter(({ inputs }) => inputs.triggers !== undefined).map(({ name }) => name);
	assert.deepEqual(
		triggered.sort(),
		[
			"lab-control-plane-init",
			...WORKERS.map((host) => `lab-${host}-worker-join`),
			"lifecycle-demo-message",
			"lifecycle-demo-life-api-recording",
			"lifecycle-demo-life-node-recording",
		].sort(),
	);
});
test("the API server of an old release gets no server-side apply", async () => {
	const old = await program({ changes: { kubernetesVersion: "1.18.20", containerRuntime: "docker" } });
	assert.equal(old.graph.named("lab-control-plane-provider").inputs.enableServerSideApply, "false");
	assert.equal(graph.named("lab-control-plane-provider").inputs.enableServerSideApply, "true");
});

test("the nodes are the hosts with the kubelets' versions", async () => {
	assert.deepEqual(await resolved(result.cluster.nodes), [
		{ name: "k8s-master", role: "control-plane", address: "172.16.1.110", externalAddress: "10.0.0.110", version: "v1.29.15" },
		{ name: "k8s-node01", role: "worker", address: "172.16.1.111", externalAddress: "10.0.0.111", version: "v1.29.15" },
		{ name: "k8s-node02", role: "worker", address: "172.16.1.112", externalAddress: "10.0.0.112", version: "v1.29.15" },
	]);
	assert.equal(await isSecretOutput(result.cluster.nodes), false);
});
test("an init or join that prints something else than expected is an error that shows what", () => {
	assert.equal(caHashOf(`x\n${CA_HASH}\nk8s-master v1.29.15`, "k8s-master"), CA_HASH);
	assert.throws(() => caHashOf("hello", "k8s-master"), {
		message: 'init on k8s-master: expected a line like ^sha256:[0-9a-f]{64}$ in its output, found "hello"',
	});
	assert.equal(versionOf("k8s-node01 v1.29.15\n", "k8s-node01", "join"), "v1.29.15");
	assert.throws(() => versionOf("", "k8s-node01", "join"), /^Error: join on k8s-node01: expected a line like .*k8s-node01 v.* in its output, found ""$/);
});

test("a preview with nothing known yet shows every resource and throws nothing", async () => {
	const { graph: seen, result: unknown } = await program({ preview: true });
	assert.deepEqual(seen.resources.map(({ name }) => name).sort(), graph.resources.map(({ name }) => name).sort());
	const outputs: pulumi.Output<unknown>[] = [unknown.cluster.nodes, unknown.cluster.kubeconfig, unknown.demo.pod, unknown.demo.location, unknown.demo.message];
	for (const output of outputs) assert.equal(await resolved(output), undefined);
});
test("index.ts refuses a dead SSH agent before it makes a resource, and says what to do", async (t) => {
	const socket = process.env.SSH_AUTH_SOCK;
	process.env.SSH_AUTH_SOCK = "/nowhere/agent.1";
	t.after(() => (socket === undefined ? delete process.env.SSH_AUTH_SOCK : Object.assign(process.env, { SSH_AUTH_SOCK: socket })));
	const index = "../../index.ts?with-a-dead-agent"; // or it would be the module that another test has loaded
	const message = /^SSH_AUTH_SOCK: no SSH agent at \/nowhere\/agent\.1 \(ENOENT\); .* Run: unset SSH_AUTH_SOCK$/;
	const { result } = await runProgram(() => {
		read(base(), { stack: "lab" });
		return runProgram(() => assert.rejects(import(index), { name: "ConfigError", message }));
	});
	assert.deepEqual(result.graph.resources, []);
});
test("index.ts exports the kubeconfig, the nodes, the Pod's line and location, the message, the Pod's history and the gallery", async () => {
	const { result: outputs } = await runProgram(() => {
		read(base(), { stack: "lab" });
		return runProgram(() => import("../../index.ts"));
	});
	assert.deepEqual(Object.keys(outputs.result).sort(), [
		"demoKubeconfig",
		"gallery",
		"kubeconfig",
		"lifecycle",
		"location",
		"message",
		"nodes",
		"pause",
		"pod",
	]);
	assert.equal(await resolved(outputs.result.message as pulumi.Output<string>), MESSAGE);
	assert.deepEqual(outputs.graph.resources.map(({ name }) => name).sort(), graph.resources.map(({ name }) => name).sort());
});

test("the README counts as many resources as the program makes", () => {
	const counted = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8").matchAll(/^ .*[+-] (\d+) (?:created|to create|deleted)$/gm);
	const all = String(graph.resources.length + 1); // the stack is one too
	assert.deepEqual(
		[...counted].map(([, count]) => count),
		[all, all, all],
	);
});
test("docs/design.md says of each resource what it is for", () => {
	const [, table = ""] = readFileSync(join(import.meta.dirname, "../../docs/design.md"), "utf8").split("\n## Resources\n");
	const counts = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, count]) => Number(count));
	assert.equal(
		counts.reduce((sum, count) => sum + count, 0),
		graph.resources.length + 1, // the stack
	);
});
test("what commands get by stdin is far below the 2 MB that the official plugin can leave unread", () => {
	const sizes = graph.resources.filter(({ type }) => type === "command:remote:Command").map(({ inputs }) => Buffer.byteLength(inputs.stdin ?? ""));
	assert.ok(sizes.length > 5);
	assert.ok(Math.max(...sizes) < 200_000, `${Math.max(...sizes)} bytes`);
});
test("the program writes to stderr only what the SDK does: one line of more than 64 KiB hangs the official language host", () => {
	const root = join(import.meta.dirname, "../..");
	const files = ["cluster", "config", "lifecycle", "workloads"]
		.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }))
		.concat("index.ts", "config.ts");
	assert.ok(files.length > 30);
	assert.deepEqual(
		files.filter((file) => /\bconsole\.|process\.stderr/.test(readFileSync(join(root, file), "utf8"))),
		[],
	);
});
