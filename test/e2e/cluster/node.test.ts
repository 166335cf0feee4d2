// A worker leaves a cluster that goes on: its Pods end in order, its Node goes. And it comes back.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { kubectl, location, onHost, project, pulumi, pulumiRun, read, workers } from "../lab.ts";
import { leavesItStanding, standingCluster } from "./standing.ts";

describe("a worker", { concurrency: false }, () => {
	let folder = "";
	let leaves = "";
	const without = () => pulumiRun("up", "--config-file", `${folder}/Pulumi.lab.yaml`);
	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/node-`);
		await standingCluster();
		const { node } = await location();
		leaves = workers.find((worker) => worker !== node) ?? "";
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		await writeFile(`${folder}/Pulumi.lab.yaml`, text.replace(new RegExp(`^ +- name: ${leaves}\\n(.*\\n){3}`, "m"), ""));
	});
	after(() => rm(folder, { recursive: true }));

	test("with a Pod that nothing makes anew does not leave, says what is in the way, and takes Pods again", async () => {
		const pod = { spec: { nodeName: leaves, terminationGracePeriodSeconds: 1 } };
		await kubectl(`run bare --image registry.k8s.io/pause:3.9 --overrides '${JSON.stringify(pod)}'`);
		await kubectl("wait pod bare --for condition=Ready --timeout 60s");
		const { code, output } = await without();
		assert.notEqual(code, 0);
		assert.match(output, new RegExp(`Node ${leaves} keeps Pods that can't be moved, and stays: .*default/bare`));
		assert.doesNotMatch(await kubectl(`get node ${leaves}`), /SchedulingDisabled/);
		await kubectl("delete pod bare");
	});

	test("is drained, so that preStop hooks run, then its Node goes and the host is as it was", async () => {
		const image = "registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24";
		const hook = { exec: { command: ["sh", "-c", "echo preStop >/seen/hook"] } };
		const container = { name: "main", image, command: ["sleep", "1000"], lifecycle: { preStop: hook }, volumeMounts: [{ name: "seen", mountPath: "/seen" }] };
		const labels = { app: "moved" };
		const spec = { nodeSelector: { "kubernetes.io/hostname": leaves }, terminationGracePeriodSeconds: 2, containers: [container] };
		const template = { metadata: { labels }, spec: { ...spec, volumes: [{ name: "seen", hostPath: { path: "/root/seen", type: "DirectoryOrCreate" } }] } };
		const deployment = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "moved" }, spec: { selector: { matchLabels: labels }, template } };
		await read("k8s-master", `printf '%s' '${JSON.stringify(deployment)}' >/tmp/moved.json`);
		await kubectl("apply -f /tmp/moved.json");
		await kubectl("rollout status deployment moved --timeout 60s");
		const { code, output } = await without();
		assert.equal(code, 0, output);
		assert.equal(await read(leaves, "cat /root/seen/hook"), "preStop\n");
		assert.doesNotMatch(await kubectl("get nodes"), new RegExp(leaves));
		assert.notEqual((await onHost(leaves, "ls -d /etc/kubernetes /var/lib/kubeadm-lab")).code, 0);
		await kubectl("delete deployment moved");
	});

	test("comes back as a Node that is looked at", async () => {
		await pulumi("up");
		assert.match(await kubectl(`get node ${leaves}`), / Ready /);
		await pulumi("preview", "--expect-no-changes");
	});

	test("whose Node was deleted is told how it joins again, and does", async () => {
		await kubectl(`delete node ${leaves}`);
		const { code, output } = await pulumiRun("up", "--refresh=false");
		assert.notEqual(code, 0);
		const [command = ""] = output.match(/pulumi up --replace '\S+'/) ?? [];
		assert.equal(command, `pulumi up --replace '**-${leaves}-worker-join'`);
		await pulumi("up", "--replace", `**-${leaves}-worker-join`);
		assert.match(await kubectl(`get node ${leaves}`), / Ready /);
		await pulumi("preview", "--expect-no-changes");
	});
	leavesItStanding();
});
