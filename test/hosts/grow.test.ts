// A stack that gets a worker more and a worker less, and a worker that was installed anew: what is done on that host, and that nothing is done on the others.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unexplained } from "../bare/stays.ts";
import { mark, pods, running, written } from "../e2e/audit.ts";
import { controlPlane, hosts, kubectl, lab, messageFile, project, pulumiArgs, read, succeed, workers } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { workersRunPods } from "./works.ts";

const [first, second] = workers as [string, string];
/** Kubernetes has no part in these: the list of all hosts, and our own records. */
const MAY_BE_WRITTEN = /^\/etc\/hosts$|^\/var\/lib\/kubeadm-lab\//;

describe("workers come and go", { concurrency: false }, () => {
	let folder = "";
	let bare: Set<string>[] = [];
	const settings = (count: number) => join(folder, `${count}.yaml`);
	/** With so many workers. */
	const pulumi = async (command: string, count: number) =>
		(await succeed(`${project}lab/lab`, pulumiArgs(command, "lab", "--config-file", settings(count)), { timeoutSeconds: 900 })).output;
	const nodes = () => kubectl("get nodes --no-headers -o custom-columns=N:.metadata.name,R:'.status.conditions[?(@.type==\"Ready\")].status'");
	const ready = (...names: string[]) => names.map((name) => `${name}   True\n`).join("");
	const isAsBefore = async (host: string) =>
		assert.deepEqual(unexplained(differences(bare[hosts.indexOf(host)] as Set<string>, await snapshot(host))), [], host);
	/** Runs an up, and holds what it did on other hosts against what it may do there. */
	async function upBeside(count: number, others: string[]): Promise<string> {
		const [before, running0] = [await pods(), await Promise.all(others.map(mark))];
		const output = await pulumi("up", count);
		for (const [i, host] of others.entries()) {
			const paths = await written(host);
			assert.deepEqual([paths.includes("/etc/hosts"), paths.filter((path) => !MAY_BE_WRITTEN.test(path))], [true, []], host);
			assert.deepEqual(await running(host), running0[i], `${host}: something was started anew`);
			assert.match(output, new RegExp(`lab-${host}-identity updated`));
			assert.doesNotMatch(output, new RegExp(`lab-${host}-(?!identity|images)\\S+ (updated|created|deleted)`));
		}
		const now = await pods();
		for (const line of before.split("\n").filter((pod) => !/^(kube-proxy|kube-flannel)/.test(pod))) assert.ok(now.includes(line), line);
		return output;
	}

	before(async () => {
		folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-grow-"));
		await lab("up");
		await lab("reset");
		const both = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		const one = both.replace(/ {4}- name: k8s-node02[\s\S]*?(?= {2}kubeadm-lab:nodeNetwork)/, "");
		const none = one
			.replace(/ {4}- name: k8s-node01[\s\S]*?(?= {2}kubeadm-lab:nodeNetwork)/, "")
			.replace("encryptionsalt:", '  kubeadm-lab:demoEnabled: "false"\nencryptionsalt:');
		for (const [count, text] of [none, one, both].entries()) await writeFile(settings(count), text);
		bare = await Promise.all(hosts.map(snapshot));
		await pulumi("up", 1);
		await kubectl("-n kube-system rollout status deployment coredns --timeout=120s"); // `up` does not wait for it
	});
	after(async () => {
		await lab("reset");
		await rm(folder, { recursive: true });
	});

	test("one more joins, and the others get its line in /etc/hosts and nothing else", async () => {
		assert.equal(await nodes(), ready(controlPlane, first));
		await upBeside(2, [controlPlane, first]);
		assert.equal(await nodes(), ready(...hosts));
		await workersRunPods("grown");
	});
	test("one less is drained, leaves the cluster and is as before, and joins again when it is wanted again", async () => {
		await upBeside(1, [controlPlane, first]);
		assert.equal(await nodes(), ready(controlPlane, first));
		await isAsBefore(second);
		await upBeside(2, [controlPlane, first]);
		assert.equal(await nodes(), ready(...hosts));
		await workersRunPods("again");
	});
	for (const [host, what] of [
		[second, "a worker"],
		[first, "the demo Pod's worker"],
	] as const)
		test(`${what} that was installed anew is shown as that, and joins again under its name by a plain up`, async () => {
			const uid = await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.metadata.uid}'");
			await lab("reset", host);
			const preview = await pulumi("preview", 2);
			assert.match(preview, new RegExp(`lab-${host}-scripts update`));
			assert.match(preview, new RegExp(`lab-${host}-worker-join update`));
			assert.doesNotMatch(preview, new RegExp(`lab-(?!${host})\\S+-worker-join update|replace`));
			const output = await pulumi("up", 2);
			assert.match(output, new RegExp(`lab-${host}-worker-join updated`));
			assert.equal(await nodes(), ready(...hosts));
			await workersRunPods("anew");
			await kubectl("wait pod lifecycle-demo-pod --for=condition=Ready --timeout=120s");
			assert.equal(await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.metadata.uid}'"), uid);
			assert.match(await pulumi("preview", 2), /^ {4}\d+ unchanged$/m);
		});
	test("the Pod's hooks have run in the new installation too", async () => {
		assert.match(await read(first, `cat ${messageFile}`), /Hello from the postStart handler\n$/);
	});
	test("the last worker too goes, where no demo needs one, and destroy gives back what is left", async () => {
		const output = await pulumi("up", 0);
		assert.match(output, /deleted/);
		assert.equal(await nodes(), ready(controlPlane));
		for (const host of workers) await isAsBefore(host);
		assert.match(await pulumi("preview", 0), /^ {4}\d+ unchanged$/m);
		await pulumi("destroy", 0);
		await isAsBefore(controlPlane);
	});
});
