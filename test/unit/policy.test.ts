// The rules of the policy pack: what each refuses, and what it lets pass.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../../cluster/cluster.ts";
import { isAllowedPath, isPinnedImage, type Resource, RULES, secretsIn, stackRules } from "../../policy/rules.ts";
import { LifecycleDemo } from "../../workloads/lifecycle-demo.ts";
import { runProgram } from "./program-graph.ts";
import { settings } from "./settings.ts";

const options = { allowedHostPaths: ["/data/volumes/", "/run/flannel", "/run/xtables.lock", "/opt/cni/bin", "/etc/cni/net.d"] };
const all = (resources: Resource[]) => [
	...resources.flatMap((resource) => RULES.flatMap(({ name, broken }) => broken(resource, options).map((problem) => `${name}: ${problem}`))),
	...stackRules.flatMap(({ name, broken }) => broken(resources).map((problem) => `${name}: ${problem}`)),
];
const podResource = (spec: object): Resource => ({ type: "kubernetes:core/v1:Pod", name: "pod", props: { spec } });
const stepResource = (name: string, set: object, more: object = {}): Resource => ({
	type: "host:index:Step",
	name,
	props: { step: name, settings: set, ...more },
});
const command = (props: object): Resource => ({ type: "command:remote:Command", name: "c", props: { connection: { hostKey: "k" }, ...props } });

test("the program keeps to every rule", async () => {
	const { cluster, demo } = settings();
	const { graph } = await runProgram(() => {
		const made = new Cluster("lab", cluster);
		new LifecycleDemo("lifecycle-demo", { cluster: made, ...demo, podSeconds: 300 });
	});
	assert.deepEqual(all(graph.resources.map(({ type, name, inputs }) => ({ type, name, props: inputs }))), []);
});

