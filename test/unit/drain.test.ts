// The drain before a worker's upgrade, against an API server that keeps Nodes, Pods and a PodDisruptionBudget; test/upgrade has a real one.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { drain, uncordon } from "../../cluster/drain.ts";
import { type Asked, apiServer, kubeconfig } from "./api-server.ts";

const VERSION = "1.30.14";
interface Pod {
	name: string;
	owner?: string;
	isMirror?: boolean;
	/** Evictions that its budget refuses; Infinity for all. */
	refusals?: number;
}
/** A cluster of one worker. An eviction ends a Pod at once, unless its budget refuses. */
async function cluster(
	t: TestContext,
	{
		pods = [] as Pod[],
		kubelet = "v1.29.15",
		unschedulable = false,
		annotations = {} as Record<string, string>,
		others = [] as object[],
		reconnectFails = false,
		apiServerSeconds = 60,
	} = {},
) {
	const node = {
		metadata: { name: "k8s-node01", annotations },
		spec: { unschedulable } as { unschedulable?: boolean | null },
		status: { nodeInfo: { kubeletVersion: kubelet }, conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "posting" }] },
	};
	let left = pods;
	const evictions: { name: string; apiVersion: string }[] = [];
	const answer = ({ method, path, body }: Asked): { status: number; body?: string; date?: string } => {
		if (method === "PATCH") {
			const change = JSON.parse(body);
			Object.assign(node.spec, change.spec);
			for (const [key, value] of Object.entries(change.metadata.annotations)) {
				if (value === null) delete node.metadata.annotations[key];
				else node.metadata.annotations[key] = value as string;
			}
			return { status: 200 };
		}
		if (path === "/api/v1/nodes/k8s-node01") return { status: 200, body: JSON.stringify(node) };
		if (path === "/version") return { status: 200, date: new Date().toUTCString() };
		if (path === "/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver") {
			const startedAt = new Date(Date.now() - apiServerSeconds * 1000).toISOString();
			return { status: 200, body: JSON.stringify({ items: [{ status: { containerStatuses: [{ state: { running: { startedAt } } }] } }] }) };
		}
		if (path === "/api/v1/nodes") return { status: 200, body: JSON.stringify({ items: [node, ...others] }) };
		if (path.startsWith("/api/v1/pods?fieldSelector=spec.nodeName%3Dk8s-node01")) {
			const items = left.map(({ name, owner, isMirror }) => ({
				metadata: {
					name,
					namespace: "default",
					uid: `uid-${name}`,
					annotations: isMirror ? { "kubernetes.io/config.mirror": "x" } : {},
					...(owner ? { ownerReferences: [{ kind: owner, controller: true }] } : {}),
				},
			}));
			return { status: 200, body: JSON.stringify({ items }) };
		}
		const [, name = ""] = path.match(/\/pods\/([^/]+)\/eviction$/) ?? [];
		const pod = left.find((one) => one.name === name);
		if (!pod) return { status: 404 };
		evictions.push({ name, apiVersion: JSON.parse(body).apiVersion });
		if ((pod.refusals ?? 0) > 0) {
			pod.refusals = (pod.refusals ?? 0) - 1;
			return { status: 429, body: JSON.stringify({ message: "Cannot evict pod as it would violate the pod's disruption budget." }) };
		}
		left = left.filter((one) => one !== pod);
		return { status: 201 };
	};
	const { asked, origin } = await apiServer(t, answer);
	const said: string[] = [];
	const with_ = (seconds: number) => ({
		version: VERSION,
		seconds,
		reconnect: async () => {
			if (reconnectFails) throw new Error("k8s-node01 reconnect: apply: the kubelet does not restart");
			said.push(`reconnected before ${evictions.length} evictions`);
		},
		say: (line: string) => void said.push(line),
		warn: (line: string) => void said.push(`warning: ${line}`),
	});
	return {
		node,
		asked,
		evictions,
		said,
		drain: (seconds = 5) => drain(kubeconfig(origin), "k8s-node01", with_(seconds)),
		uncordon: (seconds = 2) => uncordon(kubeconfig(origin), "k8s-node01", with_(seconds)),
	};
}

