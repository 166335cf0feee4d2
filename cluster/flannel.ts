// The Pod network: flannel's own manifest as typed resources.
import { DaemonSet } from "@pulumi/kubernetes/apps/v1/daemonSet.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace.js";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1/serviceAccount.js";
import { ClusterRole } from "@pulumi/kubernetes/rbac/v1/clusterRole.js";
import { ClusterRoleBinding } from "@pulumi/kubernetes/rbac/v1/clusterRoleBinding.js";
import type { core } from "@pulumi/kubernetes/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings } from "../config/settings.ts";
import type { ControlPlane } from "./control-plane.ts";

export interface FlannelArgs {
	/** Whose API server gets the objects. */
	controlPlane: ControlPlane;
	/** Images and Pod CIDR. */
	cluster: ClusterSettings;
}

// A killed `up` can leave objects that the state doesn't know. The next one takes them over instead of stopping at a field conflict.
const annotations = { "pulumi.com/patchForce": "true" };
const labels = { "k8s-app": "flannel" };

/**
 * flannel with the vxlan backend: Documentation/kube-flannel.yml of flannel v0.25.7, except that flanneld is told the Node's own address.
 * Create waits for the DaemonSet to be there, and not for its Pods: before the workers have joined there are none. Each Node's `kubelet` waits for flannel's file on its own host instead (node.ts).
 * Delete: nothing, where the control plane goes too; its reset takes flannel along, and flannel keeps the network up until then.
 */
export class Flannel extends pulumi.ComponentResource {
	constructor(name: string, args: FlannelArgs, opts?: pulumi.ComponentResourceOptions) {
		super("kubeadm-lab:cluster:Flannel", name, {}, opts);
		const { controlPlane, cluster } = args;
		const child = {
			parent: this,
			provider: controlPlane.provider,
			deletedWith: controlPlane.init,
			deleteBeforeReplace: true, // names are fixed: the provider would take the old object for the new one, and then delete it
		};

		const namespace = new Namespace(
			`${name}-namespace`,
			{ metadata: { name: "kube-flannel", labels: { ...labels, "pod-security.kubernetes.io/enforce": "privileged" }, annotations } },
			child,
		);
		const role = new ClusterRole(`${name}-cluster-role`, { metadata: { name: "flannel", labels, annotations }, rules: RULES }, child);
		const inNamespace = (object: string, own: Record<string, string> = labels) => ({
			name: object,
			namespace: namespace.metadata.name,
			labels: own,
			annotations,
		});
		const account = new ServiceAccount(`${name}-service-account`, { metadata: inNamespace("flannel") }, child);
		// Names, not outputs, where Kubernetes asks for no order: each level more is a round trip up and down.
		const binding = new ClusterRoleBinding(
			`${name}-cluster-role-binding`,
			{
				metadata: { name: "flannel", labels, annotations },
				roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "flannel" },
				subjects: [{ kind: "ServiceAccount", name: "flannel", namespace: "kube-flannel" }],
			},
			child,
		);
		const config = new ConfigMap(
			`${name}-config-map`,
			{ metadata: inNamespace("kube-flannel-cfg", { tier: "node", ...labels, app: "flannel" }), data: flannelConfig(cluster.podCidr) },
			child,
		);
		const metadata = inNamespace("kube-flannel-ds", { tier: "node", app: "flannel", ...labels });
		new DaemonSet(
			`${name}-daemon-set`,
			{
				metadata: { ...metadata, annotations: { ...annotations, "pulumi.com/waitFor": "jsonpath={.metadata.name}" } },
				spec: {
					selector: { matchLabels: { app: "flannel" } },
					template: {
						metadata: { labels: { tier: "node", app: "flannel" } },
						spec: { ...flannelPod(cluster, config.metadata.name), serviceAccountName: account.metadata.name },
					},
				},
			},
			{ ...child, dependsOn: [role, binding] },
		);
		this.registerOutputs({});
	}
}

const RULES = [
	{ apiGroups: [""], resources: ["pods"], verbs: ["get"] },
	{ apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
	{ apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
];

function flannelConfig(podCidr: string): Record<string, string> {
	const plugins = [
		{ type: "flannel", delegate: { hairpinMode: true, isDefaultGateway: true } },
		{ type: "portmap", capabilities: { portMappings: true } },
	];
	const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
	return {
		"cni-conf.json": json({ name: "cbr0", cniVersion: "0.3.1", plugins }),
		"net-conf.json": json({ Network: podCidr, EnableNFTables: false, Backend: { Type: "vxlan" } }),
	};
}

function flannelPod({ flannel }: ClusterSettings, configMap: pulumi.Input<string>): core.v1.PodSpec {
	const copy = { command: ["cp"] };
	const cni = { name: "cni", mountPath: "/etc/cni/net.d" };
	const plugin = { name: "cni-plugin", mountPath: "/opt/cni/bin" };
	const cfg = { name: "flannel-cfg", mountPath: "/etc/kube-flannel/" };
	const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
	const hasPlugin = flannel.cniPluginImage !== ""; // else the kubernetes-cni package of that era has it
	const installPlugin = {
		name: "install-cni-plugin",
		image: flannel.cniPluginImage,
		...copy,
		args: ["-f", "/flannel", "/opt/cni/bin/flannel"],
		volumeMounts: [plugin],
	};
	const installConfig = {
		name: "install-cni",
		image: flannel.image,
		...copy,
		args: ["-f", "/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist"],
		volumeMounts: [cni, cfg],
	};
	return {
		affinity: {
			nodeAffinity: {
				requiredDuringSchedulingIgnoredDuringExecution: {
					nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/os", operator: "In", values: ["linux"] }] }],
				},
			},
		},
		hostNetwork: true,
		priorityClassName: "system-node-critical",
		tolerations: [{ operator: "Exists", effect: "NoSchedule" }],
		initContainers: [...(hasPlugin ? [installPlugin] : []), installConfig],
		containers: [
			{
				name: "kube-flannel",
				image: flannel.image,
				command: ["/opt/bin/flanneld"],
				args: ["--ip-masq", "--kube-subnet-mgr", "--iface=$(NODE_IP)"],
				resources: { requests: { cpu: "100m", memory: "50Mi" } },
				securityContext: { privileged: false, capabilities: { add: ["NET_ADMIN", "NET_RAW"] } },
				env: [
					field("POD_NAME", "metadata.name"),
					field("POD_NAMESPACE", "metadata.namespace"),
					{ name: "EVENT_QUEUE_DEPTH", value: "5000" },
					// The Node's own address, which its kubelet was given as --node-ip: by default flannel takes the card of the default route, which is the other one, and
					// by a pattern any other address of that range, such as one on lo. The text is the same on all Nodes: a new worker restarts none of the others.
					field("NODE_IP", "status.hostIP"),
				],
				volumeMounts: [{ name: "run", mountPath: "/run/flannel" }, cfg, { name: "xtables-lock", mountPath: "/run/xtables.lock" }],
			},
		],
		volumes: [
			{ name: "run", hostPath: { path: "/run/flannel" } },
			...(hasPlugin ? [{ name: "cni-plugin", hostPath: { path: "/opt/cni/bin" } }] : []),
			{ name: "cni", hostPath: { path: "/etc/cni/net.d" } },
			{ name: "flannel-cfg", configMap: { name: configMap } },
			{ name: "xtables-lock", hostPath: { path: "/run/xtables.lock", type: "FileOrCreate" } },
		],
	};
}
