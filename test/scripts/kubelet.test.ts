// A Node's kubelet: the files that kubeadm wrote for it are kept as they were, and it runs.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ID, preparedHost } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";
import { CLIENT, CONFIG, certificate, conf, controlPlane, FLAGS, good, MANIFEST, member, playRenewal, SUBNET, soon } from "./member-host.ts";

const run = (host: FakeHost, verb = "apply") => {
	host.forgetCalls();
	return host.run("kubelet", verb);
};
const differences = (host: FakeHost) => {
	const { status, stdout, stderr } = run(host, "check");
	assert.equal(status, stdout === "" ? 0 : 3, stderr);
	return stdout.trimEnd().split("\n");
};
const acts = (host: FakeHost) => host.calls().filter((call) => !/^curl|^kubectl|^crictl .* ps /.test(call));

test("the first apply keeps what kubeadm wrote, and restarts nothing", (t) => {
	const host = member(t);
	assert.deepEqual(differences(host), ["kubeadm's files\tkept\tnot kept"]);
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(acts(host), []);
	assert.deepEqual(differences(host), [""]);
	assert.equal(statSync(join(host.root, "/var/lib/kubeadm-lab/cluster/kubelet/files")).mode & 0o777, 0o700, "a kubeconfig is among them");
	assert.equal(host.exists("/run/lock/kubeadm-lab-kubelet.lock"), false, "nothing stays after the reset");
});
test("a new worker's first apply waits until the control plane has taken its own taint away, and no later one, and no control plane", (t) => {
	const host = member(t);
	host.write("/open", "Ready True node.kubernetes.io/not-ready");
	const opens = spawn("sh", ["-c", `sleep 1; printf 'Ready True' >"$1"`, "-", join(host.root, "open")]);
	t.after(() => opens.kill());
	const from = performance.now();
	host.run("kubelet", "apply");
	assert.ok(performance.now() - from > 900, "it did not wait");
	host.write("/open", "Ready False node.kubernetes.io/not-ready");
	host.run("kubelet", "apply");
	const controlPlane = member(t, "init");
	controlPlane.write("/open", "Ready False node.kubernetes.io/not-ready");
	controlPlane.run("kubelet", "apply");
});
test("a Node on which flannel has not started is waited for, and told with what its kubelet last reported", (t) => {
	const host = member(t);
	rmSync(join(host.root, SUBNET));
	host.command("kubectl", "echo '2026-11-27T10:00:00Z False KubeletNotReady: cni plugin not initialized'");
	const { status, stderr } = host.run("kubelet", "apply", { TIMEOUT_SECONDS: 1 });
	assert.equal(status, 1);
	assert.match(
		stderr,
		/error: flannel has not started on this host: no \/run\/flannel\/subnet\.env within 1 s; Node Ready: \S+ False KubeletNotReady: cni plugin not initialized\. See kubectl -n kube-flannel get pods -o wide/,
	);
	assert.deepEqual(differences(host), [`file ${SUBNET}\tpresent\tabsent`]);
	host.write(SUBNET, "FLANNEL_NETWORK=10.244.0.0/16\n");
	assert.equal(run(host).status, 0);
	assert.deepEqual(differences(host), [""]);
});
test("super-admin.conf may be kept elsewhere than on the host", (t) => {
	const host = controlPlane(t);
	run(host);
	rmSync(join(host.root, "etc/kubernetes/super-admin.conf"));
	assert.deepEqual(differences(host), [""]);
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(acts(host), []);
	rmSync(join(host.root, "etc/kubernetes/scheduler.conf"));
	assert.deepEqual(differences(host), ["certificate /etc/kubernetes/scheduler.conf\tgood for 30 days\tabsent"], "others are needed");
});
test("changed flags are put back and restart the kubelet, once", (t) => {
	const host = member(t);
	run(host);
	host.write(FLAGS, "KUBELET_KUBEADM_ARGS=--other\n");
	assert.match(differences(host).join("\n"), /^file \/var\/lib\/kubelet\/kubeadm-flags\.env\tsha256 \w{12}\tsha256 \w{12}$/);
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(acts(host), ["systemctl reset-failed -- kubelet.service", "systemctl restart -- kubelet.service"]);
	assert.equal(host.read(FLAGS), `as kubeadm wrote ${FLAGS}\n`);
	run(host);
	assert.deepEqual(acts(host), []);
});
test("a control plane that somebody has upgraded is drift, and never put back: an older etcd does not start with a newer one's data", (t) => {
	for (const [name, was, is] of [
		["etcd", "registry.k8s.io/etcd:3.5.24-0", "registry.k8s.io/etcd:3.6.5-0"],
		["kube-apiserver", "host:5000/kube-apiserver:v1.33.13", "host:5000/kube-apiserver:v1.34.10"],
	] as const) {
		const path = `/etc/kubernetes/manifests/${name}.yaml`;
		const host = controlPlane(t);
		host.write(path, `    image: ${was}\n`);
		run(host);
		host.write(path, `    image: ${is}\n`);
		host.write(FLAGS, "KUBELET_KUBEADM_ARGS=--other\n");
		assert.ok(differences(host).some((line) => line.startsWith(`file ${path}\t`)));
		const { status, stderr } = run(host);
		assert.equal(status, 1);
		assert.match(
			stderr,
			/error: \S+ has version \S+, expected \S+: somebody has upgraded this control plane, and it can't go back\. Nothing was changed\. Set kubernetesVersion/,
		);
		assert.deepEqual([host.read(path), host.read(FLAGS)], [`    image: ${is}\n`, "KUBELET_KUBEADM_ARGS=--other\n"]);
		host.write(path, `    image: ${was.replace(/(\d)(-0)?$/, "0$2")}\n`);
		assert.equal(run(host).status, 0, "an older one is put back");
		assert.equal(host.read(path), `    image: ${was}\n`);
	}
});
test("a kubelet whose file was replaced while it runs, by another version's package, is drift, and started anew once", (t) => {
	const host = member(t);
	run(host);
	host.write(
		"/bin/systemctl",
		host
			.read("/bin/systemctl")
			.replace(
				"#!/bin/bash\n",
				`#!/bin/bash\n[[ "$1" != show ]] || { echo MainPID=4711; exit; }\n[[ "$1" != restart ]] || ln -sfn /usr/bin/kubelet "\${KUBEADM_LAB_ROOT}/proc/4711/exe"\n`,
			),
	);
	mkdirSync(join(host.root, "proc/4711"), { recursive: true });
	symlinkSync("/usr/bin/kubelet", join(host.root, "proc/4711/exe"));
	assert.deepEqual(differences(host), [""]);
	rmSync(join(host.root, "proc/4711/exe"));
	symlinkSync("/usr/bin/kubelet (deleted)", join(host.root, "proc/4711/exe"));
	assert.deepEqual(differences(host), ["kubelet running\tactive\tactive, from a file that was replaced since"]);
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.ok(acts(host).includes("systemctl restart -- kubelet.service"));
	assert.deepEqual(differences(host), [""]);
});
test("of several control planes the first one's own API server is looked at too", (t) => {
	const host = controlPlane(t);
	run(host);
	host.command("curl", `[[ "$*" != *6443/readyz* ]]`);
	assert.deepEqual(differences(host), [""], "of one alone all else tells it");
	host.write("/var/lib/kubeadm-lab/endpoint/owner", "");
	assert.deepEqual(differences(host), ["API server\tready\tno answer"]);
});
test("a Node that is still of another version is a difference, and its host's own step is what brings it there", (t) => {
	const host = member(t);
	run(host);
	assert.equal(host.run("kubelet", "check", { KUBERNETES_VERSION: "1.30.14" }).stdout, "Kubernetes\t1.30.14\t1.29.15\n");
	host.write("/var/lib/kubeadm-lab/cluster/version", "1.30.14");
	assert.equal(host.run("kubelet", "check", { KUBERNETES_VERSION: "1.30.14" }).status, 0);
});
test("a static Pod's manifest and a file's mode are put back without a restart of the kubelet", (t) => {
	const host = controlPlane(t);
	chmodSync(join(host.root, CONFIG), 0o644);
	assert.equal(run(host).status, 0);
	host.write(MANIFEST, "changed\n");
	chmodSync(join(host.root, CONFIG), 0o600);
	assert.deepEqual(
		differences(host).map((line) => line.split("\t")[0]),
		[`file ${MANIFEST}`, `mode ${CONFIG}`],
	);
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(acts(host), []);
	assert.equal(host.read(MANIFEST), `as kubeadm wrote ${MANIFEST}\n`);
	assert.deepEqual(
		Object.keys(host.snapshot("/etc/kubernetes/manifests")),
		["/etc/kubernetes/manifests/.theirs", MANIFEST],
		"nothing else for the kubelet to run",
	);
});
test("a kubelet that is stopped is started, and one that hangs is restarted", (t) => {
	const host = member(t);
	run(host);
	host.write("/units/kubelet.active", "inactive\n");
	assert.deepEqual(differences(host), ["kubelet running\tactive\tinactive"]);
	run(host);
	assert.deepEqual(acts(host).slice(-1), ["systemctl start -- kubelet.service"]);
	host.write("/hangs", "");
	assert.deepEqual(differences(host), ["kubelet running\tactive\tno answer at http://127.0.0.1:10248/healthz"]);
	host.write("/bin/systemctl", host.read("/bin/systemctl").replace("start | restart)", `start | restart) rm -f "\${KUBEADM_LAB_ROOT}/hangs";`));
	assert.equal(run(host).status, 0);
	assert.deepEqual(acts(host).slice(-1), ["systemctl restart -- kubelet.service"]);
});
test("a kubelet that was started is waited for until its Node is Ready again; what it reported before does not count", (t) => {
	const host = member(t);
	run(host);
	host.write("/units/kubelet.active", "inactive\n");
	const answers = [
		'"2020-01-01T00:00:00Z True KubeletReady: as before"',
		'"$now False KubeletNotReady: status check may not have completed yet"',
		'"$now True KubeletReady: posting"',
	];
	host.command(
		"kubectl",
		`now="$(date -u +%FT%TZ)" answers=(${answers.join(" ")}); i="$(cat "\${KUBEADM_LAB_ROOT}/asked" 2>/dev/null || echo 0)"; echo $((i + 1)) >"\${KUBEADM_LAB_ROOT}/asked"; printf %s "\${answers[i]}"`,
	);
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.equal(host.read("/asked"), "3\n");
	assert.doesNotMatch(stderr, /Node k8s-node02/);
});
test("an API server that does not answer is told, and not waited for", (t) => {
	const host = member(t);
	run(host);
	host.write("/units/kubelet.active", "inactive\n");
	host.command("kubectl", "echo 'The connection to the server was refused' >&2; exit 1");
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.equal(host.calls().filter((call) => call.startsWith("kubectl")).length, 1);
	assert.match(stderr, /Node k8s-node02 after the start of its kubelet: The connection to the server was refused/);
});
test("the kubelet's own certificate is renewed by its restart", (t) => {
	const host = member(t);
	run(host);
	host.write(CLIENT, soon);
	assert.match(differences(host).join("\n"), /^certificate \/var\/lib\/kubelet\/pki\/kubelet-client-current\.pem\tgood for 30 days\tuntil \w{3} .* GMT$/);
	host.write("/good", good);
	host.write(
		"/bin/systemctl",
		host.read("/bin/systemctl").replace("start | restart)", `start | restart) cp "\${KUBEADM_LAB_ROOT}/good" "\${KUBEADM_LAB_ROOT}${CLIENT}";`),
	);
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(acts(host).slice(-1), ["systemctl restart -- kubelet.service"]);
});
test("a static Pod whose certificate was renewed is restarted by the next apply, where this one failed before it", (t) => {
	const host = controlPlane(t);
	run(host);
	for (const name of ["controller-manager", "scheduler"]) host.write(`/etc/kubernetes/${name}.conf`, conf(soon));
	const [manager, scheduler] = ["kube-controller-manager", "kube-scheduler"];
	playRenewal(host);
	const failed = run(host);
	assert.equal(failed.status, 1);
	assert.match(failed.stderr, /error: kubeadm certs renew scheduler\.conf failed/);
	assert.deepEqual(
		differences(host).map((line) => line.split("\t")[0]),
		[`${manager} restart`, `${scheduler} restart`, "certificate /etc/kubernetes/scheduler.conf"],
	);
	host.write("/works", "");
	const { status, stderr } = run(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(
		acts(host).map((call) => call.replace(/^crictl --runtime-endpoint \S+ /, "")),
		["kubeadm certs renew scheduler.conf", `stop ${manager}-`, `stop ${scheduler}-`],
	);
	assert.deepEqual(differences(host), [""]);
	run(host);
	assert.deepEqual(acts(host), [], "once");
});
test("a CA in its last year is warned of, and is no difference", (t) => {
	const host = controlPlane(t);
	for (const ca of ["front-proxy-ca", "etcd/ca"]) host.write(`/etc/kubernetes/pki/${ca}.crt`, certificate(4000));
	run(host);
	host.write("/etc/kubernetes/pki/ca.crt", certificate(300));
	const { status, stdout, stderr } = run(host, "check");
	assert.deepEqual([status, stdout], [0, ""]);
	assert.match(
		stderr,
		/^note: the CA \/etc\/kubernetes\/pki\/ca\.crt ends on \d{4}-\d\d-\d\d, and everything that it signed with it\. It is not renewed here: plan that \(https:\S+\)\n$/,
	);
	const applied = run(host);
	assert.deepEqual([applied.status, acts(host)], [0, []]);
	const worker = member(t);
	run(worker);
	worker.write("/etc/kubernetes/pki/ca.crt", certificate(300));
	assert.equal(run(worker, "check").stderr, "", "once for a cluster is enough");
});
test("a CA that ends soon is told, and not touched; all the rest is put right", (t) => {
	const host = member(t);
	run(host);
	host.write("/units/kubelet.active", "inactive\n");
	host.write("/etc/kubernetes/pki/ca.crt", soon);
	assert.match(differences(host)[1] ?? "", /^certificate \/etc\/kubernetes\/pki\/ca\.crt\tgood for 30 days\tuntil /);
	const { status, stderr } = run(host);
	assert.equal(status, 1);
	assert.match(stderr, /error: \/etc\/kubernetes\/pki\/ca\.crt: until .* expected 30 days more\. A CA is not renewed here/);
	assert.deepEqual(acts(host).slice(-1), ["systemctl start -- kubelet.service"]);
});
test("a host that left the cluster, or was reset by somebody else, is told how it joins again", (t) => {
	const host = preparedHost(t);
	assert.deepEqual(differences(host), [`cluster\t${ID}\tnone`]);
	assert.match(run(host).stderr, /error: this host is no longer in sample-172\.16\.1\.110: .*pulumi up --replace '\*\*-k8s-node02-worker-join'/);
	const reset = member(t);
	run(reset);
	spawnSync("rm", ["-r", join(reset.root, "/var/lib/kubelet")]);
	assert.match(run(reset).stderr, /kubelet-client-current\.pem is gone: this host was reset by somebody else\. To let it join again: pulumi up --replace/);
});
