// Faults of what is around a run: registry, repository, disk, memory, state, a second run, hosts and a kubelet that are gone when all is to be given back.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { controlPlane, hosts, lab, labFolder, location, messageFile, onHost, project, pulumi, pulumiArgs, pulumiRun, read, run, workers } from "../e2e/lab.ts";
import { snapshot } from "../e2e/snapshot.ts";
import { LabHost } from "./host.ts";
import { type Result, tell } from "./results.ts";
import { PulumiRun } from "./run.ts";
import { areAsBefore, isCluster, isStateEmpty, leftNothing, RUNNING_MESSAGE } from "./whole.ts";

const [worker = "", other = ""] = workers;
const threeLines = "Hello initContainers\nHello from the postStart handler\nHello from the preStop handler\n";

const POD_SECONDS = 60;
/** A destroy that waits for a Pod in vain: the bound that README names, podTimeoutSeconds, and for all else in the run as long again (lab, 28 November 2026: 4 and 8 s). */
const POD_DESTROY_SECONDS = 2 * POD_SECONDS;

/** The run that makes a case whole. `args`: of its pulumi. `alive`: hosts to be given back; default all. `thenAlso`: what README says is to be done after it. */
type Converges = (endSeconds: number, more?: { args?: string[]; alive?: string[]; thenAlso?: () => Promise<unknown> }) => Promise<void>;

