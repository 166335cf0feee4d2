// A host's name and its lines in /etc/hosts: set, kept, given back.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const HOSTS = "127.0.0.1   localhost\n::1         localhost\n";
function bareHost(t: TestContext): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/hosts", HOSTS);
	host.write("/etc/hostname", "localhost.localdomain\n");
	host.write("/proc/sys/kernel/hostname", "localhost.localdomain\n");
	return host;
}

test("identity puts every host in front of /etc/hosts and sets the host name", (t) => {
	const host = bareHost(t);
	assert.equal(host.run("identity", "apply").status, 0);
	assert.equal(
		host.read("/etc/hosts"),
		`# kubeadm-lab begin\n172.16.1.110 k8s-master\n172.16.1.111 k8s-node01\n172.16.1.112 k8s-node02\n# kubeadm-lab end\n${HOSTS}`,
	);
	assert.equal(host.read("/etc/hostname"), "k8s-node02\n");
	assert.equal(host.read("/proc/sys/kernel/hostname"), "k8s-node02\n");
	assert.equal(host.run("identity", "check").status, 0);
});

test("a second apply of identity changes nothing", (t) => {
	const host = bareHost(t);
	host.run("identity", "apply");
	const before = host.snapshot("/");
	const { status, stdout, stderr } = host.run("identity", "apply");
	assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "", stderr: "" });
	assert.deepEqual(host.snapshot("/"), before);
});

test("identity undo gives back name and hosts file, twice if need be", (t) => {
	const host = bareHost(t);
	host.run("identity", "apply");
	for (let i = 0; i < 2; i++) {
		assert.equal(host.run("identity", "undo").status, 0);
		assert.equal(host.read("/etc/hosts"), HOSTS);
		assert.equal(host.read("/etc/hostname"), "localhost.localdomain\n");
		assert.equal(host.read("/proc/sys/kernel/hostname"), "localhost.localdomain\n");
		assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	}
	const { status, stdout } = host.run("identity", "check");
	assert.equal(status, 3);
	assert.match(stdout, /^host name\tk8s-node02\tlocalhost\.localdomain$/m);
});

test("identity undo keeps lines that others added to the hosts file meanwhile", (t) => {
	const host = bareHost(t);
	host.run("identity", "apply");
	host.write("/etc/hosts", `${host.read("/etc/hosts")}192.0.2.7 backup\n`);
	host.run("identity", "undo");
	assert.equal(host.read("/etc/hosts"), `${HOSTS}192.0.2.7 backup\n`);
});

test("identity undo gives back a hosts file without a newline at its end", (t) => {
	const host = bareHost(t);
	host.write("/etc/hosts", "127.0.0.1 localhost");
	host.run("identity", "apply");
	host.run("identity", "undo");
	assert.equal(host.read("/etc/hosts"), "127.0.0.1 localhost");
});

test("a host taken off the list leaves the block", (t) => {
	const host = bareHost(t);
	host.run("identity", "apply");
	host.run("identity", "apply", { HOSTS_BLOCK: "172.16.1.110 k8s-master" });
	assert.equal(host.read("/etc/hosts"), `# kubeadm-lab begin\n172.16.1.110 k8s-master\n# kubeadm-lab end\n${HOSTS}`);
});

test("without a block the hosts file stays as it is, and a block of before goes", (t) => {
	const host = bareHost(t);
	const none = { HOSTS_BLOCK: "" };
	assert.equal(host.run("identity", "apply", none).status, 0);
	assert.deepEqual([host.read("/etc/hosts"), host.exists("/var/lib/kubeadm-lab/identity/files/%2Fetc%2Fhosts")], [HOSTS, false]);
	host.run("identity", "apply");
	assert.equal(host.run("identity", "check", none).status, 3);
	assert.equal(host.run("identity", "apply", none).status, 0);
	assert.equal(host.read("/etc/hosts"), HOSTS);
});
