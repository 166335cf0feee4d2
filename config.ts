// Stack configuration -> validated, typed settings. Every problem of a stack is reported at once, each with its path.
import * as pulumi from "@pulumi/pulumi";
import { type Release, unsupportedKernelNeeds } from "./cluster/releases.ts";
import { resolveHostKeys } from "./config/host-keys.ts";
import { checkHosts, checkNetworks, checkPodCidrs, podCidrsBy } from "./config/hosts.ts";
import { chooseKubernetes, choosePackages, chooseRepositories, type Kubernetes } from "./config/kubernetes.ts";
import { readPrivateKey } from "./config/private-key.ts";
import { Problems } from "./config/problems.ts";
import { readValues, type Values } from "./config/read.ts";
import type { ScenarioName } from "./lifecycle/scenarios.ts";

export type { Release } from "./cluster/releases.ts";
export { ConfigError } from "./config/problems.ts";

export interface HostSpec {
	/** Host name: a DNS label. It becomes the Node's name. */
	name: string;
	/** Internal IPv4 address: SSH, the API server, kubelets and flannel use this one. */
	address: string;
	/** IPv4 address of the other network card. Only the API server's certificate names it. */
	externalAddress?: string;
	role: "control-plane" | "worker";
	/** Public host key as in an authorized_keys line without comment: `ssh-ed25519 AAAA...`. Always pinned. */
	hostKey: string;
	/** SSH port. Default 22. */
	port: number;
	/** SSH user: root, or one that may use `sudo -n`. Default root. */
	user: string;
	/** Labels of the Node. Default none. */
	labels: Record<string, string>;
	/** Taints of the Node, `key=value:effect` or `key:effect`, beside a control plane's own. Default none. */
	taints: string[];
}
export interface SshSettings {
	/** Private key, a secret. */
	privateKey: pulumi.Output<string>;
	/** How often a connection is tried before the step fails. */
	dialErrorLimit: number;
	/** Seconds one try may take. */
	perDialTimeoutSeconds: number;
}
export interface Repository {
	/** yum's id, also the file name: /etc/yum.repos.d/kubeadm-lab-<id>.repo. */
	id: string;
	name: string;
	baseUrl: string;
	/** Key URLs or file:// paths. */
	gpgKey: string[];
	/** Check each package's signature. */
	gpgCheck: boolean;
	/** Check the signature of the repository's metadata too. */
	repoGpgCheck: boolean;
	/** Package globs that this repository must not deliver. */
	exclude: string[];
}
export interface ClusterSettings {
	/** Exactly one control plane, then the workers, in the order of the stack's file. */
	hosts: HostSpec[];
	ssh: SshSettings;
	/** CIDR that holds every host's address. */
	nodeNetwork: string;
	podCidr: string;
	serviceCidr: string;
	/** Row of releases.ts, chosen by `kubernetesVersion`. */
	release: Release;
	runtime: { kind: "containerd" | "docker"; version: string; restrictOomScoreAdj: boolean };
	/** Where kubeadm's images come from, such as registry.k8s.io. */
	imageRepository: string;
	/** Registry host -> endpoints that are asked first, such as {"docker.io": ["http://192.0.2.1:5000"]}. */
	registryMirrors: Record<string, string[]>;
	/** yum repositories that the program writes. */
	repositories: Repository[];
	packages: { /** name-version, such as kubelet-1.29.15 */ pinned: string[]; extra: string[]; removeOnDestroy: boolean };
	os: {
		firewalld: "disable" | "keep";
		selinux: "permissive" | "keep";
		timezone?: string;
		ntpServers: string[];
		sysctls: Record<string, string>;
		modules: string[];
	};
	kubeadm: {
		ignorePreflightErrors: string[];
		/** For the API server, the controller-manager, the scheduler and the kubelets. */
		featureGates: Record<string, boolean>;
		/** KubeletConfiguration.failCgroupV1; set to false for Kubernetes 1.35 and later on cgroup v1 hosts, else undefined. */
		failCgroupV1?: boolean;
	};
	kubeProxy: { conntrackMaxPerCore?: number; conntrackMin?: number };
	/** Who gives each Node its Pod CIDR. Default by release: the program up to 1.30, whose node-ipam controller sleeps 10 s first. */
	podCidrs: "program" | "controller-manager";
	/** `cniPluginImage` is empty where the flannel CNI plugin comes with the kubernetes-cni package (flannel 0.12). */
	flannel: { version: string; image: string; cniPluginImage: string };
	preflight: {
		minimumCpus: number;
		minimumMemoryMb: number;
		maximumClockSkewSeconds: number;
		/** Go on although the release's preflight refuses kernel 3.10. Default false. */
		allowUnsupportedKernel?: boolean;
	};
	timeouts: { initSeconds: number; joinSeconds: number; podSeconds: number };
}
export interface DemoSettings {
	enabled: boolean;
	image: string;
	initImage: string;
	/** Folder on the host, with the trailing slash of the seed's page. */
	hostPath: string;
	/** Empty the message file before the Pod starts. Default false: the seed's page appends. */
	freshFile: boolean;
	/** Record the Pod's life, for this many hours at most; 0 records nothing. */
	recordHours: number;
	/** Look at what the pause container holds together, on Pods made for it. */
	pauseProof: boolean;
	/** Pods of the gallery, beside the demo's. */
	gallery: ScenarioName[];
}
export interface Settings {
	stack: string;
	cluster: ClusterSettings;
	demo: DemoSettings;
}

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
	const privateKey = readPrivateKey(config, values, stack, report);
	const hostKeys = resolveHostKeys(values, stack, report);
	const kubernetes = chooseKubernetes(values.top, report);
	checkPodCidrs(values, kubernetes?.release, report);
	const repositories = chooseRepositories(values, kubernetes?.release, report);
	problems.throwIfAny();
	if (!kubernetes) throw new Error("no problem reported, but no release chosen"); // a bug, not the user's mistake
	const top = values.top as Required<Values["top"]>; // every field was read, or throwIfAny had thrown
	return {
		stack,
		cluster: { hosts: hostSpecs(values, hostKeys), ...clusterSettings(top, kubernetes, privateKey), repositories },
		demo: {
			...{ enabled: top.demoEnabled, image: top.demoImage, initImage: top.demoInitImage, hostPath: top.demoHostPath },
			...{ freshFile: top.demoFreshFile, recordHours: top.demoRecordHours, gallery: [...new Set(top.gallery)], pauseProof: top.pauseProof },
		},
	};
}

