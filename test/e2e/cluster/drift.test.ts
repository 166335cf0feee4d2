// Somebody changes prepared hosts by hand: preview shows just that, `up` repairs just that.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { mark, running, written } from "../audit.ts";
import { controlPlane, hosts, kubectl, onHost, output, project, pulumiArgs, read, run, succeed } from "../lab.ts";
import { assertProposed, assertRepaired, proposed } from "./drift.ts";
import { SETTINGS } from "./drift-of-hosts.ts";
import { MARKS } from "./drift-of-nodes.ts";
import { rounds } from "./rounds.ts";
import { leavesItStanding, standingCluster } from "./standing.ts";

const host = "k8s-node01";
/** Only the hosts are looked at; the cluster has a test of its own below. */
const HOSTS_ONLY = "--refresh=false";

const everywhere = <T>(act: (host: string) => Promise<T>): Promise<T[]> => Promise.all(hosts.map(act));

describe("drift", { concurrency: false }, () => {
	let folder = "";
	/** With what the lab's own stack has none of: labels, taints, a time zone, time servers. */
	const config = () => ["--config-file", `${folder}/Pulumi.lab.yaml`];
	const pulumi = (command: string, ...args: string[]) => succeed(`${project}lab/lab`, pulumiArgs(command, "lab", ...config(), ...args));
	const pulumiRun = (command: string, ...args: string[]) => run(`${project}lab/lab`, pulumiArgs(command, "lab", ...config(), ...args));

	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/drift-`);
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		await writeFile(
			`${folder}/Pulumi.lab.yaml`,
			text
				.replaceAll(/^( +)- name: (\S+)$/gm, (line, space, name) => (MARKS[name] ? `${line}\n${space}  ${MARKS[name]}` : line))
				.replace(/^config:\n/m, (line) => line + SETTINGS),
		);
		await standingCluster(...config());
	});
	after(() => rm(folder, { recursive: true }));

	// The preview of each round shows its own changes alone: so what the round before repaired has stayed right, which is what an empty second `up` says.
	for (const round of rounds(hosts))
		test(`${round.map(({ what, host }) => `${what} on ${host}`).join("; ")}: preview shows just that, and up repairs just that`, async () => {
			await Promise.all(round.map(({ host, on = host, change }) => read(on, change)));
			const preview = await pulumiRun("preview", HOSTS_ONLY, "--diff", "--expect-no-changes");
			assert.notEqual(preview.code, 0, "preview --expect-no-changes must fail");
			assertProposed(preview.output, "lab", round);
			assert.match(preview.output, new RegExp(`~ ${round.length} to update`));

			const before = await everywhere(mark);
			const { stdout } = await pulumi("up", HOSTS_ONLY);
			assert.match(stdout, new RegExp(`~ ${round.length} updated`));
			await assertRepaired(round);
			const now = await everywhere(running);
			for (const [i, name] of hosts.entries()) {
				const own = round.filter(({ host }) => host === name);
				const restarted = own.flatMap(({ restarts = [] }) => restarts);
				for (const [what, line] of Object.entries(now[i] ?? {}))
					if (!restarted.includes(what)) assert.equal(line, before[i]?.[what], `${what} of ${name}: restarted`);
				const named = own.flatMap(({ shows }) => shows.map(({ source }) => source.replaceAll("\\", ""))).join(" ");
				for (const path of await written(name)) {
					const isExpected =
						own.length > 0 && (path.startsWith("/var/lib/kubeadm-lab/") || named.includes(path) || own.some(({ writes }) => writes?.test(path)));
					assert.ok(isExpected, `${path} of ${name} was written`);
				}
			}
		});

	test("what was repaired stays so: preview, up and refresh find nothing to do, and write nothing", async () => {
		await everywhere(mark);
		await kubectl("cordon k8s-node02"); // an operator's own act, and no drift
		try {
			await pulumi("preview", "--expect-no-changes", "--diff");
		} finally {
			await kubectl("uncordon k8s-node02");
		}
		await pulumi("refresh", "--expect-no-changes");
		assert.doesNotMatch((await pulumi("up")).stdout, /\d+ (created|updated|deleted|replaced)/);
		for (const paths of await everywhere(written)) assert.deepEqual(paths, []);
	});

	test("refresh --expect-no-changes fails on drift, so that it can be scheduled", async () => {
		await read(host, "sysctl -qw net.ipv4.ip_forward=0");
		const { code, output } = await pulumiRun("refresh", "--expect-no-changes", "--preview-only");
		assert.notEqual(code, 0);
		assert.match(output, /no changes were expected/);
		await pulumi("up");
		await pulumi("refresh", "--expect-no-changes", "--preview-only");
	});

	test("flannel's objects, changed or deleted on the cluster, are shown one by one and repaired in place", async () => {
		const flannel = (what: string) => kubectl(`-n kube-flannel ${what}`);
		const seen = () =>
			Promise.all(
				[
					"get namespace kube-flannel -o jsonpath={.metadata.labels}",
					"get configmap kube-flannel-cfg -o jsonpath={.metadata.uid}{.data}",
					"get daemonset kube-flannel-ds -o jsonpath={.metadata.uid}{.spec.template.spec.containers[0].args}",
					"get clusterrole flannel -o jsonpath={.rules}",
				].map(flannel),
			);
		const before = await seen();
		await kubectl("label namespace kube-flannel pod-security.kubernetes.io/enforce=restricted --overwrite");
		await flannel(`patch configmap kube-flannel-cfg --type merge -p '{"data":{"net-conf.json":"{}"}}'`);
		await flannel(`patch daemonset kube-flannel-ds --type json -p '[{"op":"replace","path":"/spec/template/spec/containers/0/args/0","value":"--v=1"}]'`);
		await kubectl(`patch clusterrole flannel --type json -p '[{"op":"replace","path":"/rules/0/verbs/0","value":"list"}]'`);
		await kubectl("delete clusterrolebinding flannel");
		const { stdout } = await pulumi("preview", "--diff");
		for (const shown of ["namespace]", "config-map]", "daemon-set]", "cluster-role]", "cluster-role-binding]"])
			assert.ok(stdout.includes(`::lab-flannel-${shown}`), shown);
		assert.match(stdout, /\+ 1 to create\n +~ 4 to update\n/);
		await pulumi("up");
		assert.deepEqual(await seen(), before); // also their uids: nothing was made anew
		await kubectl("get clusterrolebinding flannel");
		await flannel("rollout status daemonset kube-flannel-ds --timeout 60s");
		await pulumi("preview", "--expect-no-changes");
	});

	test("flannel's DaemonSet, made anew on demand, is there afterwards", async () => {
		await pulumi("up", "--replace", "**-flannel-daemon-set");
		await kubectl("-n kube-flannel rollout status daemonset kube-flannel-ds --timeout 60s");
		await pulumi("preview", "--expect-no-changes");
	});

	test("an admin.conf that was renewed on the control plane is shown, and reaches the stack with the next up", async () => {
		const kubeconfig = () => output("kubeconfig", "--show-secrets");
		const before = await kubeconfig();
		await read(controlPlane, "kubeadm certs renew admin.conf");
		assert.match((await pulumi("preview", "--diff")).stdout, /control-plane-kubeconfig|~ found: \[secret\]/);
		await pulumi("up");
		const now = await kubeconfig();
		assert.notEqual(now, before);
		assert.equal(now, (await read(controlPlane, "cat /etc/kubernetes/admin.conf")).trimEnd());
		await pulumi("preview", "--expect-no-changes");
	});

	test("a kubelet that hangs, and its Node that is not Ready, are both shown and both repaired", async () => {
		await read("k8s-node02", "pkill -STOP -x kubelet");
		const status = {
			status: { conditions: [{ type: "Ready", status: "Unknown", reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." }] },
		};
		await kubectl(`patch node k8s-node02 --subresource status -p '${JSON.stringify(status)}'`); // what Kubernetes itself says after 40 s
		const { output } = await pulumiRun("preview", HOSTS_ONLY, "--diff");
		assert.match((proposed(output).get("lab-k8s-node02-kubelet") ?? []).join(), /kubelet running *: "no answer at .*" => "active"/);
		assert.match(
			(proposed(output).get("lab-k8s-node02-node") ?? []).join(),
			/Node k8s-node02 *: "not Ready: NodeStatusUnknown: Kubelet stopped posting.*" => "Ready"/,
		);
		assert.match(output, /~ 2 to update/);
		await pulumi("up", HOSTS_ONLY);
		assert.match(await kubectl("get node k8s-node02"), / Ready /);
	});

	test("an API server that does not answer hides the cluster and not the hosts: its Nodes are one warning, strictly an error", async () => {
		// Where nobody listens: a rule in INPUT would be drift of the host itself.
		const rules = (verb: string) =>
			["PREROUTING", "OUTPUT"].map((chain) => `iptables -t nat ${verb} ${chain} -p tcp --dport 6443 -j REDIRECT --to-ports 1`).join(" && ");
		await read(controlPlane, rules("-I"));
		try {
			await read(host, "sysctl -qw net.ipv4.ip_forward=0");
			const whole = await pulumi("preview", "--diff"); // the cluster's objects too
			assert.deepEqual([...proposed(whole.output).keys()], [`lab-${host}-system`], whole.output);
			assert.match(whole.output, /warning: configured Kubernetes cluster is unreachable: .*172\.16\.1\.110:6443/);
			const { code, output } = await pulumiRun("preview", HOSTS_ONLY, "--diff");
			assert.equal(code, 0, output);
			assert.deepEqual([...proposed(output).keys()], [`lab-${host}-system`], output);
			assert.equal(output.match(/warning: k8s-master node was not looked at: .*the API server does not answer/g)?.length, 1, output);
			const strict = await run(`${project}lab/lab`, pulumiArgs("preview", "lab", ...config(), HOSTS_ONLY), { env: { KUBEADM_LAB_STRICT: "true" } });
			assert.notEqual(strict.code, 0);
			assert.match(strict.output, /error: .*k8s-master node was not looked at: .*the API server does not answer/);
			await pulumi("up");
			assert.equal((await read(host, "sysctl -n net.ipv4.ip_forward")).trim(), "1");
		} finally {
			await read(controlPlane, rules("-D"));
		}
	});

	test("an unreachable host is a warning with its last known state, and the others are shown; strictly it fails", async () => {
		await read(
			"k8s-node02",
			"systemctl stop sshd.socket 2>/dev/null; systemd-run --quiet --on-active=45 --timer-property=AccuracySec=100ms systemctl start sshd; systemctl stop sshd",
		);
		await read(host, "sysctl -qw net.ipv4.ip_forward=0");
		const { code, output } = await pulumiRun("preview", HOSTS_ONLY, "--diff");
		assert.equal(code, 0, output);
		assert.equal(output.match(/warning: k8s-node02 was not looked at: /g)?.length, 1, output);
		assert.deepEqual([...proposed(output).keys()], [`lab-${host}-system`], output);
		const strict = await run(`${project}lab/lab`, pulumiArgs("preview", "lab", ...config(), HOSTS_ONLY), { env: { KUBEADM_LAB_STRICT: "true" } });
		assert.notEqual(strict.code, 0);
		assert.match(strict.output, /error: .*k8s-node02 was not looked at: /);
		for (let i = 0; i < 120 && (await onHost("k8s-node02", "true")).code !== 0; i++) await new Promise((resolve) => setTimeout(resolve, 500));
		await pulumi("up");
	});

	test("a profile that prints and greets changes nothing of what is found", async () => {
		for (const name of hosts) await read(name, "cp -a /root/.bashrc /root/kept.bashrc; sed -i '1i echo Welcome; echo hello >\\&2' /root/.bashrc");
		try {
			await pulumi("preview", HOSTS_ONLY, "--expect-no-changes");
		} finally {
			for (const name of hosts) await read(name, "mv /root/kept.bashrc /root/.bashrc");
		}
	});
	leavesItStanding();
});
