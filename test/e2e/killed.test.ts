// pulumi dies (SIGKILL) in the middle of each kind of step; the next run goes on from there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { hosts, lab, location, messageFile, onHost, project, pulumi, pulumiArgs, read } from "./lab.ts";

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Starts pulumi and kills it `delay` ms after its output first matches; rejects when it ends before, or after 120 s. */
function killAt(command: string, pattern: RegExp, delay: number): Promise<void> {
	return new Promise((resolve, reject) => {
		// `lab exec` becomes pulumi: the pid is pulumi's, and nobody else is killed.
		const child = spawn(`${project}lab/lab`, pulumiArgs(command), { cwd: project, stdio: ["ignore", "pipe", "pipe"] });
		let output = "";
		let isDue = false;
		const see = (text: string) => {
			output += text;
			if (isDue || !pattern.test(output)) return;
			isDue = true;
			setTimeout(() => child.kill("SIGKILL"), delay);
		};
		child.stdout.setEncoding("utf8").on("data", see);
		child.stderr.setEncoding("utf8").on("data", see);
		const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
		// "exit", not "close": plugins that outlive their engine may hold the pipes.
		child.on("exit", (_, signal) => {
			clearTimeout(timer);
			child.stdout.destroy();
			child.stderr.destroy();
			if (signal === "SIGKILL" && isDue) resolve();
			else reject(new Error(`pulumi ${command} was not killed at ${pattern}; its output:\n${output.slice(-3000)}`));
		});
	});
}

/** What a person does after a killed run: `cancel` takes the lock away. */
async function recover(): Promise<void> {
	await pulumi("cancel", "--yes");
	await wait(500);
}

describe("pulumi killed in the middle", { concurrency: false }, () => {
	before(async () => {
		await lab("up");
		await lab("reset");
	});
	after(async () => {
		await lab("reset");
	});

	for (const [what, pattern, delay] of [
		["packages", /-packages creating/, 1500],
		["containerd's configuration", /-runtime creating/, 300],
		["kubeadm init", /-init creating/, 4000],
		["kubeadm join", /-join creating/, 3000],
		["the Pod's start", /lifecycle-demo-pod creating/, 300],
	] as const)
		test(`up can be run again after it died during ${what}`, async () => {
			await killAt("up", pattern, delay);
			await recover();
		});

	test("the run that is not killed reaches the Pod, with each line of the message file written once a Pod", async () => {
		await pulumi("up");
		const { node } = await location();
		assert.match(await read(node, `cat ${messageFile}`), /Hello initContainers\nHello from the postStart handler\n$/);
		const { stdout } = await pulumi("up");
		assert.doesNotMatch(stdout, /\d+ (created|updated|deleted|replaced)/);
	});

	for (const [what, pattern, delay] of [
		// In this order: what a killed run began on a host goes on there, and takes no time in the next one.
		["the hosts' reset", /-leave deleting/, 500],
		["the end of containerd", /-runtime deleting/, 300],
		["the removal of packages", /-packages deleting/, 500],
	] as const)
		test(`destroy can be run again after it died during ${what}`, async () => {
			await killAt("destroy", pattern, delay);
			await recover();
		});

	test("the destroy that is not killed leaves nothing of the program on any host", async () => {
		await pulumi("destroy");
		for (const host of hosts) {
			assert.notEqual((await onHost(host, "test -e /var/lib/kubeadm-lab")).code, 0, `${host}: /var/lib/kubeadm-lab is left`);
			assert.notEqual((await onHost(host, "rpm -q kubelet containerd.io")).code, 0, `${host}: packages are left`);
			assert.equal((await read(host, "ls /etc/kubernetes /etc/cni 2>/dev/null; ip -o link | grep -E 'cni0|flannel' || true")).trim(), "", host);
		}
	});
});