test("a connection without a host key breaks host-key, also behind a bastion and in the provider of host state", () => {
	assert.deepEqual(all([command({ connection: { host: "a" } })]), ["host-key: connection: no hostKey. Add it: npm run trust"]);
	assert.deepEqual(all([command({ connection: { hostKey: "k", proxy: { host: "b" } } })]), ["host-key: connection.proxy: no hostKey. Add it: npm run trust"]);
	const hosts = JSON.stringify({ one: { hostKey: "k" }, two: { hostKey: "" } });
	assert.deepEqual(all([{ type: "pulumi:providers:host", name: "p", props: { hosts } }]), ["host-key: hosts.two: no hostKey. Add it: npm run trust"]);
	const bastion = JSON.stringify({ address: "b" });
	assert.deepEqual(all([{ type: "pulumi:providers:host", name: "p", props: { bastion } }]), ["host-key: bastion: no hostKey. Add it: npm run trust"]);
});
test("a connection that is not known yet, as the official plugin makes one up, does not break host-key; what is known beside it does", () => {
	const invented = { host: "", port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 };
	assert.deepEqual(all([command({ connection: invented })]), []);
	assert.deepEqual(all([command({ connection: { ...invented, proxy: { host: "b" } } })]), ["host-key: connection.proxy: no hostKey. Add it: npm run trust"]);
	const unknownHost = {
		get host(): string {
			throw new Error("not known yet");
		},
	};
	assert.deepEqual(all([command({ connection: unknownHost })]), ["host-key: connection: no hostKey. Add it: npm run trust"]);
});
test("a stack whose next version would make the cluster anew breaks no-rebuild", async () => {
	const { cluster } = settings({ onVersionChange: "rebuild" });
	const { graph } = await runProgram(() => new Cluster("lab", cluster));
	assert.deepEqual(all(graph.resources.map(({ type, name, inputs }) => ({ type, name, props: inputs }))), [
		"no-rebuild: onVersionChange is rebuild: another kubernetesVersion would make the cluster anew, and all that runs on it would be gone. Set it to upgrade",
	]);
});
test("a hostPath outside the allowed folders breaks host-path, in a Pod, in a template and in a volume of its own", () => {
	const spec = {
		volumes: [
			{ name: "root", hostPath: { path: "/" } },
			{ name: "ok", hostPath: { path: "/data/volumes/nginx/log/" } },
		],
	};
	const said = `host-path: volume root: hostPath / is outside ${options.allowedHostPaths.join(", ")}`;
	assert.deepEqual(all([podResource(spec)]), [said]);
	assert.deepEqual(all([{ type: "kubernetes:apps/v1:DaemonSet", name: "d", props: { spec: { template: { spec } } } }]), [said]);
	assert.deepEqual(all([{ type: "kubernetes:batch/v1:CronJob", name: "j", props: { spec: { jobTemplate: { spec: { template: { spec } } } } } }]), [said]);
	assert.deepEqual(all([{ type: "kubernetes:core/v1:PodPatch", name: "p", props: { spec } }]), [said]);
	assert.deepEqual(all([{ type: "kubernetes:core/v1:PodTemplate", name: "t", props: { template: { spec } } }]), [said]);
	for (const source of ["hostPath", "local"])
		assert.deepEqual(
			["/", "/data/volumes/x"].map((path) => all([{ type: "kubernetes:core/v1:PersistentVolume", name: "v", props: { spec: { [source]: { path } } } }])),
			[[said.replace("volume root", "the volume")], []],
		);
	for (const path of ["/data/volumes", "/data/volumes/", "/data//volumes/x", "/run/xtables.lock"])
		assert.equal(isAllowedPath(path, options.allowedHostPaths), true, path);
	for (const path of ["/data/volumes2", "/data", "/data/volumes/../../etc", "/run/flannel2", "/run/xtables.lock2"])
		assert.equal(isAllowedPath(path, options.allowedHostPaths), false, path);
});
test("an override of the kernel breaks no-kernel-override where the release needs it", () => {
	const preflight = (minor: number, override: boolean) => stepResource("preflight", { RELEASE_MINOR: minor, KERNEL_OVERRIDE: override, ROLE: "control-plane" });
	assert.match(all([preflight(32, true)]).join(), /^no-kernel-override: Kubernetes 1\.32 with allowUnsupportedKernel: /);
	assert.deepEqual([...all([preflight(31, true)]), ...all([preflight(32, false)])], []);
});
test("a kernel that is too old for the release breaks release-goes-with-kernel, once preflight has found it", () => {
	const found = (minor: number, kernel: string) =>
		all([stepResource("preflight", { RELEASE_MINOR: minor, ROLE: "control-plane" }, { host: "one", printed: `os=CentOS\nkernel=${kernel}\ncpus=2` })]);
	const centos = "3.10.0-1062.el7.x86_64";
	assert.deepEqual(found(32, centos), [
		`release-goes-with-kernel: one has Linux ${centos}, and Kubernetes 1.32 needs 4.19. Choose an older kubernetesVersion, or another host`,
	]);
	assert.match(found(29, "3.2.0").join(), /^release-goes-with-kernel: one has Linux 3\.2\.0, and Kubernetes 1\.29 needs 3\.10\./);
	assert.deepEqual([...found(31, centos), ...found(32, "4.19.0-1"), ...all([stepResource("preflight", { RELEASE_MINOR: 32, ROLE: "control-plane" })])], []);
});
test("a package or an image without a version breaks pinned-versions", () => {
	assert.deepEqual(all([stepResource("packages", { PACKAGES: ["kubelet", "kubeadm-1.29.15", "containerd.io"] })]), [
		"pinned-versions: package kubelet: no version. Write kubelet-<version>",
		"pinned-versions: package containerd.io: no version. Write containerd.io-<version>",
	]);
	assert.deepEqual(all([podResource({ initContainers: [{ name: "i", image: "busybox" }], containers: [{ name: "c", image: "a.example:5000/x:1.0" }] })]), [
		"pinned-versions: container i: image busybox has no fixed tag. Write one, or a digest",
	]);
	for (const image of ["nginx:latest", "a.example:5000/nginx", "nginx:"]) assert.equal(isPinnedImage(image), false, image);
	for (const image of ["nginx:1.17", `nginx@sha256:${"a".repeat(64)}`]) assert.equal(isPinnedImage(image), true, image);
});
test("a secret in a command line, a variable, a trigger or a setting breaks no-plain-secret", () => {
	const token = "abcdef.0123456789abcdef";
	assert.deepEqual(all([stepResource("x", { A: ["b", `--token ${token}`] })]), ["no-plain-secret: settings holds a join token. Send it by stdin, as a secret"]);
	assert.deepEqual(all([command({ create: `kubeadm join --token ${token}`, stdin: token })]), [
		"no-plain-secret: create holds a join token. Send it by stdin, as a secret",
	]);
	const unknown = {
		get id() {
			throw new Error("string value at .triggers.0.id can't be known during preview");
		},
	};
	assert.deepEqual(all([command({ environment: { A: token }, triggers: [unknown, token] })]), [
		"no-plain-secret: environment holds a join token. Send it by stdin, as a secret",
		"no-plain-secret: triggers holds a join token. Send it by stdin, as a secret",
	]);
});
test("a secret that a step or a command prints breaks no-secret-printed, but where it is not logged", () => {
	const key = "-----BEGIN OPENSSH PRIVATE KEY-----";
	assert.deepEqual(all([stepResource("x", {}, { printed: key }), command({ stdout: key }), command({ stdout: key, logging: "none" })]), [
		"no-secret-printed: x: printed holds a private key. Print it nowhere, or in a command with isSecret",
		"no-secret-printed: c: stdout holds a private key. Print it nowhere, or in a command with isSecret",
	]);
});
test("an even number of control planes breaks odd-control-planes", () => {
	const hosts = (count: number) => Array.from({ length: count }, () => stepResource("preflight", { ROLE: "control-plane" }));
	assert.deepEqual(all(hosts(2)), ["odd-control-planes: found 2 control planes, expected an odd number"]);
	assert.deepEqual([...all(hosts(1)), ...all(hosts(3)), ...all([])], []);
});
test("a secret in an output breaks no-secret-output, but for the kubeconfig", () => {
	const kubeconfig = "users:\n- user:\n    client-key-data: TFMwdEx\n";
	const stack = (props: object): Resource => ({ type: "pulumi:pulumi:Stack", name: "lab", props });
	assert.deepEqual(all([stack({ kubeconfig, nodes: [{ name: "a", version: "v1.29.15" }] })]), []);
	assert.deepEqual(all([stack({ admin: { text: kubeconfig } })]), ["no-secret-output: output admin holds a kubeconfig. Make it pulumi.secret"]);
	assert.deepEqual(secretsIn({ a: [null, 1, "v1.29.15 10.244.0.0/16 sha256:0123456789abcdef0123456789abcdef"] }), []);
});
