// Snapshots of etcd and the way back to one, on a whole cluster: what is there afterwards and what is not, cut off in the middle, refused, and taken by a timer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { examplesIn, runExample } from "../e2e/examples.ts";
import { controlPlane, kubectl, lab, onHost, project, pulumi, pulumiRun, read, run, succeed, workers } from "../e2e/lab.ts";
import { workersRunPods } from "./works.ts";

const FOLDER = "/var/lib/kubeadm-lab/cluster/snapshots";
const WORK = "/var/lib/etcd/kubeadm-lab-restore";
const cli = `${project}lab/lab`;
const words = (...args: string[]) => ["exec", "--", "npm", "run", "-s", "etcd", "--", ...args];
const etcd = (...args: string[]) => succeed(cli, words(...args), { timeoutSeconds: 900 });
const names = async () =>
	(await read(controlPlane, `cd ${FOLDER} && ls *.db`)).split("\n").flatMap((name) => (name === "" ? [] : name.slice(0, -".db".length)));
const snapshot = async (): Promise<string> => (await etcd("snapshot", "lab")).stdout.match(/^\d{8}T\d{6}Z-\d+/m)?.[0] ?? assert.fail("no name");
const isThere = async (what: string) =>
	(await onHost(controlPlane, `kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl get ${what}`)).code === 0;
const restarts = (host: string) => read(host, "systemctl show -p ActiveEnterTimestamp kubelet");

/** The cluster as a whole: every Node is heard of now, the demo Pod runs, and both workers start new Pods and end them. */
async function works(name: string): Promise<void> {
	await workersRunPods(name);
	assert.equal(await kubectl("get nodes --no-headers | grep -vc ' Ready ' || true"), "0\n");
	assert.equal(await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.status.phase} {.status.containerStatuses[0].restartCount}'"), "Running 0");
}
/** Starts a restore, and kills the script on the host and the command here as soon as the host is where `isThen` (a condition of the shell) says. */
async function killedRestore(name: string, isThen: string): Promise<void> {
	const child = spawn(cli, words("restore", "lab", name, "--yes"), { cwd: project, stdio: "ignore", detached: true });
	const ended = new Promise((resolve) => child.once("close", resolve));
	const script = `for i in $(seq 3000); do if ${isThen}; then for p in /proc/[0-9]*; do [ "$(readlink $p/fd/7)" != ${FOLDER}/.lock ] || kill -9 "\${p#/proc/}"; done; echo killed; exit; fi; sleep 0.1; done; exit 1`;
	assert.match(await read(controlPlane, script), /killed/);
	process.kill(-(child.pid ?? 0), "SIGKILL");
	await ended;
}

