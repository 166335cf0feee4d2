// Takes the Pods off a worker before it is upgraded, as `kubectl drain --force --delete-emptydir-data --ignore-daemonsets` does, and lets Pods come again afterwards.
//
// From here and not from a host: a worker's own rights are not enough, and it is due exactly when the worker's own step runs, at the first try and at each retry. Whether it
// is due is asked of the Node each time, so a run that was killed anywhere in between goes on where that one ended. The host's step asks its Node too whether it is drained.
import { setTimeout as sleep } from "node:timers/promises";
import { Api, MERGE, messageIn } from "./api.ts";

/** Annotation of a Node that this program has cordoned: the version, and ` drained` when that is done. A cordon without it is somebody's wish, and stays. */
const OURS = "kubeadm-lab/upgrade";
/** Beside it: somebody had cordoned it before, and it stays so. */
const THEIRS = "kubeadm-lab/cordoned-before";
const drained = (version: string) => `${version} drained`;
/** First minor with policy/v1. */
const FIRST_POLICY_V1 = 22;
const AGAIN_MS = 1000;
const RECENT_MS = 600_000;
const READY_MS = 60_000;
/** The control plane was upgraded just before: its new kubelet may start the API server once more. */
const PATIENCE = { patienceSeconds: 60 };

export interface Drained {
	/** Kubernetes' version that the Node is to have, such as 1.30.14. */
	version: string;
	/** Bound for the Pods to be gone, and again for the Node to be Ready. */
	seconds: number;
	/** Gets a line of what is done. */
	say: (line: string) => Promise<void> | void;
	/** Gets what was not done, and why. */
	warn: (line: string) => Promise<void> | void;
	/** Lets the Node's kubelet ask the API server at once, which may just have been away for its own upgrade. Only a try. */
	reconnect: () => Promise<void>;
}

