// Faults of what is around an up: registry, repository, name server, disk, processes, state, a second run, a reboot.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { controlPlane, hosts, labFolder, onHost, pulumi, pulumiRun, read, run, workers } from "../../e2e/lab.ts";
import { aroundRun, ends, fails } from "../around.ts";
import { LabHost } from "../host.ts";
import { PulumiRun } from "../run.ts";

const [worker = "", other = ""] = workers;
/** Or the fault came too late. */
const isUnfinished = (up: PulumiRun, resource: string) => assert.ok(!up.output.includes(`${resource} created`), `${resource} was done before the fault`);

const faults = () => {
	const { settings, serve, tries } = aroundRun();

	for (const fault of ["damaged", "cut"])
		tries(
			`a registry whose layers are ${fault} stops up with the image's name, where the runtime does not get on by itself; a whole one lets it go on`,
			`registry: layers ${fault}`,
			"up",
			async (converges) => {
				await serve(5001, 5000, fault);
				const { code, output, endSeconds } = await ends("up", ...settings((text) => text.replaceAll("172.16.1.1:5000", "172.16.1.1:5001")));
				if (fault === "damaged") assert.notEqual(code, 0, output); // one that is cut is asked for the rest
				if (code !== 0) assert.match(output, /k8s-(master|node0\d) images: image \S+: /);
				await converges(endSeconds);
			},
		);
	tries("a registry that nobody answers at stops up, with where it was asked for", "registry: nobody answers", "up", async (converges) => {
		const { output, endSeconds } = await fails("up", ...settings((text) => text.replaceAll("172.16.1.1:5000", "172.16.1.1:5009")));
		assert.match(output, /images: image \S+: .*172\.16\.1\.1:5009/s);
		await converges(endSeconds);
	});
	for (const fault of ["damaged", "cut"])
		tries(
			`a repository whose packages are ${fault} stops up before anything of them is installed, where yum does not get on by itself`,
			`repository: packages ${fault}`,
			"up",
			async (converges) => {
				await serve(8081, 8080, fault);
				const { code, output, endSeconds } = await ends("up", ...settings((text) => text.replaceAll("172.16.1.1:8080", "172.16.1.1:8081")));
				if (fault === "damaged") assert.notEqual(code, 0, output);
				if (code !== 0) {
					assert.match(output, /k8s-(master|node0\d) packages: error: packages: yum failed/);
					for (const host of hosts) assert.notEqual((await onHost(host, "rpm -q kubelet")).code, 0, `${host} has a kubelet`);
				}
				await converges(endSeconds);
			},
		);
	tries(
		"a repository that takes a connection and never answers stops up within ten minutes, with what the repositories are",
		"repository: never answers",
		"up",
		async (converges) => {
			await serve(8081, 8080, "silent");
			const { output, endSeconds } = await fails("up", ...settings((text) => text.replaceAll("172.16.1.1:8080", "172.16.1.1:8081")));
			assert.match(output, /k8s-(master|node0\d) packages: error: packages: yum failed.* Repositories: /s);
			assert.ok(endSeconds < 600, `it took ${endSeconds} s`);
			await converges(endSeconds);
		},
	);
	tries("a slow repository and a slow registry only take longer", "repository and registry: 2 MB a second", "up", async (converges) => {
		await serve(8081, 8080, "slow");
		await serve(5001, 5000, "slow");
		const slow = settings((text) => text.replaceAll("172.16.1.1:8080", "172.16.1.1:8081").replaceAll("172.16.1.1:5000", "172.16.1.1:5001"));
		const { code, output, endSeconds } = await ends("up", ...slow);
		assert.equal(code, 0, output);
		await converges(endSeconds);
	});
	tries("no name server: nothing of this stack needs a name", "name server: nobody answers", "up", async (converges) => {
		for (const host of hosts) await read(host, "echo nameserver 172.16.1.99 >/etc/resolv.conf");
		await converges(0);
	});

	tries(
		"a worker's disk that is full while images come stops up with the host's name; with room again it goes on",
		"disk of a worker full",
		"up",
		async (converges) => {
			const up = new PulumiRun("up");
			await up.until("images", () => up.output.includes(`lab-${worker}-images creating`));
			await onHost(worker, "fallocate -l $(($(df --output=avail -B1 /var/lib/containerd | tail -n 1) - 1000000)) /var/lib/containerd/full");
			const from = performance.now();
			assert.notEqual(await up.end(), 0);
			const endSeconds = (performance.now() - from) / 1000;
			assert.match(up.output, new RegExp(`${worker} .*no space left on device`, "s"));
			await read(worker, "rm /var/lib/containerd/full");
			await converges(endSeconds);
		},
	);

	for (const [name, command] of [
		["etcd", "etcd"],
		["the API server", "kube-apiserver"],
		["the kubelet", "kubelet"],
	] as const)
		tries(
			`${name} of the control plane dies as by the OOM killer while the workers join; up ends well, or the next one does`,
			`${command} of the control plane killed`,
			"up",
			async (converges) => {
				const up = new PulumiRun("up");
				await up.until("joins", () => up.output.includes(`lab-${worker}-worker-join creating`));
				await read(controlPlane, `kill -KILL $(pidof ${command})`);
				isUnfinished(up, `lab-${worker}-worker-join`);
				const from = performance.now();
				await up.end();
				await converges((performance.now() - from) / 1000);
			},
		);

	tries("a state that can't be written in the middle of an up stops it; when it can, it goes on", "state: can't be written", "up", async (converges) => {
		const state = join(labFolder, "state");
		await run("mount", ["--bind", state, state]);
		try {
			const up = new PulumiRun("up");
			await up.until("packages", () => up.output.includes(`lab-${worker}-packages creating`));
			await run("mount", ["-o", "remount,bind,ro", state]);
			const from = performance.now();
			assert.notEqual(await up.end(), 0);
			const endSeconds = (performance.now() - from) / 1000;
			assert.match(up.output, /read-only file system/);
			await run("mount", ["-o", "remount,bind,rw", state]);
			await pulumiRun("cancel", "--yes"); // its lock could not be taken away
			await converges(endSeconds, { thenAlso: () => pulumi("refresh", "--clear-pending-creates") }); // as after any run whose end the state does not know
		} finally {
			await run("umount", [state]);
		}
	});

	tries("of two ups at once one wins, and the other says who holds the stack", "two ups at once", "up", async (converges) => {
		const both = [new PulumiRun("up"), new PulumiRun("up")];
		const codes = await Promise.all(both.map((one) => one.end()));
		assert.equal(codes.filter((code) => code === 0).length, 1, both.map(({ output }) => output.slice(-1500)).join("\n---\n"));
		assert.match(both[codes.findIndex((code) => code !== 0)]?.output ?? "", /currently locked by 1 lock/);
		await converges(0);
	});

	tries("a host that reboots in the middle of a join is a Node after the next up", "worker rebooted in its join", "up", async (converges) => {
		const up = new PulumiRun("up");
		const host = new LabHost(other);
		await up.until("kubelet.conf", () => host.has("/etc/kubernetes/bootstrap-kubelet.conf"));
		const old = host.first;
		await onHost(other, "systemctl reboot");
		isUnfinished(up, `lab-${other}-worker-join`);
		const from = performance.now();
		await up.end();
		const endSeconds = (performance.now() - from) / 1000;
		for (let i = 0; (host.first === 0 || host.first === old || (await onHost(other, "true")).code !== 0) && i < 120; i++) await sleep(500);
		await converges(endSeconds);
	});
};
describe("faults of what is around an up", { concurrency: false }, faults);