describe("etcd", { concurrency: false }, () => {
	let folder: string;
	let first: string;
	before(async () => {
		folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-etcd-"));
		await lab("up");
		await lab("reset");
		await pulumi("up");
		await kubectl("create configmap before --from-literal=key=value");
		first = await snapshot();
	});
	after(async () => {
		await pulumi("destroy");
		assert.equal(
			(await onHost(controlPlane, "ls /var/lib/kubeadm-lab /var/lib/kubeadm-lab-snapshots /etc/systemd/system/kubeadm-lab-snapshots.timer 2>/dev/null")).stdout,
			"",
		);
		await lab("reset");
		await rm(folder, { recursive: true });
	});

	test("after a restore what was there before the snapshot is there, what came later is not, and workers go on without a join", async () => {
		await kubectl("create configmap later --from-literal=key=value");
		await kubectl("delete configmap before");
		const kubelets = await Promise.all(workers.map(restarts));
		const { stdout } = await etcd("restore", "lab", first, "--yes");
		assert.match(stdout, /^ {2}ConfigMap default\/later$/m, "told before");
		assert.match(stdout, /etcd is at revision \d+: \d+ changes since are lost/);
		assert.deepEqual([await isThere("configmap before"), await isThere("configmap later")], [true, false]);
		await works("restored");
		assert.deepEqual(await Promise.all(workers.map(restarts)), kubelets, "no kubelet was restarted");
		assert.match((await pulumi("preview", "--refresh")).output, /unchanged/);
	});
	test("killed between the stop and the swap, and again before the cluster answers, the same command goes on", async () => {
		await kubectl("create configmap later --from-literal=key=value");
		await killedRestore(first, `[ ! -e /etc/kubernetes/manifests/etcd.yaml ] && [ -d ${WORK}/new/member ]`);
		assert.equal((await run(cli, words("snapshot", "lab"))).code, 1, "a snapshot in between");
		await killedRestore(first, `[ -d ${WORK}/old/member ] && [ ! -d ${WORK}/new/member ]`);
		await etcd("restore", "lab", first, "--yes");
		assert.deepEqual([await isThere("configmap before"), await isThere("configmap later")], [true, false]);
		assert.equal((await onHost(controlPlane, `ls -d ${WORK} /var/lib/kubeadm-lab/cluster/restore 2>/dev/null`)).stdout, "");
		await works("killed");
	});
	test("the commands of docs/day-two.md print what stands there", async () => {
		for (const example of examplesIn(await readFile(`${project}docs/day-two.md`, "utf8"))) await runExample(example);
	});
	test("damaged, cut short and of another cluster: each is refused, and etcd goes on", async () => {
		const pods = () => read(controlPlane, "crictl ps -q --name 'etcd|kube-apiserver' | sort");
		const ran = await pods();
		const bad = first.replace(/\d+$/, "1");
		const refused = async (how: string, text: RegExp) => {
			await read(controlPlane, `cd ${FOLDER} && cp -p ${first}.about ${bad}.about && cp -p ${first}.db ${bad}.db && ${how}`);
			const { code, output } = await run(cli, words("restore", "lab", bad, "--yes"));
			assert.equal(code, 1, output);
			assert.match(output, text);
		};
		await refused(`printf x | dd of=${bad}.db bs=1 seek=20000 conv=notrunc`, /damaged or cut short.*Nothing was changed/);
		await refused(`truncate -s -512 ${bad}.db`, /damaged or cut short.*Nothing was changed/);
		await refused(`sed -i s/^ca=.*/ca=sha256:0123/ ${bad}.about`, /it is of cluster lab-172\.16\.1\.110 with CA sha256:0123.*Nothing was changed/);
		await refused(`sed -i s/^etcd=.*/etcd=3.6.5/ ${bad}.about`, /it is of etcd 3\.6\.5, expected 3\.5\.16 or older.*Nothing was changed/);
		await read(controlPlane, `rm ${FOLDER}/${bad}.*`);
		assert.equal(await pods(), ran);
	});
	test("a fetched one is encrypted, and is restored from its file where the host has lost it; with another passphrase it is not", async () => {
		const file = join(folder, "one.etcd");
		const key = join(folder, "passphrase");
		await writeFile(key, "correct horse\n", { mode: 0o600 });
		const env = { KUBEADM_LAB_ETCD_PASSPHRASE_FILE: key };
		await succeed(cli, words("fetch", "lab", first, file), { env });
		assert.equal((await readFile(file)).includes("/registry/"), false, "it holds keys of etcd in the clear");
		await read(controlPlane, `rm ${FOLDER}/${first}.*`);
		await kubectl("create configmap later --from-literal=key=value");
		await writeFile(key, "wrong horse\n");
		assert.match((await run(cli, words("restore", "lab", file, "--yes"), { env })).output, /can't be opened: another passphrase/);
		await writeFile(key, "correct horse\n");
		await succeed(cli, words("restore", "lab", file, "--yes"), { env, timeoutSeconds: 900 });
		assert.deepEqual([await isThere("configmap before"), await isThere("configmap later")], [true, false]);
		await works("fetched");
	});
	test("with etcdSnapshots a timer takes them and prunes its own, a snapshot that fails is drift, and without the setting all of it goes", async () => {
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		const file = join(folder, "Pulumi.lab.yaml");
		await writeFile(file, text.replace("config:\n", "config:\n  kubeadm-lab:etcdSnapshots: { every: 1min, keep: 2 }\n"));
		const byHand = await names();
		const own = async () => (await names()).filter((name) => !byHand.includes(name));
		await pulumi("up", "--config-file", file);
		assert.equal((await own()).length, 1, "one at once");
		assert.match((await pulumi("preview", "--config-file", file)).output, /unchanged/);
		const [oldest = ""] = await own();
		const told = "systemctl list-timers --no-pager; journalctl -u kubeadm-lab-snapshots -n 40 --no-pager";
		// Two more, a minute apart.
		await read(controlPlane, `for i in $(seq 200); do [ -e ${FOLDER}/${oldest}.db ] || exit 0; sleep 1; done; { ${told}; } >&2; exit 1`);
		assert.equal((await own()).length, 2);
		for (const name of byHand) assert.ok((await names()).includes(name), "one by hand was pruned");
		await read(controlPlane, "mv /etc/kubernetes/pki/etcd/healthcheck-client.key /root/; systemctl start kubeadm-lab-snapshots.service || true");
		assert.match((await pulumiRun("preview", "--diff", "--config-file", file)).output, /last snapshot/);
		await read(controlPlane, "mv /root/healthcheck-client.key /etc/kubernetes/pki/etcd/");
		await pulumi("up", "--config-file", file);
		assert.match((await pulumi("preview", "--config-file", file)).output, /unchanged/);
		await pulumi("up");
		assert.equal((await onHost(controlPlane, "ls /etc/systemd/system/kubeadm-lab-snapshots.* /var/lib/kubeadm-lab/snapshots 2>/dev/null")).stdout, "");
		assert.ok((await own()).length > 0, "the snapshots stay with the cluster");
	});
});
