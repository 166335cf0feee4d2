// Whose work it is: an undo that finds another's leaves it alone, an apply takes over what its own stack did under another name.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ID, kubeadms, preparedHost, tree, worker } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";
import { SAMPLE_HOSTS, sampleSteps } from "./verbs.ts";

const STATE = "/var/lib/kubeadm-lab";
const OWNER = "0123456789abcdef kubeadm-lab/lab k8s-node02";
const OLD_NAME = OWNER.replace("node02", "nodeo2");
const OTHER_STACK = "fedcba9876543210 kubeadm-lab/other k8s-node02";
/** The stack of the same name in another state. */
const NAMESAKE = OWNER.replace("0123", "3210");
const own = { OWNER };
const old = { OWNER: OLD_NAME };

const everyStep = [...new Set(SAMPLE_HOSTS.flatMap((host) => sampleSteps(host).map(({ step }) => step)))];
const master = (step: string) => ["init", "kubeconfig", "node", "scenario"].includes(step);
const nameFor = (step: string) => (master(step) ? "k8s-master" : "k8s-node02");
const recordsOf = (step: string) => (["init", "join", "leave"].includes(step) ? "cluster" : step);
/** Steps that record something, which their own stack may have taken over under another name. */
const recording = SAMPLE_HOSTS.flatMap((host) =>
	sampleSteps(host).flatMap(({ step, text }) => (/^(takes_no_lock|changes_nothing)\(\)/m.test(text) ? [] : [step])),
);

/** What a host looks like on which somebody has a cluster, and records of one step. */
function ownedHost(t: TestContext, step: string, owner: string): FakeHost {
	const host = preparedHost(t);
	for (const [name, text] of Object.entries({ id: ID, node: "k8s-node02", step: "join", finished: "yes", network: "", cgroups: "" }))
		host.write(`${STATE}/cluster/${name}`, text);
	host.write("/etc/kubernetes/admin.conf", "admin");
	host.write("/etc/kubernetes/kubelet.conf", "kubelet");
	host.write("/etc/hosts", "# kubeadm-lab begin\n172.16.1.110 k8s-master\n# kubeadm-lab end\n127.0.0.1 localhost\n");
	host.write("/etc/hostname", "k8s-node02\n");
	host.write("/proc/sys/kernel/hostname", "k8s-node02\n");
	host.write("/var/log/kubeadm-lab/recording/header.jsonl", "{}\n");
	host.write("/data/volumes/nginx/log/message", "another's\n");
	host.write(`${STATE}/${recordsOf(step)}/owner`, `${owner}\n`);
	host.write(`${STATE}/${recordsOf(step)}/values/host name`, "before");
	host.write(`${STATE}/${recordsOf(step)}/values/started`, "yes");
	host.write(`${STATE}/${recordsOf(step)}/files/%2Fetc%2Fhosts`, "before\n");
	for (const name of ["rpm", "yum", "modprobe", "getenforce", "hostname"]) host.command(name);
	return host;
}

for (const step of everyStep)
	for (const [whose = "", owner = ""] of [
		["another stack's", OTHER_STACK],
		["a stack's of the same name in another state", NAMESAKE],
		["its own stack's under another name", OLD_NAME],
	].filter(([, owner]) => owner !== OLD_NAME || recording.includes(step)))
		test(`undo of ${step} leaves alone what is ${whose}, says so in one line, and succeeds`, (t) => {
			const host = ownedHost(t, step, owner);
			const before = [tree(host), host.snapshot("/data"), host.snapshot("/units")];
			for (let i = 0; i < 2; i++) {
				const { status, stdout, stderr } = host.run(step, "undo", own, nameFor(step));
				assert.deepEqual([status, stdout], [0, ""], stderr);
				const [id, stack, name] = owner.split(" ");
				const line = `${nameFor(step)} ${step}: left alone: this is the work of ${name} of stack ${stack} (id ${id}), and not of k8s-node02 of stack kubeadm-lab/lab (id 0123456789abcdef)\n`;
				assert.equal(stderr.replace(/^\S+ /, `${nameFor(step)} `), line);
			}
			assert.deepEqual([tree(host), host.snapshot("/data"), host.snapshot("/units")], before);
			assert.deepEqual(host.calls(), []);
			assert.deepEqual(Object.keys(host.snapshot("/run/lock")), []);
		});

