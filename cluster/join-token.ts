// Join tokens, made through the Kubernetes API at the moment a worker joins.
//
// Why not `kubeadm token create` as a step of its own: a failed join is not in the state, its token is, so the next `up` would join with the old token,
// which is dead after 15 minutes; and nothing makes a step in the state run again because another one is missing. A join's before hook runs exactly when the
// join does: at the first try, at each retry, at a replacement and at an update; never in a preview, a destroy, or an `up` that changes nothing.
import { randomInt } from "node:crypto";
import { APPLY, Api } from "./api.ts";

/** Life of a token on the cluster. A join takes seconds; the bound is for joins that die in between. */
const TOKEN_MINUTES = 15;
const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A new random token, such as `abcdef.0123456789abcdef`: 6 public and 16 secret characters. */
export function newToken(): string {
	const word = (length: number) => Array.from({ length }, () => LETTERS[randomInt(LETTERS.length)]).join("");
	return `${word(6)}.${word(16)}`;
}

/** The Secret that makes a token valid until `expires`: the same as `kubeadm token create` writes. */
export function tokenSecret(token: string, worker: string, expires: Date) {
	const [id = "", secret = ""] = token.split(".");
	const fields = {
		description: `kubeadm-lab: ${worker} joins`,
		"token-id": id,
		"token-secret": secret,
		expiration: `${expires.toISOString().slice(0, 19)}Z`,
		"usage-bootstrap-authentication": "true",
		"usage-bootstrap-signing": "true",
		"auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
	};
	return {
		apiVersion: "v1",
		kind: "Secret",
		metadata: { name: `bootstrap-token-${id}`, namespace: "kube-system" },
		type: "bootstrap.kubernetes.io/token",
		data: Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
	};
}

const pathOf = (token: string) => `/api/v1/namespaces/kube-system/secrets/bootstrap-token-${token.split(".")[0]}`;

/**
 * Makes `token` valid for 15 minutes by the API server's own clock, or starts its 15 minutes anew.
 * Throws when the API server refuses, or still can't be reached at the fifth try and after `patienceSeconds` (default 0).
 */
export async function openJoin(kubeconfig: string, token: string, worker: string, { patienceSeconds = 0 } = {}): Promise<void> {
	const api = new Api(kubeconfig, { patienceSeconds });
	const what = "make a join token";
	const secret = tokenSecret(token, worker, new Date((await api.now(what)) + TOKEN_MINUTES * 60_000));
	await api.ask("PATCH", `${pathOf(token)}?fieldManager=kubeadm-lab&force=true`, { what, type: APPLY, body: JSON.stringify(secret) }); // apply: creates or renews
}

/** Ends a token's life. Does nothing when it is over already. */
export async function closeJoin(kubeconfig: string, token: string): Promise<void> {
	await new Api(kubeconfig).ask("DELETE", pathOf(token), { what: "delete the join token" });
}

export interface NodeAddresses {
	metadata: { name: string };
	status?: { addresses?: { type: string; address: string }[] };
}
/** All Nodes as they are now. */
export async function listNodes(kubeconfig: string): Promise<NodeAddresses[]> {
	return await new Api(kubeconfig).list("/api/v1/nodes", "list the Nodes");
}
const firstLists = new Map<string, Promise<NodeAddresses[]>>();
/** All Nodes as the first join of this run found them: asked for once, or two hundred joins would read two hundred Nodes each. */
export function nodesAtFirst(kubeconfig: string): Promise<NodeAddresses[]> {
	const list = firstLists.get(kubeconfig) ?? listNodes(kubeconfig);
	firstLists.set(kubeconfig, list);
	list.catch(() => firstLists.delete(kubeconfig)); // the next one asks again
	return list;
}
/**
 * Deletes each of these Nodes that has this host's address under another name, and returns their names. A kubelet that was told another name (--hostname-override)
 * registers with that one, its join fails, and its own rights are not enough to take the Node away again. To be called while the host is no Node.
 */
export async function removeStrays(kubeconfig: string, { name, address }: { name: string; address: string }, nodes: NodeAddresses[]): Promise<string[]> {
	const api = new Api(kubeconfig);
	const hasAddress = ({ status }: NodeAddresses) => status?.addresses?.some((one) => one.type === "InternalIP" && one.address === address);
	const strays = nodes.filter((node) => node.metadata.name !== name && hasAddress(node)).map(({ metadata }) => metadata.name);
	for (const stray of strays) await api.ask("DELETE", `/api/v1/nodes/${stray}`, { what: `delete Node ${stray}` });
	return strays;
}
