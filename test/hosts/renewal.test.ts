// Certificates that the control plane renews by itself, with nobody's up in between.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ENDING_CERTIFICATES } from "../e2e/cluster/drift-of-nodes.ts";
import { controlPlane, kubectl, lab, onHost, project, pulumi, pulumiRun, read } from "../e2e/lab.ts";

const ends = (path: string) => read(controlPlane, `openssl x509 -in ${path} -noout -checkend 2592000 >/dev/null && echo good || echo ends`);
const PROXY_CLIENT = "/etc/kubernetes/pki/front-proxy-client.crt";

describe("renewCertificates: timer", { concurrency: false }, () => {
	let folder = "";
	let config: string[] = [];
	before(async () => {
		folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-renewal-"));
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		await writeFile(join(folder, "Pulumi.lab.yaml"), text.replace("config:\n", "config:\n  kubeadm-lab:renewCertificates: timer\n"));
		config = ["--config-file", join(folder, "Pulumi.lab.yaml")];
		await lab("up");
		await lab("reset");
		await pulumi("up", ...config);
	});
	after(async () => {
		await pulumi("destroy");
		assert.equal((await onHost(controlPlane, "ls /var/lib/kubeadm-lab /etc/systemd/system/kubeadm-lab-renewal.timer 2>/dev/null")).stdout, "");
		await lab("reset");
		await rm(folder, { recursive: true });
	});

	test("what ends within a month is renewed by the timer's service and read by its Pods, and the next preview has nothing to do", async () => {
		await read(controlPlane, ENDING_CERTIFICATES.change);
		assert.equal(await ends(PROXY_CLIENT), "ends\n");
		const scheduler = await read(controlPlane, "crictl ps -q --name kube-scheduler");
		await read(controlPlane, "systemctl start kubeadm-lab-renewal.service");
		assert.equal(await ends(PROXY_CLIENT), "good\n");
		assert.notEqual(await read(controlPlane, "crictl ps -q --name kube-scheduler"), scheduler);
		await kubectl("wait pods --all -A --for=condition=Ready --timeout=120s");
		assert.match((await pulumi("preview", ...config)).output, /^ {4}\d+ unchanged$/m);
	});
	test("the timer is set and due within a day, one that is stopped is drift, and a renewal that fails too", async () => {
		assert.match(await read(controlPlane, "systemctl list-timers kubeadm-lab-renewal.timer --no-legend --no-pager"), /kubeadm-lab-renewal/);
		await read(controlPlane, "systemctl stop kubeadm-lab-renewal.timer");
		assert.match((await pulumiRun("preview", "--diff", ...config)).output, /kubeadm-lab-renewal\.timer running/);
		await pulumi("up", ...config);
		await read(
			controlPlane,
			`${ENDING_CERTIFICATES.change}; mv /etc/kubernetes/pki/front-proxy-ca.key /root/; systemctl start kubeadm-lab-renewal.service || true`,
		);
		assert.match((await pulumiRun("preview", "--diff", ...config)).output, /last renewal/);
		await read(controlPlane, "mv /root/front-proxy-ca.key /etc/kubernetes/pki/");
		await pulumi("up", ...config);
		assert.equal(await ends(PROXY_CLIENT), "good\n");
		assert.match((await pulumi("preview", ...config)).output, /^ {4}\d+ unchanged$/m);
	});
	test("without the setting it goes", async () => {
		await pulumi("up");
		assert.equal((await onHost(controlPlane, "ls /etc/systemd/system/kubeadm-lab-renewal.* /var/lib/kubeadm-lab/renewal 2>/dev/null")).stdout, "");
	});
});
