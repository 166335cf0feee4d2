// kubeadm join: its token, its bounds, and a worker that is in this cluster already, or in an older one.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stepText } from "../../cluster/step-text.ts";
import { DISCOVERY, HASH, ID, kubeadms, preparedHost, TOKEN, tree, worker } from "./cluster-host.ts";
import { withFiles } from "./fake-host.ts";
import { stepFile } from "./shell-files.ts";

test("join hands its configuration over in a 0600 file that is gone afterwards, and never on a command line", (t) => {
	const host = preparedHost(t);
	const { status, stdout, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 0, stderr);
	assert.equal(stdout, "k8s-node02 v1.29.15\n");
	assert.equal(host.read("/config-mode"), "600\n");
	assert.match(host.read("/config-seen"), new RegExp(TOKEN));
	assert.equal(host.exists("/run/kubeadm-lab-join.yaml"), false);
	assert.doesNotMatch(host.calls().join("\n") + stderr + JSON.stringify(tree(host)), new RegExp(TOKEN));
});

test("join leaves a joined worker untouched, also with a new token", (t) => {
	const host = preparedHost(t);
	host.run("join", "apply", worker());
	const before = tree(host);
	assert.equal(host.run("join", "apply", worker({ JOIN_CONFIG: DISCOVERY.replace(TOKEN, "fedcba.fedcba9876543210") })).status, 0);
	assert.deepEqual(tree(host), before);
	assert.deepEqual(kubeadms(host), ["join"]);
	assert.equal(host.run("join", "check", worker()).status, 0);
});

test("a worker of a cluster that has been made anew leaves the old one and joins", (t) => {
	const host = preparedHost(t);
	host.run("join", "apply", worker());
	const anew = worker({ JOIN_CONFIG: DISCOVERY.replace(HASH, `sha256:${"cd".repeat(32)}`) });
	assert.equal(host.run("join", "check", anew).status, 3);
	assert.equal(host.run("join", "apply", anew).status, 0);
	assert.deepEqual(kubeadms(host), ["join", "reset", "join"]);
});

test("a worker that takes longer to leave its old cluster than a join may take joins all the same", (t) => {
	const host = preparedHost(t);
	host.run("join", "apply", worker());
	host.write("/bin/kubeadm", host.read("/bin/kubeadm").replace("case", '[[ "$1" != reset ]] || sleep 3\ncase'));
	const { status, stderr } = host.run("join", "apply", worker({ JOIN_CONFIG: DISCOVERY.replace(HASH, `sha256:${"cd".repeat(32)}`), TIMEOUT_SECONDS: 2 }));
	assert.equal(status, 0, stderr);
	assert.deepEqual(kubeadms(host), ["join", "reset", "join"]);
});

for (const seconds of [0, -3])
	test(`kubeadm with ${seconds} s left has a bound all the same`, (t) => {
		const host = preparedHost(t);
		host.command("kubeadm", "sleep 60");
		const run = `IGNORE_PREFLIGHT_ERRORS=()\nundo() { :; }\ncheck() { :; }\napply() { mkdir -p "\${CLUSTER}"; begin_kubeadm ${seconds} text join || printf 'ended'; }`;
		const script = withFiles(run, ["cluster-signs.sh", "folders.sh", "network-rules.sh", "kubectl.sh", "reset.sh", "kubeadm.sh"]);
		const start = performance.now();
		assert.equal(host.bash(`NODE_NAME=x\n${script}`, "apply").stdout, "ended");
		assert.ok(performance.now() - start < 20_000);
		assert.ok(
			host.calls().some((call) => call.startsWith("kubeadm join --config ")),
			"it ran",
		);
	});

test("join undo gives the worker back, and marks its Node as not Ready first", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	host.command(
		"kubectl",
		`case "$*" in *"get --raw"*) echo '{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"True"}]}' ;; *replace*) cat >"\${KUBEADM_LAB_ROOT}/sent" ;; esac`,
	);
	host.run("join", "apply", worker());
	host.forgetCalls();
	for (let i = 0; i < 2; i++) {
		const { status, stderr } = host.run("join", "undo", worker());
		assert.equal(status, 0, stderr);
		assert.deepEqual(tree(host), before);
	}
	const order = host.calls().filter((call) => /stop kubelet|replace --raw|kubeadm reset/.test(call));
	assert.equal(order.length, 3);
	assert.match(order[0] ?? "", /^systemctl stop kubelet/);
	assert.match(order[1] ?? "", /replace --raw \/api\/v1\/nodes\/k8s-node02\/status -f -$/);
	assert.equal(host.read("/sent"), '{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"Unknown"}]}\n');
	assert.match(
		order[2] ?? "",
		/^kubeadm reset --force --skip-phases remove-etcd-member --kubeconfig \S+\/none --cri-socket unix:\/\/\/run\/containerd\/containerd\.sock$/,
	);
});

test("join waits while a Node of its name is still Ready from before", (t) => {
	const host = preparedHost(t);
	host.command("sleep");
	const refuses = `r="\${KUBEADM_LAB_ROOT}"; if [[ "$1" == join && -e "$r/etc/kubernetes/pki/ca.crt" ]]; then echo 'ca.crt already there'; exit 1; fi
if [[ "$1" == join && ! -e "$r/once" ]]; then mkdir -p "$r/etc/kubernetes/pki"; : >"$r/etc/kubernetes/pki/ca.crt"; : >"$r/once"; echo 'error: a Node with name "k8s-node02" and status "Ready" already exists in the cluster.'; exit 1; fi`;
	const [head, ...rest] = host.read("/bin/kubeadm").split("\n");
	host.write("/bin/kubeadm", [head, refuses, ...rest].join("\n"));
	const { status, stderr } = host.run("join", "apply", worker({ TIMEOUT_SECONDS: 60 }));
	assert.equal(status, 0, stderr);
	assert.match(stderr, /Node k8s-node02 is still Ready from before; trying again in 5 s/);
});

