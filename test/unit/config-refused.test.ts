import assert from "node:assert/strict";
import { test } from "node:test";
import { hosts, problems, withHost } from "./settings.ts";

test("every problem is reported at once, each with its path", () => {
	const changes = {
		...withHost(1, { address: "172.16.1.300", role: "slave", hostKey: undefined }),
		podCidr: "10.96.0.0/16",
		sshPrivateKey: undefined,
		kubernetesVersion: "1.29.5",
		nodeNetwrk: "x",
		sshPort: 0,
	};
	assert.deepEqual(problems(changes), [
		"nodeNetwrk: unknown key. Did you mean nodeNetwork?",
		"sshPort: 0 is out of range. Use 1 to 65535.",
		'hosts[1].address: "172.16.1.300" is not an IPv4 address. Use the address you ssh to, such as 172.16.1.111.',
		'hosts[1].role: "slave" is not one of: control-plane, worker. Use one of these.',
		"serviceCidr: 10.96.0.0/12 overlaps podCidr 10.96.0.0/16. Choose ranges apart, such as 10.96.0.0/12 and 10.244.0.0/16.",
		"sshPrivateKey: not set. Run: pulumi config set -s dev --secret sshPrivateKey < ~/.ssh/id_ed25519, or set sshPrivateKeyFile.",
		"hosts[1].hostKey: not set. Run: npm run trust -- dev",
		'kubernetesVersion: "1.29.5" is not in the table of known combinations (config/releases.ts). Use 1.29.15, the nearest that is.',
	]);
});

test("an empty stack is told everything it must say", () => {
	const nothing = { hosts: undefined, nodeNetwork: undefined, sshPrivateKey: undefined, repositories: undefined };
	assert.deepEqual(problems(nothing, { stack: "prod" }), [
		"hosts: not set. List one control plane and its workers, each with name, address and role.",
		"nodeNetwork: not set. Add the network that holds every host's address, such as nodeNetwork: 172.16.1.0/24",
		"sshPrivateKey: not set. Run: pulumi config set -s prod --secret sshPrivateKey < ~/.ssh/id_ed25519, or set sshPrivateKeyFile.",
		"repositories: not set. List the yum repositories that hold CentOS, the container runtime and Kubernetes, as Pulumi.dev.yaml does.",
	]);
});

