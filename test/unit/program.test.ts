import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { Cluster } from "../../cluster/cluster.ts";
import { caHashOf, versionOf } from "../../cluster/control-plane.ts";
import { LifecycleDemo } from "../../workloads/lifecycle-demo.ts";
import { allCompared, golden } from "../golden.ts";
import { CA_HASH, type Graph, isSecret, KUBECONFIG, MESSAGE, type Resource, resolved, run, textOf } from "./program-graph.ts";
import { base, read, settings } from "./settings.ts";

allCompared("steps");

const WORKERS = ["k8s-node01", "k8s-node02"];
const HOSTS = ["k8s-master", ...WORKERS];
const HOST_STEPS = ["identity", "packages", "system", "runtime", "images"];

/** The whole program, as index.ts puts it together. */
async function program({ changes = {} as Record<string, unknown>, preview = false } = {}) {
	const { cluster: clusterSettings, demo: demoSettings } = settings(changes);
	const { image, initImage } = demoSettings;
	return run(
		() => {
			const cluster = new Cluster("lab", { ...clusterSettings, workloadImages: [image, initImage] });
			const demo = new LifecycleDemo("lifecycle-demo", { cluster, ...demoSettings, podSeconds: clusterSettings.timeouts.podSeconds });
			return { cluster, demo };
		},
		{ preview },
	);
}
const { graph, result } = await program();

/** The step's text without common.sh and the rest, which are the same for all: settings only. */
const assignments = (step: Pick<Resource, "inputs">) => textOf(step).slice(0, textOf(step).indexOf("\nset -euo pipefail"));
/** Values in a golden that are no secret of anybody, but differ from run to run. */
const stable = (text: string) => text.replaceAll(/[a-z0-9]{6}\.[a-z0-9]{16}/g, "abcdef.0123456789abcdef");

test("every resource has a parent and carries its parent's name in front of its own, but for the two outermost", () => {
	const outermost = graph.resources.filter(({ parent }) => parent === "").map(({ name }) => name);
	assert.deepEqual(outermost, ["lab", "lifecycle-demo"]);
	for (const { name, parent } of graph.resources) {
		if (parent === "") continue;
		const owner = graph.resources.find(({ urn }) => urn === parent);
		assert.ok(owner, `${name}: parent ${parent}`);
		assert.ok(name.startsWith(`${owner.name}-`), `${name} below ${owner.name}`);
	}
	assert.equal(new Set(graph.resources.map(({ name }) => name)).size, graph.resources.length);
});
test("the program makes these resources and no others", () => {
	const ofHosts = HOSTS.flatMap((host) => [`lab-${host}`, ...["preflight", ...HOST_STEPS, "leave"].map((step) => `lab-${host}-${step}`)]);
	const ofWorkers = WORKERS.flatMap((host) => [`lab-${host}-worker`, `lab-${host}-worker-token`, `lab-${host}-worker-join`, `lifecycle-demo-${host}-witness`]);
	const flannel = ["namespace", "cluster-role", "service-account", "cluster-role-binding", "config-map", "daemon-set"].map((name) => `lab-flannel-${name}`);
	const controlPlane = ["init", "kubeconfig", "provider"].map((name) => `lab-control-plane-${name}`);
	const others = ["lab", "lab-hosts", "lab-control-plane", "lab-flannel", "lifecycle-demo", "lifecycle-demo-pod", "lifecycle-demo-message"];
	const recorder = [
		"lifecycle-demo-life",
		...[...HOSTS.map((host) => `${host}-recorder`), "api-recording", "node-recording"].map((name) => `lifecycle-demo-life-${name}`),
	];
	assert.deepEqual(graph.resources.map(({ name }) => name).sort(), [...recorder, ...ofHosts, ...ofWorkers, ...flannel, ...controlPlane, ...others].sort());
});

