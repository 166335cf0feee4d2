// Loads a stack's configuration as validated, typed settings. Every problem of a stack is reported at once, each with its path.
import * as pulumi from "@pulumi/pulumi";
import { checkEndpoint } from "./config/endpoint.ts";
import { resolveHostKeys } from "./config/host-keys.ts";
import { checkHosts, checkNetworks, checkNodePodCidrs, choosePodCidrAllocator } from "./config/hosts.ts";
import { chooseKubernetes, choosePackages, chooseRepositories, type Kubernetes } from "./config/kubernetes.ts";
import { readPrivateKey, readSudoPassword } from "./config/login-secrets.ts";
import { Problems } from "./config/problems.ts";
import { readProxy } from "./config/proxy.ts";
import { type Reach, reachOf } from "./config/reach.ts";
import { readValues, type Values } from "./config/read.ts";
import { unsupportedKernelNeeds } from "./config/releases.ts";
import type { ClusterSettings, HostSpec, Settings, SshSettings } from "./config/settings.ts";

export { ConfigError } from "./config/problems.ts";

/** What CentOS 7 needs for Pods and Services; fs.may_detach_mounts is EL7's own (containerd#6953: Pods stay Terminating without it). */
const SYSCTLS = {
	"fs.may_detach_mounts": "1",
	"net.bridge.bridge-nf-call-ip6tables": "1",
	"net.bridge.bridge-nf-call-iptables": "1",
	"net.ipv4.ip_forward": "1",
};
const MODULES = ["br_netfilter", "overlay"];

/**
 * Reads and checks the stack's configuration. Keys, types and defaults: Pulumi.yaml. Contacts no host.
 * @throws ConfigError with every problem at once, one line each: `Pulumi.<stack>.yaml: <path>: <found, expected, what to do>`.
 */
export function loadSettings(config: pulumi.Config): Settings {
	const stack = pulumi.getStack();
	const problems = new Problems(stack);
	const { report } = problems;
	const values = readValues(config, report);
	checkHosts(values, report);
	checkNetworks(values, report);
	checkEndpoint(values, report);
	const reach = reachOf(values, report);
	const privateKey = reach && readPrivateKey(config, values, reach.identity, stack, report);
	const sudoPassword = readSudoPassword(config, values, stack, report);
	const hostKeys = reach ? resolveHostKeys(reach, values, stack, report) : { hosts: [] };
	const kubernetes = chooseKubernetes(values.top, report);
	checkNodePodCidrs(values, kubernetes?.release, report);
	const repositories = chooseRepositories(values, kubernetes?.release, report);
	const specs = hostSpecs(reach?.hosts ?? [], hostKeys.hosts);
	const proxy = readProxy(values, specs, report);
	problems.throwIfAny();
	if (!kubernetes) throw new Error("no problem reported, but no release chosen"); // a bug, not the user's mistake
	const etcdSnapshots = values.snapshots as ClusterSettings["etcdSnapshots"];
	const apiEndpoint = values.endpoint as ClusterSettings["apiEndpoint"];
	const top = values.top as Required<Values["top"]>; // every field was read, or throwIfAny had thrown
	return {
		stack,
		cluster: {
			hosts: specs,
			ssh: sshSettings(top, { privateKey, sudoPassword }, reach?.bastion && { ...reach.bastion, hostKey: hostKeys.bastion }),
			...clusterSettings(top, kubernetes),
			repositories,
			...(proxy ? { proxy } : {}),
			...(etcdSnapshots ? { etcdSnapshots } : {}),
			...(apiEndpoint ? { apiEndpoint } : {}),
		},
		demo: {
			enabled: top.demoEnabled,
			image: top.demoImage,
			initImage: top.demoInitImage,
			hostPath: top.demoHostPath,
			freshFile: top.demoFreshFile,
			kubeconfig: top.demoKubeconfig,
			recordHours: top.demoRecordHours,
			gallery: [...new Set(top.gallery)],
			pauseProof: top.pauseProof,
		},
	};
}

