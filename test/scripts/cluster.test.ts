import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const HASH = `sha256:${"ab".repeat(32)}`;
const TOKEN = "abcdef.0123456789abcdef";
const ID = "sample-172.16.1.110";
const DISCOVERY = `criSocket: "unix:///run/containerd/containerd.sock"
apiServerEndpoint: "172.16.1.110:6443"
token: ${TOKEN}
caCertHashes: ["${HASH}"]`;
const master = { changes: { POD_CIDR: "10.244.0.0/24" }, name: "k8s-master" };

/** A prepared host; its kubeadm leaves what the real one leaves, and prints a token where it should not. */
function preparedHost(t: TestContext): FakeHost {
	const host = new FakeHost(t);
	for (const folder of ["/etc/kubernetes/manifests", "/etc/cni/net.d", "/opt/cni/bin", "/var/log", "/var/lib"]) host.write(`${folder}/.theirs`, "theirs");
	host.write("/etc/cni/net.d/87-podman.conflist", "theirs");
	host.write("/opt/cni/bin/bridge", "theirs");
	host.write("/sys/class/net/eth0/address", "");
	host.write("/proc/sys/kernel/panic", "0\n");
	host.command(
		"kubeadm",
		`r="\${KUBEADM_LAB_ROOT}"
case "$1" in
init)
  mkdir -p "$r"/var/lib/etcd/member "$r"/etc/kubernetes/pki "$r"/var/lib/kubelet "$r"/var/log/pods/p
  : >"$r/etc/kubernetes/admin.conf"; : >"$r/etc/kubernetes/kubelet.conf"; : >"$r/etc/kubernetes/manifests/etcd.yaml"; echo 10 >"$r/proc/sys/kernel/panic"
  echo "kubeadm join 172.16.1.110:6443 --token ${TOKEN} --discovery-token-ca-cert-hash ${HASH}" ;;
join)
  stat -c %a "$3" >"$r/config-mode"; cat "$3" >"$r/config-seen"
  mkdir -p "$r"/var/lib/kubelet "$r"/run/flannel "$r"/etc/kubernetes/pki; : >"$r/etc/kubernetes/kubelet.conf"; echo FLANNEL >"$r/run/flannel/subnet.env"
  : >"$r/etc/cni/net.d/10-flannel.conflist"; : >"$r/opt/cni/bin/flannel"; systemctl start kubelet ;;
esac`,
	);
	host.command("kubelet", "echo 'Kubernetes v1.29.15'");
	for (const name of ["kubectl", "crictl", "journalctl", "iptables-save", "ip6tables-save", "iptables-nft-save", "ip6tables-nft-save"]) host.command(name);
	host.command("curl", "exit 7");
	return host;
}
const worker = (changes = {}) => ({ JOIN_CONFIG: DISCOVERY, TIMEOUT_SECONDS: 2, ...changes });
const init = (host: FakeHost, verb: string, changes = {}) => host.run("init", verb, { ...master.changes, ...changes }, master.name);
const tree = (host: FakeHost) =>
	Object.fromEntries(
		["/etc", "/opt", "/var", "/run", "/proc"].flatMap((folder) => Object.entries(host.snapshot(folder))).filter(([path]) => !path.startsWith("/run/lock/")),
	);
const kubeadms = (host: FakeHost) =>
	host
		.calls()
		.filter((call) => call.startsWith("kubeadm"))
		.map((call) => call.split(" ")[1]);

