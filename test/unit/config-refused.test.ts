// What a stack's configuration must not say, and what to write instead: keys and types, versions, packages, repositories and images.
import assert from "node:assert/strict";
import { test } from "node:test";
import { problems, withHost } from "./settings.ts";

test("every problem is reported at once, each with its path", () => {
	const changes = {
		...withHost(1, { address: "172.16.1.300", role: "slave", hostKey: undefined }),
		podCidr: "10.96.0.0/16",
		sshPrivateKey: undefined,
		kubernetesVersion: "1.29.5",
		nodeNetwrk: "x",
		sshPort: 65536,
	};
	assert.deepEqual(problems(changes), [
		"nodeNetwrk: unknown key. Did you mean nodeNetwork?",
		"sshPort: 65536 is out of range. Use 0 to 65535.",
		'hosts[1].address: "172.16.1.300" is not an IPv4 address. Use the address you ssh to, such as 172.16.1.111.',
		'hosts[1].role: "slave" is not one of: control-plane, worker. Use one of these.',
		"serviceCidr: 10.96.0.0/12 overlaps podCidr 10.96.0.0/16. Choose ranges apart, such as 10.96.0.0/12 and 10.244.0.0/16.",
		"sshPrivateKey: not set. Run: pulumi config set -s dev --secret sshPrivateKey < ~/.ssh/id_ed25519, or set sshPrivateKeyFile or sshAgent.",
		"hosts[1].hostKey: not set. Run: npm run trust -- dev",
		'kubernetesVersion: "1.29.5" is not in the table of known combinations (config/releases.ts). Use 1.29.15, the nearest that is.',
	]);
});
test("an empty stack is told everything it must say", () => {
	const nothing = { hosts: undefined, nodeNetwork: undefined, sshPrivateKey: undefined, repositories: undefined };
	assert.deepEqual(problems(nothing, { stack: "prod" }), [
		"hosts: not set. List a control plane and its workers, each with name, address and role.",
		"nodeNetwork: not set. Add the network that holds every host's address, such as nodeNetwork: 172.16.1.0/24",
		"sshPrivateKey: not set. Run: pulumi config set -s prod --secret sshPrivateKey < ~/.ssh/id_ed25519, or set sshPrivateKeyFile or sshAgent.",
		"repositories: not set. List the yum repositories that hold CentOS, the container runtime and Kubernetes, as Pulumi.dev.yaml does.",
	]);
});

