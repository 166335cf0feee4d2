// A control plane that burned down: installed anew, it is the same one again from a fetched snapshot, and its workers never notice.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unexplained } from "../bare/stays.ts";
import { controlPlane, hosts, kubectl, lab, onHost, project, pulumi, pulumiRun, read, succeed, workers } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { NGINX } from "./works.ts";

const cli = `${project}lab/lab`;
const etcd = async (...args: string[]) => (await succeed(cli, ["exec", "--", "npm", "run", "-s", "etcd", "--", ...args], { timeoutSeconds: 900 })).output;
/** Kubelets and containers of the workers: a join or a restart changes them. */
const onWorkers = () => Promise.all(workers.map((host) => read(host, "systemctl show -p ActiveEnterTimestamp kubelet; crictl ps -q | sort")));

describe("a control plane that burned down", { concurrency: false }, () => {
	let folder = "";
	let file = "";
	let bare: Set<string>[] = [];
	let running: string[] = [];
	before(async () => {
		folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-rescue-"));
		file = join(folder, "cluster.etcd");
		await writeFile(join(folder, "passphrase"), "correct horse\n", { mode: 0o600 });
		process.env.KUBEADM_LAB_ETCD_PASSPHRASE_FILE = join(folder, "passphrase");
		await lab("up");
		await lab("reset");
		bare = await Promise.all(hosts.map(snapshot));
		await pulumi("up");
		await kubectl(`create deployment kept --image=${NGINX} --replicas=2`);
		await kubectl("rollout status deployment kept --timeout=120s");
		await kubectl("create configmap before");
		const name = (await etcd("snapshot", "lab")).match(/^\d{8}T\d{6}Z-\d+/m)?.[0] ?? assert.fail("no name");
		await etcd("fetch", "lab", name, file);
		await kubectl("create configmap later");
		running = await onWorkers();
		await lab("reset", controlPlane);
	});
	after(async () => {
		delete process.env.KUBEADM_LAB_ETCD_PASSPHRASE_FILE;
		await lab("reset");
		await rm(folder, { recursive: true });
	});

	test("a plain up makes no new cluster of it: it says what is lost, and both ways to go on", async () => {
		const { code, output } = await pulumiRun("up");
		assert.notEqual(code, 0);
		assert.match(
			output,
			/this host was the control plane of \S+, and is in no cluster any more: .*npm run etcd -- restore STACK FILE, then pulumi up\. To begin anew, with all that ran on it gone: pulumi up --replace '\*\*-control-plane-init'/,
		);
		assert.equal((await onHost(controlPlane, "ls /etc/kubernetes/pki 2>/dev/null")).stdout, "");
		assert.deepEqual(await onWorkers(), running);
	});
	test("the snapshot is laid down there with its CAs, for root alone, and the next up makes the control plane of it", async () => {
		const said = await etcd("restore", "lab", file, "--yes");
		assert.match(
			said,
			/k8s-master is in no cluster: it was installed anew, or reset\.[\s\S]*with Kubernetes 1\.29\.15[\s\S]*Laid down\. Next: pulumi up -s lab/,
		);
		assert.match(await read(controlPlane, "stat -c '%a %n' /var/lib/kubeadm-lab/rescue /var/lib/kubeadm-lab/rescue/pki.tar"), /^700 \S+\n600 \S+\n$/);
		const { output } = await pulumi("up");
		assert.match(output, /control-plane-init updated/);
		assert.doesNotMatch(output, /-join (updated|replaced|created)|replaced/);
		assert.equal(await read(controlPlane, "ls /var/lib/kubeadm-lab/rescue 2>/dev/null || true"), "");
	});
	test("what was there before the snapshot is there, what came later is not; workers were neither joined nor restarted, and their Pods ran on", async () => {
		const configMaps = await kubectl("get configmaps -o name");
		assert.match(configMaps, /^configmap\/before$/m);
		assert.doesNotMatch(configMaps, /later/);
		assert.equal(await kubectl("get nodes --no-headers | grep -vc ' Ready ' || true"), "0\n");
		assert.deepEqual(await onWorkers(), running);
		assert.equal(await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.status.phase} {.status.containerStatuses[0].restartCount}'"), "Running 0");
		await kubectl("scale deployment kept --replicas=4");
		await kubectl("rollout status deployment kept --timeout=180s");
		await kubectl("delete deployment kept");
		assert.match((await pulumi("preview")).output, /^ {4}\d+ unchanged$/m);
	});
	test("destroy gives all hosts back as they were", async () => {
		await pulumi("destroy");
		for (const [i, host] of hosts.entries()) assert.deepEqual(unexplained(differences(bare[i] as Set<string>, await snapshot(host))), [], host);
	});
});