test("init prints the CA's hash and the Node with its version, and no token", (t) => {
	const host = preparedHost(t);
	const { status, stdout, stderr } = init(host, "apply");
	assert.equal(status, 0, stderr);
	assert.equal(stdout, `${HASH}\nk8s-master v1.29.15\n`);
	assert.doesNotMatch(stderr, new RegExp(TOKEN));
	assert.match(stderr, /--token <token> /);
	assert.ok(host.calls().some((call) => /kubectl .* patch node k8s-master --patch \{"spec":\{"podCIDR":"10\.244\.0\.0\/24"/.test(call)));
	assert.ok(host.calls().some((call) => /kubectl .* delete secret --field-selector type=bootstrap\.kubernetes\.io\/token$/.test(call)));
});

test("a second init changes nothing and prints the same", (t) => {
	const host = preparedHost(t);
	const first = init(host, "apply");
	const before = tree(host);
	const second = init(host, "apply");
	assert.deepEqual([second.status, second.stdout], [0, first.stdout]);
	assert.deepEqual(tree(host), before);
	assert.deepEqual(kubeadms(host), ["init"]);
});

test("init with another configuration leaves the cluster as it is, and says so", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	const { status, stderr } = init(host, "apply", { KUBEADM_CONFIG: "kind: ClusterConfiguration\n" });
	assert.equal(status, 0);
	assert.match(stderr, /kubeadm configuration: not the one that made this cluster; the cluster stays as it is\. To use the new one: destroy, then up/);
	assert.deepEqual(kubeadms(host), ["init"]);
});

test("a cluster whose API server does not answer is never reset", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	host.command("kubectl", "echo 'connection refused' >&2; exit 1");
	const before = tree(host);
	const { status, stderr } = init(host, "apply", { TIMEOUT_SECONDS: 1 });
	assert.equal(status, 1);
	assert.match(stderr, /the cluster is there, but its API server has not answered in 1 s; last: connection refused\. It was not reset\./);
	assert.deepEqual(tree(host), before);
	assert.equal(init(host, "check").status, 3);
});

test("init undo takes away all that came since, and nothing that was there before", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	init(host, "apply");
	for (let i = 0; i < 2; i++) {
		const { status, stderr } = init(host, "undo");
		assert.equal(status, 0, stderr);
		assert.deepEqual(tree(host), before);
	}
	assert.equal(init(host, "check").status, 3);
	assert.deepEqual(kubeadms(host), ["init", "reset"]);
});

test("somebody else's cluster is not touched", (t) => {
	const host = preparedHost(t);
	host.write("/etc/kubernetes/kubelet.conf", "    server: https://192.0.2.5:6443\n");
	const before = tree(host);
	for (const answer of [init(host, "apply"), host.run("join", "apply", worker())]) {
		assert.equal(answer.status, 1);
		assert.match(
			answer.stderr,
			/this host is in a cluster that is not sample-172\.16\.1\.110: found \/etc\/kubernetes\/kubelet\.conf \(https:\/\/192\.0\.2\.5:6443\); expected none\. Nothing was changed\./,
		);
	}
	init(host, "undo");
	host.run("join", "undo", worker());
	assert.deepEqual(tree(host), before);
	assert.deepEqual(kubeadms(host), []);
});

test("a host in another cluster of ours is not touched", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	const before = tree(host);
	const { status, stderr } = init(host, "apply", { CLUSTER_ID: "other-172.16.1.110" });
	assert.equal(status, 1);
	assert.match(stderr, /this host is in cluster sample-172\.16\.1\.110, expected other-172\.16\.1\.110 or none\. Nothing was changed\./);
	assert.deepEqual(tree(host), before);
});

test("a finished control plane is not reset because its role has changed", (t) => {
	const host = preparedHost(t);
	init(host, "apply");
	const before = tree(host);
	const { status, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 1);
	assert.match(stderr, /this host is in sample-172\.16\.1\.110 by init, expected join or nothing\. Nothing was changed\./);
	assert.deepEqual(tree(host), before);
});

test("an init that was killed half-way is reset and done again", (t) => {
	const host = preparedHost(t);
	const real = host.read("/bin/kubeadm");
	const before = tree(host);
	// kubeadm's parent is timeout, whose parent is the pipeline's part of the script.
	host.write("/bin/kubeadm", `${real}\nif [[ "$1" == init ]]; then kill -9 -- "-$(ps -o pgid= -p "$(ps -o ppid= -p $PPID | tr -d ' ')" | tr -d ' ')"; fi\n`);
	assert.notEqual(host.runInGroup(host.text("init", master.changes, master.name), "apply"), 0);
	assert.equal(host.read("/var/lib/kubeadm-lab/cluster/id"), ID);
	assert.equal(init(host, "check").stdout, `cluster\t${ID}\t${ID} (half-done)\n`);
	host.write("/bin/kubeadm", real);
	const { status, stderr } = init(host, "apply");
	assert.equal(status, 0, stderr);
	assert.deepEqual(kubeadms(host), ["init", "reset", "init"]);
	assert.equal(init(host, "check").status, 0);
	init(host, "undo");
	assert.deepEqual(tree(host), before);
});

