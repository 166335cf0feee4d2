// The preflight of a control plane among several: the address that they share must be nobody's, and a Node keeps its role.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { FakeHost } from "./fake-host.ts";
import { goodHost, problems } from "./good-host.ts";

const PLAN = { ROLE: "control-plane", ENDPOINT: "172.16.1.100", ENDPOINT_PORT: 8443, CONTROL_PLANES: ["172.16.1.110", "172.16.1.111", "172.16.1.112"] };
/** Address -> what `ip neighbour` says of it, after its address and card. */
function network(t: TestContext, neighbours: Record<string, string>): FakeHost {
	const host = goodHost(t);
	const cases = Object.entries(neighbours).map(([address, text]) => `*' ${address}') echo '${address} dev eth0 ${text}' ;;`);
	host.command("ip", `case "$*" in ${cases.join(" ")} *neighbour*) ;; *address*) cat "\${KUBEADM_LAB_ROOT}/addresses" ;; esac`);
	return host;
}
const MAC = "lladdr 52:54:00:00:00";

test("an address that nobody answers for is taken", (t) => {
	assert.deepEqual(problems(network(t, {}), PLAN), []);
	assert.deepEqual(problems(network(t, { "172.16.1.100": "FAILED" }), PLAN), []);
});
test("one that another machine answers for is refused", (t) => {
	assert.deepEqual(problems(network(t, { "172.16.1.100": `${MAC}:99 REACHABLE`, "172.16.1.110": `${MAC}:10 REACHABLE` }), PLAN), [
		"endpoint: found 172.16.1.100 in use by the machine with 52:54:00:00:00:99; expected an address that no machine has",
	]);
});
test("one that a control plane of this cluster carries is taken by the next one", (t) => {
	assert.deepEqual(problems(network(t, { "172.16.1.100": `${MAC}:10 REACHABLE`, "172.16.1.110": `${MAC}:10 REACHABLE` }), PLAN), []);
});
test("one that is on a card of this very host is refused, unless this host carries it for the cluster", (t) => {
	const host = network(t, {});
	host.write("/addresses", "2: eth0    inet 172.16.1.112/24 scope global eth0\n2: eth0    inet 172.16.1.100/32 scope global eth0\n");
	assert.deepEqual(problems(host, PLAN), ["endpoint: found 172.16.1.100 on a card of this host; expected an address that no machine has"]);
	host.write("/var/lib/kubeadm-lab/endpoint/values/x", "");
	assert.deepEqual(problems(host, PLAN), []);
});
test("its port must be free, also on a host that is in the cluster already", (t) => {
	const host = network(t, {});
	host.command("ss", `echo 'LISTEN 0 511 0.0.0.0:8443 0.0.0.0:* users:(("nginx",pid=7,fd=6))'`);
	const expected = ['port 8443: found in use by "nginx"; expected free'];
	assert.deepEqual(problems(host, PLAN), expected);
	for (const [name, value] of Object.entries({ id: "sample-172.16.1.110", node: "k8s-node02", role: "control-plane", finished: "yes" }))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	assert.deepEqual(problems(host, PLAN), expected);
});
test("an address that can't become another is refused before the services that carry it change", (t) => {
	const host = network(t, {});
	for (const [name, value] of Object.entries({ id: "sample-172.16.1.110", node: "k8s-node02", role: "control-plane", finished: "yes" }))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	const asks = (server: string) => host.write("/etc/kubernetes/kubelet.conf", `    server: ${server}\n`);
	const alone = { ROLE: "control-plane" };
	asks("https://172.16.1.112:6443");
	assert.deepEqual(problems(host, PLAN), [], "it gets one");
	assert.deepEqual(problems(host, { ...PLAN, UPGRADES: false }), ["endpoint: found https://172.16.1.112:6443; expected https://172.16.1.100:8443"]);
	host.write("/var/lib/kubeadm-lab/endpoint/values/x", "");
	asks("https://172.16.1.100:8443");
	assert.deepEqual(problems(host, PLAN), [], "it has it");
	assert.deepEqual(problems(host, { ...PLAN, ENDPOINT: "172.16.1.101" }), ["endpoint: found https://172.16.1.100:8443; expected https://172.16.1.101:8443"]);
	host.write("/etc/haproxy/haproxy.cfg", "backend b\n    server a 1.2.3.4:6443\n");
	assert.deepEqual(problems(host, alone), [], "it may go with one");
	host.write("/etc/haproxy/haproxy.cfg", "backend b\n    server a 1.2.3.4:6443\n    server b 1.2.3.5:6443\n");
	assert.deepEqual(problems(host, alone), ["endpoint: found several control planes at https://172.16.1.100:8443; expected one, before apiEndpoint goes"]);
});
test("a haproxy or keepalived of somebody else's is refused, not taken over", (t) => {
	const host = network(t, {});
	host.write("/units/keepalived.active", "active\n");
	assert.deepEqual(problems(host, PLAN), ["unit: found keepalived.service running, which is not ours; expected not running"]);
});
test("rules that keep etcd's members, VRRP or the endpoint's port out are named", (t) => {
	const host = network(t, {});
	host.command(
		"iptables-nft-save",
		"printf '%s\\n' '*filter' ':INPUT ACCEPT [0:0]' '-A INPUT -p tcp -m tcp --dport 6443 -j ACCEPT' '-A INPUT -p tcp -m tcp --dport 10250 -j ACCEPT' '-A INPUT -p udp -m udp --dport 8472 -j ACCEPT' '-A INPUT -i cni0 -j ACCEPT' '-A INPUT -j REJECT' COMMIT",
	);
	const [found = ""] = problems(host, PLAN);
	assert.match(found, /packet filter: found -A INPUT -j REJECT \(stops tcp 2379, tcp 2380, vrrp \(IP protocol 112\), tcp 8443 of 172\.16\.1\.100\)/);
	assert.deepEqual(problems(host, { ROLE: "control-plane" }), []);
});
test("a Node keeps its role", (t) => {
	const host = goodHost(t);
	for (const [name, value] of Object.entries({ id: "sample-172.16.1.110", node: "k8s-node02", step: "join", finished: "yes" }))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	assert.deepEqual(problems(host), []);
	assert.deepEqual(problems(host, { ROLE: "control-plane" }), ["role: found worker of sample-172.16.1.110; expected control-plane"]);
});
