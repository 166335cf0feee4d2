// kubeadm's configuration files for every release, and what they say of cards, Pod ranges and the CA.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { apiEndpoint, criSocket, imagesFor, initConfiguration, joinConfiguration } from "../../cluster/kubeadm.ts";
import { RELEASE_VERSIONS } from "../../config/releases.ts";
import type { ClusterSettings } from "../../config/settings.ts";
import { allCompared, golden } from "../golden.ts";
import { hosts, settings } from "./settings.ts";

allCompared("kubeadm");

const DISCOVERY = { token: "abcdef.0123456789abcdef", caHash: `sha256:${"0".repeat(64)}` };
/** What the lab's file changes, as far as kubeadm sees it. */
const LAB = { kubeProxyConntrackMaxPerCore: 0, kubeProxyConntrackMin: 0 };
const DOCKER = { containerRuntime: "docker" };
const CASES: Record<string, Record<string, unknown>> = {
	dev: {},
	lab: LAB,
	"seed-1.17": { kubernetesVersion: "1.17.17", ...DOCKER },
	"seed-1.18": { kubernetesVersion: "1.18.20", ...DOCKER },
	"v1beta4-1.31": { kubernetesVersion: "1.31.14" },
	"cgroup-v1-1.35": { kubernetesVersion: "1.35.7", containerRuntimeVersion: "1.7.28", allowUnsupportedKernel: true },
	"one-card": {
		hosts: hosts().map(({ externalAddress: _, ...host }) => host),
		initTimeoutSeconds: 900,
		imageRepository: "registry.aliyuncs.com/google_containers",
	},
};
const worker = (cluster: ClusterSettings) => cluster.hosts[1] ?? assert.fail("no worker");
const parsedDocuments = (text: string) => parseAllDocuments(text, { version: "1.1" }).map((document) => document.toJS());

for (const [name, changes] of Object.entries(CASES)) {
	test(`${name}: init, join and images are as they were`, () => {
		const { cluster, demo } = settings(changes);
		golden(`kubeadm/${name}-init.yaml`, initConfiguration(cluster));
		golden(`kubeadm/${name}-join.yaml`, joinConfiguration(cluster, worker(cluster), DISCOVERY));
		const images = (["control-plane", "worker"] as const).map((role) => [role, ...imagesFor(cluster, role, [demo.image, demo.initImage])].join("\n  "));
		golden(`kubeadm/${name}-images.txt`, `${images.join("\n")}\n`);
	});
}

test("every release renders init and join, each document with an API version that the release knows", () => {
	for (const kubernetesVersion of RELEASE_VERSIONS) {
		const { cluster } = settings({
			kubernetesVersion,
			kernel: "6.1",
			containerRuntimeVersion: Number(kubernetesVersion.split(".")[1]) > 34 ? "2.2.0" : "1.7.28",
		});
		const [init, clusterConfiguration, kubelet, proxy] = parsedDocuments(initConfiguration(cluster));
		const api = `kubeadm.k8s.io/${cluster.release.kubeadmApi}`;
		assert.deepEqual(
			[init.apiVersion, init.kind, clusterConfiguration.apiVersion, clusterConfiguration.kind],
			[api, "InitConfiguration", api, "ClusterConfiguration"],
		);
		assert.deepEqual([kubelet.kind, kubelet.cgroupDriver, proxy.kind], ["KubeletConfiguration", "systemd", "KubeProxyConfiguration"]);
		assert.equal(clusterConfiguration.kubernetesVersion, `v${kubernetesVersion}`);
		assert.equal(parsedDocuments(joinConfiguration(cluster, worker(cluster), DISCOVERY))[0].apiVersion, api);
	}
});