const assertBefore = (name: string, earlier: string[], of: Graph = graph) => {
	const before = of.before(name);
	for (const one of earlier) assert.ok(before.has(one), `${name} does not wait for ${one}`);
};
const assertBeside = (name: string, others: string[]) => {
	for (const one of others) {
		assert.ok(!graph.before(name).has(one), `${name} waits for ${one} and need not`);
		assert.ok(!graph.before(one).has(name), `${one} waits for ${name} and need not`);
	}
};
test("no host is changed before all hosts have passed their preflight", () => {
	const preflights = HOSTS.map((host) => `lab-${host}-preflight`);
	for (const host of HOSTS) for (const step of HOST_STEPS) assertBefore(`lab-${host}-${step}`, preflights);
	for (const name of preflights) assert.deepEqual([...graph.before(name)], ["lab-hosts"]);
});
test("on a host, packages come first and images last, with what is independent side by side", () => {
	for (const host of HOSTS) {
		for (const step of ["system", "runtime", "images"]) assertBefore(`lab-${host}-${step}`, [`lab-${host}-packages`]);
		assertBefore(`lab-${host}-images`, [`lab-${host}-runtime`]);
		assertBeside(`lab-${host}-identity`, [`lab-${host}-packages`]);
		assertBeside(`lab-${host}-system`, [`lab-${host}-runtime`, `lab-${host}-images`]);
	}
});
test("hosts are prepared side by side, and the control plane starts while workers are not ready", () => {
	assertBefore(
		"lab-control-plane-init",
		HOST_STEPS.map((step) => `lab-k8s-master-${step}`),
	);
	for (const step of HOST_STEPS) assertBeside(`lab-k8s-node01-${step}`, [`lab-k8s-node02-${step}`, "lab-control-plane-init"]);
});
test("joins need their own host and the control plane, and wait for neither flannel nor each other", () => {
	for (const host of WORKERS) {
		const own = HOST_STEPS.map((step) => `lab-${host}-${step}`);
		assertBefore(`lab-${host}-worker-join`, [...own, "lab-control-plane-init", "lab-control-plane-kubeconfig", `lab-${host}-worker-token`]);
		assertBeside(`lab-${host}-worker-join`, ["lab-flannel-daemon-set", "lab-control-plane-provider"]);
	}
	assertBeside("lab-k8s-node01-worker-join", ["lab-k8s-node02-worker-join"]);
	assertBefore("lab-flannel-daemon-set", ["lab-control-plane-kubeconfig", "lab-control-plane-provider"]);
});
test("the Pod comes after every join, flannel and every witness, so at destroy it is gone before any of them", () => {
	const flannel = graph.resources.filter(({ name }) => name.startsWith("lab-flannel-")).map(({ name }) => name);
	assert.equal(flannel.length, 6);
	const joins = WORKERS.map((host) => `lab-${host}-worker-join`);
	const witnesses = WORKERS.map((host) => `lifecycle-demo-${host}-witness`);
	assertBefore("lifecycle-demo-pod", [...joins, ...witnesses, ...flannel, "lab-control-plane-init"]);
	assertBefore("lifecycle-demo-message", ["lifecycle-demo-pod"]);
});
test("recorders listen before there is a Pod and until it is gone, and cost the way to the cluster nothing", async () => {
	assertBefore(
		"lifecycle-demo-pod",
		HOSTS.map((host) => `lifecycle-demo-life-${host}-recorder`),
	);
	assertBeside("lifecycle-demo-life-k8s-master-recorder", ["lab-flannel-daemon-set", ...WORKERS.map((host) => `lab-${host}-worker-join`)]);
	for (const name of ["api-recording", "node-recording"]) assertBefore(`lifecycle-demo-life-${name}`, ["lifecycle-demo-pod"]);
	const off = await program({ changes: { demoRecordHours: 0 } });
	assert.deepEqual(
		off.graph.resources.filter(({ name }) => /record|life-|-life$/.test(name)).map(({ name }) => name),
		[],
	);
});
test("what a recording prints is not logged, and the output tells it in short", async () => {
	for (const name of ["api-recording", "node-recording"]) {
		const { inputs, secretOutputs } = graph.named(`lifecycle-demo-life-${name}`);
		assert.equal(inputs.logging, "none");
		assert.ok(!secretOutputs.includes("stdout"));
	}
	assert.match((await resolved(result.demo.lifecycle as pulumi.Output<string>)) ?? "", /^lifecycle-demo-pod on k8s-node0\d\n +\+0\.000 s {2}Pod +Pending\n/);
});
test("at destroy each worker shows its message file between the Pod's end and its reset", () => {
	for (const host of WORKERS) {
		const witness = graph.named(`lifecycle-demo-${host}-witness`);
		assertBefore(witness.name, [`lab-${host}-worker-join`]);
		assert.equal(witness.inputs.delete, "bash -s -- undo");
	}
});
test("at destroy all hosts leave at once, after the last witness and before anything else of a host is undone", () => {
	for (const host of HOSTS) {
		const leave = graph.named(`lab-${host}-leave`);
		assert.deepEqual([leave.inputs.create, leave.inputs.update, leave.inputs.delete], [undefined, undefined, "bash -s -- undo"]);
		assertBefore(leave.name, [`lab-${host}-system`, `lab-${host}-runtime`]);
		assertBeside(leave.name, [...HOSTS.filter((other) => other !== host).map((other) => `lab-${other}-leave`), `lab-${host}-images`]);
	}
	for (const host of WORKERS) assertBefore(`lifecycle-demo-${host}-witness`, [`lab-${host}-leave`, "lab-k8s-master-leave"]);
});
test("init and join reset a host only where it stays: where it is given back, leave does", () => {
	const owner = (step: string, host: string) => assert.equal(graph.named(step).deletedWith, graph.named(`lab-${host}-leave`).urn);
	owner("lab-control-plane-init", "k8s-master");
	for (const host of WORKERS) {
		owner(`lab-${host}-worker-join`, host);
		assertBefore(`lab-${host}-worker-join`, ["lab-control-plane-init"]); // a rebuilt cluster: workers are reset first
	}
});

