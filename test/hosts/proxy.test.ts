// Hosts whose only way to the package repository and the registry is a proxy: they are known there by names that nobody else knows.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { controlPlane, hosts, lab, onHost, output, project, pulumiArgs, read, run } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";

const PROXY = "http://172.16.1.1:3128";
const NAMES = ["packages.example", "registry.example"];

describe("a proxy that is the only way out", { concurrency: false }, () => {
	let folder = "";
	let file = "";
	let proxy: ChildProcess;
	let told = "";
	/** The lab's settings, with repository and registry behind the names. */
	const settings = async (proxies: string) => {
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		await writeFile(
			file,
			text
				.replaceAll("http://172.16.1.1:8080", "http://packages.example:8080")
				.replaceAll("http://172.16.1.1:5000", "http://registry.example:5000")
				.replace("encryptionsalt:", `${proxies}encryptionsalt:`),
		);
	};
	const pulumi = (command: string) => run(`${project}lab/lab`, pulumiArgs(command, "lab", "--config-file", file), { timeoutSeconds: 900 });

	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/proxy-`);
		file = `${folder}/Pulumi.lab.yaml`;
		await lab("up");
		await lab("reset");
		proxy = spawn(
			`${project}lab/lab`,
			["exec", "--", "node", `${project}test/e2e/forward-proxy.ts`, "172.16.1.1", "3128", ...NAMES.map((name) => `${name}=172.16.1.1`)],
			{
				stdio: ["ignore", "pipe", "inherit"],
			},
		);
		proxy.stdout?.setEncoding("utf8").on("data", (text: string) => {
			told += text;
		});
		for (let i = 0; !told.includes("listening") && i < 100; i++) await new Promise((resolve) => setTimeout(resolve, 100));
		// As people have it, on a control plane that would ask the proxy for itself.
		for (const name of hosts)
			await read(name, `printf 'export https_proxy=${PROXY} http_proxy=${PROXY}\\n' >/root/.kept; sed -i '1i . /root/.kept' /root/.bashrc`);
	});
	after(async () => {
		proxy.kill();
		await rm(folder, { recursive: true });
		await lab("reset");
	});

	test("without the setting nothing gets out, also where the login has a proxy, and the message says what is missing", async () => {
		await settings("");
		const { code, output: said } = await pulumi("up");
		assert.notEqual(code, 0);
		assert.match(said, /yum failed; what it said is above\. .*If this host reaches them only through a proxy, set proxy in the stack's file/);
		assert.equal((await pulumi("destroy")).code, 0);
	});

	test("with it packages and images come through the proxy, and nothing of the cluster's goes there", async () => {
		const before = await Promise.all(hosts.map((name) => snapshot(name)));
		await settings(`  kubeadm-lab:proxy: {http: '${PROXY}', https: '${PROXY}'}\n`);
		told = "";
		const up = await pulumi("up");
		assert.equal(up.code, 0, up.output.slice(-3000));
		assert.match(told, /^GET http:\/\/packages\.example:8080\/kubernetes\/.*\.rpm$/m);
		assert.match(told, /^GET http:\/\/registry\.example:5000\/v2\/.*\/blobs\//m);
		assert.deepEqual(
			told.split("\n").filter((line) => !/^(GET|HEAD) http:\/\/(packages\.example:8080|registry\.example:5000)\//.test(line) && line !== ""),
			[],
			"neither the API server nor a Pod was asked for there",
		);
		assert.match(await output("message"), /^Hello initContainers\nHello from the postStart handler$/);
		for (const name of hosts) {
			assert.match(
				await read(name, "systemctl show containerd -p Environment"),
				/HTTP_PROXY=http:\/\/172\.16\.1\.1:3128 .*NO_PROXY=localhost,127\.0\.0\.1,172\.16\.1\.0\/24,10\.244\.0\.0\/16/,
			);
			assert.doesNotMatch(await read(name, "tr '\\0' '\\n' </proc/$(pidof kubelet)/environ"), /proxy/i);
		}
		assert.notEqual((await onHost(controlPlane, "grep -ri proxy: /etc/kubernetes/manifests")).code, 0);
		const again = await run(`${project}lab/lab`, pulumiArgs("preview", "lab", "--config-file", file, "--expect-no-changes"));
		assert.equal(again.code, 0, again.output);
		const destroy = await pulumi("destroy");
		assert.equal(destroy.code, 0, destroy.output.slice(-3000));
		for (const [i, name] of hosts.entries()) {
			const left = differences(before[i] ?? new Set(), await snapshot(name));
			assert.deepEqual(
				left.filter((line) => /proxy|containerd|docker|yum\.repos/.test(line)),
				[],
				name,
			);
		}
	});
});
