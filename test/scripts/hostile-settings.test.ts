// Whatever a stack's configuration says is refused, or is text and nothing else: on the hosts, in the files that are rendered, and on a terminal.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { program } from "../unit/program.ts";
import { scriptTextOf } from "../unit/program-graph.ts";
import { base, hostKey, hosts, problems } from "../unit/settings.ts";
import { bareHost } from "./bare-host.ts";
import { preparedHost } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";

type Json = string | number | boolean | Json[] | { [key: string]: Json };
/** Every key of text, set. */
const FULL = {
	...base(),
	hosts: hosts().map((host) => ({
		...host,
		user: "centos",
		port: 22,
		...(host.role === "worker" ? { labels: { disk: "ssd" }, taints: ["a=b:NoSchedule"] } : {}),
	})),
	sshUser: "root",
	kernel: "3.10.0-1062.el7.x86_64",
	kubernetesVersion: "1.29.15",
	podCidr: "10.244.0.0/16",
	serviceCidr: "10.96.0.0/12",
	podCidrs: "auto",
	containerRuntime: "containerd",
	containerRuntimeVersion: "1.6.33",
	imageRepository: "registry.k8s.io",
	registryMirrors: { "docker.io": ["http://192.0.2.1:5000"] },
	repositories: [{ id: "base", name: "Base", baseUrl: "http://192.0.2.1/centos/", gpgKey: ["http://192.0.2.1/key"], exclude: ["kernel*"] }],
	proxy: { http: "http://proxy.example:3128", https: "http://proxy.example:3128", noProxy: [".example"] },
	extraPackages: ["bash-completion"],
	firewalld: "disable",
	selinux: "permissive",
	timezone: "Asia/Shanghai",
	ntpServers: ["192.0.2.1"],
	extraSysctls: { "net.ipv4.tcp_keepalive_time": "600" },
	extraModules: ["dummy"],
	kubeadmIgnorePreflightErrors: ["NumCPU"],
	featureGates: { PodLifecycleSleepAction: true },
	flannelVersion: "0.25.7",
	flannelImage: "docker.io/flannel/flannel:v0.25.7",
	flannelCniPluginImage: "docker.io/flannel/flannel-cni-plugin:v1.5.1-flannel2",
	demoImage: "docker.io/library/nginx:1.17",
	demoInitImage: "docker.io/library/busybox:1.24",
	demoHostPath: "/data/volumes/nginx/log/",
	bastion: { address: "192.0.2.7", user: "jump", hostKey: hostKey() },
	apiEndpoint: { address: "172.16.1.100" },
	etcdSnapshots: { every: "6h", keep: 28 },
	knownHostsFile: "/dev/null",
	gallery: ["main-ends"],
} as unknown as { [key: string]: Json };

type Change = (value: string) => { [key: string]: Json };
/** A way to put another text at each place that has one: values, and keys that people choose. */
function places(value: Json, path: string, put: (value: Json) => { [key: string]: Json }): [string, string, Change][] {
	if (typeof value === "string") return [[path, value, put]];
	if (Array.isArray(value)) return value.flatMap((item, i) => places(item, `${path}[${i}]`, (other) => put(value.map((one, k) => (k === i ? other : one)))));
	if (typeof value !== "object") return [];
	const without = (key: string) => Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
	return Object.entries(value).flatMap(([key, item]) => [
		...places(item, `${path}.${key}`, (other) => put({ ...without(key), [key]: other })),
		...(/(registryMirrors|extraSysctls|featureGates|labels)$/.test(path)
			? [[`${path} key`, key, (other: string) => put({ ...without(key), [other]: item })] as [string, string, Change]]
			: []),
	]);
}
const PLACES = Object.entries(FULL).flatMap(([key, value]) => places(value, key, (other) => ({ ...FULL, [key]: other })));

const RAN = "$(>$KUBEADM_LAB_ROOT-ran)";
const TEXTS = [
	...[RAN, "`>$KUBEADM_LAB_ROOT-ran`", `'${RAN}'`, `";>$KUBEADM_LAB_ROOT-ran;"`, ";>$KUBEADM_LAB_ROOT-ran", "|>$KUBEADM_LAB_ROOT-ran", `EUID[${RAN}]`],
	...[`\n${RAN}`, "\r\n[evil]\nbaseurl=http://192.0.2.9/", "\u2028x", "a b", "\ttab", "-rf", "--installroot=/x", "%(x)s", "$releasever", "{{.}}", "\\"],
	...["\0", "\x1b]0;owned\x07", "\x1b[2J", "\x7f", "\u009b2J", "\u202etxt", "日本", "é", "x".repeat(100_000)],
];
/** What a terminal would act on, a line's end and a tab left out. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
const ACTS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

test("all keys of text are tried, and as they stand they are accepted", () => {
	assert.deepEqual(problems(FULL), []);
	assert.ok(PLACES.length > 60, `${PLACES.length}`);
	assert.ok(hostKey().startsWith("ssh-ed25519"));
});

const accepted: [string, { [key: string]: Json }, string][] = [];
test("what is refused is named in one line that no terminal acts on; a character that one acts on is accepted nowhere", () => {
	for (const [path, valid, change] of PLACES)
		for (const text of TEXTS)
			for (const value of [text, valid + text, text + valid]) {
				const found = problems(change(value));
				for (const line of found) assert.doesNotMatch(line, new RegExp(`${ACTS.source}|\n`), `${path}: ${JSON.stringify(value).slice(0, 200)}`);
				if (found.length > 0) continue;
				if (!/^sshPrivateKey|hostKey$/.test(path)) assert.doesNotMatch(value, ACTS, path); // of a key its own part is taken, and nothing around it
				accepted.push([path, change(value), value]);
			}
});

/** All at once where they go together: one of a place. */
const settingsOf = (index: number): { [key: string]: Json } => {
	const byPlace = Map.groupBy(accepted, ([path]) => path);
	const changes = [...byPlace.values()].map((all) => all[index % all.length] as (typeof accepted)[number]);
	return Object.assign(
		{ ...FULL },
		...changes.map(([path, change]) => Object.fromEntries([[path.match(/^\w+/)?.[0] ?? "", change[path.match(/^\w+/)?.[0] ?? ""] as Json]])),
	);
};
const HOSTS: Record<string, (t: TestContext) => FakeHost> = { packages: preparedHost, system: bareHost, runtime: preparedHost };

test("what is accepted stays in its line of every rendered file, and no script runs a part of it", async (t) => {
	const lines = (text: string) => text.split("\n").length;
	const { graph } = await program({ changes: FULL });
	const plain = new Map(graph.states.map((state) => [state.name, JSON.stringify(state.inputs.settings)]));
	for (let index = 0; index < 6; index++) {
		const { graph } = await program({ changes: settingsOf(index) });
		for (const state of graph.states.filter(({ inputs }) => inputs.step in HOSTS)) {
			assert.equal(
				lines(JSON.stringify(state.inputs.settings).replaceAll("\\n", "\n")),
				lines((plain.get(state.name) ?? "").replaceAll("\\n", "\n")),
				state.name,
			);
			if (!state.name.includes("node01")) continue;
			const host = HOSTS[state.inputs.step]?.(t) as FakeHost;
			t.after(() => rmSync(`${host.root}-ran`, { force: true }));
			const { stderr } = host.sent(scriptTextOf(state), "apply");
			assert.equal(existsSync(`${host.root}-ran`), false, `${state.name}: ${stderr}`);
		}
	}
});
