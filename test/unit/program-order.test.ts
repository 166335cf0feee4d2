// What waits for what, at up and at destroy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { shellFiles } from "../scripts/shell-files.ts";
import { graph, HOST_STEPS, HOSTS, program, WORKERS } from "./program.ts";

const assertBefore = (name: string, earlier: string[]) => {
	const before = graph.before(name);
	for (const one of earlier) assert.ok(before.has(one), `${name} does not wait for ${one}`);
};
const assertBeside = (name: string, others: string[]) => {
	for (const one of others) {
		assert.ok(!graph.before(name).has(one), `${name} waits for ${one} and need not`);
		assert.ok(!graph.before(one).has(name), `${one} waits for ${name} and need not`);
	}
};
/** The engine deletes in stages, from the highest down: what a resource needs is in a lower one (sg.ScheduleDeletes, pulumi v3.274.1). */
const stage = (name: string): number => {
	const below = graph.named(name).needs.flatMap((urn) => graph.resources.find((resource) => resource.urn === urn)?.name ?? []);
	return 1 + Math.max(0, ...below.map(stage));
};
test("no host is changed before all hosts have passed their preflight", () => {
	const preflights = HOSTS.map((host) => `lab-${host}-preflight`);
	for (const host of HOSTS) for (const step of HOST_STEPS) assertBefore(`lab-${host}-${step}`, preflights);
	for (const name of preflights) assert.deepEqual([...graph.before(name)], ["hosts"]);
});
test("on a host, packages come first and images last, with what is independent side by side", () => {
	for (const host of HOSTS) {
		for (const step of ["system", "runtime", "images"]) assertBefore(`lab-${host}-${step}`, [`lab-${host}-packages`]);
		assertBefore(`lab-${host}-images`, [`lab-${host}-runtime`]);
		assertBeside(`lab-${host}-identity`, [`lab-${host}-packages`]);
		assertBeside(`lab-${host}-system`, [`lab-${host}-runtime`, `lab-${host}-images`]);
	}
});
test("Docker starts after system has recorded what it would change: forwarding", async () => {
	const { graph: docker } = await program({ changes: { kubernetesVersion: "1.18.3", containerRuntime: "docker" } });
	for (const host of HOSTS) assert.ok(docker.before(`lab-${host}-runtime`).has(`lab-${host}-system`), host);
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
	// So that at destroy the recording is told when every recorder has stopped, while the hosts leave the cluster, and takes no stage of its own.
	for (const host of HOSTS) assertBefore(`lifecycle-demo-life-${host}-recorder`, ["lifecycle-demo-life-told"]);
	assert.equal(stage("lifecycle-demo-life-told"), stage("lab-k8s-node01-leave"));
	for (const host of HOSTS) assert.equal(stage(`lifecycle-demo-life-${host}-recorder`), stage("lifecycle-demo-k8s-node01-witness"), host);
	for (const host of WORKERS) {
		assertBefore(`lifecycle-demo-life-${host}-recorder`, [`lab-${host}-runtime`]); // and is undone before it
		assertBeside(`lifecycle-demo-life-${host}-recorder`, [`lab-${host}-images`, `lab-${host}-worker-join`]);
	}
	for (const name of ["api-recording", "node-recording"]) {
		assertBefore(`lifecycle-demo-life-${name}`, ["lifecycle-demo-pod"]);
		assertBeside(`lifecycle-demo-life-${name}`, ["lifecycle-demo-message"]);
	}
	const off = await program({ changes: { demoRecordHours: 0 } });
	assert.deepEqual(
		off.graph.resources.filter(({ name }) => /record|life-|-life$/.test(name)).map(({ name }) => name),
		[],
	);
});
/** What a script or a Pod waits for at up that others make, by the end of its name. With fewer slots than such steps, the engine would never get to what is not depended on. */
const WAITS: Record<string, string[]> = {
	init: ["lab-k8s-master-images", "lab-k8s-master-runtime"], // static Pods
	join: ["lab-control-plane-init"], // the API server, the controller-manager
	kubelet: ["lab-flannel-daemon-set"], // flannel's file; a kubelet that was restarted, for Ready
	node: ["lab-flannel-daemon-set"], // Ready
	recorder: ["lab-control-plane-init", "lab-k8s-master-runtime"], // lists of the API server
	"demo-pod": ["lab-flannel-daemon-set", ...WORKERS.flatMap((host) => [`lab-${host}-worker-join`, `lab-${host}-kubelet`])], // Ready
	"api-recording": ["lifecycle-demo-pod"], // the recorder hears that it is Ready
	"node-recording": ["lifecycle-demo-pod"],
	look: ["lifecycle-demo-pause-pause-private", "lifecycle-demo-pause-pause-shared"],
	"gallery-main-ends": ["lab-flannel-daemon-set", ...WORKERS.map((host) => `lab-${host}-kubelet`)],
	runtime: [], // the service that it starts itself
	endpoint: [], // the services that it starts itself, where an API server is ready already
	renewal: ["lab-k8s-master-kubelet"], // static Pods, that come again
};
test("whatever waits for another's work depends on it, so that a single slot of the engine is enough", async () => {
	const { graph: whole } = await program({
		changes: { pauseProof: true, gallery: ["main-ends"], renewCertificates: "timer", apiEndpoint: { address: "172.16.1.100" } },
	});
	const names = whole.resources.map(({ name }) => name);
	for (const [end, needed] of Object.entries(WAITS)) {
		const waiting = names.filter((name) => name.endsWith(`-${end}`));
		assert.notDeepEqual(waiting, [], end);
		for (const name of waiting) for (const one of needed) assert.ok(whole.before(name).has(one), `${name} waits for ${one} and does not depend on it`);
	}
	// A script with a new wait has to be thought about here.
	const waits = shellFiles.filter(({ text }) => /^ *[^#\n]*\b(wait_for [^|{]|kubectl .* (wait|--watch))/m.test(text)).map(({ name }) => name);
	const known: Record<string, string> = {
		"api-address": "init",
		certificates: "kubelet",
		pause: "look",
		reconnect: "join", // in its hook: a kubelet that it starts itself
		recording: "api-recording",
		scenario: "gallery-main-ends",
		upgrade: "init",
	};
	const noResources = ["common", "etcd-restore"]; // the second is what `npm run etcd` runs
	for (const file of waits.filter((name) => !noResources.includes(name)))
		assert.ok((known[file] ?? file) in WAITS, `${file}.sh waits for something: say in WAITS for what`);
});
test("at destroy each worker shows its message file between the Pod's end and its reset", () => {
	for (const host of WORKERS) {
		const witness = graph.named(`lifecycle-demo-${host}-witness`);
		assertBefore(witness.name, [`lab-${host}-worker-join`]);
		assert.equal(witness.inputs.undo, undefined, "it has an undo");
	}
});
test("at destroy all hosts leave at once, after the last witness and before anything else of a host is undone", () => {
	for (const host of HOSTS) {
		const leave = graph.named(`lab-${host}-leave`);
		assert.deepEqual([leave.inputs.apply, leave.inputs.undo], [false, undefined]);
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
