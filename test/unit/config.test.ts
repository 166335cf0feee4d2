// What a stack's configuration becomes: settings, with their defaults.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { hostKey, hosts, problems, settings, withHost } from "./settings.ts";

test("the least that a stack must say is enough", () => {
	const { stack, cluster, demo } = settings();
	assert.equal(stack, "dev");
	assert.deepEqual(cluster.hosts[1], { ...hosts()[1], port: 22, user: "root", labels: {}, taints: [] });
	assert.equal(cluster.release.version, "1.29.15");
	assert.deepEqual(cluster.runtime, { kind: "containerd", version: "1.6.33", restrictOomScoreAdj: false });
	assert.deepEqual(cluster.repositories, [
		{ id: "base", name: "base", baseUrl: "http://192.0.2.1/centos/", gpgKey: ["http://192.0.2.1/key"], gpgCheck: true, repoGpgCheck: false, exclude: [] },
	]);
	assert.deepEqual(demo, {
		enabled: true,
		image: "registry.cn-beijing.aliyuncs.com/google_registry/nginx:1.17",
		initImage: "registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24",
		hostPath: "/data/volumes/nginx/log/",
		freshFile: false,
		kubeconfig: false,
		recordHours: 24,
		gallery: [],
		pauseProof: false,
	});
});

test("packages are pinned by release and runtime", () => {
	const { pinned, extra } = settings({ extraPackages: ["vim", "socat"] }).cluster.packages;
	assert.deepEqual(pinned, ["kubelet-1.29.15", "kubeadm-1.29.15", "kubectl-1.29.15", "kubernetes-cni-1.3.0", "cri-tools-1.29.0", "containerd.io-1.6.33"]);
	assert.deepEqual(
		extra.filter((name) => ["socat", "vim", "conntrack-tools"].includes(name)),
		["conntrack-tools", "socat", "vim"],
	);
	const seed = settings({ kubernetesVersion: "1.18.20", containerRuntime: "docker" }).cluster;
	assert.deepEqual(seed.packages.pinned.slice(-5), [
		"kubernetes-cni-0.8.7",
		"cri-tools-1.13.0",
		"docker-ce-19.03.15",
		"docker-ce-cli-19.03.15",
		"containerd.io-1.4.9",
	]);
	const unknown = settings({ kubernetesVersion: "1.27.16" }).cluster.packages;
	assert.ok(unknown.extra.includes("cri-tools") && unknown.extra.includes("kubernetes-cni"), "no version known, so yum chooses");
});

test("the control plane comes first, whatever the order of the file", () => {
	const [first, ...rest] = settings({ hosts: hosts().toReversed() }).cluster.hosts;
	assert.deepEqual(
		[first, ...rest].map((host) => host?.name),
		["k8s-master", "k8s-node02", "k8s-node01"],
	);
});

test("a host may give its Node labels and taints", () => {
	const marks = {
		labels: { disk: "ssd", "topology.kubernetes.io/zone": "a", "node-role.kubernetes.io/worker": "" },
		taints: ["dedicated=gpu:NoSchedule", "x:NoExecute"],
	};
	const { labels, taints } = settings(withHost(1, marks)).cluster.hosts[1] ?? {};
	assert.deepEqual({ labels, taints }, marks);
});

test("extra sysctls and modules are added to the built-in ones", () => {
	const { os } = settings({ extraSysctls: { "net.core.somaxconn": 1024, "fs.may_detach_mounts": "0" }, extraModules: ["overlay", "vxlan"] }).cluster;
	assert.equal(os.sysctls["net.core.somaxconn"], "1024");
	assert.equal(os.sysctls["fs.may_detach_mounts"], "0");
	assert.equal(os.sysctls["net.ipv4.ip_forward"], "1");
	assert.deepEqual(os.modules, ["br_netfilter", "overlay", "vxlan"]);
});

test("the program gives Pod CIDRs out where the controller-manager would sleep first", () => {
	assert.equal(settings().cluster.podCidrs, "program");
	assert.equal(settings({ kubernetesVersion: "1.31.14" }).cluster.podCidrs, "controller-manager");
	assert.equal(settings({ podCidrs: "controller-manager" }).cluster.podCidrs, "controller-manager");
});

