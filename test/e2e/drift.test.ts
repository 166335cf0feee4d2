// Somebody changes prepared hosts by hand: preview shows just that, `up` repairs just that.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DRIFTS } from "./drift.ts";
import { controlPlane, hosts, kubectl, lab, onHost, project, pulumi, pulumiArgs, pulumiRun, read, run } from "./lab.ts";

const host = "k8s-node01";
/** Only the hosts are looked at; the cluster has a test of its own below. */
const HOSTS_ONLY = "--refresh=false";

/** Items of all steps that a preview proposes to put right: `item: "found" => "wanted"`. */
const proposed = (output: string): string[] =>
	output.match(/^Resources:[\s\S]*/m) ? (output.slice(output.indexOf("(same)")).match(/^ *~ .* => .*$/gm) ?? []) : [];
const units = ["containerd", "kubelet", "chronyd", "sshd"];
/** Main process and start of each unit: another one after a restart. */
async function processes(): Promise<Map<string, string>> {
	const text = await read(
		host,
		`for u in ${units.join(" ")}; do printf '%s ' "$u"; systemctl show -p MainPID -p ActiveEnterTimestampMonotonic "$u" | paste -s -d ' '; done`,
	);
	return new Map(
		text
			.trim()
			.split("\n")
			.map((line) => [line.split(" ")[0] ?? "", line]),
	);
}
const mark = () => read(host, "touch /tmp/mark; sleep 0.05");
/** Files of the host that were written since the mark. */
const written = async () => (await read(host, "find /etc /usr /var/lib/kubeadm-lab -xdev -type f -newer /tmp/mark")).split("\n").filter((line) => line !== "");

describe("drift", { concurrency: false }, () => {
	before(async () => {
		await lab("up");
		await lab("reset");
		await pulumi("up");
	});
	after(async () => {
		await lab("reset");
	});

	for (const { what, change, step, shows, wrong, restarts = [] } of DRIFTS)
		test(`${what}: preview shows it alone, and up repairs it alone`, async () => {
			await read(host, change);
			const preview = await pulumiRun("preview", HOSTS_ONLY, "--diff", "--expect-no-changes");
			assert.notEqual(preview.code, 0, "preview --expect-no-changes must fail");
			const items = proposed(preview.output);
			assert.equal(items.length, shows.length, items.join("\n"));
			for (const pattern of shows) assert.match(items.join("\n"), pattern);
			assert.match(preview.output, /~ 1 to update/);
			assert.ok(preview.output.slice(preview.output.indexOf("(same)")).includes(`::lab-${host}-${step}]`));

			const before = await processes();
			await mark();
			const { stdout } = await pulumi("up", HOSTS_ONLY);
			assert.match(stdout, /~ 1 updated/);
			assert.equal((await onHost(host, wrong)).output.trim(), "");
			for (const [unit, line] of await processes()) if (!restarts.includes(unit)) assert.equal(line, before.get(unit), `${unit} was restarted`);
			const named = shows.map(({ source }) => source.replaceAll("\\", "")).join(" ");
			for (const path of await written()) {
				const isExpected = path.startsWith("/var/lib/kubeadm-lab/") || named.includes(path) || (step === "packages" && !path.startsWith("/etc/kubernetes"));
				assert.ok(isExpected, `${path} was written`);
			}
		});

	test("what was repaired stays so: preview, up and refresh find nothing to do, and write nothing", async () => {
		await mark();
		assert.equal((await pulumiRun("preview", "--expect-no-changes")).code, 0);
		assert.equal((await pulumiRun("refresh", "--expect-no-changes")).code, 0);
		assert.doesNotMatch((await pulumi("up")).stdout, /\d+ (created|updated|deleted|replaced)/);
		assert.deepEqual(await written(), []);
	});

	test("refresh --expect-no-changes fails on drift, so that it can be scheduled", async () => {
		await read(host, "sysctl -qw net.ipv4.ip_forward=0");
		const { code, output } = await pulumiRun("refresh", "--expect-no-changes", "--preview-only");
		assert.notEqual(code, 0);
		assert.match(output, /no changes were expected/);
		await pulumi("up");
		assert.equal((await pulumiRun("refresh", "--expect-no-changes", "--preview-only")).code, 0);
	});

	test("flannel's configuration, changed on the cluster, is repaired", async () => {
		const before = await kubectl("-n kube-flannel get configmap kube-flannel-cfg -o jsonpath={.data.net-conf\\.json}");
		await kubectl(`-n kube-flannel patch configmap kube-flannel-cfg --type merge -p '{"data":{"net-conf.json":"{}"}}'`);
		assert.match((await pulumiRun("preview", "--diff")).output, /lab-flannel-config-map[\s\S]*net-conf\.json/);
		await pulumi("up");
		assert.equal(await kubectl("-n kube-flannel get configmap kube-flannel-cfg -o jsonpath={.data.net-conf\\.json}"), before);
	});

	test("a stopped API server hides the cluster and not the hosts", async () => {
		const manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
		await read(controlPlane, `mv ${manifest} /root/; for i in $(seq 60); do curl -sk https://172.16.1.110:6443/healthz >/dev/null || break; sleep 0.5; done`);
		try {
			await read(host, "sysctl -qw net.ipv4.ip_forward=0");
			assert.match((await pulumiRun("preview")).output, /unreachable/);
			const { code, output } = await pulumiRun("preview", HOSTS_ONLY, "--diff");
			assert.equal(code, 0, output);
			assert.equal(proposed(output).length, 1, output);
			await pulumi("up", HOSTS_ONLY);
			assert.equal((await read(host, "sysctl -n net.ipv4.ip_forward")).trim(), "1");
		} finally {
			await read(
				controlPlane,
				`mv /root/kube-apiserver.yaml ${manifest}; for i in $(seq 120); do curl -sk https://172.16.1.110:6443/healthz >/dev/null && break; sleep 0.5; done`,
			);
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
		assert.equal(proposed(output).length, 1, output);
		const strict = await run(`${project}lab/lab`, pulumiArgs("preview", "lab", HOSTS_ONLY), { env: { KUBEADM_LAB_STRICT: "true" } });
		assert.notEqual(strict.code, 0);
		assert.match(strict.output, /error: .*k8s-node02 was not looked at: /);
		for (let i = 0; i < 120 && (await onHost("k8s-node02", "true")).code !== 0; i++) await new Promise((resolve) => setTimeout(resolve, 500));
		await pulumi("up");
	});

	test("a profile that prints and greets changes nothing of what is found", async () => {
		for (const name of hosts) await read(name, "cp -a /root/.bashrc /root/kept.bashrc; sed -i '1i echo Welcome; echo hello >\\&2' /root/.bashrc");
		try {
			assert.equal((await pulumiRun("preview", HOSTS_ONLY, "--expect-no-changes")).code, 0);
		} finally {
			for (const name of hosts) await read(name, "mv /root/kept.bashrc /root/.bashrc");
		}
	});
});