test("feature gates reach the API server, the controller-manager, the scheduler and the kubelets", () => {
	for (const kubernetesVersion of ["1.29.15", "1.31.14"]) {
		const { cluster } = settings({ kubernetesVersion, featureGates: { PodLifecycleSleepAction: true, AnyVolumeDataSource: false } });
		const [, clusterConfiguration, kubelet] = parsedDocuments(initConfiguration(cluster));
		for (const component of ["apiServer", "controllerManager", "scheduler"]) {
			const found = clusterConfiguration[component].extraArgs;
			const flag = Array.isArray(found) ? found.find(({ name }: { name: string }) => name === "feature-gates")?.value : found["feature-gates"];
			assert.equal(flag, "AnyVolumeDataSource=false,PodLifecycleSleepAction=true", component);
		}
		assert.deepEqual(kubelet.featureGates, { AnyVolumeDataSource: false, PodLifecycleSleepAction: true });
	}
});
test("everything binds to the internal card, and the certificate is good for both", () => {
	const { cluster } = settings();
	const [init, clusterConfiguration] = parsedDocuments(initConfiguration(cluster));
	assert.equal(apiEndpoint(cluster), "172.16.1.110:6443");
	assert.equal(init.localAPIEndpoint.advertiseAddress, "172.16.1.110");
	assert.equal(init.nodeRegistration.kubeletExtraArgs["node-ip"], "172.16.1.110");
	assert.equal(clusterConfiguration.controlPlaneEndpoint, "172.16.1.110:6443");
	assert.deepEqual(clusterConfiguration.apiServer.certSANs, ["k8s-master", "172.16.1.110", "127.0.0.1", "10.0.0.110"]);
	const [join] = parsedDocuments(joinConfiguration(cluster, worker(cluster), DISCOVERY));
	assert.equal(join.nodeRegistration.kubeletExtraArgs["node-ip"], "172.16.1.111");
	assert.equal(join.discovery.bootstrapToken.apiServerEndpoint, "172.16.1.110:6443");
});

test("Pod ranges are left to the controller-manager where settings say so, and podSubnet stays in either case", () => {
	for (const [podCidrs, expected] of [
		["program", "false"],
		["controller-manager", undefined],
	] as const) {
		const [, clusterConfiguration] = parsedDocuments(initConfiguration(settings({ podCidrs }).cluster));
		assert.equal(clusterConfiguration.controllerManager.extraArgs["allocate-node-cidrs"], expected);
		assert.equal(clusterConfiguration.networking.podSubnet, "10.244.0.0/16");
	}
});

test("the CA is pinned in every join", () => {
	for (const changes of Object.values(CASES)) {
		const { cluster } = settings(changes);
		const [join] = parsedDocuments(joinConfiguration(cluster, worker(cluster), DISCOVERY));
		assert.deepEqual(join.discovery.bootstrapToken, { apiServerEndpoint: "172.16.1.110:6443", token: DISCOVERY.token, caCertHashes: [DISCOVERY.caHash] });
	}
});

test("a host whose name YAML 1.1 reads as a boolean keeps its name", () => {
	const { cluster } = settings({ hosts: hosts().map((host, i) => (i === 1 ? { ...host, name: "no" } : host)) });
	assert.match(joinConfiguration(cluster, worker(cluster), DISCOVERY), /name: "no"/);
});

test("the runtime's socket is a path up to 1.23 and a URL from 1.24 on", () => {
	const socket = (changes: Record<string, unknown>) => criSocket(settings(changes).cluster);
	assert.equal(socket({ kubernetesVersion: "1.23.17", ...DOCKER }), "/var/run/dockershim.sock");
	assert.equal(socket({ kubernetesVersion: "1.23.17" }), "/run/containerd/containerd.sock");
	assert.equal(socket({ kubernetesVersion: "1.24.17" }), "unix:///run/containerd/containerd.sock");
});

test("CoreDNS is below a path only in registry.k8s.io, and 1.21 is told so", () => {
	const coredns = (changes: Record<string, unknown>) => imagesFor(settings(changes).cluster, "control-plane").find((image) => image.includes("coredns"));
	assert.equal(coredns({}), "registry.k8s.io/coredns/coredns:v1.11.1");
	assert.equal(coredns({ imageRepository: "registry.aliyuncs.com/google_containers" }), "registry.aliyuncs.com/google_containers/coredns:v1.11.1");
	assert.equal(coredns({ kubernetesVersion: "1.20.15" }), "registry.k8s.io/coredns:1.7.0");
	assert.match(initConfiguration(settings({ kubernetesVersion: "1.21.14" }).cluster), /dns:\n {2}imageRepository: registry\.k8s\.io\/coredns\n/);
	assert.doesNotMatch(initConfiguration(settings({ kubernetesVersion: "1.22.17" }).cluster), /dns:/);
});