/** The control planes first, then the workers in the file's order: a Node's place decides its Pod CIDR. */
function hostSpecs(hosts: Reach<Values["hosts"][number]>["hosts"], hostKeys: (string | undefined)[]): HostSpec[] {
	const specs = hosts.map((host, i) => ({ ...host, hostKey: hostKeys[i] }) as HostSpec);
	return [...specs.filter((host) => host.role === "control-plane"), ...specs.filter((host) => host.role === "worker")];
}

function sshSettings(
	top: Values["top"],
	{ privateKey, sudoPassword }: { privateKey: string | undefined; sudoPassword: string | undefined },
	bastion: { address?: string; port: number; user: string; hostKey?: string | undefined } | undefined,
): SshSettings {
	return {
		privateKey: privateKey === undefined ? undefined : pulumi.secret(privateKey),
		...(sudoPassword === undefined ? {} : { sudoPassword: pulumi.secret(sudoPassword) }),
		dialErrorLimit: top.sshDialErrorLimit,
		perDialTimeoutSeconds: top.sshPerDialTimeoutSeconds,
		...(bastion ? { bastion: { address: bastion.address, port: bastion.port, user: bastion.user, hostKey: bastion.hostKey } } : {}),
	} as SshSettings; // every field was read, or throwIfAny had thrown
}

function clusterSettings(
	top: Required<Values["top"]>,
	kubernetes: Kubernetes,
): Omit<ClusterSettings, "hosts" | "ssh" | "repositories" | "proxy" | "etcdSnapshots" | "apiEndpoint"> {
	const { release, runtime, flannel } = kubernetes;
	const needs = unsupportedKernelNeeds(release, top.kernel);
	return {
		nodeNetwork: top.nodeNetwork,
		podCidr: top.podCidr,
		serviceCidr: top.serviceCidr,
		release,
		flannel,
		runtime: { ...runtime, restrictOomScoreAdj: top.containerdRestrictOomScoreAdj },
		imageRepository: top.imageRepository,
		registryMirrors: top.registryMirrors,
		packages: { ...choosePackages(kubernetes, top.extraPackages), removeOnDestroy: top.removePackagesOnDestroy },
		os: {
			hostsFile: top.hostsFile,
			firewalld: top.firewalld,
			selinux: top.selinux,
			ntpServers: top.ntpServers,
			...(top.timezone === "" ? {} : { timezone: top.timezone }),
			sysctls: { ...SYSCTLS, ...top.extraSysctls },
			modules: [...new Set([...MODULES, ...top.extraModules])],
		},
		kubeadm: {
			...needs,
			featureGates: top.featureGates,
			ignorePreflightErrors: [...new Set([...needs.ignorePreflightErrors, ...top.kubeadmIgnorePreflightErrors])],
		},
		kubeProxy: { conntrackMaxPerCore: top.kubeProxyConntrackMaxPerCore, conntrackMin: top.kubeProxyConntrackMin },
		podCidrs: choosePodCidrAllocator(top.podCidrs, release),
		preflight: {
			minimumCpus: top.minimumCpus,
			minimumMemoryMb: top.minimumMemoryMb,
			maximumClockSkewSeconds: top.maximumClockSkewSeconds,
			allowUnsupportedKernel: top.allowUnsupportedKernel,
		},
		timeouts: {
			initSeconds: top.initTimeoutSeconds,
			joinSeconds: top.joinTimeoutSeconds,
			drainSeconds: top.drainTimeoutSeconds,
			podSeconds: top.podTimeoutSeconds,
		},
		upgrade: { inPlace: top.onVersionChange === "upgrade", batch: top.upgradeBatch },
		joinsAtOnce: top.joinsAtOnce,
		renewCertificates: top.renewCertificates,
	};
}