/** The control plane first, then the workers in the file's order: a Node's place decides its Pod CIDR. */
function hostSpecs({ hosts, top }: Values, hostKeys: (string | undefined)[]): HostSpec[] {
	const specs = hosts.map((host, i) => ({ ...host, hostKey: hostKeys[i], port: host.port ?? top.sshPort, user: host.user ?? top.sshUser }) as HostSpec);
	return [...specs.filter((host) => host.role === "control-plane"), ...specs.filter((host) => host.role === "worker")];
}

function clusterSettings(top: Required<Values["top"]>, kubernetes: Kubernetes, privateKey: string): Omit<ClusterSettings, "hosts" | "repositories"> {
	const { release, runtime, flannel } = kubernetes;
	const needs = unsupportedKernelNeeds(release, top.kernel);
	return {
		ssh: { privateKey: pulumi.secret(privateKey), dialErrorLimit: top.sshDialErrorLimit, perDialTimeoutSeconds: top.sshPerDialTimeoutSeconds },
		...{ nodeNetwork: top.nodeNetwork, podCidr: top.podCidr, serviceCidr: top.serviceCidr, release, flannel },
		runtime: { ...runtime, restrictOomScoreAdj: top.containerdRestrictOomScoreAdj },
		...{ imageRepository: top.imageRepository, registryMirrors: top.registryMirrors },
		packages: { ...choosePackages(kubernetes, top.extraPackages), removeOnDestroy: top.removePackagesOnDestroy },
		os: {
			...{ firewalld: top.firewalld, selinux: top.selinux, ntpServers: top.ntpServers },
			...(top.timezone === "" ? {} : { timezone: top.timezone }),
			sysctls: { ...SYSCTLS, ...top.extraSysctls },
			modules: [...new Set([...MODULES, ...top.extraModules])],
		},
		kubeadm: {
			...{ ...needs, featureGates: top.featureGates },
			ignorePreflightErrors: [...new Set([...needs.ignorePreflightErrors, ...top.kubeadmIgnorePreflightErrors])],
		},
		kubeProxy: { conntrackMaxPerCore: top.kubeProxyConntrackMaxPerCore, conntrackMin: top.kubeProxyConntrackMin },
		podCidrs: podCidrsBy(top.podCidrs, release),
		preflight: {
			...{ minimumCpus: top.minimumCpus, minimumMemoryMb: top.minimumMemoryMb, maximumClockSkewSeconds: top.maximumClockSkewSeconds },
			allowUnsupportedKernel: top.allowUnsupportedKernel,
		},
		timeouts: {
			...{ initSeconds: top.initTimeoutSeconds, joinSeconds: top.joinTimeoutSeconds },
			podSeconds: top.podTimeoutSeconds,
		},
	};
}