const wrong: [string, Record<string, unknown>, string[]][] = [
	["a missing field", withHost(1, { name: undefined }), ["hosts[1].name: not set. Add it, such as name: k8s-node01"]],
	["an unknown field with a near one", withHost(1, { adress: "x" }), ["hosts[1].adress: unknown key. Did you mean address?"]],
	[
		"an unknown field",
		withHost(1, { colour: "x" }),
		["hosts[1].colour: unknown key. Use name, address, externalAddress, role, hostKey, port, user, labels, taints."],
	],
	[
		"labels and taints that are none",
		withHost(1, { labels: { "a b": "x", disk: "s/sd" }, taints: ["dedicated=gpu", "a:NoSchedul"] }),
		[
			'hosts[1].labels["a b"]: "a b" is not a label\'s key, or is Kubernetes\' own. Use one such as disk or example.com/disk.',
			'hosts[1].labels.disk: "s/sd" is not a label\'s value. Use up to 63 letters, digits, dashes, dots and underscores.',
			'hosts[1].taints[0]: "dedicated=gpu" is not a taint, or is Kubernetes\' own. Use key=value:effect or key:effect, such as dedicated=gpu:NoSchedule.',
			'hosts[1].taints[1]: "a:NoSchedul" is not a taint, or is Kubernetes\' own. Use key=value:effect or key:effect, such as dedicated=gpu:NoSchedule.',
		],
	],
	[
		"a label and a taint of Kubernetes' own",
		withHost(1, { labels: { "kubernetes.io/hostname": "x" }, taints: ["node.kubernetes.io/unschedulable:NoSchedule"] }),
		[
			'hosts[1].labels["kubernetes.io/hostname"]: "kubernetes.io/hostname" is not a label\'s key, or is Kubernetes\' own. Use one such as disk or example.com/disk.',
			'hosts[1].taints[0]: "node.kubernetes.io/unschedulable:NoSchedule" is not a taint, or is Kubernetes\' own. Use key=value:effect or key:effect, such as dedicated=gpu:NoSchedule.',
		],
	],
	[
		"a proxy with a password, which is not shown",
		{ proxy: { http: "http://me:hunter2@proxy.example:3128" } },
		[
			"proxy.http: holds a user's name or password, which everybody on the hosts could read there (in the .repo files, and systemctl show). Let the proxy know the hosts by their addresses, and write http://<host>:<port>.",
		],
	],
	[
		"a proxy without a port, one behind https, and what is no name",
		{ proxy: { http: "http://proxy.example", https: "https://proxy.example:3128", noProxy: ["a b", "*", "10.1.1.1/8"] } },
		[
			...[
				["http", "http://proxy.example"],
				["https", "https://proxy.example:3128"],
			].map(
				([name, url]) =>
					`proxy.${name}: "${url}" is not a proxy. Use http://<host>:<port>, such as http://proxy.example:3128; CentOS 7's curl and yum know no proxy behind https.`,
			),
			...["a b", "*", "10.1.1.1/8"].map(
				(entry, i) => `proxy.noProxy[${i}]: "${entry}" is not a name, domain, address or CIDR. Use one such as mirror.example, .example.com or 192.0.2.0/24.`,
			),
		],
	],
	[
		"a proxy under another key",
		{ proxy: { HTTP: "http://p:1", noproxy: [] } },
		[
			"proxy.HTTP: unknown key. Did you mean http?",
			"proxy.noproxy: unknown key. Did you mean noProxy?",
			"proxy: has neither http nor https. Set one of them or both, such as http: http://proxy.example:3128, or remove it.",
		],
	],
	["a list as text", { proxy: { http: "http://p:1", noProxy: "a,b" } }, ['proxy.noProxy: found "a,b", expected type array. Write a value of that type.']],
	["an unknown key", { constructor: "x" }, ["constructor: unknown key. Remove it; Pulumi.yaml lists every key."]],
	["a wrong type inside an object", withHost(1, { port: "ssh" }), ['hosts[1].port: found "ssh", expected type integer. Write a value of that type.']],
	["a host that is no object", { hosts: [...hosts(), "k8s-node03"] }, ['hosts[3]: found "k8s-node03", expected type object. Write a value of that type.']],
	["a wrong type", { sshPort: "many" }, ['sshPort: found "many", expected type integer. Write a value of that type.']],
	["a half number", { sshPort: 22.5 }, ["sshPort: found 22.5, expected type integer. Write a value of that type."]],
	[
		"a name that is no DNS label",
		withHost(1, { name: "K8s_Node01" }),
		['hosts[1].name: "K8s_Node01" is not a DNS label. Use up to 63 lower-case letters, digits and dashes, such as k8s-node01.'],
	],
	["a name twice", withHost(2, { name: "k8s-node01" }), ['hosts[2].name: "k8s-node01" is also hosts[1].name. Give each host its own name.']],
	[
		"an address twice",
		withHost(2, { address: "172.16.1.111" }),
		['hosts[2].address: "172.16.1.111" is also hosts[1].address. Give each network card its own address.'],
	],
	[
		"an external address twice",
		withHost(2, { externalAddress: "10.0.0.111" }),
		['hosts[2].externalAddress: "10.0.0.111" is also hosts[1].externalAddress. Give each network card its own address.'],
	],
	[
		"no control plane",
		withHost(0, { role: "worker" }),
		["hosts: found no control plane, need exactly 1. Set role: control-plane on one of k8s-master, k8s-node01, k8s-node02."],
	],
	[
		"two control planes",
		withHost(1, { role: "control-plane" }),
		["hosts: found 2 control planes (k8s-master, k8s-node01), need exactly 1. Set role: worker on the others."],
	],
	[
		"nowhere to run the demo",
		{ hosts: hosts().slice(0, 1) },
		["hosts: found no worker, but the demo Pod needs one: a control plane takes no ordinary Pods. Add a worker, or set demoEnabled: false."],
	],
	["no worker and no demo", { hosts: hosts().slice(0, 1), demoEnabled: false }, []],
	[
		"an address outside the network",
		withHost(1, { address: "172.16.2.111" }),
		["hosts[1].address: 172.16.2.111 is outside nodeNetwork 172.16.1.0/24. Use the card that all hosts share, or correct nodeNetwork."],
	],
	["a network that is none", { nodeNetwork: "172.16.1.0" }, ['nodeNetwork: "172.16.1.0" is not a CIDR. Use address/prefix, such as 172.16.1.0/24.']],
	["bits behind the prefix", { podCidr: "10.245.1.0/16" }, ['podCidr: "10.245.1.0/16" is not a CIDR. Use address/prefix, such as 10.245.0.0/16.']],
	[
		"ranges that are not for hosts",
		{ podCidr: "127.0.0.0/8", serviceCidr: "224.0.0.0/12" },
		[
			'podCidr: "127.0.0.0/8" takes in addresses that are not for hosts. Use one such as 10.244.0.0/16.',
			'serviceCidr: "224.0.0.0/12" takes in addresses that are not for hosts. Use one such as 10.96.0.0/12.',
		],
	],
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
		"a Pod range over a host",
		{ podCidr: "10.0.0.0/14" },
		[
			"podCidr: 10.0.0.0/14 contains host k8s-master (10.0.0.110), k8s-node01 (10.0.0.111), k8s-node02 (10.0.0.112). Choose a range outside the hosts' networks, such as 10.244.0.0/16.",
		],
	],
	[
		"a Service range over the hosts' network",
		{ serviceCidr: "172.16.1.192/26" },
		["serviceCidr: 172.16.1.192/26 overlaps nodeNetwork 172.16.1.0/24. Choose a range outside the hosts' networks, such as 10.96.0.0/12."],
	],
	[
		"overlapping ranges",
		{ podCidr: "10.100.0.0/16" },
		["serviceCidr: 10.96.0.0/12 overlaps podCidr 10.100.0.0/16. Choose ranges apart, such as 10.96.0.0/12 and 10.244.0.0/16."],
	],
	[
		"a Pod range too small",
		{ podCidr: "10.244.0.0/23" },
		["podCidr: 10.244.0.0/23 has room for 2 Nodes with a /24 each, need 3. Use a wider range, such as 10.244.0.0/16."],
	],
	["a Service range too wide", { serviceCidr: "11.0.0.0/8" }, ["serviceCidr: 11.0.0.0/8 is a /8, kubeadm takes /12 to /28. Use a range such as 10.96.0.0/12."]],
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

