// Makes a host ready for kubeadm.
import * as pulumi from "@pulumi/pulumi";
import { proxyDropIn, proxyFor } from "../config/proxy.ts";
import { apisRemovedIn } from "../config/removed-apis.ts";
import type { ClusterSettings, HostSpec, Repository } from "../config/settings.ts";
import type { Setting } from "../provider/shell.ts";
import { containerdConfig, crictlConfig, dockerDaemonConfig, mirrorFiles } from "./containerd.ts";
import { ENDPOINT_PACKAGES, endpointSettings } from "./endpoint.ts";
import type { HostConnections } from "./host-provider.ts";
import { controlPlanes, imagesFor } from "./kubeadm.ts";
import { type HostState, hostAct, hostState, type StateArgs } from "./step.ts";

export interface HostArgs {
	spec: HostSpec;
	cluster: ClusterSettings;
	/** Every host's preflight: nothing is changed on any host before all of them have passed. */
	preflights: pulumi.Resource[];
	connections: HostConnections;
	/** Images of workloads, pulled on workers beside the cluster's own. Default none. */
	workloadImages?: string[];
	/** Tells this cluster from any other. */
	clusterId: string;
	/** Names of those that it keeps. */
	scripts: string[];
}

/**
 * Prepares one host: name, packages, kernel and system settings, container runtime, images.
 * Create: converges; on a prepared host it changes nothing. Delete: gives everything back that it changed, in the opposite order; images stay.
 */
export class Host extends pulumi.ComponentResource {
	readonly name: string;
	readonly spec: HostSpec;
	/** At its undo the host leaves its cluster, whatever init or join made of it: their own undo is left out where this one comes too. */
	readonly leave: HostState;
	/** What `leave` is made after: what is made after these too is undone in its stage. */
	readonly configured: pulumi.Resource[];
	/** The step after which its container runtime runs. */
	readonly runtime: HostState;
	/** Another value than before: it was installed anew, and is in no cluster any more. */
	readonly installed: pulumi.Output<string>;
	/** Whose work it is, for commands that undo something on it. */
	readonly owner: pulumi.Output<string>;

	constructor(name: string, args: HostArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:cluster:Host", name, {}, opts);
		const { spec, cluster, clusterId, preflights, connections, scripts, workloadImages = [] } = args;
		this.name = spec.name;
		this.spec = spec;
		this.owner = connections.ownerOn(spec.name);
		const state = (
			step: string,
			settings: Record<string, Setting>,
			after: pulumi.Resource[],
			flags: Pick<StateArgs, "apply" | "bringsScripts" | "shared"> = {},
		) =>
			hostState(
				`${name}-${step}`,
				{ host: spec.name, step: new URL(`./steps/${step}.sh`, import.meta.url), settings: { HOST_NAME: spec.name, ...settings }, ...flags },
				{ parent: this, dependsOn: after, provider: connections },
			);

		const keeper = state("scripts", { SCRIPTS: scripts }, preflights, { bringsScripts: true });
		this.installed = keeper.printed;
		const kept = [keeper];
		state("identity", {}, kept, { shared: ["HOSTS_BLOCK"] });
		const packages = state("packages", packagesSettings(spec, cluster), kept);
		const system = state("system", { ...systemSettings(cluster), ...usedSettings(spec, cluster) }, [packages]);
		// Docker turns forwarding on when it starts: what was there before must have been recorded by then. And firewalld, when it stops, takes Docker's rules along.
		this.runtime = state("runtime", runtimeSettings(cluster), cluster.runtime.kind === "docker" ? [system] : [packages]);
		// Until the cluster is gone: what is on it is deleted through this address.
		const endpoint = hasEndpoint(spec, cluster) ? [state("endpoint", endpointSettings(spec, cluster), [packages, system])] : [];
		this.configured = [system, this.runtime, ...endpoint];
		// A state that keeps nothing: its undo is what it is there for.
		this.leave = state("leave", { CLUSTER_ID: clusterId }, this.configured, { apply: false });
		// An act: the kubelet removes images that nobody uses when the disk is full, and pulls them again.
		const images = {
			HOST_NAME: spec.name,
			IMAGES: imagesFor(cluster, spec.role, workloadImages),
			RUNTIME_KIND: cluster.runtime.kind,
			HOST_INSTALLED: this.installed,
		};
		hostAct(
			`${name}-images`,
			{ host: spec, ssh: cluster.ssh, step: new URL("./steps/images.sh", import.meta.url), settings: images, undo: false },
			{ parent: this, dependsOn: [this.runtime] },
		);
		this.registerOutputs({});
	}
}

