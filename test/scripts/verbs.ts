// Every host script with sample settings, as it would be sent to a host of the lab: what the tests here and the end-to-end tests put into bash.

import { stepText } from "../../cluster/step-text.ts";
import { scriptName } from "../../provider/shell.ts";
import { PAUSE_PODS } from "../../workloads/pause-pod.ts";
import { scenarioPod } from "../../workloads/scenarios.ts";
import { stepFile } from "./shell-files.ts";

export interface SampleHost {
	name: string;
	address: string;
	role: "control-plane" | "worker";
	/** The Node's own Pod range. */
	nodePodCidr: string;
}
export interface SampleStep {
	step: string;
	/** For `bash -s -- apply|check|undo`. */
	text: string;
	/** After undo, check exits 3: the step gives back what it changed. */
	hasUndo: boolean;
}

/** The lab's hosts, at the addresses of the seed's page. */
export const SAMPLE_HOSTS: SampleHost[] = [
	{ name: "k8s-master", address: "172.16.1.110", role: "control-plane", nodePodCidr: "10.244.0.0/24" },
	{ name: "k8s-node01", address: "172.16.1.111", role: "worker", nodePodCidr: "10.244.1.0/24" },
	{ name: "k8s-node02", address: "172.16.1.112", role: "worker", nodePodCidr: "10.244.2.0/24" },
];
export const SAMPLE_CLUSTER_ID = "sample-172.16.1.110";
const MACHINE = "http://172.16.1.1";
const PACKAGES = `${MACHINE}:8080`;
const MIRROR = `${MACHINE}:5000`;
const CRI_SOCKET = "unix:///run/containerd/containerd.sock";
/** The lab's kubeadm is built with a Go that its own preflight trips over; CAP_SYS_RESOURCE is missing there, so kube-proxy must leave conntrack alone. */
const IGNORED = ["HTTPProxy", "HTTPProxyCIDR"];
const SAMPLE_IMAGES = {
	busybox: "registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24",
	nginx: "registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17",
	pause: "registry.k8s.io/pause:3.9",
};
const IMAGES = [
	"docker.io/flannel/flannel-cni-plugin:v1.5.1-flannel2",
	"docker.io/flannel/flannel:v0.25.7",
	"registry.k8s.io/kube-proxy:v1.29.15",
	"registry.k8s.io/pause:3.9",
];

function repository(id: string): string {
	return [
		...[id, `[kubeadm-lab-${id}]`, `name=${id}`, `baseurl=${PACKAGES}/${id}/`, "enabled=1", "gpgcheck=1", "repo_gpgcheck=0"],
		`gpgkey=${PACKAGES}/RPM-GPG-KEY-kubeadm-lab`,
		"",
	].join("\n");
}

const CONTAINERD_CONFIG = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.9"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
`;

const initConfig = ({ name, address }: SampleHost) => `apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: ${address}, bindPort: 6443}
nodeRegistration: {name: ${name}, criSocket: "${CRI_SOCKET}", kubeletExtraArgs: {node-ip: ${address}}}
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
kubernetesVersion: v1.29.15
controlPlaneEndpoint: ${address}:6443
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}
controllerManager: {extraArgs: {allocate-node-cidrs: "false", leader-elect: "false"}}
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, min: 0}
`;

/** Text for `kubeadm join --config`; token and hash come from a control plane. */
export const joinConfig = ({ name, address }: SampleHost, token: string, caHash: string) => `apiVersion: kubeadm.k8s.io/v1beta3
kind: JoinConfiguration
discovery:
  bootstrapToken: {apiServerEndpoint: "172.16.1.110:6443", token: ${token}, caCertHashes: ["${caHash}"]}
