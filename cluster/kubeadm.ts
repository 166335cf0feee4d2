// Renders kubeadm's configuration files from settings, per API version; and which images each host needs. Pure.
import { stringify } from "yaml";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import { digest } from "../provider/shell.ts";

export const API_PORT = 6443;

/** How the kubelet reaches the runtime. Up to 1.23 kubeadm wants a path; from 1.24 on it wants a URL and warns about plain paths. */
export function criSocket({ release, runtime }: Pick<ClusterSettings, "release" | "runtime">): string {
	const path = runtime.kind === "docker" ? "/var/run/dockershim.sock" : "/run/containerd/containerd.sock";
	return release.minor <= 23 ? path : `unix://${path}`;
}

/** Where the API servers answer: the stack's endpoint, or the control plane's internal address, although the default route is on the other card. */
export function apiEndpoint({ hosts, apiEndpoint: endpoint }: Pick<ClusterSettings, "hosts" | "apiEndpoint">): string {
	return endpoint ? `${endpoint.address}:${endpoint.port}` : `${firstControlPlane({ hosts }).address}:${API_PORT}`;
}
export function controlPlanes({ hosts }: Pick<ClusterSettings, "hosts">): HostSpec[] {
	return hosts.filter(({ role }) => role === "control-plane");
}
/** Where kubeadm init runs. By its address a cluster is told from others, for as long as it lives. */
export function firstControlPlane(cluster: Pick<ClusterSettings, "hosts">): HostSpec {
	const [host] = controlPlanes(cluster);
	if (!host) throw new Error("no control plane among the hosts"); // loadSettings lets none through
	return host;
}

/**
 * Text for `kubeadm init --config`. Sorted, so that equal settings give equal text.
 * It names no bootstrap token: kubeadm then makes one of its own, which the init script deletes.
 */
export function initConfiguration(cluster: ClusterSettings): string {
	const host = firstControlPlane(cluster);
	const kubeadm = { apiVersion: `kubeadm.k8s.io/${cluster.release.kubeadmApi}` };
	const { conntrackMaxPerCore: maxPerCore, conntrackMin: min } = cluster.kubeProxy;
	const conntrack = { ...(maxPerCore === undefined ? {} : { maxPerCore }), ...(min === undefined ? {} : { min }) };
	const limit = innerLimit(cluster.timeouts.initSeconds);
	return yamlDocuments(
		{
			...kubeadm,
			kind: "InitConfiguration",
			localAPIEndpoint: { advertiseAddress: host.address, bindPort: API_PORT },
			nodeRegistration: nodeRegistration(cluster, host),
			...(isV1beta4(cluster) ? { timeouts: { controlPlaneComponentHealthCheck: limit, kubeletHealthCheck: limit } } : {}),
		},
		{
			...kubeadm,
			kind: "ClusterConfiguration",
			kubernetesVersion: `v${cluster.release.version}`,
			imageRepository: cluster.imageRepository,
			controlPlaneEndpoint: apiEndpoint(cluster),
			networking: { dnsDomain: "cluster.local", podSubnet: cluster.podCidr, serviceSubnet: cluster.serviceCidr },
			apiServer: {
				certSANs: certSans(cluster),
				extraArgs: args(cluster, { ...gates(cluster), ...NO_PROFILING }),
				...(isV1beta4(cluster) ? {} : { timeoutForControlPlane: limit }),
			},
			...components(cluster),
			...(coreDnsNeedsPath(cluster) ? { dns: { imageRepository: `${cluster.imageRepository}/coredns` } } : {}),
		},
		kubeletConfiguration(cluster),
		{
			apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
			kind: "KubeProxyConfiguration",
			mode: "iptables", // ipvs and nftables need newer kernels than 3.10
			...(Object.keys(conntrack).length === 0 ? {} : { conntrack }),
		},
	);
}

function kubeletConfiguration(cluster: ClusterSettings) {
	return {
		apiVersion: "kubelet.config.k8s.io/v1beta1",
		kind: "KubeletConfiguration",
		cgroupDriver: "systemd",
		...(cluster.kubeadm.failCgroupV1 === undefined ? {} : { failCgroupV1: cluster.kubeadm.failCgroupV1 }),
		...(gates(cluster) === undefined ? {} : { featureGates: cluster.kubeadm.featureGates }),
	};
}
/** For `join`: tells one configuration of the workers' kubelets from another. They read it from the cluster. */
export function kubeletDigest(cluster: ClusterSettings): string {
	return digest(yamlDocuments(kubeletConfiguration(cluster)));
}