test("an unsupported kernel that the user insists on brings its overrides", () => {
	const { kubeadm, preflight } = settings({
		kubernetesVersion: "1.35.7",
		containerRuntimeVersion: "1.7.28",
		allowUnsupportedKernel: true,
		kubeadmIgnorePreflightErrors: ["NumCPU"],
	}).cluster;
	assert.deepEqual(kubeadm, { ignorePreflightErrors: ["SystemVerification", "NumCPU"], failCgroupV1: false, featureGates: {} });
	assert.equal(preflight.allowUnsupportedKernel, true);
});

test("the private key is a secret", async () => {
	assert.equal(await pulumi.isSecret(settings().cluster.ssh.privateKey as pulumi.Output<string>), true);
});

test("ports and users of one host go before those of all", () => {
	const [master, worker] = settings({ ...withHost(1, { port: 2222, user: "centos" }), sshUser: "admin", sshPort: 22 }).cluster.hosts;
	assert.deepEqual([master?.user, master?.port, worker?.user, worker?.port], ["admin", 22, "centos", 2222]);
});

test("a host key may have a comment, which is dropped", () => {
	assert.equal(settings(withHost(1, { hostKey: `${hostKey(2)} root@k8s-node01` })).cluster.hosts[1]?.hostKey, hostKey(2));
});

test("sysctls keep every digit, however a stack's file has them", () => {
	// As Pulumi hands an object over: JSON text.
	const read = (text: string) => settings({ extraSysctls: text }).cluster.os.sysctls;
	assert.equal(read('{"kernel.shmmax": 18446744073692774399}')["kernel.shmmax"], "18446744073692774399");
	assert.equal(read('{"kernel.shmmax": "18446744073692774399"}')["kernel.shmmax"], "18446744073692774399");
	assert.equal(read('{"kernel.shmall": 9007199254740993}')["kernel.shmall"], "9007199254740993");
	assert.equal(read('{"kernel.x": -9223372036854775807}')["kernel.x"], "-9223372036854775807");
	assert.equal(read('{"net.ipv4.tcp_rmem": "4096\\t87380\\t6291456"}')["net.ipv4.tcp_rmem"], "4096\t87380\t6291456");
});
test("a sysctl's number that was rounded on its way is refused, and so is what the kernel shows in another form", () => {
	const problem = (value: string) => problems({ extraSysctls: `{"kernel.shmmax": ${value}}` }).join();
	const quotes = 'Put it in quotes, as in kernel.shmmax: "18446744073692774399".';
	// What Pulumi 3.274 makes of 18446744073692774399 without quotes.
	assert.equal(
		problem("18446744073692774000"),
		`extraSysctls["kernel.shmmax"]: 18446744073692774000 has lost its last digits: Pulumi keeps 16 of a number so large. ${quotes}`,
	);
	assert.equal(problem("1.5"), `extraSysctls["kernel.shmmax"]: 1.5 is not a whole number that YAML keeps as you wrote it. ${quotes}`);
	assert.match(problem("1e+21"), /is not a whole number that YAML keeps/);
	assert.equal(problem("true"), 'extraSysctls["kernel.shmmax"]: true is not a value. Use text or a number.');
	assert.equal(problem('"0x10"'), 'extraSysctls["kernel.shmmax"]: "0x10" is 16 to the kernel. Use the number that it shows.');
	assert.equal(problem('"020"'), 'extraSysctls["kernel.shmmax"]: "020" is 16 to the kernel. Use the number that it shows.');
	for (const value of ['""', '" "', '"1\\n2"', '"ü"']) assert.match(problem(value), /is not a value\. Use one line of text that is not empty\./);
});
test("a number that no field can hold is named digit by digit", () => {
	assert.deepEqual(problems({ sshPort: "18446744073692774399" }), ["sshPort: found 18446744073692774399, expected type integer. Write a value of that type."]);
});
