// The images step: what is pulled, how often it is tried, and when it is given up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const LISTED = `printf '%s\\n' 'IMAGE TAG IMAGE-ID SIZE' 'registry.k8s.io/pause 3.9 e6f1 300kB'; cat "\${KUBEADM_LAB_ROOT}/pulled" 2>/dev/null || true`;
test("images pulls what is missing and nothing else", (t) => {
	const host = new FakeHost(t);
	host.command(
		"crictl",
		`case "$*" in images) ${LISTED} ;; inspecti*) exit 1 ;; *pull*) sed 's/\\(.*\\):/\\1 /' <<<"\${*: -1}" >>"\${KUBEADM_LAB_ROOT}/pulled" ;; esac`,
	);
	const { status, stderr } = host.run("images", "apply");
	assert.equal(status, 0, stderr);
	const pulls = () =>
		host
			.calls()
			.filter((call) => call.includes(" pull "))
			.map((call) => call.split(" ").at(-1))
			.sort();
	assert.deepEqual(pulls(), [
		"docker.io/flannel/flannel-cni-plugin:v1.5.1-flannel2",
		"docker.io/flannel/flannel:v0.25.7",
		"registry.k8s.io/kube-proxy:v1.29.15",
	]);
	host.forgetCalls();
	assert.equal(host.run("images", "apply").status, 0);
	assert.deepEqual(pulls(), []);
	assert.equal(host.run("images", "check").status, 0);
});

test("a registry whose certificate the host does not take is asked once, and what to do is said", (t) => {
	const host = new FakeHost(t);
	host.command(
		"docker",
		`[[ "$1" != pull ]] || { echo 'Error response from daemon: Get "https://own.example/v2/": x509: certificate signed by unknown authority' >&2; exit 1; }; [[ "$1" != image ]] || exit 1`,
	);
	const { status, stderr } = host.run("images", "apply", { RUNTIME_KIND: "docker", IMAGES: ["own.example/a/b:1"] });
	assert.notEqual(status, 0);
	assert.match(stderr, /try 1 of 3 failed: .*x509/);
	assert.match(stderr, /does not take the certificate of own\.example\. .*update-ca-trust && systemctl restart docker/);
	assert.equal(host.calls().filter((call) => call.startsWith("docker pull")).length, 1);
});
test("an image that can't be pulled is tried three times and named", (t) => {
	const host = new FakeHost(t);
	host.command("sleep");
	host.write("/units/containerd.active", "active\n");
	host.command("crictl", `case "$*" in images) ${LISTED} ;; *) echo 'not found' >&2; exit 1 ;; esac`);
	const { status, stderr } = host.run("images", "apply", { IMAGES: ["docker.io/library/no:such"] });
	assert.equal(status, 1);
	assert.equal(stderr.match(/image docker\.io\/library\/no:such: try \d of 3 failed: not found/g)?.length, 3);
	assert.match(stderr, /error: not every image could be pulled/);
	assert.equal(host.run("images", "check", { IMAGES: ["docker.io/library/no:such"] }).stdout, "image docker.io/library/no:such\tpresent\tabsent\n");
});
test("pulls that a run which was cut off has left end with the runtime, and do not go on behind a destroy", (t) => {
	const host = new FakeHost(t);
	host.command("sleep");
	host.command(
		"crictl",
		`case "$*" in images) ${LISTED} ;; *pull*) systemctl stop containerd.service; echo 'connection refused' >&2; exit 1 ;; *) exit 1 ;; esac`,
	);
	host.write("/units/containerd.active", "active\n");
	const { status, stderr } = host.run("images", "apply");
	assert.equal(status, 1);
	assert.match(stderr, /image docker\.io\/flannel\/flannel:v0\.25\.7: not tried again: containerd was stopped meanwhile/);
	assert.equal(host.calls().filter((call) => call.includes(" pull ")).length, 3, "each of the three that are missing is tried once");
	assert.deepEqual(
		host.calls().filter((call) => call.startsWith("sleep")),
		[],
	);
});
