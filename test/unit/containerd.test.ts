// The configuration files of containerd, Docker and crictl, compared with goldens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { containerdConfig, crictlConfig, dockerDaemonConfig, hostsToml, mirrorFiles } from "../../cluster/containerd.ts";
import { allCompared, golden } from "../golden.ts";
import { settings } from "./settings.ts";

allCompared("containerd");

const MIRRORS = { "registry.k8s.io": ["http://172.16.1.1:5000"], "docker.io": ["http://172.16.1.1:5000", "https://mirror.example"] };
const SEED = { kubernetesVersion: "1.18.20", containerRuntime: "docker" };

test("containerd's configuration is as it was: 1.x, 1.x without the right to lower oom_score_adj, 2.x", () => {
	golden("containerd/config-1.toml", containerdConfig(settings().cluster));
	golden("containerd/config-1-restricted.toml", containerdConfig(settings({ containerdRestrictOomScoreAdj: true }).cluster));
	const next = { kernel: "6.1", kubernetesVersion: "1.36.3", containerRuntimeVersion: "2.2.0" };
	golden("containerd/config-2.toml", containerdConfig(settings(next).cluster));
	golden("containerd/config-2-restricted.toml", containerdConfig(settings({ ...next, containerdRestrictOomScoreAdj: true }).cluster));
});

test("each mirrored registry has its file, in order of name, with the registry itself as last resort", () => {
	const files = mirrorFiles(settings({ registryMirrors: MIRRORS }).cluster);
	assert.deepEqual(
		files.map(({ registry }) => registry),
		["docker.io", "registry.k8s.io"],
	);
	for (const { registry, text } of files) golden(`containerd/${registry}.hosts.toml`, text);
	assert.deepEqual(mirrorFiles(settings().cluster), []);
});

test("an endpoint with the API's path in it keeps its path", () => {
	assert.match(hostsToml("docker.io", ["https://mirror.example/v2/hub"]), /override_path = true/);
	assert.doesNotMatch(hostsToml("docker.io", ["https://mirror.example/hub"]), /override_path/);
});

test("crictl is told the socket as a URL, with either runtime", () => {
	golden("containerd/crictl.yaml", crictlConfig(settings().cluster));
	golden("containerd/crictl-docker.yaml", crictlConfig(settings(SEED).cluster));
});

test("Docker's configuration is as it was, with and without a mirror", () => {
	golden("containerd/daemon.json", dockerDaemonConfig(settings(SEED).cluster));
	golden("containerd/daemon-mirror.json", dockerDaemonConfig(settings({ ...SEED, registryMirrors: { "docker.io": ["http://172.16.1.1:5000"] } }).cluster));
});
