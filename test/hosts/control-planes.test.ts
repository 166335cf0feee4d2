// More than one control plane: from one to three in place, one of them without power, no way below quorum, back to one, and all hosts as before.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stepText } from "../../cluster/step-text.ts";
import { unexplained } from "../bare/stays.ts";
import {
	ENDPOINT,
	fourHosts,
	HAPROXY_USER,
	nodes,
	onWorker,
	ready,
	removeWriter,
	second,
	third,
	whileWriting,
	withControlPlanes,
	worker,
} from "../e2e/control-planes.ts";
import { controlPlane, kubectl, lab, onHost, project, pulumiArgs, read, run, succeed } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { LabHost, signalled } from "../faults/host.ts";
import { errorsIn, PulumiRun } from "../faults/run.ts";
import { stepFile } from "../scripts/shell-files.ts";

describe("more than one control plane", { concurrency: false }, () => {
	let folder = "";
	let bare: Set<string>[] = [];
	let pod = "";
	const args = (command: string, file: string) => pulumiArgs(command, "lab", "--config-file", join(folder, `${file}.yaml`));
	const pulumi = async (command: string, file: string) => (await succeed(`${project}lab/lab`, args(command, file), { timeoutSeconds: 1200 })).output;
	const members = async () =>
		(
			await kubectl(
				"-n kube-system exec etcd-k8s-master -- etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key member list -w simple",
			)
		)
			.trim()
			.split("\n")
			.map((line) => line.split(", ")[2])
			.sort();
	const server = (host: string) => read(host, "sed -n 's/^ *server: *//p' /etc/kubernetes/kubelet.conf");
	const podNow = () => kubectl("get pod lifecycle-demo-pod -o jsonpath='{.metadata.uid} {.status.phase} {.status.containerStatuses[0].restartCount}'");
	const carrier = async (among = fourHosts.slice(0, 3)): Promise<string> => {
		const have: string[] = [];
		for (const host of among) if ((await read(host, "ip -o -4 address show")).includes(` ${ENDPOINT}/32 `)) have.push(host);
		assert.equal(have.length, 1, `of ${among.join(", ")} one has ${ENDPOINT}: ${have.join(", ")}`);
		return have[0] as string;
	};
	const isAsBefore = async (host: string) =>
		assert.deepEqual(unexplained(differences(bare[fourHosts.indexOf(host)] as Set<string>, await snapshot(host)), HAPROXY_USER), [], host);

	before(async () => {
		folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-control-planes-"));
		await lab("down"); // the one that is up has two workers
		await lab("up", "--workers", "3");
		await lab("reset");
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		for (const [file, count, hasEndpoint] of [
			["one", 1, false],
			["one-behind", 1, true],
			["three", 3, true],
		] as const)
			await writeFile(join(folder, `${file}.yaml`), withControlPlanes(text, count, hasEndpoint));
		bare = await Promise.all(fourHosts.map(snapshot));
		await pulumi("up", "one");
		pod = await podNow();
	});
	after(async () => {
		await lab("down");
		await rm(folder, { recursive: true });
	});

	/** An up whose join of the host is cut off when its etcd is about to start; the host has power again afterwards. */
	async function powerOffInJoin(host: string): Promise<void> {
		const cutOff = run(`${project}lab/lab`, args("up", "three"), { timeoutSeconds: 1200 });
		const manifest = async () => (await onHost(host, "test -e /etc/kubernetes/manifests/etcd.yaml")).code === 0;
		for (let i = 0; i < 1000 && !(await manifest()); i++) await sleep(200);
		assert.ok(await manifest(), "its join has not come so far in time");
		await lab("power", host, "off");
		assert.notEqual((await cutOff).code, 0);
		await lab("power", host, "on");
	}

	/** An up that something happens to while the control plane puts its certificates on the cluster for the next one. */
	async function hitInHandOver(happens: (run: PulumiRun) => void): Promise<PulumiRun> {
		const giver = new LabHost(controlPlane);
		const up = new PulumiRun("up", "--config-file", join(folder, "three.yaml"));
		await up.until("the hand-over runs", () => giver.has("/run/kubeadm-lab-hand-over.yaml"));
		happens(up);
		assert.notEqual(await up.end(), 0, up.output);
		return up;
	}
	async function nothingHandedOver(): Promise<void> {
		assert.equal(await kubectl("-n kube-system get secret kubeadm-certs --ignore-not-found -o name"), "", "the certificates are on the cluster still");
		assert.equal(await kubectl("-n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token -o name"), "");
	}

	test("an address that another machine has is refused before anything is changed", async () => {
		await read(worker, `ip address add ${ENDPOINT}/32 dev $(ip -o -4 address show | awk '$4 ~ /^172.16.1.113/ {print $2; exit}')`);
		const { code, output } = await run(`${project}lab/lab`, args("up", "three"), { timeoutSeconds: 600 });
		await read(worker, `ip address delete ${ENDPOINT}/32 dev $(ip -o -4 address show | awk '$4 ~ /^172.16.1.100/ {print $2; exit}')`);
		assert.match(output, /endpoint: found 172\.16\.1\.100 in use by the machine with [0-9a-f:]+; expected an address that no machine has/);
		assert.notEqual(code, 0, output);
		for (const host of [controlPlane, second, third]) assert.notEqual((await onHost(host, "rpm -q haproxy")).code, 0, `${host} has haproxy`);
		for (const host of [second, third]) await isAsBefore(host);
		assert.equal(await nodes(), ready(controlPlane, worker));
		assert.equal(await podNow(), pod);
	});
	test("one becomes three behind one address, in place: what ran runs on, and every kubelet asks there", async () => {
		const output = await pulumi("up", "three");
		assert.match(output, /lab-control-plane-init updated/);
		assert.match(output, /lab-k8s-node01-control-plane-join created/);
		assert.match(output, /lab-k8s-node02-control-plane-join created/);
		assert.doesNotMatch(output, /replaced/);
		assert.equal(await nodes(), ready(...fourHosts));
		assert.deepEqual(await members(), [controlPlane, second, third]);
		assert.equal(await podNow(), pod);
		for (const host of fourHosts) assert.equal(await server(host), `https://${ENDPOINT}:8443\n`, host);
		assert.match(await kubectl("-n kube-public get configmap cluster-info -o yaml"), new RegExp(`server: https://${ENDPOINT}:8443`));
		for (const name of ["kube-controller-manager", "kube-scheduler"]) assert.match(await kubectl(`-n kube-system get lease ${name} -o name`), /lease/);
		await nothingHandedOver();
		assert.match(await pulumi("preview", "three"), /^ {4}\d+ unchanged$/m);
	});
	test("without power on the one that carries the address the API answers on, nothing acknowledged is lost, and power brings all back", async () => {
		const lost = await carrier();
		const longest = await whileWriting("power", async () => {
			await sleep(10_000);
			await lab("power", lost, "off");
			await sleep(40_000);
		});
		console.log(`${lost} without power: the longest time between two writes was ${longest.toFixed(1)} s`);
		const [one, other] = fourHosts.slice(0, 3).filter((host) => host !== lost) as [string, string];
		await carrier([one, other]);

		// No way below quorum while it is away, by a script that runs where the node states run.
		const undo = stepText(stepFile("node"), {
			HOST_NAME: one,
			NODE_NAME: other,
			ROLE: "control-plane",
			LABELS: [],
			TAINTS: [],
			TIMEOUT_SECONDS: 60,
			DRAIN_SECONDS: 60,
		});
		const refused = await onHost(one, "bash -s -- undo", { input: undo });
		assert.notEqual(refused.code, 0);
		assert.match(
			refused.output,
			new RegExp(`${other} can't leave: of the 2 etcd members that would be left 1 answer \\(silent: ${lost}\\), expected at least 2`),
		);

		await lab("power", lost, "on");
		assert.match(await pulumi("up", "three"), /unchanged/);
		for (let i = 0; i < 60 && (await nodes(onWorker)) !== ready(...fourHosts); i++) await sleep(2000);
		assert.equal(await nodes(onWorker), ready(...fourHosts));
		assert.match(await pulumi("preview", "three"), /^ {4}\d+ unchanged$/m);
	});
	test("a configuration that somebody edited, a service that was stopped: drift, and up mends it", async () => {
		await read(second, "systemctl stop haproxy; echo >>/etc/keepalived/keepalived.conf");
		const shown = await pulumi("preview", "three");
		assert.match(shown, /lab-k8s-node01-endpoint update/);
		await pulumi("up", "three");
		assert.match(await pulumi("preview", "three"), /^ {4}\d+ unchanged$/m);
	});
	test("another configuration reaches all control planes, one after the other, and the API answers all the time", async () => {
		const text = await readFile(join(folder, "three.yaml"), "utf8");
		// The first one's external address, which no certificate names yet: the API may be asked at any of them for it, as behind one name in DNS.
		const changed = text
			.replace("config:\n", "config:\n  kubeadm-lab:featureGates: { PodLifecycleSleepAction: true }\n")
			.replace("      address: 172.16.1.110\n", "      address: 172.16.1.110\n      externalAddress: 10.0.0.110\n");
		await writeFile(join(folder, "gate.yaml"), changed);
		let output = "";
		const longest = await whileWriting("gate", async () => {
			output = await pulumi("up", "gate");
		});
		console.log(`configuration of three control planes: the longest time between two writes was ${longest.toFixed(1)} s`);
		for (const name of ["lab-control-plane-init", `lab-${second}-control-plane-join`, `lab-${third}-control-plane-join`])
			assert.match(output, new RegExp(`${name} updated`));
		for (const host of fourHosts.slice(0, 3))
			assert.match(await read(host, "cat /etc/kubernetes/manifests/kube-apiserver.yaml"), /--feature-gates=PodLifecycleSleepAction=true/, host);
		for (const host of fourHosts.slice(0, 3)) {
			const shown = await read(host, "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -text");
			for (const name of ["10.0.0.110", ENDPOINT, `172.16.1.${110 + fourHosts.indexOf(host)}`]) assert.ok(shown.includes(name), `${host}: ${name}: ${shown}`);
		}
		assert.match(output, /featureGates none -> PodLifecycleSleepAction=true: This applies the cluster's configuration in place/);
		assert.ok(longest < 10, `${longest} s without a write`);
		await kubectl("wait nodes --all --for=condition=Ready --timeout=60s"); // a kubelet that was started anew says it is not, for some seconds
		assert.equal(await nodes(), ready(...fourHosts));
		assert.match(await pulumi("preview", "gate"), /^ {4}\d+ unchanged$/m);
		await pulumi("up", "three");
	});
	for (const [host, what] of [
		[second, "another control plane"],
		[controlPlane, "the first control plane"],
	] as const)
		test(`${what}, installed anew while the others go on, joins them by a plain up, and nothing acknowledged is lost`, async () => {
			const name = host === controlPlane ? "lab-control-plane-init" : `lab-${host}-control-plane-join`;
			let output = "";
			const longest = await whileWriting(`anew-${host}`, async () => {
				await lab("reset", host);
				assert.match(await pulumi("preview", "three"), new RegExp(`${name} update`));
				if (host === controlPlane) await powerOffInJoin(host);
				output = await pulumi("up", "three");
			});
			console.log(`${host} installed anew: the longest time between two writes was ${longest.toFixed(1)} s`);
			assert.match(output, new RegExp(`${name} updated`));
			if (host === controlPlane) assert.match(output, /k8s-master is in no cluster, and k8s-node01 goes on with lab-172\.16\.1\.110: it joins there/);
			assert.equal(await nodes(), ready(...fourHosts));
			assert.deepEqual(await members(), [controlPlane, second, third]);
			assert.equal(await podNow(), pod);
			await nothingHandedOver();
			assert.match(await pulumi("preview", "three"), /^ {4}\d+ unchanged$/m);
		});
	test("the address can't go while several answer there: told, and nothing changed", async () => {
		const { code, output } = await run(`${project}lab/lab`, args("up", "one"), { timeoutSeconds: 600 });
		assert.notEqual(code, 0);
		assert.match(
			output,
			/endpoint: found several control planes at https:\/\/172\.16\.1\.100:8443; expected one, before apiEndpoint goes\. To go on: set apiEndpoint as it was/,
		);
		assert.deepEqual(await members(), [controlPlane, second, third]);
	});
	test("two of them leave, one after the other, and are as before; the cluster goes on behind the address, then without it", async () => {
		await pulumi("up", "one-behind");
		assert.equal(await nodes(), ready(controlPlane, worker));
		assert.deepEqual(await members(), [controlPlane]);
		for (const host of [second, third]) await isAsBefore(host);
		assert.equal(await podNow(), pod);
		await pulumi("up", "one");
		for (const host of [controlPlane, worker]) assert.equal(await server(host), "https://172.16.1.110:6443\n", host);
		assert.equal(await nodes(), ready(controlPlane, worker));
		assert.equal(await podNow(), pod);
		assert.match(await pulumi("preview", "one"), /^ {4}\d+ unchanged$/m);
	});
	test("three from the beginning, cut off in the hand-over of the certificates, then the third without power in its join; destroy gives all hosts back as they were", async () => {
		await pulumi("destroy", "one");
		await hitInHandOver((up) => up.signal("SIGKILL", "engine"));
		await lab("exec", "--", "pulumi", "cancel", "-s", "lab", "--yes");
		const killed = await hitInHandOver(() => {
			for (const pid of new LabHost(controlPlane).scripts()) signalled(pid);
		});
		assert.ok(
			errorsIn(killed.output).some(({ resource, text }) => resource === `lab-${second}-control-plane-join` && text.includes(controlPlane)),
			killed.output,
		);
		await powerOffInJoin(third);
		await pulumi("up", "three");
		assert.equal(await nodes(), ready(...fourHosts));
		assert.deepEqual(await members(), [controlPlane, second, third]);
		await nothingHandedOver();
		await pulumi("destroy", "three");
		await removeWriter();
		for (const host of fourHosts) await isAsBefore(host);
	});
});