const wrong: [string, Record<string, unknown>, string[]][] = [
	["an unknown key", { constructor: "x" }, ["constructor: unknown key. Remove it; Pulumi.yaml lists every key."]],
	["a wrong type", { sshPort: "many" }, ['sshPort: found "many", expected type integer. Write a value of that type.']],
	[
		"snapshots of etcd without a rule that can be kept",
		{ etcdSnapshots: { every: "6 hours", keep: 0, kept: true } },
		[
			"etcdSnapshots.kept: unknown key. Did you mean keep?",
			'etcdSnapshots.every: "6 hours" is not a time. Use a number of min, h or d, such as 6h.',
			"etcdSnapshots.keep: 0 is out of range. Use 1 to 1000.",
		],
	],
	["a half number", { sshPort: 22.5 }, ["sshPort: found 22.5, expected type integer. Write a value of that type."]],
	[
		"a version that YAML has read as a number",
		{ kubernetesVersion: "1.3", flannelVersion: "0.25", containerRuntimeVersion: "1.6" },
		[
			'containerRuntimeVersion: "1.6" is a number and not a version: YAML reads 1.30 as 1.3. Use three numbers, in quotes, such as "1.6.33".',
			'flannelVersion: "0.25" is a number and not a version: YAML reads 1.30 as 1.3. Use three numbers, in quotes, such as "1.6.33".',
			'kubernetesVersion: 1.3 is a number and not a version: YAML reads 1.30 as 1.3. Use three numbers, in quotes, such as "1.30.14".',
		],
	],
	[
		"a kernel that YAML has read as a number",
		{ kernel: "3.1" },
		['kernel: "3.1" is older than any CentOS: YAML reads 3.10 as 3.1. Use what uname -r prints, such as 3.10.0-1062.el7.x86_64.'],
	],
	[
		"a version with a letter in front",
		{ kubernetesVersion: "v1.31" },
		['kubernetesVersion: "v1.31" is not in the table of known combinations (config/releases.ts). Use 1.31.14, the nearest that is.'],
	],
	[
		"texts that YAML has read as numbers, and numbers in quotes",
		{
			...withHost(1, { name: 83, user: true, port: "2222", labels: { gpu: true, rack: 7 } }),
			repositories: [{ id: 7.9, baseUrl: "http://192.0.2.1/", gpgCheck: "false" }],
			extraPackages: [1.1],
			featureGates: { Some: "true" },
		},
		[
			"extraPackages[0]: found 1.1, expected type string. Put what you wrote in quotes: without them YAML reads it as another type.",
			'featureGates.Some: found "true", expected type boolean. Write it without quotes.',
			"hosts[1].name: found 83, expected type string. Put what you wrote in quotes: without them YAML reads it as another type.",
			'hosts[1].port: found "2222", expected type integer. Write it without quotes.',
			"hosts[1].user: found true, expected type string. Put what you wrote in quotes: without them YAML reads it as another type.",
			"hosts[1].labels.gpu: found true, expected type string. Put what you wrote in quotes: without them YAML reads it as another type.",
			"hosts[1].labels.rack: found 7, expected type string. Put what you wrote in quotes: without them YAML reads it as another type.",
			"repositories[0].id: found 7.9, expected type string. Put what you wrote in quotes: without them YAML reads it as another type.",
			'repositories[0].gpgCheck: found "false", expected type boolean. Write it without quotes.',
			"repositories[0].gpgKey: not set, but packages are checked against it (gpgCheck). Add the key's URL, such as gpgKey: [https://<host>/<key>]",
		],
	],
	[
		"a date",
		withHost(1, { labels: { since: "2024-01-31 00:00:00 +0000 UTC" } }),
		[
			'hosts[1].labels.since: "2024-01-31 00:00:00 +0000 UTC" is not a label\'s value. Use up to 63 letters, digits, dashes, dots and underscores. YAML reads 2024-01-31 as a date: put it in quotes.',
		],
	],
	[
		"a release without dockershim",
		{ containerRuntime: "docker" },
		[
			"kubernetesVersion: 1.29.15 does not go with these hosts: its kubelet no longer speaks to Docker (1.23 was the last); containerd goes with it. Use 1.23.17, the nearest that does.",
		],
	],
	[
		"a kernel that nothing goes with",
		{ kernel: "2.6.32" },
		[
			"kubernetesVersion: 1.29.15 does not go with these hosts: it needs kernel 3.10 or later, found 2.6.32. No release in config/releases.ts does; change the kernel, the runtime or flannel.",
		],
	],
	[
		"a release without a known flannel",
		{ flannelVersion: "0.25.1" },
		[
			"flannelVersion: the images of 0.25.1 are not known. Set flannelImage and flannelCniPluginImage too, or use one of 0.12.0, 0.22.3, 0.25.7, 0.26.7, 0.28.9.",
		],
	],
	[
		"an unknown flannel with its images",
		{ flannelVersion: "0.25.1", flannelImage: "r.example/flannel:v0.25.1", flannelCniPluginImage: "r.example/plugin:v1.4.0" },
		[],
	],
	[
		"Docker with mirrors that it can't have",
		{ kubernetesVersion: "1.18.20", containerRuntime: "docker", registryMirrors: { "docker.io": ["https://m.example"], "quay.io": ["https://m.example"] } },
		['registryMirrors["quay.io"]: Docker takes mirrors for docker.io only. Remove it, and name the mirror in the images themselves.'],
	],
	[
		"a registry that is a URL",
		{ registryMirrors: { "https://docker.io": [] } },
		['registryMirrors["https://docker.io"]: "https://docker.io" is not a registry. Use its host, such as docker.io.'],
	],
	[
		"an endpoint that is no URL",
		{ registryMirrors: { "docker.io": ["m.example"] } },
		['registryMirrors["docker.io"][0]: "m.example" is not an endpoint. Use a URL, such as http://172.16.1.1:5000.'],
	],
	[
		"a repository of another minor",
		{ repositories: [{ id: "kubernetes", baseUrl: "https://pkgs.k8s.io/core:/stable:/v1.28/rpm/", gpgKey: ["https://k.example/key"] }] },
		["repositories[0].baseUrl: holds Kubernetes 1.28, but kubernetesVersion is 1.29.15. Use the repository of v1.29."],
	],
	[
		"a repository twice and without key",
		{
			repositories: [
				{ id: "base", baseUrl: "http://a.example/", gpgCheck: false },
				{ id: "base", baseUrl: "http://b.example/" },
			],
		},
		[
			'repositories[1].id: "base" is also repositories[0].id. Give each repository its own.',
			"repositories[1].gpgKey: not set, but packages are checked against it (gpgCheck). Add the key's URL, such as gpgKey: [https://<host>/<key>]",
		],
	],
	[
		"a folder without its slash",
		{ demoHostPath: "/data/log" },
		['demoHostPath: "/data/log" is not a folder. Use an absolute path with a slash at its end, such as /data/volumes/nginx/log/.'],
	],
	[
		"a folder that climbs",
		{ demoHostPath: "/data/../etc/" },
		['demoHostPath: "/data/../etc/" is not a folder. Use an absolute path with a slash at its end, such as /data/volumes/nginx/log/.'],
	],
	["a short image name", { demoImage: "nginx" }, ['demoImage: "nginx" is not a full image name. Use registry/name:tag, such as docker.io/library/nginx:1.17.']],
	[
		"a sysctl key that is none",
		{ extraSysctls: { swappiness: "1" } },
		['extraSysctls.swappiness: "swappiness" is not a sysctl key. Use dots, such as net.ipv4.tcp_keepalive_time.'],
	],
	[
		"a feature gate that is none",
		{ featureGates: { "pod-sleep": true } },
		['featureGates["pod-sleep"]: "pod-sleep" is not a feature gate. Use a name that Kubernetes lists, such as PodLifecycleSleepAction.'],
	],
	["a sysctl value that is none", { extraSysctls: { "vm.swappiness": [1] } }, ['extraSysctls["vm.swappiness"]: [1] is not a value. Use text or a number.']],
	[
		"a runtime version that is none",
		{ containerRuntimeVersion: "latest" },
		['containerRuntimeVersion: "latest" is not a version. Use three numbers, such as 1.6.33.'],
	],
	[
		"a shell's idea of a package",
		{ extraPackages: ["vim; reboot"] },
		['extraPackages[0]: "vim; reboot" is not a package name. Use name or name-version, such as bash-completion.'],
	],
];
for (const [name, changes, expected] of wrong)
	test(`${name}: ${expected.length === 0 ? "accepted" : "refused, with what to write instead"}`, () => assert.deepEqual(problems(changes), expected));