interface Node {
	metadata: { name: string; annotations?: Record<string, string> };
	spec: { unschedulable?: boolean };
	status: { nodeInfo: { kubeletVersion: string }; conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}
interface Pod {
	metadata: {
		name: string;
		namespace: string;
		uid: string;
		annotations?: Record<string, string>;
		ownerReferences?: { kind: string; controller?: boolean }[];
		deletionTimestamp?: string;
	};
}
const pathOf = (node: string) => `/api/v1/nodes/${node}`;
async function nodeOf(api: Api, name: string): Promise<Node | undefined> {
	const { status, body } = await api.ask("GET", pathOf(name), { what: `read Node ${name}`, codes: [404] });
	return status === 404 ? undefined : JSON.parse(body);
}
const isOf = (node: Node, version: string) => node.status.nodeInfo.kubeletVersion === `v${version}`;
/** What a drain takes along. A DaemonSet's Pod would come again at once, and a static one is no more than a shadow. */
const isToGo = ({ metadata: { annotations = {}, ownerReferences = [] } }: Pod) =>
	annotations["kubernetes.io/config.mirror"] === undefined && !ownerReferences.some(({ kind, controller }) => kind === "DaemonSet" && controller);

async function podsOn(api: Api, node: string): Promise<Pod[]> {
	return (await api.list<Pod>(`/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`, `list the Pods of Node ${node}`)).filter(isToGo);
}
const named = ({ metadata }: Pod) => `${metadata.namespace}/${metadata.name}`;

/**
 * Cordons a Node whose kubelet is of another version, and evicts its Pods: their preStop hooks run, and PodDisruptionBudgets are kept. Nothing where the version is right.
 * @returns whether the Node is in an upgrade now, which `uncordon` ends
 * @throws naming the Pods that are still there after the bound, and what keeps them
 */
export async function drain(kubeconfig: string, name: string, { version, seconds, say, warn, reconnect }: Drained): Promise<boolean> {
	const node = await nodeOf(new Api(kubeconfig), name).catch(async (error: Error) => {
		await warn(`Node ${name} is not looked at before its host's update, which upgrades nothing then: ${error.message}`);
		return undefined;
	});
	const api = new Api(kubeconfig, PATIENCE);
	const mark = node?.metadata.annotations?.[OURS];
	if (!node || isOf(node, version)) return mark !== undefined;
	await expectOthersReady(api, name, version);
	const theirs = node.spec.unschedulable && mark === undefined ? { [THEIRS]: "yes" } : {};
	await set(api, name, "cordon", { metadata: { annotations: { [OURS]: version, ...theirs } }, spec: { unschedulable: true } });
	if (readyOf(node)?.status === "True") await evictAll(api, node, { seconds, say, warn, reconnect });
	else await warn(`Node ${name} is not Ready (${readyOf(node)?.reason}), so nobody ends its Pods there: it is not drained`);
	await set(api, name, "mark", { metadata: { annotations: { [OURS]: drained(version) } } });
	return true;
}
async function evictAll(api: Api, { metadata: { name }, status }: Node, { seconds, say, warn, reconnect }: Omit<Drained, "version">): Promise<void> {
	const minor = Number(status.nodeInfo.kubeletVersion.split(".")[1]); // the API server is of the same, or one newer
	const kept = new Map<string, string>();
	let pods = await podsOn(api, name);
	if (pods.length > 0) {
		if (await wasAway(api)) await reconnectNode(api, name, { warn, reconnect });
		await say(`draining Node ${name}, so that preStop hooks run: ${pods.map(named).join(", ")}`);
	}
	const end = performance.now() + seconds * 1000;
	while (pods.length > 0) {
		if (performance.now() > end) {
			const reasons = pods.map((pod) => `${named(pod)}${kept.get(pod.metadata.uid) ?? ""}`).join("; ");
			throw new Error(
				`Node ${name} still has Pods after ${seconds} s, and is not upgraded: ${reasons}. It stays cordoned. Let these Pods go (kubectl get pdb -A; kubectl -n NAMESPACE delete pod NAME), then run pulumi up again: it goes on there`,
			);
		}
		for (const pod of pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined)) kept.set(pod.metadata.uid, await evict(api, pod, minor));
		await sleep(AGAIN_MS);
		pods = await podsOn(api, name);
	}
}
/** Whether an API server has started in the last minutes, so that kubelets may have given it up meanwhile, and ask it again only each half minute. */
async function wasAway(api: Api): Promise<boolean> {
	const what = "look at the API servers' start";
	const now = await api.now(what);
	const pods = await api.list<{ status?: { containerStatuses?: { state?: { running?: { startedAt?: string } } }[] } }>(
		"/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver",
		what,
	);
	const starts = pods.flatMap(({ status }) => status?.containerStatuses?.map(({ state }) => state?.running?.startedAt) ?? []);
	return starts.some((at) => at === undefined || now - Date.parse(at) < RECENT_MS);
}
/** A kubelet that starts reports its Node as not Ready for a moment, in which no budget would count its Pods: that is over before they are evicted. */
async function reconnectNode(api: Api, name: string, { warn, reconnect }: Pick<Drained, "warn" | "reconnect">): Promise<void> {
	try {
		await reconnect();
	} catch (error) {
		await warn(`Node ${name}'s kubelet was not started anew before its Pods are evicted, which may take longer: ${(error as Error).message}`);
		return;
	}
	for (const end = performance.now() + READY_MS; performance.now() < end; await sleep(AGAIN_MS)) {
		const node = await nodeOf(api, name);
		if (!node || readyOf(node)?.status === "True") return;
	}
	await warn(`Node ${name} is not Ready ${READY_MS / 1000} s after a start of its kubelet; its Pods are evicted all the same`);
}
/** One that was upgraded and is not Ready since: the next would only be another. Those of this run are waited for before their place is given on. */
async function expectOthersReady(api: Api, name: string, version: string): Promise<void> {
	const broken = (await api.list<Node>("/api/v1/nodes", "list the Nodes")).find(
		(node) => node.metadata.name !== name && isMarked(node) && isOf(node, version) && readyOf(node)?.status !== "True",
	);
	if (broken)
		throw new Error(
			`Node ${broken.metadata.name} is not Ready since its upgrade (${readyOf(broken)?.reason}: ${readyOf(broken)?.message}), so ${name} is not upgraded. See journalctl -u kubelet there, then run pulumi up again`,
		);
}
const isMarked = ({ metadata }: Node) => metadata.annotations?.[OURS] !== undefined;
const readyOf = ({ status }: Node) => status.conditions?.find(({ type }) => type === "Ready");
async function set(api: Api, name: string, verb: string, change: object): Promise<void> {
	await api.ask("PATCH", pathOf(name), { what: `${verb} Node ${name}`, type: MERGE, body: JSON.stringify(change) });
}
/** Returns what keeps the Pod, where something does. */
async function evict(api: Api, pod: Pod, minor: number): Promise<string> {
	const { name, namespace, uid } = pod.metadata;
	const body = JSON.stringify({
		apiVersion: minor >= FIRST_POLICY_V1 ? "policy/v1" : "policy/v1beta1",
		kind: "Eviction",
		metadata: { name, namespace },
		deleteOptions: { preconditions: { uid } },
	});
	const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
	const answer = await api.ask("POST", path, { what: `evict Pod ${named(pod)}`, body, codes: [404, 409, 429] }); // gone; another of its name; a budget at its limit
	return answer.status === 429 ? ` (${messageIn(answer.body)})` : "";
}

/**
 * Waits until a Node that `drain` has cordoned is Ready with its new kubelet, and lets Pods come again. Nothing where this program has not cordoned it.
 * @throws with what the Node last said
 */
export async function uncordon(kubeconfig: string, name: string, { version, seconds, say }: Drained): Promise<void> {
	const api = new Api(kubeconfig, PATIENCE);
	const end = performance.now() + seconds * 1000;
	let theirs: string | undefined;
	for (;;) {
		const node = await nodeOf(api, name);
		if (node?.metadata.annotations?.[OURS] === undefined) return;
		theirs = node.metadata.annotations[THEIRS];
		const ready = readyOf(node);
		if (isOf(node, version) && ready?.status === "True") break;
		if (performance.now() > end)
			throw new Error(
				`Node ${name} is not Ready with Kubernetes ${version} after ${seconds} s: it has ${node.status.nodeInfo.kubeletVersion}, ${ready?.reason}: ${ready?.message}. It stays cordoned, and no other is upgraded. See journalctl -u kubelet there, then run pulumi up again`,
			);
		await sleep(AGAIN_MS);
	}
	const isTheirs = theirs !== undefined;
	await set(api, name, "uncordon", { metadata: { annotations: { [OURS]: null, [THEIRS]: null } }, ...(isTheirs ? {} : { spec: { unschedulable: null } }) });
	await say(`Node ${name} is Ready with Kubernetes ${version}, and ${isTheirs ? "stays cordoned, as it was before" : "takes Pods again"}`);
}
