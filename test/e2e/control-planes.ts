// Stacks with several control planes behind one address, on four hosts of the lab (`lab up --workers 3`), and somebody who writes to their API meanwhile.
import assert from "node:assert/strict";
import { controlPlane, kubectl, onHost, read } from "./lab.ts";

export const [second, third, worker] = ["k8s-node01", "k8s-node02", "k8s-node03"] as const;
export const fourHosts = [controlPlane, second, third, worker];
export const ENDPOINT = "172.16.1.100";
/** Users that packages make stay; haproxy is the one whose user a bare host does not have. */
export const HAPROXY_USER = [/ \/etc\/(passwd|shadow|group|gshadow)-?( |$)/];
const ADMIN = "/root/admin.conf";

/** A stack's file, but with so many control planes, and one worker. */
export function withControlPlanes(text: string, count: number, hasEndpoint: boolean): string {
	const list = [...fourHosts.slice(0, count), worker].map(
		(name) => `    - name: ${name}\n      address: 172.16.1.${110 + fourHosts.indexOf(name)}\n      role: ${name === worker ? "worker" : "control-plane"}\n`,
	);
	const endpoint = hasEndpoint ? `  kubeadm-lab:apiEndpoint: { address: ${ENDPOINT} }\n` : "";
	return text.replace(/( {2}kubeadm-lab:hosts:\n)[\s\S]*?(?= {2}kubeadm-lab:nodeNetwork)/, `$1${list.join("")}${endpoint}`);
}

/** kubectl on the worker, by the kubeconfig that `whileWriting` has put there. */
export const onWorker = (command: string) => read(worker, `kubectl --kubeconfig ${ADMIN} --request-timeout 10s ${command}`);
/** Each Node and whether it is Ready, as `ready` says it. */
export const nodes = (from = kubectl) =>
	from("get nodes --no-headers -o custom-columns=N:.metadata.name,R:'.status.conditions[?(@.type==\"Ready\")].status' | sort");
export const ready = (...names: string[]) =>
	names
		.map((name) => `${name}   True\n`)
		.sort()
		.join("");

/**
 * The worker writes one object after the other meanwhile. Throws where one that was acknowledged is not there afterwards. Returns the longest time between two of them, in
 * seconds.
 */
export async function whileWriting(name: string, act: () => Promise<unknown>): Promise<number> {
	const admin = await read(controlPlane, "cat /etc/kubernetes/admin.conf");
	assert.equal((await onHost(worker, `umask 077; cat >${ADMIN}`, { input: admin })).code, 0);
	await read(
		worker,
		`cat >/root/writer <<'END'
cd /root; rm -f acknowledged stop; i=0
while [[ ! -e stop ]]; do i=$((i + 1)); kubectl --kubeconfig ${ADMIN} --request-timeout 5s create configmap ${name}-$i >/dev/null 2>>errors && echo "${name}-$i $(date +%s%N)" >>acknowledged; done
END
systemd-run --quiet --unit writer-${name} /bin/bash /root/writer`,
	);
	try {
		await act();
	} finally {
		await read(worker, `touch /root/stop; while systemctl is-active -q writer-${name}; do sleep 0.2; done`);
	}
	const ended = BigInt((await read(worker, "date +%s%N")).trim());
	const lines = (await read(worker, "cat /root/acknowledged"))
		.trim()
		.split("\n")
		.map((line) => line.split(" ") as [string, string]);
	assert.ok(lines.length > 20, `${lines.length} writes`);
	const there = new Set((await onWorker("get configmaps -o custom-columns=N:.metadata.name --no-headers")).split("\n"));
	assert.deepEqual(
		lines.map(([one]) => one).filter((one) => !there.has(one)),
		[],
	);
	const times = [...lines.map(([, at]) => BigInt(at)), ended].map((at) => Number(at / 1_000_000n) / 1000);
	return Math.max(...times.slice(1).map((at, i) => at - (times[i] as number)));
}
/** What `whileWriting` has left on the worker. */
export const removeWriter = () => read(worker, "rm -f /root/admin.conf /root/writer /root/acknowledged /root/errors /root/stop; rm -rf /root/.kube");
