import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { parseAllDocuments, stringify } from "yaml";
import { ControlPlane } from "../../cluster/control-plane.ts";
import { addressPattern, Flannel } from "../../cluster/flannel.ts";
import type { Host } from "../../cluster/host.ts";
import { contains, formatAddress, parseCidr } from "../../config/network.ts";
import { allCompared, golden } from "../golden.ts";
import { type Graph, run } from "./program-graph.ts";
import { settings } from "./settings.ts";

allCompared("flannel");

// biome-ignore lint/suspicious/noExplicitAny: Kubernetes objects of any kind
type KubernetesObject = any;

async function flannel(changes: Record<string, unknown> = {}): Promise<{ graph: Graph; objects: KubernetesObject[] }> {
	const { cluster } = settings(changes);
	const [spec] = cluster.hosts;
	assert.ok(spec);
	const { graph } = await run(() => {
		const host = Object.assign(new pulumi.ComponentResource("kubeadm-lab:test:Host", "host"), { spec, name: spec.name }) as unknown as Host;
		const controlPlane = new ControlPlane("cp", { host, cluster, clusterId: "lab-172.16.1.110", podCidr: "" });
		new Flannel("flannel", { controlPlane, cluster });
	});
	const made = graph.resources.filter(({ type }) => type.startsWith("kubernetes:"));
	return { graph, objects: made.map(({ inputs }) => inputs) };
}
const byName = (objects: KubernetesObject[]) => Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
const flanneld = (objects: KubernetesObject[]) => byName(objects)["DaemonSet kube-flannel-ds"].spec.template.spec;

test("Flannel makes the objects of flannel's own manifest, with the network card named and Pulumi's annotations", async () => {
	const upstream = parseAllDocuments(readFileSync(join(import.meta.dirname, "flannel-v0.25.7.yml"), "utf8")).map((document) => document.toJS());
	const { objects } = await flannel();
	const ours = byName(structuredClone(objects));
	for (const object of Object.values(ours)) {
		assert.equal(object.metadata.annotations["pulumi.com/patchForce"], "true");
		assert.equal(object.metadata.annotations["pulumi.com/waitFor"], object.kind === "DaemonSet" ? "jsonpath={.metadata.name}" : undefined);
		delete object.metadata.annotations;
	}
	assert.equal(flanneld(Object.values(ours)).containers[0].args.pop(), "--iface-regex=^172\\.16\\.1\\.[0-9]+$");
	const config = "ConfigMap kube-flannel-cfg";
	for (const object of [ours[config], byName(upstream)[config]])
		object.data = Object.fromEntries(Object.entries(object.data).map(([key, json]) => [key, JSON.parse(json as string)]));
	assert.deepEqual(ours, byName(upstream));
});
test("Flannel's objects are the ones that were looked at", async () => {
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

test("addressPattern is short where octets are whole", () => {
	assert.equal(addressPattern("172.16.1.0/24"), "^172\\.16\\.1\\.[0-9]+$");
	assert.equal(addressPattern("10.0.0.0/8"), "^10\\.[0-9]+\\.[0-9]+\\.[0-9]+$");
	assert.equal(addressPattern("172.16.1.8/30"), "^172\\.16\\.1\\.(8|9|10|11)$");
	assert.equal(addressPattern("172.16.0.0/15"), "^172\\.(16|17)\\.[0-9]+\\.[0-9]+$");
});
test("addressPattern matches the addresses of the range and no others", () => {
	const cases = fc.tuple(
		fc.integer({ min: 0, max: 32 }),
		fc.integer({ min: 0, max: 2 ** 32 - 1 }),
		fc.integer({ min: 0, max: 2 ** 32 - 1 }),
		fc.integer({ min: 0, max: 2 ** 32 - 1 }),
	);
	fc.assert(
		fc.property(cases, ([prefix, network, inside, anywhere]) => {
			const size = 2 ** (32 - prefix);
			const cidr = `${formatAddress(network - (network % size))}/${prefix}`;
			const range = parseCidr(cidr);
			assert.ok(range);
			const pattern = new RegExp(addressPattern(cidr));
			assert.ok(pattern.test(formatAddress(range.first + (inside % size))));
			assert.equal(pattern.test(formatAddress(anywhere)), contains(range, anywhere));
		}),
	);
});