test("an init that fails gives the host back at once, after showing why", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	host.write(
		"/bin/kubeadm",
		`${host.read("/bin/kubeadm")}\nif [[ "$1" == init ]]; then echo "[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2"; exit 1; fi\n`,
	);
	const { status, stderr } = init(host, "apply");
	assert.equal(status, 1);
	assert.match(stderr, /error: kubeadm init failed \(bound: 300 s\): \[ERROR NumCPU\]: the number of available CPUs 1 is less than the required 2/);
	assert.deepEqual(tree(host), before);
	assert.ok(host.calls().some((call) => call.startsWith("journalctl -u kubelet")));
});

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
	const refuses = `if [[ "$1" == join && ! -e "\${KUBEADM_LAB_ROOT}/once" ]]; then : >"\${KUBEADM_LAB_ROOT}/once"; echo 'error: a Node with name "k8s-node02" and status "Ready" already exists in the cluster.'; exit 1; fi`;
	const [head, ...rest] = host.read("/bin/kubeadm").split("\n");
	host.write("/bin/kubeadm", [head, refuses, ...rest].join("\n"));
	const { status, stderr } = host.run("join", "apply", worker({ TIMEOUT_SECONDS: 60 }));
	assert.equal(status, 0, stderr);
	assert.match(stderr, /Node k8s-node02 is still Ready from before; trying again in 5 s/);
	assert.deepEqual(kubeadms(host), ["join", "reset", "join"]);
});

test("join without flannel says what it last saw, and gives the worker back", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	host.write("/bin/kubeadm", `${host.read("/bin/kubeadm")}\nrm -f "\${KUBEADM_LAB_ROOT}/run/flannel/subnet.env"\n`);
	host.command("kubectl", `case "$*" in *"get node"*) echo 'False KubeletNotReady: cni plugin not initialized' ;; esac`);
	const { status, stderr } = host.run("join", "apply", worker());
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: flannel has not started on this host: no \/run\/flannel\/subnet\.env within 2 s; Node Ready: False KubeletNotReady: cni plugin not initialized\. See kubectl -n kube-flannel get pods -o wide/,
	);
	assert.deepEqual(tree(host), before);
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

test("runtime undo first resets a cluster that a killed run left behind", (t) => {
	const host = preparedHost(t);
	host.write("/units/containerd.active", "inactive\n");
	host.run("runtime", "apply");
	host.run("join", "apply", worker());
	host.forgetCalls();
	assert.equal(host.run("runtime", "undo").status, 0);
	assert.deepEqual(kubeadms(host), ["reset"]);
	assert.equal(host.exists("/etc/kubernetes/kubelet.conf"), false);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	assert.equal(host.read("/units/containerd.active"), "inactive\n");
});

test("token prints a token and the CA's hash, and nothing else anywhere", (t) => {
	const host = preparedHost(t);
	host.command("kubeadm", `echo "kubeadm join 172.16.1.110:6443 --token ${TOKEN} --discovery-token-ca-cert-hash ${HASH} "`);
	assert.equal(host.run("token", "apply", {}, "k8s-master").status, 1);
	host.write("/etc/kubernetes/admin.conf", "admin\n");
	const { status, stdout, stderr } = host.run("token", "apply", {}, "k8s-master");
	assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${TOKEN}\n${HASH}\n`, stderr: "" });
	assert.equal(host.run("kubeconfig", "apply", {}, "k8s-master").stdout, "admin\n");
});
