// Certificates for a control plane that joins, and the members of etcd, on a played control plane. Its etcdctl prints what that of 3.5.16 prints.
import assert from "node:assert/strict";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { controlPlane } from "./etcd-host.ts";
import type { FakeHost } from "./fake-host.ts";

const KEY = "ab".repeat(32);
/** cmd/kubeadm/app/phases/copycerts/copycerts.go, 1.29 to 1.31. */
const OWNER = Buffer.from("Proxy for managing TTL for the kubeadm-certs secret").toString("base64");
interface Member {
	id: string;
	name: string;
	address: string;
	answers?: boolean;
}
const MEMBERS: Member[] = [
	{ id: "8e9e05c52164694d", name: "k8s-master", address: "172.16.1.110", answers: true },
	{ id: "1d2e3f4a5b6c7d8e", name: "k8s-node01", address: "172.16.1.111", answers: true },
	{ id: "91bc3c398fb3c146", name: "k8s-node02", address: "172.16.1.112", answers: true },
];
function withMembers(t: TestContext, members: Member[]): FakeHost {
	const host = controlPlane(t);
	const lines = members.map(({ id, name, address }) => {
		const peer = `https://${address}:2380`;
		return name === "" ? `${id}, unstarted, , ${peer}, , true` : `${id}, started, ${name}, ${peer}, https://${address}:2379, false`;
	});
	host.write("/members", `${lines.join("\n")}\n`);
	const silent = members.filter(({ answers }) => !answers).map(({ address }) => `*https://${address}:2379*health*`);
	appendFileSync(
		join(host.root, "etcdctl"),
		`case "$*" in
*'member list'*) cat "\${KUBEADM_LAB_ROOT}/members" ;;
*'member remove'*) [[ ! -e "\${KUBEADM_LAB_ROOT}/refuses" ]] || { cat "\${KUBEADM_LAB_ROOT}/refuses" >&2; exit 1; } ;;
${silent.length > 0 ? `${silent.join(" | ")}) echo 'unhealthy' >&2; exit 1 ;;` : ""}
esac
`,
	);
	host.command(
		"kubeadm",
		`[[ ! -e "\${KUBEADM_LAB_ROOT}/fails" ]] || { echo "error: no API server, key ${KEY}" >&2; exit 1; }; cp "\${!#}" "\${KUBEADM_LAB_ROOT}/config"; echo ${KEY}`,
	);
	host.command(
		"kubectl",
		`case "$*" in *'get secrets --field-selector type=bootstrap.kubernetes.io/token'*) printf '%s\\n' 'bootstrap-token-abcdef ${OWNER}' 'bootstrap-token-aaaaaa ' 'bootstrap-token-bbbbbb am9pbg==' 'bootstrap-token-killed ${OWNER}' ;; *' get node '*) printf 'label\\tx\\ty\\nready\\tTrue\\tok\\n' ;; esac`,
	);
	host.write("/etc/kubernetes/admin.conf", "made up");
	return host;
}
const removed = (host: FakeHost) => host.calls().flatMap((call) => / member remove (\S+)/.exec(call)?.[1] ?? []);