/** The same for control planes, whose static Pods come of all of it. */
export function controlPlaneDigest(cluster: ClusterSettings): string {
	return digest(initConfiguration(cluster));
}

/** By setting, what of the stack makes the cluster's configuration beside its version: another value of any is applied in place. */
export function configurationSettings({ imageRepository, kubeadm, kubeProxy, apiEndpoint, hosts, timeouts }: ClusterSettings): Record<string, string> {
	const gates = Object.entries(kubeadm.featureGates).map(([name, isOn]) => `${name}=${isOn}`);
	const listed = (texts: string[]) => texts.sort().join(",") || "none";
	return {
		imageRepository,
		featureGates: listed(gates),
		kubeProxyConntrackMaxPerCore: String(kubeProxy.conntrackMaxPerCore ?? "none"),
		kubeProxyConntrackMin: String(kubeProxy.conntrackMin ?? "none"),
		apiEndpoint: apiEndpoint ? `${apiEndpoint.address}:${apiEndpoint.port}` : "none",
		externalAddress: listed(hosts.flatMap(({ role, externalAddress }) => (role === "control-plane" ? (externalAddress ?? []) : []))),
		initTimeoutSeconds: String(timeouts.initSeconds),
	};
}

/** For `init` and `join`: what a host that is in the cluster already is brought to in place. Empty where another version makes another cluster. */
export function upgradeSettings(cluster: ClusterSettings): Record<string, string> {
	return { KUBERNETES_VERSION: cluster.upgrade.inPlace ? cluster.release.version : "", PAUSE_IMAGE: pauseImage(cluster) };
}

/**
 * Text for `kubeadm init phase upload-certs --config`: what a control plane that joins must know is kept on the cluster under this key, encrypted. With a join token (a
 * secret) also for `kubeadm token create --config`.
 */
export function uploadConfiguration(cluster: ClusterSettings, certificateKey: string, token?: string): string {
	const kubeadm = { apiVersion: `kubeadm.k8s.io/${cluster.release.kubeadmApi}` };
	const host = firstControlPlane(cluster);
	const tokens = [{ token, ttl: "15m0s", usages: ["signing", "authentication"], groups: ["system:bootstrappers:kubeadm:default-node-token"] }];
	return yamlDocuments(
		{
			...kubeadm,
			kind: "InitConfiguration",
			certificateKey,
			...(token === undefined ? {} : { bootstrapTokens: tokens }),
			localAPIEndpoint: { advertiseAddress: host.address, bindPort: API_PORT },
			nodeRegistration: nodeRegistration(cluster, host),
		},
		{ ...kubeadm, kind: "ClusterConfiguration", kubernetesVersion: `v${cluster.release.version}`, controlPlaneEndpoint: apiEndpoint(cluster) },
	);
}

export interface Discovery {
	/** Join token. A secret: the text that holds it is one too. */
	token: string;
	/** `sha256:...` of the cluster's CA, always pinned. */
	caHash: string;
	/** What the control plane's certificates are encrypted with while they are handed over; for a control plane. A secret. */
	certificateKey?: string;
}
/** Text for `kubeadm join --config` of one host. */
export function joinConfiguration(cluster: ClusterSettings, host: HostSpec, { token, caHash, certificateKey }: Discovery): string {
	const limit = innerLimit(cluster.timeouts.joinSeconds);
	return yamlDocuments({
		apiVersion: `kubeadm.k8s.io/${cluster.release.kubeadmApi}`,
		kind: "JoinConfiguration",
		discovery: {
			bootstrapToken: { apiServerEndpoint: apiEndpoint(cluster), token, caCertHashes: [caHash] },
			...(isV1beta4(cluster) ? {} : { timeout: limit }),
		},
		nodeRegistration: nodeRegistration(cluster, host),
		...(certificateKey === undefined ? {} : { controlPlane: { certificateKey, localAPIEndpoint: { advertiseAddress: host.address, bindPort: API_PORT } } }),
		...(isV1beta4(cluster) ? { timeouts: { discovery: limit, kubeletHealthCheck: limit, tlsBootstrap: limit } } : {}),
	});
}

/** The image every Pod sandbox runs; containerd's `sandbox_image` must be the same, or a second one is pulled from elsewhere. */
export function pauseImage({ imageRepository, release }: Pick<ClusterSettings, "imageRepository" | "release">): string {
	return `${imageRepository}/pause:${release.pause}`;
}

/**
 * Images that a host of this role runs before the cluster is Ready, sorted. CoreDNS starts where a Node is Ready first, as a rule the control plane.
 * @param workloadImages what the workloads will run on workers; the control plane takes no ordinary Pods
 */
