// A played control plane with an etcd: etcdctl, the runtime and the kubelet are stand-ins, and every file is real.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ID } from "./cluster-host.ts";
import { FakeHost } from "./fake-host.ts";

export const CA = "-----BEGIN CERTIFICATE-----\nplayed\n-----END CERTIFICATE-----\n";
export const FOLDER = "/var/lib/kubeadm-lab/cluster/snapshots";
export const DATA = "/var/lib/etcd/member";
export const WORK = "/var/lib/etcd/kubeadm-lab-restore";
export const ASIDE = "/var/lib/kubeadm-lab/cluster/restore";
export const PODS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/** What etcd sends: pages, and the SHA-256 of them behind. */
export function sent(text: string): Buffer {
	const pages = Buffer.alloc(512 * 4, text);
	return Buffer.concat([pages, createHash("sha256").update(pages).digest()]);
}
/** Its etcdctl prints what that of 3.5.16 prints. The kubelet is played by crictl: a Pod runs while its manifest is there. */
export function controlPlane(t: TestContext, { bump = true, version = "3.5.16" } = {}): FakeHost {
	const host = new FakeHost(t);
	for (const [name, value] of Object.entries({ id: ID, step: "init", node: "k8s-master", finished: "yes", socket: "unix:///run/containerd/containerd.sock" }))
		host.write(`/var/lib/kubeadm-lab/cluster/${name}`, value);
	for (const pod of PODS) host.write(`/etc/kubernetes/manifests/${pod}.yaml`, `    image: registry.k8s.io/${pod}:v1.29.15\n`);
	host.write(
		"/etc/kubernetes/manifests/etcd.yaml",
		`    - --name=k8s-master\n    - --initial-cluster=k8s-master=https://172.16.1.110:2380\n    - --initial-advertise-peer-urls=https://172.16.1.110:2380\n    image: registry.k8s.io/etcd:${version}-0\n`,
	);
	host.write("/etc/kubernetes/pki/ca.crt", CA);
	host.write(`${DATA}/snap/db`, "data of before");
	host.write("/units/kubelet.active", "active\n");
	writeFileSync(join(host.root, "sent"), sent("snapshot"));
	host.command("df", `echo Avail; cat "\${KUBEADM_LAB_ROOT}/free" 2>/dev/null || echo 20000000000`);
	host.command("openssl", 'cat "$3"');
	host.command("curl", `[[ ! -e "\${KUBEADM_LAB_ROOT}/dead" ]]`);
	host.command(
		"kubectl",
		`case "$*" in *leases*) echo 'k8s-master 2999-01-01T00:00:00Z' ;; *configmaps*) printf '%s\\n' '2020-01-01T00:00:00Z 640 ConfigMap default early' '2999-01-01T00:00:00Z 640 ConfigMap default late' "$(sed -n 's/^taken=//p' "\${KUBEADM_LAB_ROOT}"/var/lib/kubeadm-lab/cluster/snapshots/*.about | head -n 1) 625 ConfigMap default same-second" '2999-01-01T00:00:00Z 600 ConfigMap default in-it' ;; *secrets*) exit 1 ;; esac`,
	);
	host.command(
		"crictl",
		`name="$*"; name="\${name##*^}"; name="\${name%\\$}"; [[ ! -e "\${KUBEADM_LAB_ROOT}/etc/kubernetes/manifests/\${name}.yaml" && ! -e "\${KUBEADM_LAB_ROOT}/stuck-\${name}" ]] || echo "id-\${name}"`,
	);
	playTools(host, bump);
	return host;
}
/** The image of etcd has an etcdctl, which makes a member's data of a snapshot. */
export function playTools(host: FakeHost, bump = true): void {
	host.command(
		"ctr",
		`case "$*" in *' mount '*) mkdir -p "\${!#}/usr/local/bin"; cp "\${KUBEADM_LAB_ROOT}/etcdctl" "\${!#}/usr/local/bin/" ;; *unmount*) rm -rf "\${!#}/usr" ;; esac`,
	);
	host.write(
		"/etcdctl",
		`#!/bin/bash
printf '%s\\n' "etcdctl $*" >>"\${KUBEADM_LAB_ROOT}/calls"
case "$*" in
*'snapshot restore --help'*) echo '--data-dir ${bump ? "--bump-revision --mark-compacted" : ""}'; yes '  --another-flag' | head -n 4500 ;;
*'snapshot restore'*)
  [[ ! -e "\${KUBEADM_LAB_ROOT}/unrestorable" ]] || { echo 'Error: expected sha256' >&2; exit 1; }
  while [[ "$1" != --data-dir ]]; do shift; done; mkdir -p "$2/member/snap"; printf 'data of the snapshot' >"$2/member/snap/db" ;;
*'snapshot save'*) [[ ! -e "\${KUBEADM_LAB_ROOT}/silent" ]] || { echo 'Error: context deadline exceeded' >&2; exit 1; }; cp "\${KUBEADM_LAB_ROOT}/sent" "\${!#}" ;;
*'snapshot status'*) echo '{"hash":3081953761,"revision":624,"totalKey":632,"totalSize":1421312}' ;;
*'endpoint status'*) [[ ! -e "\${KUBEADM_LAB_ROOT}/dead" ]] && echo '[{"Status":{"header":{"revision":644}}}]' ;;
*'endpoint health'*) [[ ! -e "\${KUBEADM_LAB_ROOT}/dead" ]] || { echo 'unhealthy: connection refused'; exit 1; } ;;
esac
`,
	);
	chmodSync(join(host.root, "etcdctl"), 0o755);
}
export const act = (host: FakeHost, ACTION: string, settings: Record<string, string | number | boolean> = {}) =>
	host.run("etcd", "apply", { ACTION, ...settings }, "k8s-master");
export function taken(host: FakeHost): string {
	const { status, stdout, stderr } = act(host, "snapshot");
	assert.equal(status, 0, stderr);
	return stdout.split("\t")[0] ?? "";
}
export const names = (host: FakeHost) => readdirSync(join(host.root, FOLDER)).filter((name) => name.endsWith(".db"));
export const dataOf = (host: FakeHost) => host.read(`${DATA}/snap/db`);
export const manifests = (host: FakeHost) => PODS.filter((pod) => host.exists(`/etc/kubernetes/manifests/${pod}.yaml`));
