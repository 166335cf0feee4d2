// Flannel's objects, compared with its own manifest.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseAllDocuments, stringify } from "yaml";
import { ControlPlane } from "../../cluster/control-plane.ts";
import { Flannel } from "../../cluster/flannel.ts";
import type { Host } from "../../cluster/host.ts";
import { HostConnections } from "../../cluster/host-provider.ts";
import { allCompared, golden } from "../golden.ts";
import { type Graph, runProgram } from "./program-graph.ts";
import { settings } from "./settings.ts";

allCompared("flannel");

// biome-ignore lint/suspicious/noExplicitAny: Kubernetes objects of any kind
type KubernetesObject = any;

async function flannel(changes: Record<string, unknown> = {}): Promise<{ graph: Graph; objects: KubernetesObject[] }> {
	const { cluster } = settings(changes);
	const [spec] = cluster.hosts;
	assert.ok(spec);
	const { graph } = await runProgram(() => {
		const host = Object.assign(new pulumi.ComponentResource("kubeadm-lab:test:Host", "host"), { spec, name: spec.name }) as unknown as Host;
		const connections = new HostConnections("hosts", { ...cluster, steps: [] });
		const controlPlane = new ControlPlane("cp", { host, cluster, connections, clusterId: "lab-172.16.1.110", nodePodCidr: "" });
		new Flannel("flannel", { controlPlane, cluster });
	});
	const made = graph.resources.filter(({ type }) => type.startsWith("kubernetes:"));
	return { graph, objects: made.map(({ inputs }) => inputs) };
}
const byName = (objects: KubernetesObject[]) => Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
const flanneld = (objects: KubernetesObject[]) => byName(objects)["DaemonSet kube-flannel-ds"].spec.template.spec;

test("Flannel makes the objects of flannel's own manifest, with the Node's own address and Pulumi's annotations", async () => {
	const upstream = parseAllDocuments(readFileSync(join(import.meta.dirname, "flannel-v0.25.7.yml"), "utf8")).map((document) => document.toJS());
	const { objects } = await flannel();
	const ours = byName(structuredClone(objects));
	for (const object of Object.values(ours)) {
		assert.equal(object.metadata.annotations["pulumi.com/patchForce"], "true");
		assert.equal(object.metadata.annotations["pulumi.com/waitFor"], object.kind === "DaemonSet" ? "jsonpath={.metadata.name}" : undefined);
		delete object.metadata.annotations;
	}
	const [container] = flanneld(Object.values(ours)).containers;
	assert.equal(container.args.pop(), "--iface=$(NODE_IP)");
	assert.deepEqual(container.env.pop(), { name: "NODE_IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } });
	const config = "ConfigMap kube-flannel-cfg";
	for (const object of [ours[config], byName(upstream)[config]])
		object.data = Object.fromEntries(Object.entries(object.data).map(([key, json]) => [key, JSON.parse(json as string)]));
	assert.deepEqual(ours, byName(upstream));
});
test("Flannel's objects are those of the golden", async () => {
	const { objects } = await flannel({ podCidr: "10.200.0.0/16" });
	const sorted = Object.entries(byName(objects)).sort(([a], [b]) => a.localeCompare(b));
	golden("flannel/objects.yaml", sorted.map(([, object]) => stringify(object, { sortMapEntries: true })).join("---\n"));
});
test("Flannel tells flannel the Pod CIDR of the settings", async () => {
	const { objects } = await flannel({ podCidr: "10.200.0.0/16" });
	assert.equal(JSON.parse(byName(objects)["ConfigMap kube-flannel-cfg"].data["net-conf.json"]).Network, "10.200.0.0/16");
});
test("Flannel of the seed's era takes the CNI plugin from the kubernetes-cni package", async () => {
	const { objects } = await flannel({ kubernetesVersion: "1.18.20", containerRuntime: "docker" });
	const { initContainers, volumes } = flanneld(objects);
	assert.deepEqual(
		initContainers.map(({ name, image }: { name: string; image: string }) => [name, image]),
		[["install-cni", "quay.io/coreos/flannel:v0.12.0-amd64"]],
	);
	assert.ok(!JSON.stringify(volumes).includes("/opt/cni/bin"));
});
test("Flannel is told the same on every Node, whatever the hosts: a new worker restarts none of the others", async () => {
	const { objects } = await flannel();
	const other = await flannel({ nodeNetwork: "172.16.0.0/16" });
	assert.deepEqual(flanneld(objects), flanneld(other.objects));
});
test("Flannel goes with the control plane at destroy and needs its Provider", async () => {
	const { graph } = await flannel();
	const [init, component] = [graph.named("cp-init"), graph.named("flannel")];
	const children = graph.resources.filter(({ type }) => type.startsWith("kubernetes:"));
	assert.equal(children.length, 6);
	for (const child of children) {
		assert.equal(child.parent, component.urn, child.name);
		assert.equal(child.deletedWith, init.urn, child.name);
		assert.ok(graph.before(child.name).has("cp-provider"), child.name);
	}
	const before = graph.before("flannel-daemon-set");
	for (const name of ["namespace", "service-account", "cluster-role", "cluster-role-binding", "config-map"]) assert.ok(before.has(`flannel-${name}`), name);
});