export interface PreflightArgs {
	spec: HostSpec;
	cluster: ClusterSettings;
	clusterId: string;
	connections: HostConnections;
}

/**
 * Inspects one host and changes nothing. Fails with everything that stands in the way; passes on a host that is part of this very cluster.
 * It is no part of Host: each Host waits for the preflights of all.
 */
export function preflight(name: string, args: PreflightArgs, parent: pulumi.Resource): HostState {
	const { spec, cluster, clusterId, connections } = args;
	const { minimumCpus, minimumMemoryMb, maximumClockSkewSeconds, allowUnsupportedKernel = false } = cluster.preflight;
	// A server that the host must reach anyway: its Date is what a host without a synchronised chronyd is compared with.
	const timeSource = cluster.repositories.find(({ baseUrl }) => /^https?:/.test(baseUrl))?.baseUrl.replaceAll(/\$\w+.*$/g, "") ?? "";
	const timeProxy = proxyFor(timeSource, cluster);
	const { http, https } = cluster.proxy ?? {};
	const settings = {
		HOST_NAME: spec.name,
		CLUSTER_ID: clusterId,
		FIREWALLD: cluster.os.firewalld,
		SELINUX: cluster.os.selinux,
		MODULES: cluster.os.modules,
		...usedSettings(spec, cluster),
		MINIMUM_CPUS: minimumCpus,
		MINIMUM_MEMORY_MB: minimumMemoryMb,
		MAXIMUM_CLOCK_SKEW_SECONDS: maximumClockSkewSeconds,
		KERNEL_OVERRIDE: allowUnsupportedKernel,
		RELEASE_MINOR: cluster.release.minor,
		KUBERNETES_VERSION: cluster.release.version,
		UPGRADES: cluster.upgrade.inPlace,
		...(cluster.upgrade.inPlace ? upgradePlan(spec, cluster) : {}),
		...endpointPlan(spec, cluster),
		SERVICE_CIDR: cluster.serviceCidr,
		TIME_SOURCE: timeSource,
		...(timeProxy === undefined || timeProxy === "none" ? {} : { TIME_PROXY: timeProxy }),
		...(cluster.proxy ? { PROXIES: [...new Set([http, https])].filter((url) => url !== undefined) } : {}),
	};
	const step = new URL("./steps/preflight.sh", import.meta.url);
	return hostState(
		`${name}-preflight`,
		{ host: spec.name, step, settings, looksOnly: true, ...(cluster.upgrade.inPlace ? { shared: ["REPOSITORIES"] } : {}) },
		{ parent, provider: connections },
	);
}

/** Whether keepalived and haproxy run here. */
function hasEndpoint({ role }: HostSpec, { apiEndpoint }: ClusterSettings): boolean {
	return role === "control-plane" && apiEndpoint !== undefined;
}
/** Who may carry the endpoint's address already. */
function endpointPlan(spec: HostSpec, cluster: ClusterSettings): Record<string, Setting> {
	return hasEndpoint(spec, cluster) ? { CONTROL_PLANES: controlPlanes(cluster).map((host) => host.address) } : {};
}

/** What cluster/steps/lib/upgrade-plan.sh tells beforehand. */
function upgradePlan({ role }: HostSpec, cluster: ClusterSettings): Record<string, Setting> {
	const { minor, kubeadmApi } = cluster.release;
	const ofControlPlane: Record<string, Setting> = role === "control-plane" ? { REMOVED_APIS: apisRemovedIn(minor), KUBEADM_API: kubeadmApi } : {};
	return { IMAGES: imagesFor(cluster, role), PACKAGES: cluster.packages.pinned, ...ofControlPlane };
}
/** What the preflight asks whether they have an upgrade's packages. The same text for all hosts: shared (HostConnections). */
export function upgradeSources(cluster: ClusterSettings): Record<string, string> {
	return cluster.upgrade.inPlace
		? {
				REPOSITORIES: repositoryFiles(cluster)
					.map(({ text }) => text)
					.join(""),
			}
		: {};
}

