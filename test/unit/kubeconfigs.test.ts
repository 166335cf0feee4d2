// What the Kubernetes provider leaves in TMPDIR: which of it goes with a run, and which is somebody else's.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isAnotherRun, removeKubeconfigs, serversOf } from "../../provider/kubeconfigs.ts";

const SERVERS = serversOf({ hosts: { "k8s-master": { address: "172.16.1.110" } }, apiServers: ["172.16.1.100:8443"] });
const kubeconfig = (server: string) =>
	`apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: YQ==\n    server: ${server}\n  name: kubernetes\n`;
test("kubeconfigs of this run and of killed ones that lead to the stack's own hosts go; links, others' files, other clusters' and those of a run beside stay", (t) => {
	const folder = mkdtempSync(join(tmpdir(), "kubeconfigs-"));
	t.after(() => rmSync(folder, { recursive: true }));
	const now = Date.now();
	const write = (name: string, server: string, ageSeconds = 0) => {
		writeFileSync(join(folder, name), kubeconfig(server), { mode: 0o600 });
		utimesSync(join(folder, name), (now - ageSeconds * 1000) / 1000, (now - ageSeconds * 1000) / 1000);
	};
	const ours = "https://172.16.1.110:6443";
	write("kubeconfig1", ours);
	write("kubeconfig2", ours, 4000);
	write("kubeconfig3", ours, 600);
	write("kubeconfig8", "https://172.16.1.100:8443");
	write("kubeconfig9", "https://172.16.1.100:6443");
	write("kubeconfig4", "https://172.16.1.111:6443");
	write("kubeconfig5", "https://172.16.1.110:8443");
	write("kubeconfig", ours);
	write("my-kubeconfig6", ours);
	writeFileSync(join(folder, "target"), kubeconfig(ours));
	symlinkSync(join(folder, "target"), join(folder, "kubeconfig7"));
	const others = ["kubeconfig", "kubeconfig4", "kubeconfig5", "kubeconfig7", "kubeconfig9", "my-kubeconfig6", "target"];
	removeKubeconfigs(folder, SERVERS, now - 10_000, now, true);
	assert.deepEqual(readdirSync(folder).sort(), [...others, "kubeconfig3"].sort());
	removeKubeconfigs(folder, SERVERS, now - 10_000, now, false);
	assert.deepEqual(readdirSync(folder).sort(), others);
	removeKubeconfigs(join(folder, "nowhere"), SERVERS, 0); // no folder, no matter
});

test("another engine's Kubernetes provider counts as a run beside this one, and this engine's own does not", async (t) => {
	const processes = mkdtempSync(join(tmpdir(), "processes-")); // real ones, but of all that run only these
	t.after(() => rmSync(processes, { recursive: true }));
	const start = async (argv0: string, TMPDIR: string) => {
		const child = spawn("sleep", ["60"], { argv0, env: { TMPDIR } });
		t.after(() => child.kill());
		await once(child, "spawn");
		symlinkSync(`/proc/${child.pid}`, join(processes, String(child.pid)));
	};
	await start("/plugins/pulumi-resource-command", "/tmp/ours");
	await start("/plugins/pulumi-resource-kubernetes", "/tmp/theirs");
	assert.equal(isAnotherRun("/tmp/ours", 0, processes), false);
	await start("/plugins/pulumi-resource-kubernetes", "/tmp/ours/");
	assert.equal(isAnotherRun("/tmp/ours", process.pid, processes), false);
	assert.equal(isAnotherRun("/tmp/ours", 0, processes), true);
	assert.equal(isAnotherRun("/tmp/ours", 0, join(processes, "nowhere")), true);
});