test("two hosts that would get the same Pod range are named, unless the controller-manager gives ranges out", () => {
	const far = { ...withHost(2, { address: "172.16.1.114" }), podCidr: "10.244.0.0/22" };
	assert.equal(problems(far).length, 1);
	assert.match(problems(far)[0] ?? "", /^podCidr: 10\.244\.0\.0\/22 gives k8s-master and k8s-node02 the same \/24/);
	assert.deepEqual(problems({ ...far, podCidrs: "controller-manager" }), []);
});

test("a name that hosts or Kubernetes have for something else is refused, and so is one that is read as an address", () => {
	for (const name of ["localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback", "ip6-allnodes", "localdomain", "broadcasthost", "kubernetes"])
		assert.deepEqual(problems(withHost(1, { name })), [
			`hosts[1].name: "${name}" is a name that hosts or Kubernetes have for something else. Use another, such as k8s-node01.`,
		]);
	for (const name of ["0", "123", "0123", "0x7f"])
		assert.deepEqual(problems(withHost(1, { name })), [
			`hosts[1].name: "${name}" is read as an address, not as a name. Use one with a letter, such as k8s-node01.`,
		]);
	for (const name of ["Node1", "node1.", "node.one", "-node", "node-", "n".repeat(64), "", "nöde"])
		assert.match(problems(withHost(1, { name })).join(), /is not a DNS label/);
	for (const name of ["1a", "kubernetes1", "a", "n".repeat(63), "0x7g"]) assert.deepEqual(problems(withHost(1, { name })), []);
});

test("an address that no other host can ask is refused by what it is", () => {
	const about = (address: string) => problems({ ...withHost(1, { address }), nodeNetwork: "172.16.1.0/24" })[0] ?? "";
	for (const address of ["172.16.001.111", "172.16.1", "2001:db8::1", "172.16.1.111/24", "172.16.1.111 ", "0x7f.0.0.1", "2886729839"])
		assert.match(about(address), /is not an IPv4 address/);
	assert.match(about("127.0.0.1"), /is the host itself/);
	for (const address of ["0.0.0.0", "255.255.255.255", "224.0.0.1"]) assert.match(about(address), /is no address of one host/);
	assert.match(about("169.254.1.1"), /is a link-local address/);
	assert.match(about("172.16.1.0"), /172\.16\.1\.0 is the network address of nodeNetwork 172\.16\.1\.0\/24/);
	assert.match(about("172.16.1.255"), /172\.16\.1\.255 is the broadcast address of nodeNetwork/);
	assert.match(problems(withHost(1, { externalAddress: "127.0.1.1" }))[0] ?? "", /^hosts\[1\]\.externalAddress: "127\.0\.1\.1" is the host itself/);
});

test("users are those that useradd of CentOS 7 makes", () => {
	for (const user of ["root", "bob.smith", "Bob", "_x", "1st", "a-b", ".x", "samba$", "u".repeat(32)])
		assert.deepEqual(problems(withHost(1, { user })), [], user);
	for (const user of ["", "1000", ".", "..", "-x", "bob smith", "bob@example.com", "a$b", "u".repeat(33), "bob;x", "$", "bob\nx"])
		assert.equal(problems(withHost(1, { user })).length, 1, user);
});
