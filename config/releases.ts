// Which Kubernetes goes with which kernel, runtime, CNI and kubeadm API; and why not. Pure.

export interface Flannel {
	version: string;
	image: string;
	/** Empty where flannel brings no CNI plugin and the kubernetes-cni package must have one (before flannel 0.15). */
	cniPluginImage: string;
}
export interface Release {
	/** Such as 1.29.15: the last patch of its minor, except 1.28.2, and 1.18.3, which the page that the demo is from was written with. */
	version: string;
	minor: number;
	kubeadmApi: "v1beta2" | "v1beta3" | "v1beta4";
	/** The kubelet speaks to Docker itself. */
	dockershim: boolean;
	/** Image tags as `kubeadm config images list` prints them. */
	pause: string;
	etcd: string;
	coredns: string;
	/** Versions of the packages that go with it; empty where none was seen, and yum chooses. */
	kubernetesCni: string;
	criTools: string;
	/** Default flannel. */
	flannel: Flannel;
	/** Oldest containerd of each series that goes with it, oldest series first; `below` (exclusive) is empty where there is no end. */
	containerd: { minimums: string[]; below: string };
	/** kubeadm's preflight on kernel 3.10: passes, or only with SystemVerification ignored. */
	kernel310: "ok" | "ignore";
	/** The node-ipam controller sleeps 10 s before its first look at the nodes. */
	nodeIpamSleeps: boolean;
}
export interface Surroundings {
	/** As `uname -r` prints it; the oldest among the hosts. */
	kernel: string;
	/** Accept a kernel that the release's preflight refuses. Default false. */
	allowUnsupportedKernel?: boolean;
	runtime: { kind: "containerd" | "docker"; version: string };
	/** The flannel that will be installed. */
	cni: Pick<Flannel, "version" | "cniPluginImage">;
}
export type Combination =
	| { goes: true }
	| { goes: false; reason: string /** Nearest release that goes with the same surroundings. */; nearest: string | undefined };

