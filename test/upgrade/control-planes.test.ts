// An upgrade in place with three control planes behind one address: while somebody writes, and killed while the second of them is upgraded; then the hosts as they were.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unexplained } from "../bare/stays.ts";
import { fourHosts, HAPROXY_USER, nodes, ready, removeWriter, second, third, whileWriting, withControlPlanes } from "../e2e/control-planes.ts";
import { kubectl, lab, project, pulumiArgs, read, run, succeed } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { killedUp } from "./killed.ts";

describe("an upgrade in place of three control planes", { concurrency: false }, () => {
	let folder = "";
	let bare: Set<string>[] = [];
	const settings = (version: string) => join(folder, `${version}.yaml`);
	const args = (command: string, version: string) => pulumiArgs(command, "lab", "--config-file", settings(version));
	const pulumi = async (command: string, version: string) => (await succeed(`${project}lab/lab`, args(command, version), { timeoutSeconds: 1500 })).output;
	const versions = () =>
		kubectl("get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.spec.unschedulable}{\"\\n\"}{end}'");
	const all = (version: string) => fourHosts.map((host) => `${host} v${version} \n`).join("");
	const images = async (host: string) => (await read(host, "sed -n 's/^ *image: .*://p' /etc/kubernetes/manifests/kube-*.yaml | sort -u")).trim();

	before(async () => {
		folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-upgrade-"));
		await lab("down"); // with two workers, where the tests of one control plane ran before
		await lab("up", "--era", "upgrade", "--workers", "3");
		await lab("reset");
		const text = withControlPlanes(await readFile(`${project}Pulumi.lab.yaml`, "utf8"), 3, true);
		for (const version of ["1.29.15", "1.30.14", "1.31.14"])
			await writeFile(settings(version), text.replace("encryptionsalt:", `  kubeadm-lab:kubernetesVersion: ${version}\nencryptionsalt:`));
		bare = await Promise.all(fourHosts.map(snapshot));
		await pulumi("up", "1.29.15");
	});
	after(async () => {
		await lab("down");
		await rm(folder, { recursive: true });
	});

	test("one after the other is upgraded, the first of them first, and somebody who writes meanwhile loses nothing", async () => {
		assert.match(await pulumi("preview", "1.30.14"), /k8s-node02: os .*upgrade in place 1\.29\.15 -> 1\.30\.14/);
		let output = "";
		const longest = await whileWriting("upgrade", async () => {
			output = await pulumi("up", "1.30.14");
		});
		console.log(`upgrade of three control planes: the longest time between two writes was ${longest.toFixed(1)} s`);
		const [first = -1, next = -1, last = -1] = ["lab-control-plane-init", `lab-${second}-control-plane-join`, `lab-${third}-control-plane-join`].map((name) =>
			output.search(new RegExp(`${name} updated`)),
		);
		assert.ok(first >= 0 && first < next && next < last, output);
		assert.equal(await versions(), all("1.30.14"));
		for (const host of fourHosts.slice(0, 3)) assert.equal(await images(host), "v1.30.14", host);
		assert.ok(longest < 15, `${longest} s without a write`);
		assert.match(await pulumi("preview", "1.30.14"), /^ {4}\d+ unchanged$/m);
	});
	test("killed while the second control plane is upgraded, the next up goes on", async () => {
		await killedUp(settings("1.31.14"), second, "grep -q v1.31.14 /etc/kubernetes/manifests/kube-apiserver.yaml");
		const back = await run(`${project}lab/lab`, args("up", "1.30.14"), { timeoutSeconds: 600 });
		assert.notEqual(back.code, 0);
		assert.match(back.output, /Kubernetes: found .*1\.31\.14/);
		const output = await pulumi("up", "1.31.14");
		assert.doesNotMatch(output, /upgrading the control plane in place/, "the first is done");
		assert.equal(await versions(), all("1.31.14"));
		for (const host of fourHosts.slice(0, 3)) assert.equal(await images(host), "v1.31.14", host);
		assert.equal(await nodes(), ready(...fourHosts));
		assert.equal(await kubectl("get nodes -o jsonpath='{.items[*].metadata.annotations.kubeadm-lab/upgrade}'"), "");
		assert.match(await pulumi("preview", "1.31.14"), /^ {4}\d+ unchanged$/m);
	});
	test("destroy gives all hosts back as they were", async () => {
		await pulumi("destroy", "1.31.14");
		await removeWriter();
		for (const [i, host] of fourHosts.entries())
			assert.deepEqual(unexplained(differences(bare[i] as Set<string>, await snapshot(host)), HAPROXY_USER), [], host);
	});
});