test("no undo does harm on a host that was installed anew", (t) => {
	for (const step of everyStep) {
		const host = preparedHost(t);
		for (const name of ["rpm", "yum", "modprobe", "getenforce"]) host.command(name);
		host.write("/etc/hosts", "127.0.0.1 localhost\n");
		host.write("/etc/hostname", "fresh\n");
		host.write("/proc/sys/kernel/hostname", "fresh\n");
		const before = tree(host);
		const { status, stderr } = host.run(step, "undo", own, nameFor(step));
		assert.equal(status, 0, `${step}: ${stderr}`);
		assert.deepEqual(tree(host), before, step);
		assert.deepEqual(
			host.calls().filter((call) => !/^systemctl (stop|reset-failed) -- kubeadm-lab-recorder/.test(call) && !/^rpm -q/.test(call)),
			[],
			step,
		);
	}
});

test("no apply changes a host that is another stack's", (t) => {
	for (const step of ["identity", "packages", "system", "runtime", "join", "recorder", "witness", "kubelet"])
		for (const owner of [OTHER_STACK, NAMESAKE]) {
			const host = ownedHost(t, "system", owner);
			const before = tree(host);
			const { status, stderr } = host.run(step, "apply", { ...own, ...(step === "join" ? worker() : {}) });
			assert.equal(status, 1, step);
			assert.match(
				stderr,
				/error: this host is k8s-node02 of stack kubeadm-lab\/\w+ \(id \w+\), expected nobody's or that of k8s-node02 of stack kubeadm-lab\/lab \(id 0123456789abcdef\)\. Nothing was changed\. To go on: run pulumi destroy for that stack first;/,
			);
			assert.deepEqual(tree(host), before, step);
			assert.deepEqual(host.calls(), [], step);
		}
});

function namedHost(t: TestContext): FakeHost {
	const host = preparedHost(t);
	host.write("/etc/hosts", "127.0.0.1 localhost\n");
	host.write("/etc/hostname", "bare\n");
	host.write("/proc/sys/kernel/hostname", "bare\n");
	return host;
}
test("a name that was corrected takes over what the wrong one recorded first, and the last undo gives that back", (t) => {
	const host = namedHost(t);
	const before = tree(host);
	const wrong = { ...old, HOST_NAME: "k8s-nodeo2" };
	assert.equal(host.run("identity", "apply", wrong).status, 0);
	assert.equal(host.read("/etc/hostname"), "k8s-nodeo2\n");
	assert.match(host.run("identity", "check", own).stdout, /^owner\tk8s-node02 of stack kubeadm-lab\/lab .*\tk8s-nodeo2 of stack kubeadm-lab\/lab .*$/m);
	const { status, stderr } = host.run("identity", "apply", own);
	assert.equal(status, 0, stderr);
	assert.equal(host.read(`${STATE}/identity/owner`), `${OWNER}\n`);
	assert.deepEqual([host.run("identity", "undo", wrong).status, host.read("/etc/hostname")], [0, "k8s-node02\n"]);
	assert.equal(host.run("identity", "check", own).status, 0);
	assert.equal(host.run("identity", "undo", own).status, 0);
	assert.deepEqual(tree(host), before);
});

