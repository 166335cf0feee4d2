// Renders the configuration files of the container runtime and of crictl from settings. Pure.

import { compareVersions } from "../config/releases.ts";
import type { ClusterSettings } from "../config/settings.ts";
import { criSocket, pauseImage } from "./kubeadm.ts";

/** containerd looks here for one folder per registry, and reads it anew at each pull (since containerd 1.5). */
const CERTS_FOLDER = "/etc/containerd/certs.d";

/** TOML's basic strings take JSON's escapes. */
const quoted = (text: string) => JSON.stringify(text);

/**
 * /etc/containerd/config.toml. The containerd.io package brings one with `disabled_plugins = ["cri"]`, which leaves the kubelet without a runtime.
 * version 2 for containerd 1.x, version 3 for 2.x, which moved the tables.
 */
export function containerdConfig(cluster: ClusterSettings): string {
	return compareVersions(cluster.runtime.version, "2.0") < 0 ? version2(cluster) : version3(cluster);
}
function version2(cluster: ClusterSettings): string {
	const cri = 'plugins."io.containerd.grpc.v1.cri"';
	return lines(
		"version = 2",
		`[${cri}]`,
		`  sandbox_image = ${quoted(pauseImage(cluster))}`,
		...oomScore(cluster),
		`[${cri}.containerd.runtimes.runc]`,
		'  runtime_type = "io.containerd.runc.v2"',
		`[${cri}.containerd.runtimes.runc.options]`,
		"  SystemdCgroup = true",
		`[${cri}.cni]`,
		'  bin_dir = "/opt/cni/bin"', // where the kubernetes-cni package and flannel put theirs
		'  conf_dir = "/etc/cni/net.d"',
		`[${cri}.registry]`,
		`  config_path = ${quoted(CERTS_FOLDER)}`,
	);
}
function version3(cluster: ClusterSettings): string {
	const [images, runtime] = ["images", "runtime"].map((part) => `plugins."io.containerd.cri.v1.${part}"`);
	return lines(
		"version = 3",
		`[${images}.pinned_images]`,
		`  sandbox = ${quoted(pauseImage(cluster))}`,
		`[${images}.registry]`,
		`  config_path = ${quoted(CERTS_FOLDER)}`,
		...(cluster.runtime.restrictOomScoreAdj ? [`[${runtime}]`, ...oomScore(cluster)] : []),
		`[${runtime}.containerd.runtimes.runc]`,
		'  runtime_type = "io.containerd.runc.v2"',
		`[${runtime}.containerd.runtimes.runc.options]`,
		"  SystemdCgroup = true",
	);
}
/** For hosts without CAP_SYS_RESOURCE: runc can't lower oom_score_adj there, and every Pod sandbox dies. */
const oomScore = ({ runtime }: ClusterSettings) => (runtime.restrictOomScoreAdj ? ["  restrict_oom_score_adj = true"] : []);

/** hosts.toml of one registry: the endpoints in order, then the registry itself. */
export function hostsToml(registry: string, endpoints: string[]): string {
	const server = registry === "docker.io" ? "registry-1.docker.io" : registry;
	const hosts = endpoints.flatMap((endpoint) => [
		`[host.${quoted(endpoint)}]`,
		'  capabilities = ["pull", "resolve"]',
		...(/\/v2(\/|$)/.test(new URL(endpoint).pathname) ? ["  override_path = true"] : []), // else containerd adds a /v2 of its own
	]);
	return lines(`server = ${quoted(`https://${server}`)}`, ...hosts);
}

/** One entry per mirrored registry, sorted: its name, and the text of its hosts.toml. */
export function mirrorFiles({ registryMirrors }: Pick<ClusterSettings, "registryMirrors">): { registry: string; text: string }[] {
	return Object.keys(registryMirrors)
		.sort()
		.map((registry) => ({ registry, text: hostsToml(registry, registryMirrors[registry] ?? []) }));
}

/** /etc/crictl.yaml. crictl wants a URL, whatever kubeadm of that release wants. */
export function crictlConfig(cluster: ClusterSettings): string {
	const socket = `unix://${criSocket(cluster).replace(/^unix:\/\//, "")}`;
	return lines(`runtime-endpoint: ${socket}`, `image-endpoint: ${socket}`, "timeout: 10");
}

/** /etc/docker/daemon.json. Docker takes mirrors for docker.io only; plain http endpoints must be named as insecure. */
export function dockerDaemonConfig({ registryMirrors }: Pick<ClusterSettings, "registryMirrors">): string {
	const mirrors = registryMirrors["docker.io"] ?? [];
	const insecure = mirrors.filter((mirror) => mirror.startsWith("http://")).map((mirror) => new URL(mirror).host);
	const config = {
		"exec-opts": ["native.cgroupdriver=systemd"],
		...(insecure.length > 0 ? { "insecure-registries": insecure } : {}),
		"log-driver": "json-file",
		"log-opts": { "max-size": "100m" },
		...(mirrors.length > 0 ? { "registry-mirrors": mirrors } : {}),
		"storage-driver": "overlay2",
	};
	return `${JSON.stringify(config, null, 2)}\n`;
}

const lines = (...texts: string[]) => `${texts.join("\n")}\n`;
