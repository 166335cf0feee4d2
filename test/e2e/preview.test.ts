// What a preview says before anything is done.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { hosts, lab, onHost, project, pulumiArgs, pulumiRun, read, run, succeed } from "./lab.ts";

const STEPS = ["identity", "packages", "system", "runtime", "kubelet"];
const SCREEN_LINES = 50;

describe("preview", { concurrency: false }, () => {
	let folder = "";
	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/preview-`);
		await lab("up");
		await lab("reset");
	});
	after(async () => {
		await rm(folder, { recursive: true });
		await lab("reset");
	});

	test("of bare hosts tells each one's facts and the items of each step, in one screen, and writes nothing", async () => {
		for (const host of hosts) await read(host, "touch /tmp/mark; sleep 0.05");
		const { code, output } = await pulumiRun("preview");
		assert.equal(code, 0, output);
		const told = output.slice(output.indexOf("Diagnostics:"), output.indexOf("Outputs:"));
		for (const host of hosts) {
			assert.match(
				told,
				new RegExp(
					`${host}: os CentOS Linux 7 \\(Core\\), kernel \\S+, cpus 2, memoryMb 4096, diskFreeGb \\d+, cards .*172\\.16\\.1\\.11.*, clock [-+][\\d.]+ s by \\S+, runtime none, cluster none, kubernetes 1\\.29 goes`,
				),
			);
			for (const step of STEPS) assert.match(told, new RegExp(`${host}: ${step}: \\d+ items? will change: `));
		}
		assert.ok(told.split("\n").length <= SCREEN_LINES, told);
		for (const host of hosts)
			assert.equal(
				await read(host, "find /etc /usr/lib /var/lib -xdev -type f -newer /tmp/mark | grep -vE '^/var/lib/(chrony|systemd|rpm)/' || true"),
				"",
				host,
			);
	});

	test("with details tells each item, found and wanted; as JSON it is there for a program", async () => {
		const { stdout } = await run(`${project}lab/lab`, pulumiArgs("preview --json"), { env: { KUBEADM_LAB_DETAILS: "json" } });
		const { steps, diagnostics } = JSON.parse(stdout) as { steps: { urn: string }[]; diagnostics?: { message: string }[] };
		assert.ok(steps.some(({ urn }) => urn.endsWith("::lab-k8s-node01-system")));
		const lines = (diagnostics ?? []).flatMap(({ message }) => message.split("\n")).filter((line) => line.startsWith("{"));
		const of = lines.map((line) => JSON.parse(line)).filter(({ host }) => host === "k8s-node01");
		assert.match(of.find(({ facts }) => facts)?.facts.clock, /^[-+][\d.]+ s by /);
		assert.deepEqual(of.find(({ step }) => step === "system")?.items["sysctl net.ipv4.ip_forward"], { wanted: "1", found: "0" });
		const detailed = await succeed(`${project}lab/lab`, pulumiArgs("preview"), { env: { KUBEADM_LAB_DETAILS: "true" } });
		assert.match(detailed.output, /k8s-node01: {3}system: sysctl net\.ipv4\.ip_forward: 0 => 1/);
		assert.match(detailed.output, /k8s-node02: {3}packages: package kubelet-1\.29\.15: not installed => installed/);
	});

	test("with the policy pack passes, and fails where a rule is broken", async () => {
		const good = await pulumiRun("preview", "--policy-pack", "policy");
		assert.equal(good.code, 0, good.output);
		const file = `${folder}/Pulumi.lab.yaml`;
		await writeFile(file, (await readFile(`${project}Pulumi.lab.yaml`, "utf8")).replace("config:\n", "config:\n  kubeadm-lab:demoHostPath: /etc/x/\n"));
		const bad = await pulumiRun("preview", "--policy-pack", "policy", "--config-file", file);
		assert.notEqual(bad.code, 0);
		assert.match(bad.output, /\[mandatory\] +host-path[\s\S]*hostPath \/etc\/x\/ is outside/);
	});

	test("with a host that does not answer says so and shows the others", async () => {
		await read("k8s-node02", "systemd-run --quiet --on-active=30 --timer-property=AccuracySec=100ms systemctl start sshd; systemctl stop sshd");
		const { output } = await pulumiRun("preview");
		assert.match(output, /warning: k8s-node02 was not looked at: .*connection refused/);
		assert.match(output, /k8s-node01: system: \d+ items will change/);
		for (let i = 0; i < 120 && (await onHost("k8s-node02", "true")).code !== 0; i++) await new Promise((resolve) => setTimeout(resolve, 500));
	});
});
