// A Node's labels and taints: what is wanted is set, what others set stays.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const READY = "ready\tTrue\tKubeletReady: kubelet is posting ready status";
/** A control plane whose kubectl shows a Node with these lines, in the form of the script's own template. */
function controlPlane(t: TestContext, lines: string[] = [], ready = READY): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/kubernetes/admin.conf", "made up");
	host.write("/node", ["label\tkubernetes.io/hostname\tk8s-node02", ...lines, ready, ""].join("\n"));
	host.command(
		"kubectl",
		`case "$*" in *" get node "*) cat "\${KUBEADM_LAB_ROOT}/node" ;; *" wait "*) exit 1 ;; *" drain "*) [[ ! -e "\${KUBEADM_LAB_ROOT}/refuses" ]] || { cat "\${KUBEADM_LAB_ROOT}/refuses" >&2; exit 1; } ;; esac`,
	);
	return host;
}
const changes = (host: FakeHost) =>
	host
		.calls()
		.filter((call) => call.startsWith("kubectl") && !call.includes(" get node "))
		.map((call) => call.replace(/^kubectl --kubeconfig \S+ --cache-dir \S+ (--request-timeout \S+ )?/, ""));
const run = (host: FakeHost, verb: string, settings = {}) => {
	host.forgetCalls();
	return host.run("node", verb, settings);
};
const differences = (host: FakeHost, settings = {}) => {
	const { status, stdout, stderr } = run(host, "check", settings);
	assert.equal(status, stdout === "" ? 0 : 3, stderr);
	return stdout.trimEnd().split("\n");
};

test("a Node that is as wanted is asked once, and nothing is changed", (t) => {
	const settings = { LABELS: ["disk=ssd"], TAINTS: ["dedicated=gpu:NoSchedule"] };
	const host = controlPlane(t, ["label\tdisk\tssd", "label\ttheirs\tx", "taint\tdedicated=gpu:NoSchedule"]);
	assert.deepEqual(differences(host, settings), [""]);
	assert.equal(host.calls().filter((call) => call.startsWith("kubectl")).length, 1);
	assert.equal(run(host, "apply", settings).status, 0);
	assert.deepEqual(changes(host), []);
	assert.equal(host.exists("/run/kubeadm-lab-node-k8s-node02.cache"), false);
});
test("labels are compared where they are wanted, taints as a whole", (t) => {
	const host = controlPlane(t, ["label\tdisk\thdd", "label\ttheirs\tx", "taint\ttheirs:NoSchedule"]);
	assert.deepEqual(differences(host, { LABELS: ["disk=ssd", "new="], TAINTS: ["dedicated=gpu:NoSchedule"] }), [
		"label disk\tssd\thdd",
		"label new\t(empty)\tabsent",
		"taint dedicated=gpu:NoSchedule\tpresent\tabsent",
		"taint theirs:NoSchedule\tabsent\tpresent",
	]);
});
test("a cordon and the taints of Kubernetes itself are nobody's drift", (t) => {
	const host = controlPlane(t, ["taint\tnode.kubernetes.io/unschedulable:NoSchedule", "taint\tnode.kubernetes.io/unreachable:NoExecute", "cordoned"]);
	assert.deepEqual(differences(host), [""]);
});
test("a label that apply set is taken away when it is no longer wanted; one that was there before stays", (t) => {
	const host = controlPlane(t, ["label\tours\tx", "label\ttheirs\tx", "set\tours"]);
	assert.deepEqual(differences(host), ["label ours\tabsent\tx"]);
	run(host, "apply");
	assert.deepEqual(changes(host), ["annotate node k8s-node02 --overwrite kubeadm-lab/labels=", "label node k8s-node02 --overwrite ours-"]);
});
test("apply sets what is missing, takes foreign taints away, and writes down first which labels are its own", (t) => {
	const host = controlPlane(t, ["label\tkept\tx", "taint\ttheirs=1:NoSchedule", "taint\tdedicated=old:NoSchedule", "set\ta"]);
	run(host, "apply", { LABELS: ["a=1", "kept=x", "b=2"], TAINTS: ["dedicated=gpu:NoSchedule"] });
	assert.deepEqual(changes(host), [
		"annotate node k8s-node02 --overwrite kubeadm-lab/labels=a,b",
		"label node k8s-node02 --overwrite a=1 b=2",
		"taint node k8s-node02 --overwrite dedicated=gpu:NoSchedule theirs:NoSchedule-",
	]);
});
test("a Node that is not Ready is waited for, and the error says the last reason", (t) => {
	const host = controlPlane(t, [], "ready\tFalse\tKubeletNotReady: cni plugin not initialized");
	assert.deepEqual(differences(host), ["Node k8s-node02\tReady\tnot Ready: KubeletNotReady: cni plugin not initialized"]);
	const { status, stderr } = run(host, "apply", { TIMEOUT_SECONDS: 7 });
	assert.equal(status, 1);
	assert.deepEqual(changes(host), ["wait node k8s-node02 --for condition=Ready --timeout 7s"]);
	assert.match(stderr, /error: Node k8s-node02 not Ready after 7 s; last reason: KubeletNotReady: cni plugin not initialized\. See kubectl describe/);
});
test("a Node that is gone, and a host without a cluster, are one difference; apply says how it joins again", (t) => {
	const host = controlPlane(t);
	host.write("/node", "");
	assert.deepEqual(differences(host), ["Node k8s-node02\tReady\tabsent"]);
	assert.match(
		run(host, "apply").stderr,
		/Node k8s-node02 is not in the cluster any more\. To let its host join again: pulumi up --replace '\*\*-k8s-node02-worker-join'/,
	);
	assert.deepEqual(differences(new FakeHost(t)), ["Node k8s-node02\tReady\tno cluster"]);
});
test("an API server that does not answer is no difference but an error, in the same words for every Node", (t) => {
	const host = controlPlane(t);
	host.command("kubectl", "echo 'The connection to the server 172.16.1.110:6443 was refused' >&2; exit 1");
	const { status, stdout, stderr } = run(host, "check");
	assert.deepEqual([status, stdout], [1, ""]);
	assert.equal(stderr, "k8s-master node: error: the API server does not answer: The connection to the server 172.16.1.110:6443 was refused\n");
});

test("undo drains a Ready Node, so that preStop hooks run, and deletes it", (t) => {
	const host = controlPlane(t);
	assert.equal(run(host, "undo").status, 0);
	assert.deepEqual(changes(host), ["drain k8s-node02 --ignore-daemonsets --timeout 300s", "delete node k8s-node02"]);
	host.write("/node", "");
	assert.equal(run(host, "undo").status, 0);
	assert.deepEqual(changes(host), []);
});
test("undo does not wait for a dead Node's Pods", (t) => {
	const host = controlPlane(t, [], "ready\tUnknown\tNodeStatusUnknown: Kubelet stopped posting node status.");
	run(host, "undo");
	assert.deepEqual(changes(host), ["delete node k8s-node02"]);
});
test("Pods that can't be moved stop the undo with what to do, and the Node takes Pods again", (t) => {
	const host = controlPlane(t);
	host.write("/refuses", "error: cannot delete Pods declare no controller (use --force to override): default/bare\n");
	const { status, stderr } = run(host, "undo");
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: Node k8s-node02 keeps Pods that can't be moved, and stays: .*default\/bare.*kubectl drain k8s-node02 --ignore-daemonsets --force --delete-emptydir-data; then pulumi up again/,
	);
	assert.deepEqual(changes(host).slice(1), ["uncordon k8s-node02"]);
});
