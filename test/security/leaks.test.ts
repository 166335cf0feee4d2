// Every secret of a stack is searched for wherever it has no business to be, over a whole life: preview, up, no-change up, refresh, commands, kills, core dumps, destroy.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { controlPlane, hosts, lab, labFolder, project, pulumiArgs, read, run } from "../e2e/lab.ts";
import { LabHost, signalled } from "../faults/host.ts";
import { PulumiRun } from "../faults/run.ts";
import type { Needles } from "./needles.ts";
import { filesIn, keptFiles, knownSecrets, secretsOn, setMark } from "./secrets.ts";
import { Watch } from "./watch.ts";

const cli = `${project}lab/lab`;

describe("secrets", { concurrency: false }, () => {
	let needles: Needles;
	let scratch = "";
	let watch: Watch;
	let count = 0;
	const logs = () => filesIn(scratch, ".").filter((file) => !/\/(needles|unpacked)$/.test(file));
	/** Runs a command of the lab with its output in files that are searched afterwards. */
	async function logged(name: string, args: string[], timeoutSeconds = 600): Promise<void> {
		const file = join(scratch, `${String(count++).padStart(2, "0")}-${name}`);
		const quoted = args.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
		const { code } = await run(cli, ["exec", "--", "sh", "-c", `exec ${quoted} >'${file}.out' 2>'${file}.err'`], {
			timeoutSeconds,
			env: { PULUMI_DEBUG_COMMANDS: "true" }, // or there is no --event-log
		});
		assert.equal(code, 0, `${name}: ${readFileSync(`${file}.out`, "utf8").slice(-1500)}${readFileSync(`${file}.err`, "utf8").slice(-1500)}`);
	}
	const pulumi = (name: string, command: string, ...args: string[]) => logged(name, ["pulumi", ...pulumiArgs(command, "lab", ...args).slice(3)]);
	let folder = "";
	/** A stack with every secret that a setting brings. */
	const settings = () => ["--config-file", join(folder, "lab.yaml")];
	const PASSPHRASE = "a passphrase of fetched snapshots";
	/** Not --logflow: the Kubernetes provider (4.25.0) then logs the kubeconfig that it is given (docs/security.md). */
	const VERBOSE = ["-v=9", "--debug", "--logtostderr"];

	before(async () => {
		scratch = mkdtempSync(join(tmpdir(), "kubeadm-lab-leaks-"));
		folder = mkdtempSync(join(tmpdir(), "kubeadm-lab-secrets-"));
		const text = readFileSync(`${project}Pulumi.lab.yaml`, "utf8");
		writeFileSync(join(folder, "lab.yaml"), text.replace(/^encryptionsalt/m, "  kubeadm-lab:demoKubeconfig: true\nencryptionsalt"));
		writeFileSync(join(folder, "passphrase"), `${PASSPHRASE}\n`, { mode: 0o600 });
		await lab("up");
		await lab("reset");
		await setMark(hosts);
		watch = new Watch();
	});
	after(async () => {
		watch.end();
		await lab("reset");
		if (!process.env.KEEP) rmSync(scratch, { recursive: true, force: true });
		rmSync(folder, { recursive: true });
	});

	test("preview, up with all that can be logged, an up without a change, refresh and the commands run", async () => {
		await pulumi("preview", "preview", ...settings(), ...VERBOSE, "--event-log", join(scratch, "preview.events"));
		await pulumi("up", "up", ...settings(), ...VERBOSE, "--event-log", join(scratch, "up.events"));
		await pulumi("up again", "up", ...settings(), "--event-log", join(scratch, "again.events"));
		await pulumi("refresh", "refresh", ...settings(), ...VERBOSE, "--event-log", join(scratch, "refresh.events"));
		await pulumi("preview with diff", "preview", ...settings(), "--diff", "--show-secrets=false");
		await pulumi("outputs", "stack output");
		await logged("report", ["npm", "run", "-s", "lifecycle", "--", "report", "lab", "--to", join(scratch, "report")]);
		await logged("export", ["pulumi", "stack", "export", "-s", "lab"]);
		const etcd = (...words: string[]) => ["env", `KUBEADM_LAB_ETCD_PASSPHRASE_FILE=${join(folder, "passphrase")}`, "npm", "run", "-s", "etcd", "--", ...words];
		await logged("snapshot", etcd("snapshot", "lab"));
		const printed = readFileSync(join(scratch, `${String(count - 1).padStart(2, "0")}-snapshot.out`), "utf8");
		const name = /^\d{8}T\d{6}Z-\d+/m.exec(printed)?.[0] ?? assert.fail(printed);
		await logged("fetch", etcd("fetch", "lab", name, join(scratch, "fetched.snapshot")));
	});

	test("the secrets are known: keys of the login, of every CA and component, of each kubeconfig, tokens, a passphrase", async () => {
		needles = await knownSecrets();
		const { stdout } = await run(cli, ["exec", "--", "pulumi", "stack", "output", "demoKubeconfig", "--show-secrets", "-s", "lab"]);
		// What comes before the signature is alike in all tokens of a cluster.
		needles.add("token of demoKubeconfig", /token: [\w-]+\.[\w-]+\.([\w-]+)/.exec(stdout)?.[1] ?? assert.fail("no token"));
		needles.add("passphrase of a snapshot", PASSPHRASE);
	});

	test("what is searched for would be found: plain, in base64, and packed", async () => {
		const file = join(scratch, "sample");
		const key = readFileSync(`${labFolder}/id_ed25519`, "utf8");
		const { gzipSync } = await import("node:zlib");
		for (const text of [key, JSON.stringify(key), Buffer.from(`x${key}`).toString("base64"), `z ${gzipSync(`xx ${key}`).toString("base64")} z`]) {
			writeFileSync(file, text);
			assert.deepEqual(await needles.inFiles([file], scratch), { [file]: ["key of the login"] }, text.slice(0, 50));
		}
		writeFileSync(file, gzipSync(`xx ${key}`));
		assert.deepEqual(await needles.inFiles([file], scratch), { [file]: ["key of the login"] }, "a packed file");
		rmSync(file);
	});

	test("nothing of them is in what was printed, in the event logs, in the verbose logs and in the reports", async () => {
		const files = logs();
		assert.ok(files.length > 20 && files.some((file) => statSync(file).size > 500_000), files.map((file) => `${file} ${statSync(file).size}`).join("\n"));
		assert.deepEqual(await needles.inFiles(files, scratch), {});
	});

	test("nothing of them is in the state, its backups and history, in Pulumi's folders, in TMPDIR or the lab's logs", async () => {
		const files = keptFiles();
		for (const part of ["/state/.pulumi/history/", "/state/.pulumi/backups/", "/pulumi/logs/", "/log/k8s-master.log"])
			assert.ok(
				files.some((file) => file.includes(part)),
				part,
			);
		assert.deepEqual(await needles.inFiles(files, scratch), {});
	});

	for (const host of hosts)
		test(`on ${host} each is where it belongs, and nowhere else`, async () => {
			const { home, wrong } = await secretsOn(host, needles);
			assert.deepEqual(wrong, []);
			const own = needles.names.filter((name) => name.endsWith(` on ${host}`));
			assert.ok(own.length > 0 && own.every((name) => home.has(name)), `found where they belong: ${[...home].join(", ")}; expected ${own.join(", ")}`);
			if (host === controlPlane) return;
			assert.deepEqual(
				own.filter((name) => !name.startsWith("key of /var/lib/kubelet/pki/")),
				[],
				"a worker has its kubelet's keys and no other",
			);
			assert.equal(await read(host, "find /etc/kubernetes -type f | sort"), "/etc/kubernetes/kubelet.conf\n/etc/kubernetes/pki/ca.crt\n");
		});

	test("on the control plane no join token is left, and admin.conf is no super-admin", async () => {
		const kube = "kubectl --kubeconfig /etc/kubernetes/admin.conf";
		assert.equal((await read(controlPlane, `${kube} get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o name`)).trim(), "");
		const subject = await read(
			controlPlane,
			"sed -n 's/^ *client-certificate-data: //p' /etc/kubernetes/admin.conf | base64 -d | openssl x509 -noout -subject",
		);
		assert.match(subject, /kubeadm:cluster-admins/);
	});

	test("the kubeconfig that a killed run left in TMPDIR was its user's alone, and goes with the plugin that outlives the engine", async () => {
		const kubeconfigs = () => filesIn(labFolder, "tmp").filter((file) => /\/kubeconfig\d+$/.test(file));
		const engine = spawn(cli, pulumiArgs("up", "lab", ...settings()), { cwd: project, stdio: "ignore" }); // becomes pulumi
		for (const end = Date.now() + 120_000; kubeconfigs().length === 0; await sleep(20))
			assert.ok(Date.now() < end && engine.exitCode === null, "no kubeconfig came");
		for (const file of filesIn(labFolder, "tmp")) assert.equal(statSync(file).mode & 0o077, 0, file);
		engine.kill("SIGKILL");
		for (const end = Date.now() + 30_000; kubeconfigs().length > 0; await sleep(100)) assert.ok(Date.now() < end, kubeconfigs().join());
		assert.deepEqual(await needles.inFiles(filesIn(labFolder, "tmp"), scratch), {});
		await run(cli, pulumiArgs("cancel", "lab", "--yes"));
		await pulumi("up after a kill", "up", ...settings());
	});

	/** What was dumped on a host since the mark: `core`, as this machine's kernel names it, or with a number behind. */
	const dumpsOn = async (host: string) =>
		(
			await read(
				host,
				"find / -path /proc -prune -o -path /sys -prune -o -type f \\( -name core -o -name 'core.[0-9]*' \\) -newer /run/kubeadm-lab-leaks -print",
			)
		)
			.trim()
			.split("\n")
			.filter((name) => name !== "");
	test("a script of a host and the provider that are made to dump core, with no limit set for them, leave none; nor does what Kubernetes runs", async () => {
		assert.match(readFileSync("/proc/sys/kernel/core_pattern", "utf8"), /^core\n/, "this test finds what a kernel writes into the folder of a process");
		const unlimited = async (pid: number | undefined) => assert.equal((await run("prlimit", ["--core=unlimited:unlimited", "--pid", String(pid)])).code, 0);
		const host = new LabHost(controlPlane);
		const limits = "/etc/security/limits.d/leaks.conf"; // for each login from here on
		await read(controlPlane, `echo 'root soft core unlimited' >${limits}`);
		await read(controlPlane, "cd /run && bash -c 'kill -ABRT $$' || true");
		assert.deepEqual(await dumpsOn(controlPlane), ["/run/core"], "one that a login makes is found");
		await read(controlPlane, "rm /run/core");

		const up = new PulumiRun("up", ...settings());
		await unlimited(up.pid);
		await up.until("a script runs", () => host.scripts().length > 0);
		assert.ok(host.scripts().filter((pid) => signalled(pid, "SIGABRT")).length > 0, "no script was there any more");
		up.signal("SIGABRT", /provider\/main\.ts/);
		await up.end();
		assert.deepEqual(
			filesIn(project, "provider").filter((name) => /\/core(\.\d+)?$/.test(name)),
			[],
		);
		assert.equal(existsSync(`${project}core`), false, "the provider's");

		await read(controlPlane, "kill -ABRT $(pidof etcd) $(pidof kube-apiserver) $(pidof kubelet) $(pidof containerd)");
		await read(controlPlane, "for i in $(seq 120); do kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz && exit 0; sleep 1; done; exit 1");
		assert.deepEqual(await dumpsOn(controlPlane), []);
		await read(controlPlane, `rm ${limits}`);
		await pulumi("up after the dumps", "up", ...settings());
	});

	test("trust, destroy and a report after it run", async () => {
		await logged("trust", ["npm", "run", "-s", "trust", "--", "lab"]);
		await pulumi("destroy", "destroy", ...settings(), ...VERBOSE, "--event-log", join(scratch, "destroy.events"));
		await logged("report after", ["npm", "run", "-s", "lifecycle", "--", "report", "lab", "--to", join(scratch, "report2")]);
	});

	test("nothing of them was in a command line or an environment, and nothing is left in files after destroy", async () => {
		const { text, looks, count } = watch.end();
		writeFileSync(join(scratch, "processes"), text);
		assert.ok(looks > 200 && count > 500, `${looks} looks, ${count} texts`);
		assert.deepEqual(await needles.inFiles([...logs(), ...keptFiles()], scratch), {});
		for (const host of hosts) {
			const { home, wrong } = await secretsOn(host, needles);
			assert.deepEqual([...home, ...wrong], [], host);
		}
	});
});