test("a Node of another version is cordoned, its Pods are evicted but for a DaemonSet's and static ones, and it is marked as drained", async (t) => {
	const { node, evictions, said, drain } = await cluster(t, {
		pods: [{ name: "bare" }, { name: "owned", owner: "ReplicaSet" }, { name: "proxy", owner: "DaemonSet" }, { name: "etcd", isMirror: true }],
	});
	assert.equal(await drain(), true);
	assert.deepEqual(evictions.map(({ name }) => name).sort(), ["bare", "owned"]);
	assert.equal(node.spec.unschedulable, true);
	assert.deepEqual(node.metadata.annotations, { "kubeadm-lab/upgrade": `${VERSION} drained` });
	assert.equal(said[0], "reconnected before 0 evictions");
	assert.match(said.join("\n"), /draining Node k8s-node01, so that preStop hooks run: default\/bare, default\/owned/);
});
test("a kubelet that could not be started anew is told, and its Pods are evicted all the same; without Pods nobody starts it", async (t) => {
	const { evictions, said, drain } = await cluster(t, { pods: [{ name: "bare" }], reconnectFails: true });
	assert.equal(await drain(), true);
	assert.equal(evictions.length, 1);
	assert.match(
		said[0] ?? "",
		/^warning: Node k8s-node01's kubelet was not started anew before its Pods are evicted, .*: k8s-node01 reconnect: apply: the kubelet/,
	);
	const empty = await cluster(t);
	await empty.drain();
	assert.deepEqual(empty.said, []);
});
test("where the API server was there all the time no kubelet is started anew", async (t) => {
	const { evictions, said, drain } = await cluster(t, { pods: [{ name: "bare" }], apiServerSeconds: 3600 });
	await drain();
	assert.equal(evictions.length, 1);
	assert.match(said[0] ?? "", /^draining Node k8s-node01/);
});
test("a Node of the right version is left alone, and so is a cordon of somebody's", async (t) => {
	const { node, asked, drain, uncordon } = await cluster(t, { kubelet: `v${VERSION}`, unschedulable: true });
	assert.equal(await drain(), false);
	await uncordon();
	assert.equal(node.spec.unschedulable, true);
	assert.deepEqual([...new Set(asked.map(({ method }) => method))], ["GET"]);
});
test("after its upgrade a Node that was drained takes Pods again, once it is Ready with the new kubelet", async (t) => {
	const { node, drain, uncordon } = await cluster(t);
	await drain();
	await assert.rejects(
		uncordon(),
		/Node k8s-node01 is not Ready with Kubernetes 1\.30\.14 after 2 s: it has v1\.29\.15, KubeletReady: posting\. It stays cordoned, and no other is upgraded/,
	);
	assert.equal(node.spec.unschedulable, true);
	node.status.nodeInfo.kubeletVersion = `v${VERSION}`;
	await uncordon();
	assert.deepEqual([node.spec.unschedulable, node.metadata.annotations], [null, {}]);
});
test("a Node that somebody had cordoned before is drained and upgraded too, and stays cordoned", async (t) => {
	const { node, drain, uncordon, said } = await cluster(t, { unschedulable: true });
	assert.equal(await drain(), true);
	assert.deepEqual(node.metadata.annotations, { "kubeadm-lab/upgrade": `${VERSION} drained`, "kubeadm-lab/cordoned-before": "yes" });
	assert.equal(await drain(), true, "again, after a kill");
	node.status.nodeInfo.kubeletVersion = `v${VERSION}`;
	await uncordon();
	assert.deepEqual([node.spec.unschedulable, node.metadata.annotations], [true, {}]);
	assert.match(said.join(), /stays cordoned, as it was before/);
});
test("while a Node that was upgraded is not Ready, no other is drained, also by a later run", async (t) => {
	const broken = (kubeletVersion: string, status: string) => ({
		metadata: { name: "k8s-node02", annotations: { "kubeadm-lab/upgrade": `${VERSION} drained` } },
		status: { nodeInfo: { kubeletVersion }, conditions: [{ type: "Ready", status, reason: "KubeletNotReady", message: "no network" }] },
	});
	const { node, drain } = await cluster(t, { others: [broken(`v${VERSION}`, "False")] });
	await assert.rejects(drain(), /Node k8s-node02 is not Ready since its upgrade \(KubeletNotReady: no network\), so k8s-node01 is not upgraded/);
	assert.equal(node.spec.unschedulable, false);
	for (const other of [broken("v1.29.15", "True"), broken(`v${VERSION}`, "True")]) assert.equal(await (await cluster(t, { others: [other] })).drain(), true);
});
test("a Node that is not Ready, such as that of a host installed anew, is cordoned and not drained: nobody would end its Pods", async (t) => {
	const { node, drain, evictions, said } = await cluster(t, { pods: [{ name: "bare" }] });
	node.status.conditions = [{ type: "Ready", status: "Unknown", reason: "NodeStatusUnknown", message: "gone" }];
	assert.equal(await drain(), true);
	assert.deepEqual([evictions, node.spec.unschedulable], [[], true]);
	assert.match(said.join(), /warning: Node k8s-node01 is not Ready \(NodeStatusUnknown\), so nobody ends its Pods there: it is not drained/);
});
test("one that a killed run left cordoned with the new kubelet is still in its upgrade", async (t) => {
	const { drain } = await cluster(t, { kubelet: `v${VERSION}`, unschedulable: true, annotations: { "kubeadm-lab/upgrade": `${VERSION} drained` } });
	assert.equal(await drain(), true);
});
test("a Pod whose budget lets it go only later is asked again; one whose budget never does is named with the reason, and the Node stays cordoned", async (t) => {
	const later = await cluster(t, { pods: [{ name: "kept", refusals: 2 }] });
	assert.equal(await later.drain(), true);
	assert.equal(later.evictions.length, 3);

	const never = await cluster(t, { pods: [{ name: "kept", refusals: Number.POSITIVE_INFINITY }, { name: "free" }] });
	await assert.rejects(
		never.drain(2),
		/Node k8s-node01 still has Pods after 2 s, and is not upgraded: default\/kept \(Cannot evict pod as it would violate the pod's disruption budget\.\)\. It stays cordoned\. .*run pulumi up again: it goes on there/,
	);
	assert.equal(never.node.spec.unschedulable, true);
	assert.deepEqual(never.node.metadata.annotations, { "kubeadm-lab/upgrade": VERSION }, "not drained");
});
test("an API server of before 1.22 is asked in its own words", async (t) => {
	for (const [kubelet, expected] of [
		["v1.21.14", "policy/v1beta1"],
		["v1.22.17", "policy/v1"],
	] as const) {
		const { evictions, drain } = await cluster(t, { kubelet, pods: [{ name: "bare" }] });
		await drain();
		assert.deepEqual(evictions, [{ name: "bare", apiVersion: expected }]);
	}
});
test("an API server that does not answer holds up no update that is no upgrade: it is a warning, and the host's step asks by itself", async () => {
	const said: string[] = [];
	const note = (line: string) => void said.push(line);
	assert.equal(
		await drain(kubeconfig("https://127.0.0.1:1"), "k8s-node01", { version: VERSION, seconds: 1, say: note, warn: note, reconnect: async () => {} }),
		false,
	);
	assert.match(
		said.join(),
		/Node k8s-node01 is not looked at before its host's update, which upgrades nothing then: can't read Node k8s-node01: https:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/,
	);
});