export function imagesFor(cluster: ClusterSettings, role: HostSpec["role"], workloadImages: string[] = []): string[] {
	const { imageRepository: repository, release, flannel } = cluster;
	const component = (name: string) => `${repository}/${name}:v${release.version}`;
	const everywhere = [component("kube-proxy"), pauseImage(cluster), flannel.image, flannel.cniPluginImage];
	// kubeadm puts CoreDNS below coredns/ only in registry.k8s.io (GetDNSImage in cmd/kubeadm/app/images/images.go), and up to 1.20 nowhere.
	const corednsPath = repository === "registry.k8s.io" && release.minor >= 21 ? "coredns/coredns" : "coredns";
	const controlPlane = [
		...["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map(component),
		`${repository}/etcd:${release.etcd}`,
		`${repository}/${corednsPath}:${release.coredns}`,
	];
	const images = [...everywhere, ...(role === "control-plane" ? controlPlane : workloadImages)];
	return [...new Set(images)].filter((image) => image !== "").sort();
}

const isV1beta4 = ({ release }: Pick<ClusterSettings, "release">) => release.kubeadmApi === "v1beta4";

/** 1.21 knows the path below coredns/ only for k8s.gcr.io, its own default (frozen since 2023-04); registry.k8s.io came with the patches of December 2022. */
const coreDnsNeedsPath = ({ imageRepository, release }: ClusterSettings) => imageRepository === "registry.k8s.io" && release.minor === 21;

/** kubeadm gives up a minute before the script that runs it is killed, so that its own diagnosis is shown. 300 s give 240 s, kubeadm's default. */
const innerLimit = (seconds: number) => `${Math.max(seconds - 60, Math.ceil(seconds / 2))}s`;

/** Each control plane's own name and address come with its join. Of the others here only what kubeadm can't know. */
function certSans(cluster: ClusterSettings): string[] {
	const { name, address } = firstControlPlane(cluster);
	const external = controlPlanes(cluster).flatMap(({ externalAddress }) => externalAddress ?? []);
	return [name, address, "127.0.0.1", ...external];
}

function nodeRegistration(cluster: ClusterSettings, host: HostSpec) {
	return { name: host.name, criSocket: criSocket(cluster), kubeletExtraArgs: args(cluster, { "node-ip": host.address }) };
}

/** Nobody needs to see what these programs spend their time on; CIS 1.2.16, 1.3.2 and 1.4.1 (docs/security.md). */
const NO_PROFILING = { profiling: "false" };
/**
 * leader-elect: with a single control plane there is nobody to elect against, and the first attempt, refused while the API server starts, costs 4 s. With an
 * endpoint of the stack's there may be more, or more may come.
 * kube-api-qps, kube-api-burst: the controller-manager makes an account for each of its controllers when it first starts, about 100 requests; at the default
 * of 20 a second the last controllers, those that let workers in among them, begin 3 s late.
 * allocate-node-cidrs: off where the program gives each Node its range; podSubnet stays, kube-proxy takes its clusterCIDR from it.
 */
function components(cluster: ClusterSettings) {
	const election: Record<string, string> = cluster.apiEndpoint ? {} : { "leader-elect": "false" };
	const allocation: Record<string, string> = cluster.podCidrs === "program" ? { "allocate-node-cidrs": "false" } : {};
	return {
		controllerManager: {
			extraArgs: args(cluster, { ...allocation, ...gates(cluster), "kube-api-burst": "200", "kube-api-qps": "100", ...election, ...NO_PROFILING }),
		},
		scheduler: { extraArgs: args(cluster, { ...gates(cluster), ...election, ...NO_PROFILING }) },
	};
}
/** The flag of each component of the control plane; undefined where the stack sets no gate. */
function gates({ kubeadm }: ClusterSettings): { "feature-gates": string } | undefined {
	const set = Object.entries(kubeadm.featureGates).sort(([a], [b]) => (a < b ? -1 : 1));
	return set.length === 0 ? undefined : { "feature-gates": set.map(([name, isOn]) => `${name}=${isOn}`).join(",") };
}
/** A map up to v1beta3, a list of name and value from v1beta4 on. */
function args(cluster: ClusterSettings, values: Record<string, string>) {
	return isV1beta4(cluster) ? Object.entries(values).map(([name, value]) => ({ name, value })) : values;
}

/** YAML 1.1 rules for quoting: kubeadm reads `no` and `on` as booleans. */
const yamlDocuments = (...parts: object[]) => parts.map((part) => stringify(part, { sortMapEntries: true, lineWidth: 0, version: "1.1" })).join("---\n");