const faults = () => {
	let folder = "";
	const servers: ChildProcess[] = [];
	/** Ends and gives back what the fault was made of, whatever became of the test. */
	let mend: () => unknown = () => {};
	const settings = (edit: (text: string) => string): string[] => {
		writeFileSync(join(folder, "Pulumi.lab.yaml"), edit(readFileSync(join(project, "Pulumi.lab.yaml"), "utf8")));
		return ["--config-file", join(folder, "Pulumi.lab.yaml")];
	};
	const bare = new Map<string, Set<string>>();
	/** A cluster to be destroyed, and how its hosts were before. The Pod's bound is not the default's 300 s where a run waits for it to its end. */
	const bringUp = async (edit = (text: string) => text) => {
		for (const host of hosts) bare.set(host, await snapshot(host));
		await pulumi("up", ...settings((text) => edit(text).replace(/^encryptionsalt/m, `  kubeadm-lab:podTimeoutSeconds: ${POD_SECONDS}\nencryptionsalt`)));
	};
	const serve = async (port: number, upstream: number, fault: string): Promise<void> => {
		const file = join(import.meta.dirname, "bad-server.ts");
		const child = spawn(`${project}lab/lab`, ["exec", "--", "node", file, String(port), `http://172.16.1.1:${upstream}`, fault], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		servers.push(child);
		await new Promise((resolve, reject) => {
			child.stdout?.once("data", resolve);
			child.once("exit", () => reject(new Error("the bad server did not start")));
		});
	};
	/**
	 * A case, with a row in the table under `what`: not survived, however far it came, until all of it has passed. `act` gets the run that makes it whole, which is timed, and
	 * after which nothing may be missing or left.
	 */
	const tries = (name: string, what: string, wholeBy: "up" | "destroy", act: (converges: Converges) => Promise<unknown>) =>
		test(name, async () => {
			const result: Result = { verb: wholeBy, what, resource: "", fault: "around it", wholeBy, survived: false };
			const converges: Converges = async (endSeconds, { args = [], alive = hosts, thenAlso = async () => {} } = {}) => {
				result.endSeconds = endSeconds;
				const from = performance.now();
				await pulumi(wholeBy, ...args);
				result.convergeSeconds = (performance.now() - from) / 1000;
				await thenAlso();
				for (const server of servers.splice(0)) server.kill(); // they too were started by `lab exec`
				if (wholeBy === "up") {
					const node = await isCluster(hosts);
					assert.match(await read(node, `cat ${messageFile}`), RUNNING_MESSAGE, `the message file on ${node}`);
				} else {
					await areAsBefore(bare, alive);
					await isStateEmpty();
				}
				await leftNothing();
			};
			try {
				await act(converges);
				assert.notEqual(result.convergeSeconds, undefined, "nothing was made whole");
				result.survived = true;
			} finally {
				tell(result);
			}
		});
	/** A run that must fail, or may, and how long it took. */
	const fails = async (command: string, ...args: string[]) => {
		const ended = await ends(command, ...args);
		assert.notEqual(ended.code, 0, ended.output);
		return ended;
	};
	const ends = async (command: string, ...args: string[]) => {
		const from = performance.now();
		const { code, output } = await run(`${project}lab/lab`, pulumiArgs(command, "lab", ...args), { timeoutSeconds: 900 });
		return { code, output, endSeconds: (performance.now() - from) / 1000 };
	};

	/** Or the fault came too late. */
	const isUnfinished = (up: PulumiRun, resource: string) => assert.ok(!up.output.includes(`${resource} created`), `${resource} was done before the fault`);

	/** As a person does with a host that will never come back. */
	const forget = async (host: string) => {
		const command = `yes | PULUMI_CONFIG_PASSPHRASE=kubeadm-lab npm run -s forget -- lab ${host}`;
		const { code, output } = await run(`${project}lab/lab`, ["exec", "--", "bash", "-c", command]);
		assert.equal(code, 0, output);
	};
	before(async () => {
		folder = mkdtempSync(join(tmpdir(), "faults-"));
		await lab("up");
	});
	afterEach(async () => {
		for (const server of servers.splice(0)) server.kill();
		await mend();
		mend = () => {};
		await lab("reset");
	});
	after(() => {
		rmSync(folder, { recursive: true });
	});

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
		mend = () => run("umount", [state]);
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
	});

	tries("of two ups at once one wins, and the other says who holds the stack", "two ups at once", "up", async (converges) => {
		const both = [new PulumiRun("up"), new PulumiRun("up")];
		const codes = await Promise.all(both.map((one) => one.end()));
		assert.equal(codes.filter((code) => code === 0).length, 1, both.map(({ output }) => output.slice(-1500)).join("\n---\n"));
		assert.match(both[codes.findIndex((code) => code !== 0)]?.output ?? "", /currently locked by 1 lock/);
		await converges(0);
	});

	tries(
		"a dead worker with the Pod stops destroy at the Pod, within its bound and with the host's name; forgotten, destroy gives back the others",
		"dead worker with the Pod, then forget",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			await lab("power", node, "off");
			const { output, endSeconds } = await fails("destroy", "--continue-on-error");
			assert.match(output, /lifecycle-demo-pod .*error: timed out waiting for the condition/);
			assert.match(output, new RegExp(`warning: ${node} was not looked at: .*dial tcp`));
			assert.ok(endSeconds < POD_DESTROY_SECONDS, `it took ${endSeconds} s`);
			await forget(node);
			await converges(endSeconds, { alive: hosts.filter((host) => host !== node) });
		},
	);
	tries(
		"a dead worker without the Pod: destroy gives back the other worker and says what to do; forgotten, destroy ends",
		"dead worker without the Pod, then forget",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			const dead = node === worker ? other : worker;
			await lab("power", dead, "off");
			const { output, endSeconds } = await fails("destroy", "--continue-on-error");
			assert.match(output, new RegExp(`error: ${dead} witness: undo: .*npm run forget`));
			await areAsBefore(bare, [node]); // the control plane stays while the state has a worker of it
			await forget(dead);
			await converges(endSeconds, { alive: [node, controlPlane] });
			assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		},
	);
	tries("a dead control plane stops destroy; forgotten, destroy gives back the workers", "dead control plane, then forget", "destroy", async (converges) => {
		await bringUp();
		await lab("power", controlPlane, "off");
		const { output, endSeconds } = await fails("destroy", "--continue-on-error");
		assert.match(output, /configured Kubernetes cluster is unreachable/);
		for (const host of workers) await read(host, "test -e /etc/kubernetes/kubelet.conf"); // nothing is lost (README): the Pod goes before its Node
		await forget(controlPlane);
		await converges(endSeconds, { alive: workers });
	});
	tries(
		"a login's key that is another by the time of destroy stops it, with what to do, which gives all hosts back",
		"login's key changed, then destroy --run-program",
		"destroy",
		async (converges) => {
			for (const name of ["old", "new"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(folder, name)]);
			const publicKey = (name: string) => readFileSync(join(folder, `${name}.pub`), "utf8").trim();
			const withKey = (name: string) => (text: string) => text.replace(/(sshPrivateKeyFile: ).*/, `$1${join(folder, name)}`);
			const change = async (from: string, to: string) => {
				for (const host of hosts) await read(host, `sed -i '/ ${from}$/d' /root/.ssh/authorized_keys; echo '${publicKey(to)}' >>/root/.ssh/authorized_keys`);
			};
			await change("none", "old");
			await bringUp(withKey("old"));
			await change("old", "new");
			const args = settings(withKey("new"));
			const { output, endSeconds } = await fails("destroy", ...args);
			assert.match(output, /error: k8s-\w+ \w+: undo: .*unable to authenticate.* another by now: correct the stack, then pulumi destroy --run-program\./);
			await converges(endSeconds, { args: ["--run-program", ...args], thenAlso: () => change("new", "old") });
			assert.match((await read(worker, `cat ${messageFile} 2>/dev/null || true`)) + (await read(other, `cat ${messageFile} 2>/dev/null || true`)), /preStop/);
		},
	);
	tries(
		"a worker's address that is another by the time of destroy stops it, with what to do, which gives all hosts back",
		"worker's address changed, then destroy --run-program",
		"destroy",
		async (converges) => {
			const ADDRESS = "172.16.1.120";
			await bringUp();
			const { node } = await location();
			const moved = node === worker ? other : worker;
			const was = `172.16.1.${110 + hosts.indexOf(moved)}`;
			const routes = `ip -4 route show default`;
			const move = (from: string, to: string) =>
				`card=$(ip -o -4 address show | awk '$4 == "${from}/24" {print $2; exit}'); route=$(${routes}); setsid bash -c "sleep 1; ip address delete ${from}/24 dev $card; ip address add ${to}/24 dev $card; [[ -z '$route' ]] || ip route replace $route" >/dev/null 2>&1 &`;
			await read(moved, move(was, ADDRESS));
			const known = readFileSync(join(labFolder, "known_hosts"), "utf8");
			writeFileSync(join(folder, "known_hosts"), known.replaceAll(`${was} `, `${ADDRESS} `));
			const args = settings((text) =>
				text.replace(`address: ${was}\n`, `address: ${ADDRESS}\n`).replace(/(knownHostsFile: ).*/, `$1${join(folder, "known_hosts")}`),
			);
			const { output, endSeconds } = await fails("destroy", "--continue-on-error", ...args);
			assert.match(output, new RegExp(`error: ${moved} witness: undo: .* another by now: correct the stack, then pulumi destroy --run-program\\.`));
			const back = async () => {
				const login = ["-i", join(labFolder, "id_ed25519"), "-o", `UserKnownHostsFile=${join(folder, "known_hosts")}`, `root@${ADDRESS}`];
				await run(`${project}lab/lab`, ["exec", "--", "ssh", ...login, move(ADDRESS, was)]);
				await sleep(3000);
			};
			await converges(endSeconds, { args: ["--run-program", ...args], thenAlso: back });
			assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		},
	);
	tries(
		"a Pod that stays Terminating, because its kubelet is gone, holds destroy up no longer than its bound",
		"Pod stays Terminating",
		"destroy",
		async (converges) => {
			await bringUp();
			const { node } = await location();
			await read(node, "systemctl stop kubelet");
			const { output, endSeconds } = await fails("destroy");
			assert.match(output, /lifecycle-demo-pod/);
			assert.ok(endSeconds < POD_DESTROY_SECONDS, `it took ${endSeconds} s`);
			await read(node, "systemctl start kubelet");
			await converges(endSeconds);
			assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		},
	);
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
if (process.env.FAULTS_WORLD !== "no") describe("faults of what is around a run", { concurrency: false }, faults);
