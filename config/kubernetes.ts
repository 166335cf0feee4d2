// Chooses release, container runtime, flannel and packages from the stack's keys, and refuses what does not go together. Pure.

import { pathText, type Report } from "./problems.ts";
import type { Values } from "./read.ts";
import { checkCombination, compareVersions, FLANNELS, type Flannel, findRelease, nearestVersion, type Release } from "./releases.ts";
import { isNumberText } from "./schema.ts";
import type { Repository } from "./settings.ts";

type Top = Values["top"];
export interface Runtime {
	kind: "containerd" | "docker";
	version: string;
}
export interface Kubernetes {
	release: Release;
	runtime: Runtime;
	flannel: Flannel;
}

/** Last el7 build of containerd.io (2024-06-04), and the Docker of the seed's time (2020). Both are on download.docker.com. */
const DEFAULT_RUNTIME_VERSIONS = { containerd: "1.6.33", docker: "19.03.15" };
/** What docker-ce 19.03 runs on; named, or yum takes whatever containerd.io is newest. */
const CONTAINERD_UNDER_DOCKER = "1.4.9";
/**
 * What kubeadm and kubelet call and their RPMs no longer ask for (kubernetes/release dropped conntrack, socat and the like between 2024-08 and 2025-09,
 * k/k#135306), and what the host scripts need: the lock on versions and the clock.
 */
const BASE_PACKAGES = ["chrony", "conntrack-tools", "ebtables", "ethtool", "ipset", "iproute", "iptables", "socat", "util-linux", "yum-plugin-versionlock"];

/** Reports why the chosen release, kernel, runtime and CNI do not go together; undefined where something is missing to go on with. */
export function chooseKubernetes(top: Top, report: Report): Kubernetes | undefined {
	const { kubernetesVersion: version = "", containerRuntime: kind, kernel } = top;
	const release = findRelease(version);
	if (!release) report("kubernetesVersion", unknownVersionText(version));
	const flannel = chooseFlannel(top, release, report);
	if (kind === "docker")
		for (const registry of Object.keys(top.registryMirrors ?? {}).filter((name) => name !== "docker.io"))
			report(pathText(["registryMirrors", registry]), "Docker takes mirrors for docker.io only. Remove it, and name the mirror in the images themselves.");
	if (!release || !flannel || !kind || !kernel || top.containerRuntimeVersion === undefined) return undefined;
	const runtime = { kind, version: top.containerRuntimeVersion || DEFAULT_RUNTIME_VERSIONS[kind] };
	const result = checkCombination(release, { kernel, allowUnsupportedKernel: top.allowUnsupportedKernel ?? false, runtime, cni: flannel });
	if (!result.goes) {
		const advice =
			result.nearest === undefined
				? "No release in config/releases.ts does; change the kernel, the runtime or flannel."
				: `Use ${result.nearest}, the nearest that does.`;
		report("kubernetesVersion", `${version} does not go with these hosts: ${result.reason}. ${advice}`);
	}
	return { release, runtime, flannel };
}
function unknownVersionText(version: string): string {
	if (isNumberText(version)) {
		// 1.3 was 1.30 before YAML read it as a number; nobody asks for the Kubernetes of 2016 here.
		const nearest = nearestVersion(/^1\.[1-9]$/.test(version) ? `${version}0.0` : version);
		return `${version} is a number and not a version: YAML reads 1.30 as 1.3. Use three numbers, in quotes, such as "${nearest}".`;
	}
	const nearest = nearestVersion(version);
	return `${JSON.stringify(version)} is not in the table of known combinations (config/releases.ts). Use ${nearest}, the nearest that is.`;
}

function chooseFlannel(top: Top, release: Release | undefined, report: Report): Flannel | undefined {
	const { flannelVersion, flannelImage, flannelCniPluginImage } = top;
	if (flannelVersion === undefined || flannelImage === undefined || flannelCniPluginImage === undefined) return undefined;
	const base = flannelVersion === "" ? release?.flannel : FLANNELS.find((flannel) => flannel.version === flannelVersion);
	const version = flannelVersion || base?.version;
	const image = flannelImage || base?.image;
	const cniPluginImage = flannelCniPluginImage || base?.cniPluginImage;
	if (version !== undefined && image !== undefined && cniPluginImage !== undefined) return { version, image, cniPluginImage };
	if (version !== undefined) {
		const known = FLANNELS.map((flannel) => flannel.version).join(", ");
		report("flannelVersion", `the images of ${version} are not known. Set flannelImage and flannelCniPluginImage too, or use one of ${known}.`);
	}
	return undefined;
}

/** Packages by exact version, which are locked, and by name alone, which are not. */
export function choosePackages({ release, runtime }: Kubernetes, extra: string[]): { pinned: string[]; extra: string[] } {
	const versions: [string, string][] = [
		...["kubelet", "kubeadm", "kubectl"].map((name): [string, string] => [name, release.version]),
		["kubernetes-cni", release.kubernetesCni],
		["cri-tools", release.criTools],
		...runtimePackages(runtime),
	];
	return {
		pinned: versions.filter(([, version]) => version !== "").map(([name, version]) => `${name}-${version}`),
		extra: [...new Set([...versions.filter(([, version]) => version === "").map(([name]) => name), ...BASE_PACKAGES, ...extra])].sort(),
	};
}
function runtimePackages({ kind, version }: Runtime): [string, string][] {
	if (kind === "containerd") return [["containerd.io", version]];
	const containerd = compareVersions(version, "20.10") < 0 ? CONTAINERD_UNDER_DOCKER : "";
	return ["docker-ce", "docker-ce-cli"].map((name): [string, string] => [name, version]).concat([["containerd.io", containerd]]);
}

/** Fills defaults in; reports ids there twice, missing keys, and a Kubernetes repository of another minor. */
export function chooseRepositories({ repositories, top }: Values, release: Release | undefined, report: Report): Repository[] {
	if (repositories.length === 0 && top.repositories !== undefined)
		report("repositories", "not set. List the yum repositories that hold CentOS, the container runtime and Kubernetes, as Pulumi.dev.yaml does.");
	const ids = new Map<string, number>();
	for (const [i, { id, baseUrl, gpgKey = [], gpgCheck = true }] of repositories.entries()) {
		const path = `repositories[${i}]`;
		if (id !== undefined) {
			const before = ids.get(id);
			if (before !== undefined) report(`${path}.id`, `"${id}" is also repositories[${before}].id. Give each repository its own.`);
			else ids.set(id, i);
		}
		if (gpgCheck && gpgKey.length === 0)
			report(`${path}.gpgKey`, "not set, but packages are checked against it (gpgCheck). Add the key's URL, such as gpgKey: [https://<host>/<key>]");
		const minor = baseUrl?.match(/\/v1\.(\d+)\//)?.[1];
		if (release && minor !== undefined && Number(minor) !== release.minor)
			report(`${path}.baseUrl`, `holds Kubernetes 1.${minor}, but kubernetesVersion is ${release.version}. Use the repository of v1.${release.minor}.`);
	}
	return repositories.map(({ id = "", name, baseUrl = "", gpgKey = [], gpgCheck = true, repoGpgCheck = false, exclude = [] }) => ({
		id,
		name: name ?? id,
		baseUrl,
		gpgKey,
		gpgCheck,
		repoGpgCheck,
		exclude,
	}));
}
