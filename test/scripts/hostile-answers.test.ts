// Whatever a host's files and tools hand back is text and nothing else: no script runs a part of it.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { bareHost } from "./bare-host.ts";
import { ID, init, master, preparedHost, worker } from "./cluster-host.ts";
import { FakeHost, withFiles } from "./fake-host.ts";
import { goodHost } from "./good-host.ts";
import { shellFiles } from "./shell-files.ts";
import type { sampleSettings } from "./verbs.ts";

type Settings = ReturnType<typeof sampleSettings>;
interface Sample {
	host: (t: TestContext) => FakeHost;
	settings?: Settings;
	name?: string;
}
/** A host with a finished cluster on it, and tools that answer as theirs do. */
function member(t: TestContext): FakeHost {
	const host = preparedHost(t);
	for (const [name, value] of Object.entries({ id: ID, step: "init", node: "k8s-node02", finished: "yes", socket: "unix:///run/containerd/containerd.sock" }))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	for (const path of ["/var/lib/kubelet/kubeadm-flags.env", "/var/lib/kubelet/config.yaml", "/etc/kubernetes/admin.conf", "/etc/kubernetes/kubelet.conf"])
		host.write(path, "server: https://172.16.1.110:6443\n");
	host.write("/proc/sys/kernel/hostname", "bare\n");
	for (const path of ["/var/lib/kubelet/pki/kubelet-client-current.pem", "/etc/kubernetes/pki/ca.crt"]) host.write(path, "-----BEGIN CERTIFICATE-----\n");
	host.write("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\n");
	host.write("/var/log/kubeadm-lab/recording/pods.jsonl", '{"at":1,"host":"k8s-master","from":"pods","data":{}}\n');
	host.write("/data/volumes/nginx/log/message", "Hello initContainers\n");
	host.write("/etc/containerd/config.toml", 'disabled_plugins = ["cri"]\n');
	host.command("kubectl", `printf 'label\\tdisk\\tssd\\ntaint\\tdedicated=gpu:NoSchedule\\nready\\tTrue\\tKubeletReady: posting\\n'`);
	host.command("curl", "printf 'HTTP/1.1 200 OK\\r\\nDate: Sat, 28 Nov 2026 10:00:00 GMT\\r\\nAge: 7\\r\\n'");
	host.command("rpm", "printf 'kubelet x86_64 kubelet-1.29.15-1\\n'");
	host.command("yum", "echo 'Complete! 3 packages'");
	host.command("crictl", "echo 'sha256:0123 1.17'");
	host.command("openssl", "echo 'notAfter=Nov 28 10:00:00 2027 GMT'");
	host.command("nsenter", "echo 7"); // or a process of this machine's would be entered
	host.command("unshare", "echo 'Hello initContainers'");
	for (const name of ["ctr", "docker", "journalctl", "pgrep", "lsattr", "findmnt", "fuser", "ss"]) host.command(name, "echo 'one 2 three=4 [5]'");
	return host;
}
/** A host whose init was cut off by nobody. */
function initialised(t: TestContext): FakeHost {
	const host = preparedHost(t);
	assert.equal(init(host, "apply").status, 0);
	return host;
}
/** Those that need a host of their own; all others are run on a member. */
const SAMPLES: Record<string, Sample> = {
	preflight: { host: goodHost, name: "k8s-master", settings: { ADDRESS: "172.16.1.112" } },
	system: { host: bareHost },
	leave: { host: initialised, name: "k8s-master" },
	init: { host: preparedHost, ...master, settings: { ...master.changes, TIMEOUT_SECONDS: 1 } },
	join: { host: preparedHost, settings: worker() },
	kubeconfig: { host: member, name: "k8s-master" },
	node: { host: member, settings: { TIMEOUT_SECONDS: 1, LABELS: ["disk=hdd"] } },
	kubelet: { host: member, settings: { TIMEOUT_SECONDS: 1 } },
	scenario: { host: member, name: "k8s-master", settings: { SETTLE_SECONDS: 1 } },
};