test("join does not wait for flannel, which may have to wait for its end", (t) => {
	const host = preparedHost(t);
	host.write("/bin/kubeadm", `${host.read("/bin/kubeadm")}\nrm -f "\${KUBEADM_LAB_ROOT}/run/flannel/subnet.env"\n`);
	const { status, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 0, stderr);
	assert.equal(host.exists("/run/flannel/subnet.env"), false);
});

test("a clock that is off from the control plane's stops a join before it changes anything", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	host.command("curl", `printf 'HTTP/2 200\\r\\ndate: %s\\r\\n\\r\\n' "$(date -u -d '1 hour ago' '+%a, %d %b %Y %H:%M:%S GMT')"`);
	const { status, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: clock: 3\d\d\d s from the control plane's \(172\.16\.1\.110:6443\), expected at most 5 s\. Set it: chronyc makestep, or date -s/,
	);
	assert.deepEqual(tree(host), before);
});

test("a Node that has another Pod CIDR is an error at once, not after the bound", (t) => {
	const host = preparedHost(t);
	host.command(
		"kubectl",
		`case "$*" in *podCIDRs*) echo 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid' >&2; exit 1 ;; *get*) printf 10.244.9.0/24 ;; esac`,
	);
	const { status, stderr } = host.run("join", "apply", worker({ TIMEOUT_SECONDS: 300 }));
	assert.equal(status, 1);
	assert.match(stderr, /error: Node k8s-node02 has another Pod CIDR than 10\.244\.2\.0\/24, and it can't change: 10\.244\.9\.0\/24\./);
});

test("one more control plane joins as one, and says so ever after; another role is refused before anything is changed", (t) => {
	const host = preparedHost(t);
	const asControlPlane = { ROLE: "control-plane" };
	assert.equal(host.run("join", "apply", worker(asControlPlane)).status, 0);
	assert.equal(host.read("/var/lib/kubeadm-lab/cluster/role"), "control-plane");
	assert.equal(host.run("join", "check", worker(asControlPlane)).status, 0);
	const before = tree(host);
	const { status, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 1);
	assert.match(stderr, /this host is a control-plane of \S+, expected a worker, or none\. Nothing was changed\. Take it out of hosts, run pulumi up, then/);
	assert.deepEqual(tree(host), before);
});

test("with no more than the hand-over of certificates sends, check tells whether a join is due, and whether one was cut off", (t) => {
	const host = preparedHost(t);
	const text = stepText(stepFile("join"), { CLUSTER_ID: ID, NODE_NAME: "k8s-node02", ROLE: "control-plane", JOIN_CONFIG: HASH, TIMEOUT_SECONDS: 300 }); // cluster/hand-over.ts
	const items = () => {
		const { status, stdout, stderr } = host.sent(text, "check");
		assert.equal(status, stdout === "" ? 0 : 3, stderr);
		return stdout.split("\n").map((line) => line.split("\t")[0]);
	};
	assert.ok(items().includes("cluster") && !items().includes("join"));
	host.run("join", "apply", worker({ ROLE: "control-plane" }));
	assert.deepEqual(items(), [""]);
	rmSync(join(host.root, "var/lib/kubeadm-lab/cluster/finished"));
	assert.ok(items().includes("cluster") && items().includes("join"));
	assert.equal(host.sent(text, "undo").status, 0);
	assert.equal(host.exists("/var/lib/kubeadm-lab/cluster"), false);
});

test("a Node asks the API under another address where the control planes answer there: its kubelet is restarted once, and no join is done", (t) => {
	const host = preparedHost(t);
	host.run("join", "apply", worker());
	host.write("/etc/kubernetes/kubelet.conf", "clusters:\n- cluster:\n    server: https://172.16.1.110:6443\n");
	host.command("curl", "exit 0");
	host.write("/var/lib/kubeadm-lab/cluster/kubelet/files/%2Fetc%2Fkubernetes%2Fkubelet.conf", "as the kubelet step kept it\n");
	const behind = worker({ JOIN_CONFIG: DISCOVERY.replace("172.16.1.110:6443", "172.16.1.100:8443") });
	assert.equal(host.run("join", "check", behind).stdout, "API server\thttps://172.16.1.100:8443\thttps://172.16.1.110:6443\n");
	host.forgetCalls();
	for (let i = 0; i < 2; i++) assert.equal(host.run("join", "apply", behind).status, 0);
	assert.equal(host.read("/etc/kubernetes/kubelet.conf"), "clusters:\n- cluster:\n    server: https://172.16.1.100:8443\n");
	assert.equal(host.read("/var/lib/kubeadm-lab/cluster/kubelet/files/%2Fetc%2Fkubernetes%2Fkubelet.conf"), host.read("/etc/kubernetes/kubelet.conf"));
	assert.deepEqual(
		host.calls().filter((call) => /^(kubeadm|systemctl restart)/.test(call)),
		["systemctl restart -- kubelet.service"],
	);
});