test("the undo of a name that was corrected leaves the Node alone that the right name became", (t) => {
	const host = preparedHost(t);
	const before = tree(host);
	const cutOff = host.text("join", { ...worker(), ...old, NODE_NAME: "k8s-nodeo2" });
	const real = host.read("/bin/kubeadm");
	host.write("/bin/kubeadm", `${real}\nif [[ "$1" == join ]]; then kill -9 -- "-$(ps -o pgid= -p "$(ps -o ppid= -p $PPID | tr -d ' ')" | tr -d ' ')"; fi\n`);
	assert.notEqual(host.runInGroup(cutOff, "apply"), 0);
	assert.equal(host.read(`${STATE}/cluster/owner`), `${OLD_NAME}\n`);
	host.write("/bin/kubeadm", real);
	const { status, stderr } = host.run("join", "apply", worker(own));
	assert.equal(status, 0, stderr);
	const joined = tree(host);
	for (const answer of [host.run("leave", "undo", { ...old, HOST_NAME: "k8s-nodeo2" }), host.bash(cutOff, "undo")]) {
		assert.equal(answer.status, 0);
		assert.match(answer.stderr, /^k8s-nodeo2 \w+: left alone: this is the work of k8s-node02 of stack kubeadm-lab\/lab .*\n$/);
	}
	assert.deepEqual(tree(host), joined);
	assert.deepEqual(kubeadms(host), ["join", "reset", "join"]);
	assert.equal(host.run("leave", "undo", own).status, 0);
	assert.deepEqual(tree(host), before);
});

test("a Node that is finished is not taken over by another name of its stack", (t) => {
	const host = preparedHost(t);
	host.run("join", "apply", worker(own));
	const before = tree(host);
	const { status, stderr } = host.run("join", "apply", worker({ ...old, NODE_NAME: "k8s-nodeo2" }));
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: this host is Node k8s-node02 of sample-172\.16\.1\.110, expected k8s-nodeo2 or none\. Nothing was changed\. A Node can't be renamed/,
	);
	assert.deepEqual(tree(host), before);
});

test("records of a version before this name no owner: the next apply does, and a reset asks for the cluster and the Node", (t) => {
	const host = namedHost(t);
	const before = tree(host);
	host.run("identity", "apply");
	host.run("join", "apply", worker());
	assert.equal(host.exists(`${STATE}/identity/owner`) || host.exists(`${STATE}/cluster/owner`), false);
	const joined = tree(host);
	for (const [name, value] of [
		["CLUSTER_ID", "other-172.16.1.110"],
		["HOST_NAME", "k8s-nodeo2"],
	] as const) {
		const { status, stderr } = host.run("leave", "undo", { ...own, [name]: value });
		assert.equal(status, 0);
		assert.match(stderr, /left alone: this host is Node k8s-node02 of sample-172\.16\.1\.110, and not k8s-node\w2 of \w+-172\.16\.1\.110\n$/);
		assert.deepEqual(tree(host), joined);
	}
	assert.equal(host.run("identity", "check", own).status, 0, "nothing to change");
	assert.equal(host.run("identity", "apply", own).status, 0);
	assert.equal(host.run("join", "apply", worker(own)).status, 0);
	for (const step of ["identity", "cluster"]) assert.equal(host.read(`${STATE}/${step}/owner`), `${OWNER}\n`);
	assert.deepEqual(kubeadms(host), ["join"]);
	assert.equal(host.run("leave", "undo", own).status, 0);
	assert.equal(host.run("identity", "undo", own).status, 0);
	assert.deepEqual(tree(host), before);
});

test("a join that fails because the kubelet has another name says which, and where it comes from", (t) => {
	const host = preparedHost(t);
	host.write(
		"/bin/kubeadm",
		`${host.read("/bin/kubeadm")}\nif [[ "$1" == join ]]; then mkdir -p "$r/var/lib/kubelet/pki"; : >"$r/var/lib/kubelet/pki/kubelet-client-current.pem"; exit 1; fi\n`,
	);
	host.command("openssl", "echo 'subject=O = system:nodes, CN = system:node:oldname'");
	host.write("/etc/sysconfig/kubelet", "KUBELET_EXTRA_ARGS=--hostname-override=oldname\n");
	const { status, stderr } = host.run("join", "apply", worker(own));
	assert.equal(status, 1);
	assert.match(
		stderr,
		/the kubelet registered as Node oldname, expected k8s-node02: take --hostname-override out of \/etc\/sysconfig\/kubelet, then run again/,
	);
});
