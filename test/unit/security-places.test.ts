// What test/security looks for on hosts: where a secret may be, and who is heard by UDP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { heardFrom } from "../security/ports.ts";
import { isAtHome } from "../security/secrets.ts";

const MASTER = "k8s-master";
const OTHER = "k8s-node01";
const WORKER = "k8s-node03";
const at = (name: string, file: string, host: string) => isAtHome(name, file, host, host !== WORKER);

test("keys of control planes are at home there, those that all share on each, and on no worker", () => {
	for (const [path, isShared] of [
		["/etc/kubernetes/pki/ca.key", true],
		["/etc/kubernetes/pki/etcd/ca.key", true],
		["/etc/kubernetes/pki/sa.key", true],
		["/etc/kubernetes/pki/apiserver.key", false],
		["/etc/kubernetes/pki/apiserver-kubelet-client.key", false],
		["/etc/kubernetes/admin.conf", false],
	] as const) {
		const name = `key of ${path} on ${MASTER}`;
		assert.deepEqual(
			[MASTER, OTHER, WORKER].map((host) => at(name, path, host)),
			[true, isShared, false],
			path,
		);
		assert.ok(!at(name, "/var/lib/kubelet/pki/kubelet.key", MASTER), path);
		assert.ok(!at(name, "/tmp/copy", MASTER), path);
	}
	assert.ok(!at(`key of /etc/kubernetes/pki/ca.key on ${WORKER}`, "/etc/kubernetes/pki/ca.key", WORKER), "a CA of a worker's own");
});
test("a kubelet's keys are at home on their own host, whatever its role", () => {
	for (const host of [MASTER, OTHER, WORKER]) {
		const name = `key of /var/lib/kubelet/pki/kubelet.key on ${host}`;
		assert.deepEqual(
			[MASTER, OTHER, WORKER].map((other) => at(name, "/var/lib/kubelet/pki/kubelet.key", other)),
			[MASTER, OTHER, WORKER].map((other) => other === host),
		);
		assert.ok(at(`key of /etc/kubernetes/kubelet.conf on ${host}`, "/etc/kubernetes/kubelet.conf", host));
		assert.ok(!at(name, "/etc/kubernetes/pki/kubelet.key", host));
	}
});
test("join tokens are at home in etcd alone, the login's key and a certificate key nowhere", () => {
	const member = "/var/lib/etcd/member/wal/0.wal";
	assert.deepEqual([at("join token 0", member, MASTER), at("join token 0", member, WORKER)], [true, false]);
	assert.ok(!at("join token 0", "/etc/kubernetes/bootstrap-kubelet.conf", WORKER));
	for (const name of ["key of the login", "certificate key 0"])
		for (const file of ["/etc/kubernetes/pki/ca.key", "/etc/kubernetes/admin.conf", member]) assert.ok(!at(name, file, MASTER), `${name} in ${file}`);
});
test("UDP ports on more than the host itself, as ss of CentOS 7 and of newer systems prints them", () => {
	const lines = [
		"UNCONN 0      0            127.0.0.1:323        0.0.0.0:*          ",
		"UNCONN 0      0              0.0.0.0:8472       0.0.0.0:*          ",
		"UNCONN     0      0                *:8472                     *:*                  ",
		"UNCONN 0      0                [::1]:323           [::]:*          ",
		"UNCONN     0      0              ::1:323                     :::*                  ",
		"UNCONN 0      0                 [::]:111           [::]:*          ",
	];
	assert.deepEqual(heardFrom(`${lines.join("\n")}\n`), [111, 8472]);
	assert.throws(() => heardFrom("Netid State"), /ss printed: Netid State/);
});
