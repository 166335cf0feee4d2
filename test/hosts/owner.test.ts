// Whose work it is, on real hosts: a wrong name corrected, a kubelet of another name, a second stack, a renamed one, a state of before.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { hosts, kubectl, lab, location, onHost, project, pulumi, pulumiArgs, pulumiRun, read, run, succeed } from "../e2e/lab.ts";

const OVERRIDE = "KUBELET_EXTRA_ARGS=--hostname-override=oldname\n";
const JOIN_SECONDS = 60;

describe("whose work it is", { concurrency: false }, () => {
	let folder = "";
	const bare = new Map<string, string>();
	/** What a host is called, what it calls others, and what is installed. */
	const known = (host: string) =>
		read(host, "cat /etc/hostname /etc/hosts; rpm -qa | sort | sha256sum; ls -d /etc/kubernetes /var/lib/kubeadm-lab 2>/dev/null || true");
	const settings = async (edit: (text: string) => string): Promise<string[]> => {
		const file = `${folder}/Pulumi.lab.yaml`;
		await writeFile(file, edit(await readFile(`${project}Pulumi.lab.yaml`, "utf8")));
		return ["--config-file", file];
	};
	/** The Nodes are the hosts, all Ready, and the Pod runs on one of them. */
	const stands = async () => {
		const nodes = (await kubectl("get nodes --no-headers")).trim().split("\n");
		assert.deepEqual(
			nodes.map((line) => line.split(/\s+/).slice(0, 2)),
			hosts.map((host) => [host, "Ready"]),
		);
		assert.match(await kubectl(`get pod lifecycle-demo-pod -o wide --no-headers`), new RegExp(`Running .* ${(await location()).node} `));
		const { output } = await pulumi("preview");
		assert.match(output, /Resources:\n +\d+ unchanged\n/);
	};

	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/owner-`);
		await lab("up");
		await lab("reset");
		for (const host of hosts) bare.set(host, await known(host));
	});
	after(async () => {
		await rm(folder, { recursive: true });
		await lab("reset");
	});

	test("an up with a worker's name wrong fails at init, with that host prepared under it", async () => {
		const wrong = await settings((text) =>
			text.replace("name: k8s-node02", "name: k8s-nodeo2").replace(/^ {2}kubeadm-lab:kubeadmIgnorePreflightErrors:.*\n/m, ""),
		);
		const { code, output } = await pulumiRun("up", ...wrong);
		assert.notEqual(code, 0);
		assert.match(output, /kubeadm init failed/);
		assert.equal((await read("k8s-node02", "cat /etc/hostname")).trim(), "k8s-nodeo2");
	});

	test("a kubelet that has another name makes the join fail with that name and its file, and leaves no Node", async () => {
		await onHost("k8s-node01", "cat >/etc/sysconfig/kubelet", { input: OVERRIDE });
		try {
			const quick = await settings((text) => text.replace(/^config:\n/m, `config:\n  kubeadm-lab:joinTimeoutSeconds: "${JOIN_SECONDS}"\n`));
			const { code, output } = await pulumiRun("up", ...quick);
			assert.notEqual(code, 0);
			assert.match(output, /the kubelet registered as Node oldname, expected k8s-node01: take --hostname-override out of \/etc\/sysconfig\/kubelet/);
			assert.match(output, /k8s-node01 was in the cluster as Node oldname, which is deleted/);
			assert.doesNotMatch(await kubectl("get nodes --no-headers"), /oldname/);
		} finally {
			await read("k8s-node01", "rm /etc/sysconfig/kubelet");
		}
	});

	test("with both put right the cluster stands: the wrong name's steps are deleted, and leave alone what the right one took over", async () => {
		const { output } = await pulumi("up");
		for (const step of ["identity", "packages", "system", "runtime", "leave"])
			assert.match(output, new RegExp(`k8s-nodeo2 ${step}: left alone: this is the work of k8s-node02 of stack kubeadm-lab/lab`), step);
		assert.doesNotMatch(output, /k8s-nodeo2 leave: resetting|removing \d+ packages/);
		assert.equal((await read("k8s-node02", "cat /etc/hostname")).trim(), "k8s-node02");
		await stands();
	});

	test("a second stack is refused by the preflight of each host, with whose it is, and its destroy touches nothing", async () => {
		const other = (command: string, ...args: string[]) => run(`${project}lab/lab`, pulumiArgs(command, "other", ...args));
		const config = await settings((text) => text);
		await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "init", "other", "--non-interactive", "--no-select"]);
		try {
			const { code, output } = await other("up", ...config);
			assert.notEqual(code, 0);
			for (const host of hosts)
				assert.match(output, new RegExp(`${host}: owner: found ${host} of stack kubeadm-lab/lab \\(id \\w+\\); expected nobody, or stack kubeadm-lab/other`));
			assert.doesNotMatch(output, /-(identity|packages|system) creat/);
			assert.equal((await other("destroy", ...config)).code, 0);
		} finally {
			await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "rm", "other", "--yes", "--force", "--non-interactive"]);
		}
		await stands();
	});

	test("a stack that was renamed is told to rename it back, and nothing else", async () => {
		const rename = (from: string, to: string) => succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "rename", to, "-s", from, "--non-interactive"]);
		await rename("lab", "prod");
		try {
			const { code, output } = await run(`${project}lab/lab`, pulumiArgs("preview", "prod"));
			assert.notEqual(code, 0);
			assert.match(output, /this stack is called prod, and was lab when it set up its hosts; .*Give it back: pulumi stack rename lab/);
			assert.doesNotMatch(output, /pulumi destroy|stop what listens/);
		} finally {
			await rename("prod", "lab");
		}
		await stands();
	});

	test("destroy gives every host back as it was before the wrong name", async () => {
		await pulumi("stack export", "--file", `${folder}/before.json`);
		await pulumi("destroy");
		for (const host of hosts) assert.equal(await known(host), bare.get(host), host);
	});

	test("a state of before that is restored touches none of the hosts of the cluster of today", async () => {
		await pulumi("up");
		await pulumi("stack export", "--file", `${folder}/today.json`);
		await pulumi("stack import", "--file", `${folder}/before.json`);
		const { output } = await run(`${project}lab/lab`, pulumiArgs("destroy", "lab"), { env: { PULUMI_K8S_DELETE_UNREACHABLE: "true" } });
		assert.doesNotMatch(output, /resetting this host|removing \d+ packages/);
		await pulumi("stack import", "--file", `${folder}/today.json`);
		await stands();
		await pulumi("destroy");
	});
});
