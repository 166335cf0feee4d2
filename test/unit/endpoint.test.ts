// One address for several control planes: what haproxy, keepalived and kubeadm are told, and what waits for what.
import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointSettings } from "../../cluster/endpoint.ts";
import { initConfiguration, joinConfiguration, uploadConfiguration } from "../../cluster/kubeadm.ts";
import type { HostSpec } from "../../config/settings.ts";
import { allCompared, golden } from "../golden.ts";
import { program } from "./program.ts";
import type { Graph } from "./program-graph.ts";
import { base, controlPlanes, hostKey, hosts, read } from "./settings.ts";

allCompared("endpoint");
const four = [...hosts(), { name: "k8s-node03", address: "172.16.1.113", role: "worker", hostKey: hostKey() }];
const THREE = { hosts: controlPlanes(3, four as ReturnType<typeof hosts>), apiEndpoint: { address: "172.16.1.100" } };
const { cluster } = read({ ...base(), ...THREE });
const { graph } = await program({ changes: THREE });
const before = (name: string, earlier: string[], among: Graph = graph) => {
	for (const one of earlier) assert.ok(among.before(name).has(one), `${name} does not wait for ${one}`);
};

test("haproxy knows all control planes, and each keepalived its peers", () => {
	const [first, second] = cluster.hosts as [HostSpec, HostSpec];
	golden("endpoint/haproxy.cfg", String(endpointSettings(first, cluster).HAPROXY_CONFIG));
	golden("endpoint/keepalived-first.conf", String(endpointSettings(first, cluster).KEEPALIVED_CONFIG));
	golden("endpoint/keepalived-second.conf", String(endpointSettings(second, cluster).KEEPALIVED_CONFIG));
	const alone = read({ ...base(), apiEndpoint: { address: "172.16.1.100" } }).cluster;
	golden("endpoint/keepalived-alone.conf", String(endpointSettings(alone.hosts[0] as HostSpec, alone).KEEPALIVED_CONFIG));
});
test("kubeadm is told the endpoint, elects leaders, and joins a control plane with the key of its certificates", () => {
	const second = cluster.hosts[1] as HostSpec;
	golden("endpoint/init.yaml", initConfiguration(cluster));
	golden("endpoint/upload.yaml", uploadConfiguration(cluster, "ab".repeat(32)));
	golden("endpoint/upload-with-token.yaml", uploadConfiguration(cluster, "ab".repeat(32), "abcdef.0123456789abcdef"));
	golden(
		"endpoint/join.yaml",
		joinConfiguration(cluster, second, { token: "abcdef.0123456789abcdef", caHash: `sha256:${"0".repeat(64)}`, certificateKey: "ab".repeat(32) }),
	);
});
test("with one control plane there is no keepalived, no haproxy and no script of theirs on any host", async () => {
	const { graph: one } = await program();
	assert.ok(!one.resources.some(({ name }) => /endpoint|certificate-key|control-plane-join/.test(name)));
	const scripts = Object.keys(JSON.parse(one.named("hosts").inputs.scripts));
	assert.deepEqual(
		scripts.filter((name) => ["endpoint", "hand-over"].includes(name)),
		[],
	);
	assert.equal(one.named("hosts").inputs.apiServers, undefined);
	assert.equal(graph.named("hosts").inputs.apiServers, '["172.16.1.100:8443"]');
	assert.ok(!one.named("lab-k8s-master-packages").inputs.settings.EXTRA_PACKAGES.includes("haproxy"));
	assert.deepEqual(
		Object.keys(one.named("lab-k8s-master-preflight").inputs.settings).filter((name) => name.includes("ENDPOINT")),
		[],
	);
});
test("the first control plane looks for the others before its init runs again, where there are others", async () => {
	const { graph: one } = await program();
	assert.deepEqual(one.named("lab-control-plane-init").hooks.beforeUpdate, []);
	assert.deepEqual(graph.named("lab-control-plane-init").hooks.beforeUpdate, ["lab-control-plane-rejoin"]);
	assert.deepEqual(graph.named("lab-control-plane-init").hooks.beforeCreate, []);
});
test("control planes join one after the other, each before any worker, and leave in the opposite order", () => {
	for (const host of ["k8s-master", "k8s-node01", "k8s-node02"]) {
		before(`lab-${host}-endpoint`, [`lab-${host}-packages`, `lab-${host}-system`]);
		before(`lab-${host}-leave`, [`lab-${host}-endpoint`]);
		assert.ok(graph.named(`lab-${host}-packages`).inputs.settings.EXTRA_PACKAGES.includes("keepalived"));
		assert.deepEqual(graph.named(`lab-${host}-preflight`).inputs.settings.CONTROL_PLANES, ["172.16.1.110", "172.16.1.111", "172.16.1.112"]);
	}
	before("lab-control-plane-init", ["lab-k8s-master-endpoint"]);
	before("lab-k8s-node01-control-plane-join", ["lab-control-plane-init", "lab-k8s-node01-endpoint", "lab-control-plane-kubeconfig"]);
	before("lab-k8s-node02-control-plane-join", ["lab-k8s-node01-control-plane-join", "lab-k8s-node01-node"]);
	before("lab-k8s-node02-node", ["lab-k8s-node01-node"]);
	before("lab-k8s-node03-worker-join", ["lab-k8s-node01-control-plane-join", "lab-k8s-node02-control-plane-join"]);
	assert.ok(!graph.resources.some(({ name }) => name.startsWith("lab-k8s-node03") && name.endsWith("endpoint")), "a worker has none");
	for (const host of ["k8s-node01", "k8s-node02"]) {
		const { inputs } = graph.named(`lab-${host}-node`);
		assert.deepEqual([inputs.host, inputs.settings.ROLE, inputs.undo], ["k8s-master", "control-plane", undefined]);
		assert.deepEqual(inputs.settings.TAINTS, ["node-role.kubernetes.io/control-plane:NoSchedule"]);
	}
	assert.equal(graph.named("lab-k8s-master-node").inputs.settings.ROLE, undefined);
});
