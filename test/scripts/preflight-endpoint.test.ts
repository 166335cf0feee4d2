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
test("a Node keeps its role", (t) => {
	const host = goodHost(t);
	for (const [name, value] of Object.entries({ id: "sample-172.16.1.110", node: "k8s-node02", step: "join", finished: "yes" }))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	assert.deepEqual(problems(host), []);
	assert.deepEqual(problems(host, { ROLE: "control-plane" }), ["role: found worker of sample-172.16.1.110; expected control-plane"]);
});