test("certificates go to the cluster under the key, which is on no command line, in no output and in no file afterwards", (t) => {
	const host = withMembers(t, MEMBERS.slice(0, 1));
	const { status, stdout, stderr } = host.run("hand-over", "apply", { NEWCOMER: "k8s-node01" });
	assert.equal(status, 0, stderr);
	assert.match(host.read("/config"), /certificateKey: "abab/);
	assert.ok(host.calls().some((call) => /^kubeadm init phase upload-certs --upload-certs --config \S+$/.test(call)));
	for (const text of [stdout, stderr, host.calls().join("\n")]) assert.ok(!text.includes(KEY));
	assert.equal(host.exists("/run/kubeadm-lab-hand-over.yaml"), false);
	assert.deepEqual(removed(host), []);
	host.write("/fails", "");
	assert.match(host.run("hand-over", "apply").stderr, /upload-certs failed: error: no API server, key <key>$/m);
});
test("its check tells whether it can hand anything over, and whether it has the configuration that is wanted", (t) => {
	const host = withMembers(t, MEMBERS.slice(0, 1));
	host.write("/var/lib/kubeadm-lab/cluster/kubelet-config", "0123456789abcdef");
	const items = (changes = {}) => host.run("hand-over", "check", changes).stdout.replace(/\t.*/g, "");
	host.command("curl", "exit 0");
	assert.equal(items(), "");
	assert.equal(items({ CONFIG_DIGEST: "0123456789abcdef" }), "");
	assert.equal(items({ CONFIG_DIGEST: "fedcba9876543210" }), "configuration\n");
	host.command("curl", "exit 22");
	assert.equal(items({ CONFIG_DIGEST: "fedcba9876543210" }), "API server\nconfiguration\n");
});
test("they are taken away again, with the token that lets them end by themselves", (t) => {
	const host = withMembers(t, MEMBERS.slice(0, 1));
	assert.equal(host.run("hand-over", "undo").status, 0);
	assert.ok(
		host.calls().some((call) => call.endsWith("-n kube-system delete secret kubeadm-certs bootstrap-token-abcdef bootstrap-token-killed --ignore-not-found")),
	);
});
test("with a join token, where the first control plane joins the others: it comes from the same file, is on no command line, and goes with the certificates", (t) => {
	const TOKEN = "abcdef.0123456789abcdef";
	const host = withMembers(t, MEMBERS.slice(0, 1));
	const { status, stdout, stderr } = host.run("hand-over", "apply", { NEWCOMER: "k8s-node01", WITH_TOKEN: true, UPLOAD_CONFIG: `token: ${TOKEN}` });
	assert.equal(status, 0, stderr);
	assert.ok(host.calls().some((call) => /^kubeadm token create --config \S+$/.test(call)));
	for (const text of [stdout, stderr, host.calls().join("\n")]) assert.ok(!text.includes(TOKEN));
	assert.equal(host.run("hand-over", "undo", { TOKEN_ID: "fedcba" }).status, 0);
	assert.ok(
		host
			.calls()
			.some((call) => call.endsWith("delete secret kubeadm-certs bootstrap-token-abcdef bootstrap-token-killed bootstrap-token-fedcba --ignore-not-found")),
	);
	host.command("kubeadm", `case "$*" in *'token create'*) echo "error: token ${TOKEN} is taken"; exit 1 ;; esac`);
	assert.match(host.run("hand-over", "apply", { WITH_TOKEN: true }).stderr, /kubeadm token create failed: error: token <token> is taken$/m);
});
test("nothing is handed to a host that would join with another version than the cluster has", (t) => {
	const host = withMembers(t, MEMBERS.slice(0, 1));
	host.write("/var/lib/kubeadm-lab/cluster/version", "1.29.15");
	const { status, stderr } = host.run("hand-over", "apply", { KUBERNETES_VERSION: "1.30.14" });
	assert.equal(status, 1);
	assert.match(stderr, /the cluster has Kubernetes 1\.29\.15, and k8s-node01 is to join with 1\.30\.14\. Nothing was changed\./);
	assert.equal(host.exists("/config"), false);
	assert.equal(host.run("hand-over", "apply", { KUBERNETES_VERSION: "1.29.15" }).status, 0);
});
test("a member that a host of this name left behind goes before it joins, also one that never started", (t) => {
	for (const left of [
		{ ...MEMBERS[1], answers: false },
		{ id: "1d2e3f4a5b6c7d8e", name: "", address: "172.16.1.111" },
	] as Member[]) {
		const host = withMembers(t, [MEMBERS[0] as Member, left, MEMBERS[2] as Member]);
		const { status, stderr } = host.run("hand-over", "apply");
		assert.equal(status, 0, stderr);
		assert.deepEqual(removed(host), ["1d2e3f4a5b6c7d8e"]);
		assert.match(stderr, /etcd member k8s-node01 removed, of which nothing is left/);
	}
});
test("one that answers is never removed for a host that is said to be in no cluster", (t) => {
	const host = withMembers(t, MEMBERS);
	const { status, stderr } = host.run("hand-over", "apply");
	assert.equal(status, 1);
	assert.match(
		stderr,
		/etcd has a member k8s-node01 that answers at https:\/\/172\.16\.1\.111:2379, although that host is in no cluster\. Nothing was changed\./,
	);
	assert.deepEqual([removed(host), host.exists("/config")], [[], false]);
});

const leave = (host: FakeHost) => host.run("node", "undo", { NODE_NAME: "k8s-node01", ROLE: "control-plane" });
test("a control plane that leaves takes its etcd member along, after its Node", (t) => {
	const host = withMembers(t, MEMBERS);
	const { status, stderr } = leave(host);
	assert.equal(status, 0, stderr);
	assert.deepEqual(removed(host), ["1d2e3f4a5b6c7d8e"]);
	const at = (part: string) => host.calls().findIndex((call) => call.includes(part));
	assert.ok(at("drain k8s-node01") > 0 && at("drain k8s-node01") < at("delete node k8s-node01") && at("delete node k8s-node01") < at("member remove"));
});
test("never below quorum: one that the others need stays, and nothing is changed", (t) => {
	const host = withMembers(t, [MEMBERS[0], MEMBERS[1], { ...MEMBERS[2], answers: false }] as Member[]);
	const { status, stderr } = leave(host);
	assert.equal(status, 1);
	assert.match(
		stderr,
		/k8s-node01 can't leave: of the 2 etcd members that would be left 1 answer \(silent: k8s-node02\), expected at least 2, or nothing could be written any more\. Nothing was changed\./,
	);
	assert.ok(!host.calls().some((call) => /drain|delete|member remove/.test(call)));
});
test("a control plane whose join is undone takes its own member along, and goes on where nobody answers", (t) => {
	for (const refuses of [false, true]) {
		const host = withMembers(t, MEMBERS);
		for (const [name, value] of Object.entries({ step: "join", node: "k8s-node01", role: "control-plane", network: "", cgroups: "" }))
			host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
		host.write("/etc/kubernetes/pki/etcd/healthcheck-client.crt", "made up");
		if (refuses) host.write("/refuses", "context deadline exceeded\n");
		for (const name of ["crictl", "iptables-save", "ip6tables-save"]) host.command(name);
		const { status, stderr } = host.run("leave", "undo", {}, "k8s-node01");
		assert.equal(status, 0, stderr);
		assert.deepEqual(removed(host), ["1d2e3f4a5b6c7d8e"]);
		assert.equal(/its etcd member is still among those of the cluster/.test(stderr), refuses);
		assert.equal(host.exists("/var/lib/kubeadm-lab/cluster"), false);
	}
});
test("the dead one may go", (t) => {
	const host = withMembers(t, [MEMBERS[0], { ...MEMBERS[1], answers: false }, MEMBERS[2]] as Member[]);
	assert.equal(leave(host).status, 0);
	assert.deepEqual(removed(host), ["1d2e3f4a5b6c7d8e"]);
});
test("a run that was killed behind the Node's deletion removes the member all the same; where etcd refuses, that is told", (t) => {
	const host = withMembers(t, MEMBERS);
	host.command("kubectl");
	assert.equal(leave(host).status, 0);
	assert.deepEqual(removed(host), ["1d2e3f4a5b6c7d8e"]);
	host.write("/refuses", "etcdserver: re-configuration failed due to not enough started members\n");
	assert.match(leave(host).stderr, /etcd does not let its member k8s-node01 \(\S+, \S+\) go: etcdserver: re-configuration failed/);
});
test("where etcd does not answer, the endpoint's configuration says that there are several", (t) => {
	const host = withMembers(t, MEMBERS);
	const NAME = host.run("etcd", "apply", { ACTION: "snapshot" }, "k8s-master").stdout.split("\t")[0] ?? "";
	host.write("/members", "");
	host.write("/etc/haproxy/haproxy.cfg", "backend b\n    server a 1.2.3.4:6443\n    server b 1.2.3.5:6443\n");
	const text = host.read("/etcdctl").replace(`cat "\${KUBEADM_LAB_ROOT}/members"`, "exit 1");
	host.write("/etcdctl", text);
	for (const file of readdirSync(join(host.root, "var/lib/kubeadm-lab/cluster/snapshots/tools")))
		host.write(`/var/lib/kubeadm-lab/cluster/snapshots/tools/${file}/etcdctl`, text);
	assert.match(host.run("etcd", "apply", { ACTION: "restore", NAME }, "k8s-master").stderr, /this etcd has 2 members, expected this one alone/);
});
test("with several members no snapshot is restored onto one of them", (t) => {
	const host = withMembers(t, MEMBERS);
	const NAME = host.run("etcd", "apply", { ACTION: "snapshot" }, "k8s-master").stdout.split("\t")[0] ?? "";
	const { status, stderr } = host.run("etcd", "apply", { ACTION: "restore", NAME }, "k8s-master");
	assert.equal(status, 1);
	assert.match(stderr, /this etcd has 3 members, expected this one alone: .*\. Nothing was changed/);
});
