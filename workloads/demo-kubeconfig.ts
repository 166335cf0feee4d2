// A kubeconfig for who is to see the demo without being the cluster's admin: may look at Pods and delete them, so that preStop runs, and nothing else.
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1/serviceAccount.js";
import { Role } from "@pulumi/kubernetes/rbac/v1/role.js";
import { RoleBinding } from "@pulumi/kubernetes/rbac/v1/roleBinding.js";
import * as pulumi from "@pulumi/pulumi";
import { parse, stringify } from "yaml";
import type { Cluster } from "../cluster/cluster.ts";

const NAMESPACE = "default";
/** What `get`, `describe`, `logs` and `delete` of a Pod ask for. Not to create one, nor to run something in one: nothing limits Pods here, so a hostPath would open the whole Node. */
const RULES = [
	{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "delete"] },
	{ apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
	{ apiGroups: [""], resources: ["events"], verbs: ["get", "list", "watch"] },
];

/** A ServiceAccount of the namespace `default`, its Role, and a token without an end, which goes with the ServiceAccount. */
export class DemoKubeconfig extends pulumi.ComponentResource {
	/** A secret. */
	readonly kubeconfig: pulumi.Output<string>;

	constructor(name: string, cluster: Cluster, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:workloads:DemoKubeconfig", name, {}, opts);
		const child = {
			parent: this,
			provider: cluster.provider,
			deletedWith: cluster.controlPlane.init,
			replaceWith: [cluster.controlPlane.init],
			deleteBeforeReplace: true,
		}; // another cluster has none of it
		const metadata = { name, namespace: NAMESPACE };
		const account = new ServiceAccount(`${name}-account`, { metadata, automountServiceAccountToken: false }, child);
		const role = new Role(`${name}-role`, { metadata, rules: RULES }, child);
		new RoleBinding(
			`${name}-binding`,
			{
				metadata,
				roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
				subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace: NAMESPACE }],
			},
			child,
		);
		const token = new Secret(
			`${name}-token`,
			{
				metadata: { ...metadata, annotations: { "kubernetes.io/service-account.name": account.metadata.name } },
				type: "kubernetes.io/service-account-token",
			},
			child,
		);
		this.kubeconfig = pulumi.secret(pulumi.all([cluster.kubeconfig, token.data]).apply(([admin, data]) => demoKubeconfig(admin, data?.token ?? "")));
		this.registerOutputs({ kubeconfig: this.kubeconfig });
	}
}

/**
 * The admin's kubeconfig with another user.
 * @param token in base64, as a Secret has it
 */
export function demoKubeconfig(admin: string, token: string): string {
	const { clusters } = parse(admin) as { clusters: { name: string; cluster: object }[] };
	const [cluster] = clusters;
	const user = "lifecycle-demo";
	return stringify({
		apiVersion: "v1",
		kind: "Config",
		clusters: [cluster],
		users: [{ name: user, user: { token: Buffer.from(token, "base64").toString() } }],
		contexts: [{ name: user, context: { cluster: cluster?.name, user, namespace: NAMESPACE } }],
		"current-context": user,
	});
}