/** What the inspection in cluster/steps/lib/used-host.sh depends on. */
function usedSettings(spec: HostSpec, cluster: ClusterSettings): Record<string, Setting> {
	const { runtime, podCidr, apiEndpoint } = cluster;
	const endpoint: Record<string, Setting> = apiEndpoint && hasEndpoint(spec, cluster) ? { ENDPOINT: apiEndpoint.address, ENDPOINT_PORT: apiEndpoint.port } : {};
	return { ADDRESS: spec.address, ROLE: spec.role, RUNTIME_KIND: runtime.kind, CLUSTER_POD_CIDR: podCidr, ...endpoint };
}

/** For each host's /etc/hosts, a line `address name` a host; empty where people have DNS for that. */
export function hostsBlock({ hosts, os }: ClusterSettings): string {
	return os.hostsFile ? hosts.map(({ address, name }) => `${address} ${name}`).join("\n") : "";
}

function packagesSettings(spec: HostSpec, cluster: ClusterSettings) {
	const { packages } = cluster;
	return {
		REPOSITORIES: repositoryFiles(cluster).map(({ id, text }) => `${id}\n${text}`),
		PACKAGES: packages.pinned,
		EXTRA_PACKAGES: hasEndpoint(spec, cluster) ? [...packages.extra, ...ENDPOINT_PACKAGES] : packages.extra,
		REMOVE_ON_UNDO: packages.removeOnDestroy,
		UPGRADES: cluster.upgrade.inPlace,
	};
}

function repositoryFiles(cluster: ClusterSettings): { id: string; text: string }[] {
	return cluster.repositories.map((repository) => ({ id: repository.id, text: repositoryFile(repository, proxyFor(repository.baseUrl, cluster)) }));
}
/**
 * A .repo file. Its id has a prefix: yum would mix it with a repository of the same id that the host already has.
 * @param proxy its URL; none where there must be none; undefined leaves it to the host's own yum.conf
 */
export function repositoryFile({ id, name, baseUrl, gpgKey, gpgCheck, repoGpgCheck, exclude }: Repository, proxy?: string): string {
	const flag = (value: boolean) => (value ? "1" : "0");
	const lines = [
		`[kubeadm-lab-${id}]`,
		`name=${name}`,
		`baseurl=${baseUrl}`,
		"enabled=1",
		`gpgcheck=${flag(gpgCheck)}`,
		`repo_gpgcheck=${flag(repoGpgCheck)}`,
		...(gpgKey.length > 0 ? [`gpgkey=${gpgKey.join(" ")}`] : []),
		...(exclude.length > 0 ? [`exclude=${exclude.join(" ")}`] : []),
		...(proxy === undefined ? [] : [`proxy=${proxy === "none" ? "_none_" : proxy}`]),
	];
	return `${lines.join("\n")}\n`;
}

function systemSettings({ os }: ClusterSettings) {
	const sysctls = Object.keys(os.sysctls).sort();
	return {
		TIMEZONE: os.timezone ?? "",
		NTP_SERVERS: os.ntpServers,
		MODULES: os.modules,
		FIREWALLD: os.firewalld,
		SELINUX: os.selinux,
		SYSCTLS: sysctls.map((key) => `${key}=${os.sysctls[key]}`),
	};
}

function runtimeSettings(cluster: ClusterSettings): Record<string, Setting> {
	const { kind } = cluster.runtime;
	const proxy: Record<string, Setting> = cluster.proxy ? { PROXY_DROP_IN: proxyDropIn(cluster.proxy) } : {};
	if (kind === "docker") return { RUNTIME_KIND: kind, DOCKER_CONFIG: dockerDaemonConfig(cluster), ...proxy };
	return {
		...proxy,
		RUNTIME_KIND: kind,
		CONTAINERD_CONFIG: containerdConfig(cluster),
		CRICTL_CONFIG: crictlConfig(cluster),
		MIRRORS: mirrorFiles(cluster).map(({ registry, text }) => `${registry}\n${text}`),
	};
}
