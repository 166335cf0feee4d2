// A host that is a Node, with its certificates, and a kubeadm and a crictl that renew them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { ID, preparedHost } from "./cluster-host.ts";
import type { FakeHost } from "./fake-host.ts";

export const FLAGS = "/var/lib/kubelet/kubeadm-flags.env";
export const CONFIG = "/var/lib/kubelet/config.yaml";
export const MANIFEST = "/etc/kubernetes/manifests/kube-scheduler.yaml";
export const SUBNET = "/run/flannel/subnet.env";
export const CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/** A certificate that is good for so many days; negative: it ended. With these names and addresses. */
export function certificate(days: number, ...names: string[]): string {
	const sans = names.map((name) => `${/^[\d.]+$/.test(name) ? "IP" : "DNS"}:${name}`).join(",");
	const extension = names.length === 0 ? [] : ["-addext", `subjectAltName=${sans}`];
	const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"];
	const { status, stdout, stderr } = spawnSync("openssl", ["req", "-x509", ...key, "-days", String(days), "-subj", "/CN=x", ...extension], {
		encoding: "utf8",
	});
	assert.equal(status, 0, stderr);
	return stdout;
}
export const good = certificate(365);
export const soon = certificate(5);

/** A host that joined, or a control plane after init, with what kubeadm leaves. */
export function member(t: TestContext, step = "join"): FakeHost {
	const host = preparedHost(t);
	for (const [name, value] of Object.entries({
		id: ID,
		step,
		node: "k8s-node02",
		finished: "yes",
		version: "1.29.15",
		socket: "unix:///run/containerd/containerd.sock",
	}))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	for (const path of [FLAGS, CONFIG, "/etc/kubernetes/kubelet.conf", ...(step === "init" ? [MANIFEST] : [])]) host.write(path, `as kubeadm wrote ${path}\n`);
	host.write(SUBNET, "FLANNEL_NETWORK=10.244.0.0/16\n");
	for (const path of [CLIENT, "/etc/kubernetes/pki/ca.crt"]) host.write(path, good);
	host.write("/units/kubelet.active", "active\n");
	host.command("curl", `[[ ! -e "\${KUBEADM_LAB_ROOT}/hangs" ]] || exit 7`);
	host.command(
		"kubectl",
		`[[ "$*" != *taints* ]] || { cat "\${KUBEADM_LAB_ROOT}/open" 2>/dev/null || printf 'Ready True node.kubernetes.io/unschedulable'; exit; }
printf '%s True KubeletReady: posting' "$(date -u +%FT%TZ)"`,
	);
	return host;
}
export const conf = (certificate: string) => `    client-certificate-data: ${Buffer.from(certificate).toString("base64")}\n`;
/** A control plane after init, with its certificates. */
export function controlPlane(t: TestContext): FakeHost {
	const host = member(t, "init");
	for (const path of ["front-proxy-ca", "etcd/ca", "apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client"])
		host.write(`/etc/kubernetes/pki/${path}.crt`, good);
	for (const name of ["server", "peer", "healthcheck-client"]) host.write(`/etc/kubernetes/pki/etcd/${name}.crt`, good);
	for (const name of ["admin", "controller-manager", "scheduler", "super-admin"]) host.write(`/etc/kubernetes/${name}.conf`, conf(good));
	return host;
}
/** `kubeadm certs renew` puts a good certificate there, but for the scheduler's until the file `works` is there; a container that was stopped runs under another id. */
export function playRenewal(host: FakeHost): void {
	host.command(
		"kubeadm",
		`r="\${KUBEADM_LAB_ROOT}"; [[ "$*" != *scheduler* || -e "$r/works" ]] || { echo 'no such file'; exit 1; }; cp "$r/etc/kubernetes/admin.conf" "$r/etc/kubernetes/\${*: -1}"`,
	);
	// An id of the only container with this name, until it is stopped.
	host.command(
		"crictl",
		`r="\${KUBEADM_LAB_ROOT}"; last="\${*: -1}"; case " $* " in *" ps "*) last="\${last#^}"; last="\${last%\\$}"; echo "$last-$(cat "$r/stopped-$last" 2>/dev/null)" ;; *" stop "*) echo 2 >"$r/stopped-\${last%-}" ;; esac`,
	);
}