/** From now on every tool and every file of the host hands back something else in place of what `pattern` (awk's) matches, about every `every`-th time. */
function spoil(host: FakeHost, pattern: string, word: string, every: number): void {
	host.write(
		"/spoil",
		`BEGIN { srand(${every}) } { out = ""; while (match($0, /${pattern}/)) { out = out substr($0, 1, RSTART - 1) (rand() * ${every} < 1 ? word : substr($0, RSTART, RLENGTH)); $0 = substr($0, RSTART + RLENGTH) } print out $0 }\n`,
	);
	host.write("/word", word);
	mkdirSync(join(host.root, "good"));
	for (const name of readdirSync(join(host.root, "bin"))) {
		if (name === "systemctl") continue; // its state is kept in files that are spoilt
		renameSync(join(host.root, "bin", name), join(host.root, "good", name));
		host.write(
			`/bin/${name}`,
			`#!/bin/bash\nset -o pipefail\n"\${KUBEADM_LAB_ROOT}/good/${name}" "$@" | word="$(<"\${KUBEADM_LAB_ROOT}/word")" awk 'BEGIN { word = ENVIRON["word"] } '"$(<"\${KUBEADM_LAB_ROOT}/spoil")"\n`,
		);
		chmodSync(join(host.root, "bin", name), 0o755);
	}
	host.command("sleep", `echo >>"\${KUBEADM_LAB_ROOT}/pauses"; [[ "$(wc -l <"\${KUBEADM_LAB_ROOT}/pauses")" -lt 5 ]] || kill "\${PPID}"`); // nobody waits for what will not come
	let count = 0;
	for (const folder of ["/etc", "/proc", "/run", "/sys", "/units", "/var", "/data"])
		for (const [path, text] of Object.entries(host.snapshot(folder)))
			if (text !== "folder" && text !== "other" && !path.startsWith("/var/lib/kubeadm-lab/"))
				host.write(
					path,
					text.replaceAll(new RegExp(pattern, "g"), (found) => (count++ % every === 0 ? word : found)),
				);
	host.write("/addresses", host.exists("/addresses") ? host.read("/addresses").replaceAll(/\d+/g, (found) => (count++ % every === 0 ? word : found)) : "");
}
const steps = shellFiles.filter(({ isStep }) => isStep).map(({ name }) => name);

for (const step of steps) {
	test(`${step} runs no part of what the host's tools and files hand back`, (t) => {
		const { host: made, settings = {}, name = "k8s-node02" } = SAMPLES[step] ?? { host: member };
		const ran = "$(>$KUBEADM_LAB_ROOT-ran)"; // without a letter that would end it: a slash, a blank, a digit
		const all = ["check", "apply", "undo"];
		const kinds: [string, string, number, string[]][] = [
			["[0-9]+", `EUID[${ran}]`, 1, all], // bash runs this where it counts: the index of a variable that is there
			["[A-Za-z0-9_.\\/-]+", `${ran}'${ran}'`, 3, all], // outside of quotes, and inside of both kinds
			["[A-Za-z0-9_.\\/-]+", "`>$KUBEADM_LAB_ROOT-ran`", 2, ["apply"]],
			["[A-Za-z0-9_.\\/-]+", `-rf\n日本${"x".repeat(1000)}`, 5, ["apply"]],
		];
		for (const [pattern, word, every, verbs] of kinds) {
			const host = made(t);
			t.after(() => rmSync(`${host.root}-ran`, { force: true }));
			spoil(host, pattern, word, every);
			for (const verb of verbs) {
				const { stderr, stdout } = host.run(step, verb, settings, name);
				assert.equal(existsSync(`${host.root}-ran`), false, `${verb} ran what was handed back for ${pattern}:\n${stderr}${stdout}`);
			}
		}
	});
}

test("what a script says has no escape sequence of a tool's in it; lines and tabs stay", (t) => {
	const said = `$'one\\n\\ttwo \\033]0;owned\\007\\033[2J\\rthree \\177 \u00e4'`;
	const { stderr } = new FakeHost(t).bash(withFiles(`check() { :; }\napply() { log ${said}; }\nundo() { die ${said}; }`), "apply");
	assert.match(stderr, /test: one\n\ttwo \?\]0;owned\?\?\[2J\?three \? \u00e4\n/);
});