nodeRegistration: {name: ${name}, criSocket: "${CRI_SOCKET}", kubeletExtraArgs: {node-ip: ${address}}}
`;

/** A script that a host is brought, as the provider brings it: its name and its text. */
export const SAMPLE_SCRIPT = [scriptName("message", "echo message\n"), "echo message\n"] as const;

/** Settings of one step on one host. `discovery` is for join: a control plane's token and CA hash. */
export function sampleSettings(step: string, host: SampleHost, discovery = { token: "abcdef.0123456789abcdef", caHash: `sha256:${"0".repeat(64)}` }) {
	const node = {
		CLUSTER_ID: SAMPLE_CLUSTER_ID,
		IGNORE_PREFLIGHT_ERRORS: IGNORED,
		TIMEOUT_SECONDS: 300,
		NODE_NAME: host.name,
		NODE_POD_CIDR: host.nodePodCidr,
		KUBERNETES_VERSION: "1.29.15",
		PAUSE_IMAGE: SAMPLE_IMAGES.pause,
	};
	const everyStep: Record<string, Record<string, string | number | boolean | string[]>> = {
		preflight: {
			HOST_NAME: host.name,
			ADDRESS: host.address,
			ROLE: host.role,
			MINIMUM_CPUS: 2,
			MINIMUM_MEMORY_MB: 1700,
			CLUSTER_ID: SAMPLE_CLUSTER_ID,
			KERNEL_OVERRIDE: false,
			RELEASE_MINOR: 29,
			KUBERNETES_VERSION: "1.29.15",
			UPGRADES: true,
			MAXIMUM_CLOCK_SKEW_SECONDS: 5,
			TIME_SOURCE: `${PACKAGES}/`,
			CLUSTER_POD_CIDR: "10.244.0.0/16",
			SERVICE_CIDR: "10.96.0.0/12",
			RUNTIME_KIND: "containerd",
			FIREWALLD: "disable",
			SELINUX: "permissive",
			MODULES: ["br_netfilter", "overlay"],
		},
		scripts: { HOST_NAME: host.name, SCRIPTS: [SAMPLE_SCRIPT[0]], BROUGHT: [...SAMPLE_SCRIPT] },
		identity: { HOST_NAME: host.name, HOSTS_BLOCK: SAMPLE_HOSTS.map(({ address, name }) => `${address} ${name}`).join("\n") },
		packages: {
			REPOSITORIES: ["centos", "docker-ce", "kubernetes"].map(repository),
			PACKAGES: ["kubelet-1.29.15", "kubeadm-1.29.15", "kubectl-1.29.15", "kubernetes-cni-1.3.0", "cri-tools-1.29.0", "containerd.io-1.6.33"],
			EXTRA_PACKAGES: ["chrony", "conntrack-tools", "ebtables", "ethtool", "ipset", "iproute", "iptables", "socat", "util-linux", "yum-plugin-versionlock"],
			REMOVE_ON_UNDO: true,
			UPGRADES: true,
		},
		system: {
			HOST_NAME: host.name,
			ADDRESS: host.address,
			ROLE: host.role,
			RUNTIME_KIND: "containerd",
			CLUSTER_POD_CIDR: "10.244.0.0/16",
			TIMEZONE: "Asia/Shanghai",
			NTP_SERVERS: ["172.16.1.1"],
			FIREWALLD: "disable",
			SELINUX: "permissive",
			MODULES: ["br_netfilter", "overlay"],
			SYSCTLS: ["fs.may_detach_mounts=1", "net.bridge.bridge-nf-call-ip6tables=1", "net.bridge.bridge-nf-call-iptables=1", "net.ipv4.ip_forward=1"],
		},
		runtime: {
			RUNTIME_KIND: "containerd",
			SANDBOX_IMAGE: "registry.k8s.io/pause:3.9",
			CONTAINERD_CONFIG,
			CRICTL_CONFIG: `runtime-endpoint: ${CRI_SOCKET}\nimage-endpoint: ${CRI_SOCKET}\ntimeout: 10\n`,
			MIRRORS: ["docker.io", "registry.k8s.io"].map(
				(name) => `${name}\nserver = "https://${name}"\n[host."${MIRROR}"]\n  capabilities = ["pull", "resolve"]\n`,
			),
		},
		images: { IMAGES, RUNTIME_KIND: "containerd" },
		init: { ...node, KUBEADM_CONFIG: initConfig(host) },
		join: { ...node, KUBELET_CONFIG: "0123456789abcdef", JOIN_CONFIG: joinConfig(host, discovery.token, discovery.caHash) },
		kubeconfig: {},
		leave: { HOST_NAME: host.name, CLUSTER_ID: SAMPLE_CLUSTER_ID },
		kubelet: { HOST_NAME: host.name, CLUSTER_ID: SAMPLE_CLUSTER_ID, KUBERNETES_VERSION: "1.29.15", TIMEOUT_SECONDS: 300 },
		node: {
			HOST_NAME: "k8s-master",
			NODE_NAME: host.name,
			TIMEOUT_SECONDS: 300,
			DRAIN_SECONDS: 300,
			LABELS: [],
			TAINTS: host.role === "control-plane" ? ["node-role.kubernetes.io/control-plane:NoSchedule"] : [],
		},
		endpoint: {
			HOST_NAME: host.name,
			ADDRESS: host.address,
			ENDPOINT: "172.16.1.100",
			PORT: 8443,
			PEERS: ["172.16.1.111"],
			HAPROXY_CONFIG: `frontend kubernetes-api\n    bind 172.16.1.100:8443 transparent\n`,
			KEEPALIVED_CONFIG: "vrrp_instance kubernetes_api {\n    interface @CARD@\n@PEERS@\n}\n",
		},
		"hand-over": {
			HOST_NAME: host.name,
			CLUSTER_ID: SAMPLE_CLUSTER_ID,
			NEWCOMER: "k8s-node01",
			NEWCOMER_ADDRESS: "172.16.1.111",
			UPLOAD_CONFIG: `kind: InitConfiguration\ncertificateKey: "${"ab".repeat(32)}"\n`,
			GAVE_UP: false,
		},
		reconnect: { CLUSTER_ID: SAMPLE_CLUSTER_ID },
		renewal: { HOST_NAME: host.name, CLUSTER_ID: "sample-172.16.1.110", TURN: 0 },
		snapshots: { HOST_NAME: host.name, EVERY: "6h", KEEP: 28, KEEP_ON_DESTROY: false },
		etcd: { HOST_NAME: host.name, ACTION: "list", NAME: "", OFFSET: 0, SIZE: 0, PART_BYTES: 4_194_304, PART: "", IS_LAST: false, ABOUT: "" },
		recorder: {
			HOST_NAME: host.name,
			ROLE: host.role,
			NAMESPACE: "default",
			MESSAGE_FILE: "/data/volumes/nginx/log/message",
			BOUND_SECONDS: 600,
			REFERENCE: "k8s-master",
			REFERENCE_ADDRESS: "172.16.1.110",
			RUNTIME_KIND: "containerd",
		},
		scenario: {
			HOST_NAME: host.name,
			NAME: "main-ends",
			MANIFEST: JSON.stringify(scenarioPod("main-ends", SAMPLE_IMAGES)),
			SETTLED: "Completed",
			SETTLE_SECONDS: 60,
			DELETE_OPTIONS: [],
		},
		pause: { HOST_NAME: host.name, PODS: [...PAUSE_PODS] },
		recording: { HOST_NAME: host.name },
		witness: { MESSAGE_FILE: "/data/volumes/nginx/log/message", FRESH: false },
		message: { MESSAGE_FILE: "/data/volumes/nginx/log/message" },
	};
	const settings = everyStep[step];
	if (!settings) throw new Error(`no sample settings for step ${step}; there are: ${Object.keys(everyStep).join(", ")}`);
	return settings;
}

const STEPS: Omit<SampleStep, "text">[] = [
	{ step: "preflight", hasUndo: false },
	{ step: "scripts", hasUndo: true },
	{ step: "identity", hasUndo: true },
	{ step: "packages", hasUndo: true },
	{ step: "system", hasUndo: true },
	{ step: "runtime", hasUndo: true },
	{ step: "endpoint", hasUndo: true },
	{ step: "leave", hasUndo: true },
	{ step: "images", hasUndo: false },
	{ step: "init", hasUndo: true },
	{ step: "kubeconfig", hasUndo: false },
	{ step: "join", hasUndo: true },
	{ step: "kubelet", hasUndo: false },
	{ step: "node", hasUndo: false },
	{ step: "snapshots", hasUndo: true },
	{ step: "renewal", hasUndo: true },
	{ step: "hand-over", hasUndo: false },
	{ step: "reconnect", hasUndo: false },
	{ step: "etcd", hasUndo: false },
	{ step: "recorder", hasUndo: true },
	{ step: "scenario", hasUndo: true },
	{ step: "pause", hasUndo: false },
	{ step: "recording", hasUndo: false },
	{ step: "witness", hasUndo: false },
	{ step: "message", hasUndo: false },
];
const ONLY: Record<string, SampleHost["role"]> = {
	node: "control-plane",
	pause: "worker",
	scenario: "control-plane",
	init: "control-plane",
	snapshots: "control-plane",
	renewal: "control-plane",
	endpoint: "control-plane",
	"hand-over": "control-plane",
	etcd: "control-plane",
	kubeconfig: "control-plane",
	join: "worker",
};

/** The steps of one host, in the order in which they are applied; undo in the opposite one. */
export function sampleSteps(host: SampleHost, discovery?: { token: string; caHash: string }): SampleStep[] {
	return STEPS.filter(({ step }) => (ONLY[step] ?? host.role) === host.role).map((sample) => ({
		...sample,
		text: stepText(stepFile(sample.step), sampleSettings(sample.step, host, discovery)),
	}));
}