// One line per release, oldest first. Sources:
// - last patch, etcd, CoreDNS, pause: kubernetes/minikube pkg/minikube/constants/constants_kubeadm_images.go (2026-08-23); 1.37.2 from the Go module proxy (2026-11-24).
// - kubeadm API, newest each release knows: v1beta2 1.15-1.26 (k/k#114540), v1beta3 1.22-1.36 (k/k#136016), v1beta4 from 1.31 (k/k#125029).
// - packages: kubernetes/release cmd/krel/templates/latest/metadata.yaml and file names in both repositories. The el7 repository froze at 1.28.2 (2023-09).
//   Up to 1.23 kubernetes-cni stays at 0.8.7, the last with a flannel plugin (containernetworking/plugins dropped it in 1.0.0).
// - containerd: its RELEASES.md, "Kubernetes Support". 1.31 asks for 1.6.34; 1.6.33, the last el7 build, is let through as best effort (same CRI v1).
//   Up to 1.24 the bound is 1.5, the first that reads mirrors from certs.d. CRI v1alpha2, all that Kubernetes up to 1.22 speaks, left containerd in 2.0.
// version, kubeadm API, etcd, CoreDNS, pause, kubernetes-cni, cri-tools, oldest containerd of each series
type Row = [string, Release["kubeadmApi"], string, string, string, string, string, string[]];
const ROWS: Row[] = [
	["1.17.17", "v1beta2", "3.4.3-0", "1.6.5", "3.1", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.18.3", "v1beta2", "3.4.3-0", "1.6.7", "3.2", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.18.20", "v1beta2", "3.4.3-0", "1.6.7", "3.2", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.19.16", "v1beta2", "3.4.13-0", "1.7.0", "3.2", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.20.15", "v1beta2", "3.4.13-0", "1.7.0", "3.2", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.21.14", "v1beta2", "3.4.13-0", "v1.8.0", "3.4.1", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.22.17", "v1beta3", "3.5.6-0", "v1.8.4", "3.5", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.23.17", "v1beta3", "3.5.6-0", "v1.8.6", "3.6", "0.8.7", "1.13.0", ["1.5.0"]],
	["1.24.17", "v1beta3", "3.5.6-0", "v1.8.6", "3.7", "1.2.0", "1.26.0", ["1.5.0"]],
	["1.25.16", "v1beta3", "3.5.9-0", "v1.9.3", "3.8", "", "", ["1.6.0"]],
	["1.26.15", "v1beta3", "3.5.10-0", "v1.9.3", "3.9", "", "", ["1.6.15", "1.7.0"]],
	["1.27.16", "v1beta3", "3.5.12-0", "v1.10.1", "3.9", "", "", ["1.6.15", "1.7.0"]],
	["1.28.2", "v1beta3", "3.5.9-0", "v1.10.1", "3.9", "1.2.0", "1.26.0", ["1.6.15", "1.7.0"]],
	["1.28.15", "v1beta3", "3.5.15-0", "v1.10.1", "3.9", "1.2.0", "1.28.0", ["1.6.15", "1.7.0"]],
	["1.29.15", "v1beta3", "3.5.16-0", "v1.11.1", "3.9", "1.3.0", "1.29.0", ["1.6.27", "1.7.11"]],
	["1.30.14", "v1beta3", "3.5.15-0", "v1.11.3", "3.9", "1.4.0", "1.30.0", ["1.6.28", "1.7.13"]],
	["1.31.14", "v1beta4", "3.5.24-0", "v1.11.3", "3.10", "1.5.1", "1.31.1", ["1.6.33", "1.7.20"]],
	["1.32.13", "v1beta4", "3.5.24-0", "v1.11.3", "3.10", "1.6.0", "1.32.0", ["1.6.36", "1.7.24"]],
	["1.33.13", "v1beta4", "3.5.24-0", "v1.12.0", "3.10", "1.6.0", "1.33.0", ["1.6.36", "1.7.24"]],
	["1.34.10", "v1beta4", "3.6.5-0", "v1.12.1", "3.10.1", "1.7.1", "1.34.0", ["1.6.39", "1.7.28"]],
	["1.35.7", "v1beta4", "3.6.6-0", "v1.13.1", "3.10.1", "1.8.0", "1.35.0", ["1.7.28", "2.1.5"]],
	["1.36.3", "v1beta4", "3.6.8-0", "v1.14.2", "3.10.2", "1.9.1", "1.36.0", ["2.2.0"]],
	["1.37.2", "v1beta4", "3.7.0-0", "v1.14.6", "3.10.2", "", "", ["2.2.0"]],
];

/** Last minor with dockershim; 1.24 removed it (KEP-2221). */
const LAST_DOCKERSHIM = 23;
/** Last minor whose kubeadm accepts kernel 3.10: k8s.io/system-validators 1.8.0; 1.9 and later want 4.19 or CGROUP_BPF (k/k#128149). */
export const LAST_KERNEL_310 = 31;
/** From this minor on kubelet and kubeadm refuse cgroup v1, all that CentOS 7 has (k/k#134298, KEP-5573). */
const FIRST_REFUSING_CGROUP_V1 = 35;
/** First minor that the kubernetes-cni package has no flannel plugin for (1.0.0 and later). */
const FIRST_WITHOUT_FLANNEL_PLUGIN = 24;

/** flannel versions whose images are known. Images: Documentation/kube-flannel.yml of each tag in flannel-io/flannel. */
export const FLANNELS: Flannel[] = [
	{ version: "0.12.0", image: "quay.io/coreos/flannel:v0.12.0-amd64", cniPluginImage: "" },
	{ version: "0.22.3", image: "docker.io/flannel/flannel:v0.22.3", cniPluginImage: "docker.io/flannel/flannel-cni-plugin:v1.2.0" },
	{ version: "0.25.7", image: "docker.io/flannel/flannel:v0.25.7", cniPluginImage: "docker.io/flannel/flannel-cni-plugin:v1.5.1-flannel2" },
	{ version: "0.26.7", image: "ghcr.io/flannel-io/flannel:v0.26.7", cniPluginImage: "ghcr.io/flannel-io/flannel-cni-plugin:v1.6.2-flannel1" },
	{ version: "0.28.9", image: "ghcr.io/flannel-io/flannel:v0.28.9", cniPluginImage: "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel3" },
];
const flannelOf = (version: string): Flannel => FLANNELS.find((flannel) => flannel.version === version) as Flannel;

const RELEASES: Release[] = ROWS.map(([version, kubeadmApi, etcd, coredns, pause, kubernetesCni, criTools, minimums]) => {
	const minor = Number(version.split(".")[1]);
	return {
		version,
		minor,
		kubeadmApi,
		etcd,
		coredns,
		pause,
		kubernetesCni,
		criTools,
		dockershim: minor <= LAST_DOCKERSHIM,
		// 0.12.0 is what the seed's page (May 2020) ran; 0.25.7 is the newest that needs nothing kernel 3.10 or an unloaded br_netfilter lacks.
		flannel: flannelOf(minor <= 18 ? "0.12.0" : "0.25.7"),
		containerd: { minimums, below: minor <= 22 ? "2.0.0" : "" },
		kernel310: minor <= LAST_KERNEL_310 ? "ok" : "ignore",
		// nodePollInterval in pkg/controller/nodeipam/ipam/cidr_allocator.go: wait.Poll up to 1.30, an immediate first try from 1.31.
		nodeIpamSleeps: minor <= 30,
	};
});

/** Every version of the table, oldest first. */
export const RELEASE_VERSIONS: string[] = RELEASES.map((release) => release.version);

/** -1, 0 or 1 by the leading numbers: 1.6.33 is older than 1.6.100; what follows a dash or letter does not count. */
export function compareVersions(a: string, b: string): number {
	const [left, right] = [a, b].map((text) => (text.match(/^\d+(\.\d+)*/)?.[0] ?? "0").split(".").map(Number));
	for (let i = 0; i < Math.max(left?.length ?? 0, right?.length ?? 0); i++) {
		const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
		if (difference !== 0) return Math.sign(difference);
	}
	return 0;
}

/** The row of exactly this version, or undefined. Patches in between have other etcd images and packages that nobody listed. */
export function findRelease(version: string): Release | undefined {
	return RELEASES.find((release) => release.version === version);
}

/** The table's version that comes nearest, for an error text: same minor first, then the nearest minor. */
export function nearestVersion(version: string): string {
	const minor = Number(version.match(/^v?1\.(\d+)/)?.[1] ?? "29");
	return nearest(minor, () => true) ?? "1.29.15";
}
function nearest(minor: number, goes: (release: Release) => boolean): string | undefined {
	const distance = (release: Release) => Math.abs(release.minor - minor);
	return RELEASES.toReversed() // of two equally near, the newer
		.sort((a, b) => distance(a) - distance(b))
		.find(goes)?.version;
}

const series = (version: string) => version.split(".").slice(0, 2).join(".");

function runtimeReason(release: Release, runtime: Surroundings["runtime"]): string | undefined {
	if (runtime.kind === "docker") {
		return release.dockershim ? undefined : `its kubelet no longer speaks to Docker (1.${LAST_DOCKERSHIM} was the last); containerd goes with it`;
	}
	const { minimums, below } = release.containerd;
	const ofSeries = minimums.find((minimum) => series(minimum) === series(runtime.version));
	const isNewerSeries = minimums.every((minimum) => compareVersions(series(runtime.version), series(minimum)) > 0);
	const isOldEnough = below === "" || compareVersions(runtime.version, below) < 0;
	if (isOldEnough && (ofSeries ? compareVersions(runtime.version, ofSeries) >= 0 : isNewerSeries)) return undefined;
	const wanted = minimums.map((minimum) => `${minimum} or later`).join(", ") + (below === "" ? "" : `, before ${below}`);
	return `it needs containerd ${wanted}, found ${runtime.version}`;
}
function kernelReason(release: Release, { kernel, allowUnsupportedKernel = false }: Surroundings): string | undefined {
	if (compareVersions(kernel, "3.10") < 0) return `it needs kernel 3.10 or later, found ${kernel}`;
	if (release.kernel310 === "ok" || compareVersions(kernel, "4.19") >= 0 || allowUnsupportedKernel) return undefined;
	const cgroups = release.minor >= FIRST_REFUSING_CGROUP_V1 ? " and refuses cgroup v1" : "";
	return `its preflight wants kernel 4.19 or later${cgroups}, found ${kernel} (allowUnsupportedKernel: true goes on at your own risk)`;
}
function cniReason(release: Release, cni: Surroundings["cni"]): string | undefined {
	if (cni.version === "0.24.3") return "flannel 0.24.3 writes iptables rules that iptables-restore refuses (flannel-io/flannel#1906)";
	if (cni.cniPluginImage !== "" || release.minor < FIRST_WITHOUT_FLANNEL_PLUGIN) return undefined;
	return `flannel ${cni.version} brings no CNI plugin, and the kubernetes-cni package of 1.${FIRST_WITHOUT_FLANNEL_PLUGIN} and later has none either`;
}

/** Says whether the release runs with this kernel, runtime and CNI; if not, every reason and the nearest release that does. */
export function checkCombination(release: Release, surroundings: Surroundings): Combination {
	const reasonsOf = (candidate: Release) =>
		[kernelReason(candidate, surroundings), runtimeReason(candidate, surroundings.runtime), cniReason(candidate, surroundings.cni)].filter(
			(reason) => reason !== undefined,
		);
	const reasons = reasonsOf(release);
	if (reasons.length === 0) return { goes: true };
	return { goes: false, reason: reasons.join("; "), nearest: nearest(release.minor, (candidate) => reasonsOf(candidate).length === 0) };
}

/** On kernels before 4.19 these releases need kubeadm's SystemVerification ignored; from 1.35 on the kubelet also needs failCgroupV1 false. */
export function unsupportedKernelNeeds(release: Release, kernel: string): { ignorePreflightErrors: string[]; failCgroupV1?: false } {
	if (release.kernel310 === "ok" || compareVersions(kernel, "4.19") >= 0) return { ignorePreflightErrors: [] };
	return { ignorePreflightErrors: ["SystemVerification"], ...(release.minor >= FIRST_REFUSING_CGROUP_V1 ? { failCgroupV1: false as const } : {}) };
}