test("the converged state of a host belongs to the provider that looks at it, and a stack made with commands moves over", () => {
	const names = HOSTS.flatMap((host) => ["preflight", "identity", "packages", "system", "runtime"].map((step) => `lab-${host}-${step}`));
	assert.deepEqual(graph.states.map(({ name }) => name).sort(), names.sort());
	for (const { name, inputs, formerTypes, needs } of graph.states) {
		assert.deepEqual(formerTypes, ["command:remote:Command"], name);
		assert.ok(needs.includes(graph.named("lab-hosts").urn), name);
		assert.equal(name, `lab-${inputs.host}-${inputs.step}`);
		assert.equal(inputs.looksOnly, inputs.step === "preflight" ? true : undefined, name);
		assert.deepEqual(Object.keys(inputs).sort(), ["host", ...(inputs.looksOnly ? ["looksOnly"] : []), "settings", "step", "text"], name);
	}
});
test("the provider reaches every host by its internal address, with its host key pinned and the private key secret", () => {
	const { inputs, secret } = graph.named("lab-hosts");
	const hosts = settings().cluster.hosts.map(({ name, address, port, user, hostKey }) => [name, { address, port, user, hostKey }]);
	assert.deepEqual(JSON.parse(inputs.hosts), Object.fromEntries(hosts));
	assert.ok(inputs.privateKey.includes("PRIVATE KEY"));
	assert.deepEqual(secret, ["privateKey"]);
});

