// The types of a stack's settings, as they are after all checks.
import type { Output } from "@pulumi/pulumi";
import type { Release } from "./releases.ts";

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
	/** SSH user: root, or one that may use sudo. Default root. */
	user: string;
	/** Labels of the Node. Default none. */
	labels: Record<string, string>;
	/** Taints of the Node, `key=value:effect` or `key:effect`, beside a control plane's own. Default none. */
	taints: string[];
}
/** A host that SSH goes through on its way to the others. */
export interface Bastion {
	/** Name or IPv4 address. */
	address: string;
	/** As a host's. */
	port: number;
	user: string;
	hostKey: string;
}
export interface SshSettings {
	/** A secret. Undefined: the agent that SSH_AUTH_SOCK names has the keys. */
	privateKey: Output<string> | undefined;
	/** How often a connection is tried before the step fails. */
	dialErrorLimit: number;
	/** Seconds one try may take. */
	perDialTimeoutSeconds: number;
	/** What sudo asks a user for who is not root, a secret. Default none: it may ask for nothing. */
	sudoPassword?: Output<string>;
	/** Takes the same private key. Default none: each host is dialled directly. */
	bastion?: Bastion;
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
	/** Package globs that this repository delivers to nobody, this program's own transactions included. */
	exclude: string[];
}
export interface ProxySettings {
	/** For http:// URLs, such as http://proxy.example:3128. */
	http?: string;
	/** For https:// URLs. */
	https?: string;
	/** Names, domains (.example.com), addresses and CIDRs that are reached without it: the cluster's own first, then the stack's. */
	noProxy: string[];
}

export interface ClusterSettings {
	/** One, three or five control planes, then the workers, in the order of the stack's file. The first control plane is where the cluster begins. */
	hosts: HostSpec[];
	ssh: SshSettings;
	/** CIDR that holds every host's address. */
	nodeNetwork: string;
	/** Where all control planes answer, by keepalived and haproxy. Default none: the first one's own address. */
	apiEndpoint?: { address: string; port: number };
	podCidr: string;
	serviceCidr: string;
	/** Row of releases.ts, chosen by `kubernetesVersion`. */
	release: Release;
	runtime: { kind: "containerd" | "docker"; version: string; restrictOomScoreAdj: boolean };
	/** Where kubeadm's images come from, such as registry.k8s.io. */
	imageRepository: string;
	/** Registry host -> endpoints that are asked first, such as {"docker.io": ["http://192.0.2.1:5000"]}. */
	registryMirrors: Record<string, string[]>;
	/** Through which hosts reach repositories and registries. Default none. */
	proxy?: ProxySettings;
	/** yum repositories that the program writes. */
	repositories: Repository[];
	packages: { /** name-version, such as kubelet-1.29.15 */ pinned: string[]; extra: string[]; removeOnDestroy: boolean };
	os: {
		/** Every host's name and address in each host's /etc/hosts. */
		hostsFile: boolean;
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
	timeouts: { initSeconds: number; joinSeconds: number; drainSeconds: number; podSeconds: number };
	/** What another version of Kubernetes does: an upgrade in place, so many workers at once; or another cluster. */
	upgrade: { inPlace: boolean; batch: number };
	/** Workers that join at the same time; the others wait. */
	joinsAtOnce: number;
	/** Snapshots of etcd that the control plane takes by itself: how often, as systemd reads it, and how many stay. Default none. */
	etcdSnapshots?: { every: string; keep: number; keepOnDestroy: boolean };
	/** What renews certificates that end soon: each `up`, or a timer of the control plane's too. */
	renewCertificates: "up" | "timer";
}
/** Pods of the gallery, by name (workloads/scenarios.ts). */
export const SCENARIO_NAMES = [
	"poststart-fails",
	"prestop-fails",
	"prestop-hangs",
	"poststart-hangs",
	"force-delete",
	"main-ends",
	"init-fails",
	"no-shell",
	"no-shell-http",
	"no-shell-sleep",
	"sidecar",
	"sigterm-ignored",
	"two-containers",
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

export interface DemoSettings {
	enabled: boolean;
	image: string;
	initImage: string;
	/** Folder on the host, with the trailing slash of the seed's page. */
	hostPath: string;
	/** Empty the message file before the Pod starts. Default false: the seed's page appends. */
	freshFile: boolean;
	/** An output with a kubeconfig that may look at Pods and delete them. */
	kubeconfig: boolean;
	/** Record the Pod's history, for this many hours at most; 0 records nothing. */
	recordHours: number;
	/** Probe what the pause container holds together, on Pods made for it. */
	pauseProof: boolean;
	/** Pods of the gallery, beside the demo's. */
	gallery: ScenarioName[];
}
export interface Settings {
	stack: string;
	cluster: ClusterSettings;
	demo: DemoSettings;
}
