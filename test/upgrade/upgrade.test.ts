// An upgrade in place on three hosts of the lab: what a preview says, what is refused, what holds it up, and that it goes on after a kill; then the hosts as they were.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { apisRemovedIn } from "../../config/removed-apis.ts";
import { unexplained } from "../bare/stays.ts";
import { pattern } from "../e2e/examples.ts";
import { controlPlane, hosts, kubectl, lab, messageFile, noteWhatRuns, project, pulumiArgs, read, run, workers } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { killedUp } from "./killed.ts";

const cli = `${project}lab/lab`;
const NGINX = "registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17";
/** Kubelets ask an API server that was away again only after up to half a minute. */
const DRAIN_SECONDS = 90;
const RUN = { timeoutSeconds: 1500 };
/** Keeps each Pod that it selects where it is, however long one waits. */
const BUDGET = {
	apiVersion: "policy/v1",
	kind: "PodDisruptionBudget",
	metadata: { name: "kept" },
	spec: { minAvailable: 4, selector: { matchLabels: { app: "kept" } } },
};

describe("an upgrade in place", { concurrency: false }, () => {
	let folder = "";
	let bare: Set<string>[] = [];
	let podBefore = "";
	const settings = (version: string) => join(folder, `${version}.yaml`);
	const pulumi = (command: string, version: string, ...args: string[]) =>
		run(cli, pulumiArgs(command, "lab", "--config-file", settings(version), ...args), RUN);
	const up = async (version: string): Promise<string> => {
		const { code, output } = await pulumi("up", version);
		assert.equal(code, 0, output);
		return output;
	};
	const versions = () =>
		kubectl("get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.spec.unschedulable}{\"\\n\"}{end}'");
	const all = (version: string) => hosts.map((host) => `${host} v${version} \n`).join("");
	const uid = (pod: string) => kubectl(`get pod ${pod} -o jsonpath='{.metadata.uid}'`);
	/** How many Nodes were cordoned for their upgrade at the same time meanwhile. */
	const mostAtOnce = async (act: Promise<void>): Promise<number> => {
		let most = 0;
		let isOver = false;
		const over = act.finally(() => {
			isOver = true;
		});
		while (!isOver) {
			const marks = await kubectl("get nodes -o jsonpath='{.items[*].metadata.annotations.kubeadm-lab/upgrade}'").catch(() => ""); // its API server comes and goes
			most = Math.max(most, marks.match(/1\.31\.14/g)?.length ?? 0);
		}
		await over;
		return most;
	};
	before(async () => {
		folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-upgrade-"));
		await lab("up", "--era", "upgrade");
		await lab("reset");
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		for (const version of ["1.29.15", "1.30.14", "1.31.14"])
			await writeFile(
				settings(version),
				text.replace("encryptionsalt:", `  kubeadm-lab:kubernetesVersion: ${version}\n  kubeadm-lab:drainTimeoutSeconds: "${DRAIN_SECONDS}"\nencryptionsalt:`),
			);
		const last = await readFile(settings("1.31.14"), "utf8");
		await writeFile(settings("1.31.14"), last.replace("encryptionsalt:", '  kubeadm-lab:upgradeBatch: "2"\nencryptionsalt:'));
		bare = await Promise.all(hosts.map(snapshot));
		await up("1.29.15");
	});
	after(async () => {
		await lab("reset");
		await rm(folder, { recursive: true });
	});

	test("another kubeadm configuration is applied in place, on the control plane and by the workers' kubelets, and what runs goes on", async () => {
		await kubectl("create configmap kept");
		const [before, pod] = [await kubectl("get configmap kept -o jsonpath='{.metadata.uid}'"), await uid("lifecycle-demo-pod")];
		const text = await readFile(settings("1.29.15"), "utf8");
		await writeFile(settings("gates"), text.replace("encryptionsalt:", "  kubeadm-lab:featureGates: { PodLifecycleSleepAction: true }\nencryptionsalt:"));
		const snapshots = "/var/lib/kubeadm-lab/cluster/snapshots";
		const old = (by: string, ...seconds: number[]) =>
			seconds.map((second) => `echo by=${by} >${snapshots}/20200523T14000${second}Z-1.about; : >${snapshots}/20200523T14000${second}Z-1.db`).join("; ");
		await read(controlPlane, `mkdir -pm 0700 ${snapshots}; ${old("upgrade", 1, 2, 3, 4, 5, 6)}; ${old("hand", 0)}`);
		assert.match(await up("gates"), /kubeadm configuration: not the one that the cluster has; it is applied in place/);
		assert.match(await read(controlPlane, "cat /etc/kubernetes/manifests/kube-apiserver.yaml"), /--feature-gates=PodLifecycleSleepAction=true/);
		for (const host of hosts) assert.match(await read(host, "cat /var/lib/kubelet/config.yaml"), /PodLifecycleSleepAction: true/, host);
		assert.match(
			await read(controlPlane, `cd ${snapshots}; echo *.db; rm 2020*`),
			/^20200523T140000Z-1\.db 20200523T140003Z-1\.db 20200523T140004Z-1\.db 20200523T140005Z-1\.db 20200523T140006Z-1\.db 20\S+\.db$/m,
			"of those from before a change the last five stay, and all that are taken by hand",
		);
		assert.deepEqual([await kubectl("get configmap kept -o jsonpath='{.metadata.uid}'"), await uid("lifecycle-demo-pod")], [before, pod]);
		assert.match((await pulumi("preview", "gates")).output, /^ {4}\d+ unchanged$/m);
	});
	test("a preview says what is upgraded, host by host, which Pods are lost by it, and that nothing is rebuilt", async () => {
		const node = await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.spec.nodeName}'");
		const { code, output } = await pulumi("preview", "1.30.14");
		assert.equal(code, 0, output);
		for (const host of hosts) assert.match(output, new RegExp(`${host}: os .*upgrade in place 1\\.29\\.15 -> 1\\.30\\.14`));
		const [, shown = ""] = /The preview has looked at each host[\s\S]*?```text\n([\s\S]*?)```/.exec(await readFile(`${project}docs/day-two.md`, "utf8")) ?? [];
		const lines = shown.trim().split("\n");
		assert.equal(lines.length, 4);
		for (const line of lines.map((one) => one.replace("k8s-node02", node)))
			assert.ok(
				output.split("\n").some((one) => pattern(line).test(one)),
				`docs/day-two.md shows ${line}; found ${output}`,
			);
		assert.match(output, /kubernetesVersion 1\.29\.15 -> 1\.30\.14: This ends the Pod lifecycle-demo-pod: its preStop hook runs, then it is made anew\./);
		assert.doesNotMatch(output, /rebuilds|not known during preview|init replace/);
	});
	test("a version that the repositories do not have is refused by a preview, with those that they have, and nothing is changed", async () => {
		const repository = "baseUrl: http://172.16.1.1:8080/kubernetes/\n";
		const text = await readFile(settings("1.30.14"), "utf8");
		assert.ok(text.includes(repository));
		await writeFile(settings("lacking"), text.replace(repository, `${repository}      exclude: ["kubelet-1.30.14*"]\n`));
		const { code, output } = await pulumi("preview", "lacking");
		assert.ok(code === 0 || code === 1, output);
		assert.match(
			output,
			/packages: found no kubelet-1\.30\.14 in kubeadm-lab-centos kubeadm-lab-docker-ce kubeadm-lab-kubernetes; .*choose a version that they have \(of kubelet: 1\.31\.14/,
		);
		assert.doesNotMatch(output, /found no kubeadm-/);
		for (const host of hosts) {
			assert.doesNotMatch(await read(host, "cat /etc/yum.repos.d/kubeadm-lab-kubernetes.repo"), /exclude/, host);
			assert.equal(await read(host, "ls -d /run/kubeadm-lab-preflight* 2>/dev/null || true"), "", host);
			assert.equal(await read(host, "rpm -q --qf '%{VERSION}\\n' kubeadm kubelet"), "1.29.15\n1.29.15\n", host);
		}
	});
	test("what kubectl applied through an API that a later minor no longer has is found, and who asks for it; what was made or applied through a newer one is not", async () => {
		const flowSchema = (name: string, version: string) =>
			JSON.stringify({
				apiVersion: `flowcontrol.apiserver.k8s.io/${version}`,
				kind: "FlowSchema",
				metadata: { name },
				spec: { priorityLevelConfiguration: { name: "catch-all" }, matchingPrecedence: 9000 },
			});
		const made = [
			["applied", "v1beta3", "apply"],
			["applied-by-the-server", "v1beta3", "apply --server-side"],
			["created", "v1beta3", "create"],
			["newer", "v1beta3", "apply"],
			["newer", "v1", "apply"],
		] as const;
		const admin = "kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl";
		for (const [name, version, verb] of made) await read(controlPlane, `echo '${flowSchema(name, version)}' | ${admin} ${verb} -f -`);
		const texts = await Promise.all(["kubectl", "upgrade-plan"].map((lib) => readFile(`${project}cluster/steps/lib/${lib}.sh`, "utf8")));
		const look = `set -euo pipefail; ROOT='' STEP=test NODE_NAME='' RELEASE_MINOR=32 REMOVED_APIS=(${apisRemovedIn(32).join(" ")})
problem() { printf '%s: %s\n' "$1" "$2"; }
look_at_removed_apis
removed_apis_in_use
rm -rf -- "$KUBECTL_CACHE"`;
		const found = await read(controlPlane, ["bash -s <<'END'", ...texts, look, "END"].join("\n"));
		assert.equal(
			found,
			"removed API: flowschemas applied through flowcontrol.apiserver.k8s.io/v1beta3: applied applied-by-the-server\nflowschemas of flowcontrol.apiserver.k8s.io/v1beta3,prioritylevelconfigurations of flowcontrol.apiserver.k8s.io/v1beta3\n",
		);
		await read(controlPlane, `${admin} delete flowschemas.v1.flowcontrol.apiserver.k8s.io applied applied-by-the-server created newer`);
	});
	test("two minors at once are refused before anything is changed, with the way that goes", async () => {
		const { code, output } = await pulumi("up", "1.31.14");
		assert.notEqual(code, 0);
		assert.match(
			output,
			/Kubernetes: found 1\.29\.15; expected 1\.30 or newer, to go to 1\.31\.14.*set kubernetesVersion to the 1\.30 of config\/releases\.ts first/,
		);
		assert.equal(await read(controlPlane, "kubeadm version -o short"), "v1.29.15\n");
	});
	test("a PodDisruptionBudget that never yields stops it at that Node, with what to do, and the next up goes on there", async () => {
		await kubectl(`create deployment kept --image=${NGINX} --replicas=4`);
		await kubectl("rollout status deployment kept --timeout=120s");
		podBefore = await uid("lifecycle-demo-pod");
		await read(controlPlane, `echo '${JSON.stringify(BUDGET)}' | kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl apply -f -`);
		const { code, output } = await pulumi("up", "1.30.14");
		assert.notEqual(code, 0, output);
		assert.match(
			output,
			new RegExp(
				`Node k8s-node0\\d still has Pods after ${DRAIN_SECONDS} s, and is not upgraded: default/kept-\\S+ \\(Cannot evict pod as it would violate the pod's disruption budget`,
			),
		);
		assert.match(output, /k8s-node0\d is not upgraded, because k8s-node0\d was not/);
		assert.match(output, /snapshot of etcd before the change/);
		const now = await versions();
		assert.match(now, /k8s-master v1\.30\.14 \n/);
		assert.equal(now.match(/k8s-node0\d v1\.29\.15 true/g)?.length, 1, `one is cordoned: ${now}`);

		const left = /^k8s-node0\d v1\.29\.15/m.exec(now)?.[0].slice(0, 10);
		const again = (await pulumi("preview", "1.30.14")).output;
		assert.match(again, new RegExp(`${left}: os .*upgrade in place 1\\.29\\.15 -> 1\\.30\\.14, .*lost by its drain `), "what is left is said again");
		assert.match(again, /k8s-master: os (?!.*upgrade in place)/);

		await kubectl("delete pdb kept");
		const second = await up("1.30.14");
		assert.doesNotMatch(second, /upgrading the control plane/, "that is done");
		assert.equal(await versions(), all("1.30.14"));
		await kubectl("rollout status deployment kept --timeout=120s");
		assert.match((await pulumi("preview", "1.30.14")).output, /^ {4}\d+ unchanged$/m);
	});
	// Which of the two ups drained its Node is chance: the one that was stopped may have.
	test("the demo's Pod had its preStop hook run, and with the upgrade done another one is Ready", async () => {
		const lines = (await Promise.all(workers.map((host) => read(host, `cat ${messageFile} 2>/dev/null || true`)))).join("");
		assert.match(lines, /Hello from the postStart handler\nHello from the preStop handler\n/);
		assert.notEqual(podBefore, "");
		assert.notEqual(await uid("lifecycle-demo-pod"), podBefore);
		await kubectl("wait pod lifecycle-demo-pod --for=condition=Ready --timeout=10s");
	});
	test("a snapshot of etcd was taken before", async () => {
		assert.match(await read(controlPlane, "cat /var/lib/kubeadm-lab/cluster/snapshots/*.about"), /^by=upgrade$/m);
	});
	test("killed while kubeadm upgrades the control plane, and again while a worker has its new kubelet and does not run it, the next up goes on", async () => {
		const before = await uid("lifecycle-demo-pod");
		await killedUp(settings("1.31.14"), controlPlane, "grep -q v1.31.14 /etc/kubernetes/manifests/kube-apiserver.yaml");
		const back = await pulumi("up", "1.30.14");
		assert.notEqual(back.code, 0);
		assert.match(back.output, /Kubernetes: found an upgrade to 1\.31\.14 that was cut off; expected 1\.31\.14/);
		const together = await mostAtOnce(killedUp(settings("1.31.14"), "k8s-node01", "kubelet --version | grep -q v1.31.14"));
		assert.equal(together, 2, "workers at once, as upgradeBatch says");
		// What is on the cluster is done by the Kubernetes provider, which gives up where the API server is away as the run begins, as it may be right after a kill.
		const first = await pulumi("up", "1.31.14");
		if (first.code !== 0) {
			assert.match(first.output, /configured Kubernetes cluster is unreachable/);
			await up("1.31.14");
		}
		assert.equal(await versions(), all("1.31.14"));
		assert.notEqual(await uid("lifecycle-demo-pod"), before);
		assert.equal(await kubectl("get nodes -o jsonpath='{.items[*].metadata.annotations.kubeadm-lab/upgrade}'"), "");
		assert.match((await pulumi("preview", "1.31.14")).output, /^ {4}\d+ unchanged$/m);
		await noteWhatRuns();
	});
	test("back is refused, with what goes instead", async () => {
		const { code, output } = await pulumi("up", "1.30.14");
		assert.notEqual(code, 0);
		assert.match(output, /Kubernetes: found 1\.31\.14; expected 1\.30\.14 or older.*a cluster cannot go back/);
		assert.equal(await versions(), all("1.31.14"));
	});
	test("destroy gives the hosts back as they were", async () => {
		const { code, output } = await pulumi("destroy", "1.31.14");
		assert.equal(code, 0, output);
		for (const [i, host] of hosts.entries()) assert.deepEqual(unexplained(differences(bare[i] as Set<string>, await snapshot(host))), [], host);
	});
});