test("every step that has a create has the same update, so that a changed connection never means a new create", () => {
	for (const { name, inputs } of graph.commands) {
		assert.equal(inputs.update, inputs.create, name);
		assert.ok(inputs.create !== undefined || inputs.delete !== undefined, name);
	}
});
test("steps with nothing to undo have no delete, so that a dead host does not hold up a destroy", () => {
	const without = graph.commands.filter(({ inputs }) => inputs.delete === undefined).map(({ name }) => name.replace(/^.*-/, ""));
	assert.deepEqual([...new Set(without)].sort(), ["images", "kubeconfig", "message", "recording"]);
});
test("witnesses dial no host before destroy, unless the file is to be emptied", async () => {
	const witnesses = (of: Graph) => of.commands.filter(({ name }) => name.endsWith("-witness"));
	assert.deepEqual(
		witnesses(graph).map(({ inputs }) => inputs.create),
		[undefined, undefined],
	);
	const fresh = await program({ changes: { demoFreshFile: true } });
	assert.deepEqual(
		witnesses(fresh.graph).map(({ inputs }) => inputs.create),
		["bash -s -- apply", "bash -s -- apply"],
	);
	assert.ok(witnesses(fresh.graph).every(({ inputs }) => /^readonly FRESH='yes'$/m.test(inputs.stdin)));
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
test("no delete hook: a plain pulumi destroy would refuse to run", () => {
	for (const { name, hooks } of graph.resources) assert.deepEqual(hooks.ofDelete, [], name);
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
	assert.equal(kubeconfig.inputs.logging, "none");
	assert.ok(kubeconfig.secretOutputs.includes("stdout"));
	assert.ok(graph.named("lab-control-plane-provider").secret.includes("kubeconfig"));
});
test("no command line holds anything but the verb", () => {
	for (const { name, inputs } of graph.commands)
		for (const line of [inputs.create, inputs.update, inputs.delete]) assert.match(line ?? "bash -s -- undo", /^bash -s -- (apply|undo)$/, name);
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
test("a new control plane makes workers join again and the Pod start again; nothing else does", () => {
	const init = graph.named("lab-control-plane-init");
	assert.deepEqual(init.inputs.triggers, ["lab-172.16.1.110", "1.29.15", "10.244.0.0/16", "10.96.0.0/12"]);
	for (const name of [...WORKERS.map((host) => `lab-${host}-worker-join`), "lab-control-plane-kubeconfig"])
		assert.deepEqual(graph.named(name).inputs.triggers, ["lab-control-plane-init-id"], name);
	assert.deepEqual(graph.named("lifecycle-demo-pod").replaceWith, [init.urn]);
	assert.equal(graph.named("lab-control-plane-provider").inputs.clusterIdentifier, "lab-172.16.1.110");
	const triggered = graph.commands.filter(({ inputs }) => inputs.triggers !== undefined).map(({ name }) => name);
	assert.deepEqual(
		triggered.sort(),
		[
			"lab-control-plane-init",
			"lab-control-plane-kubeconfig",
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
	assert.equal(await isSecret(result.cluster.nodes), false);
});
test("the kubeconfig is a secret output", async () => {
	assert.equal(await resolved(result.cluster.kubeconfig), KUBECONFIG);
	assert.equal(await isSecret(result.cluster.kubeconfig), true);
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
test("nodes and the Pod's message are shown in the clear", async () => {
	assert.equal(await resolved(result.demo.message), MESSAGE);
	assert.equal(await isSecret(result.demo.message), false);
});

test("each script is sent with the settings that were looked at", () => {
	for (const step of graph.steps) golden(`steps/${step.name}.sh`, `${stable(assignments(step))}\n`);
});
test("the runtime step of the seed's era configures Docker", async () => {
	const { graph: old } = await program({
		changes: { kubernetesVersion: "1.18.20", containerRuntime: "docker", registryMirrors: { "docker.io": ["http://192.0.2.1:5000"] } },
	});
	golden("steps/docker-lab-k8s-node01-runtime.sh", `${assignments(old.named("lab-k8s-node01-runtime"))}\n`);
});
test("every setting that a script gets is one that it reads", () => {
	const scripts = join(import.meta.dirname, "../../cluster/scripts");
	for (const { name, inputs } of graph.steps) {
		const text = textOf({ inputs });
		const [, step = ""] = text.match(/^readonly STEP='(.*)'/) ?? [];
		const code = text.slice(assignments({ inputs }).length);
		for (const [, setting = ""] of assignments({ inputs }).matchAll(/^readonly ([A-Z_]+)=/gm))
			assert.match(code, new RegExp(`\\$\\{${setting}\\b|\\b${setting}\\b`), `${name}: ${setting}`);
		assert.ok(readdirSync(scripts).includes(`${step}.sh`), name);
		assert.ok(readFileSync(join(scripts, `${step}.sh`), "utf8").length > 0);
	}
});
test("preflight compares a clock with the first repository server, which the host must reach anyway", async () => {
	const repositories = [
		{ id: "local", baseUrl: "file:///media/", gpgKey: ["file:///key"] },
		{ id: "base", baseUrl: "http://192.0.2.1/7.7.1908/os/$basearch/", gpgKey: ["http://192.0.2.1/key"] },
	];
	const { graph: other } = await program({ changes: { repositories } });
	for (const host of HOSTS) assert.match(textOf(other.named(`lab-${host}-preflight`)), /^readonly TIME_SOURCE='http:\/\/192\.0\.2\.1\/7\.7\.1908\/os\/'$/m);
});

test("index.ts exports the kubeconfig, the nodes, the Pod's line and location, the message, the Pod's life and the gallery", async () => {
	const { result: outputs } = await run(() => {
		read(base(), { stack: "lab" });
		return run(() => import("../../index.ts"));
	});
	assert.deepEqual(Object.keys(outputs.result).sort(), ["gallery", "kubeconfig", "lifecycle", "location", "message", "nodes", "pause", "pod"]);
	assert.equal(await resolved(outputs.result.message as pulumi.Output<string>), MESSAGE);
	assert.deepEqual(outputs.graph.resources.map(({ name }) => name).sort(), graph.resources.map(({ name }) => name).sort());
});
