// A cluster whose hosts are started again: all at once, as after a power cut, and one after the other, as for a new kernel.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { controlPlane, hosts, kubectl, lab, noteWhatRuns, onHost, pulumi, read, workers } from "../e2e/lab.ts";

const SECONDS = 240;
const until = async (what: string, isSo: () => Promise<boolean>) => {
	for (const end = Date.now() + SECONDS * 1000; ; await new Promise((resolve) => setTimeout(resolve, 1000))) {
		if (await isSo().catch(() => false)) return;
		assert.ok(Date.now() < end, `${what}: not after ${SECONDS} s`);
	}
};
const bootId = async (host: string) => (await onHost(host, "stat -c %Y /proc/1; cat /proc/1/stat | cut -d' ' -f22")).stdout;
const reboot = async (...names: string[]) => {
	const old = await Promise.all(names.map(bootId));
	await Promise.all(names.map((host) => onHost(host, "systemctl reboot")));
	for (const [i, host] of names.entries()) await until(`${host} is up again`, async () => ![old[i], ""].includes(await bootId(host)));
};
const ready = async () => {
	for (const host of hosts)
		await until(`Node ${host} Ready since its boot`, async () => {
			const { stdout } = await onHost(host, "date -u -d @$(stat -c %Y /proc/1) +%FT%TZ");
			const [status, heard] = (
				await kubectl(`get node ${host} -o jsonpath='{range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}'`)
			).split(" ");
			return status === "True" && (heard ?? "") >= stdout.trim();
		});
};
/** A Pod on each worker answers from the control plane and from the other worker: over flannel, both ways. */
const podNetwork = async () => {
	const [one, other] = workers;
	await until("CoreDNS answers on the Pod network from every host", async () => {
		const ips = (await kubectl("-n kube-system get pods -l k8s-app=kube-dns -o jsonpath='{.items[*].status.podIP}'")).split(" ").filter(Boolean);
		const pod = await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.status.podIP}'");
		for (const host of [controlPlane, one ?? "", other ?? ""]) {
			for (const ip of ips) if ((await onHost(host, `curl --silent --fail --max-time 3 http://${ip}:8080/health`)).code !== 0) return false;
			if ((await onHost(host, `curl --silent --fail --max-time 3 --output /dev/null http://${pod}/`)).code !== 0) return false;
		}
		return ips.length > 0;
	});
};

describe("reboots", { concurrency: false }, () => {
	before(async () => {
		await lab("up");
		await lab("reset");
		await lab("up", "--used=sysctl,sysctl-late,selinux,swap-unit,cloud-init");
		await pulumi("up");
		await noteWhatRuns();
	});
	after(async () => {
		await pulumi("destroy");
		await lab("reset");
	});
	const healthy = async () => {
		await ready();
		await podNetwork();
		for (const host of hosts) assert.equal(await read(host, "sysctl -n net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables; hostname"), `1\n1\n${host}\n`);
		assert.match((await pulumi("preview")).output, /unchanged/);
	};

	test("all hosts at once: Nodes are Ready, the Pod network works, a preview is empty", async () => {
		await reboot(...hosts);
		await healthy();
	});

	test("one after the other: the same", async () => {
		for (const host of hosts) {
			await reboot(host);
			await ready();
		}
		await healthy();
	});

	test("a host that comes back under another name has it put right, and its kubelet with it", async () => {
		const host = workers[0] ?? "";
		await read(host, "echo old >/etc/hostname; sed -i '/^# kubeadm-lab begin/,/^# kubeadm-lab end/d' /etc/hosts");
		await reboot(host);
		const { output } = await pulumi("up");
		assert.match(output, /the kubelet, which ran under another name, was restarted/);
		await ready();
		assert.match((await pulumi("preview")).output, /unchanged/);
	});
});
