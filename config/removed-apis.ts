// Which APIs a minor of Kubernetes no longer has, of those that keep objects: what was applied through one must be applied by a newer one before an upgrade. Pure.
// Source: "Deprecated API Migration Guide" (kubernetes.io/docs/reference/using-api/deprecation-guide), versions up to 1.29 read on 2026-11-28; 1.32 as the API server of 1.29 says itself. Of 1.33 and later none is known here.

/** By the minor that removed them. As kubectl names them: RESOURCE.VERSION.GROUP. */
const REMOVED: Record<number, Record<string, string>> = {
	22: {
		"v1beta1.admissionregistration.k8s.io": "mutatingwebhookconfigurations validatingwebhookconfigurations",
		"v1beta1.apiextensions.k8s.io": "customresourcedefinitions",
		"v1beta1.apiregistration.k8s.io": "apiservices",
		"v1beta1.certificates.k8s.io": "certificatesigningrequests",
		"v1beta1.coordination.k8s.io": "leases",
		"v1beta1.extensions": "ingresses",
		"v1beta1.networking.k8s.io": "ingressclasses ingresses",
		"v1beta1.rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
		"v1beta1.scheduling.k8s.io": "priorityclasses",
		"v1beta1.storage.k8s.io": "csidrivers csinodes storageclasses volumeattachments",
	},
	25: {
		"v1beta1.batch": "cronjobs",
		"v1beta1.discovery.k8s.io": "endpointslices",
		"v1beta1.node.k8s.io": "runtimeclasses",
		"v1beta1.policy": "poddisruptionbudgets podsecuritypolicies",
		"v2beta1.autoscaling": "horizontalpodautoscalers",
	},
	26: {
		"v1beta1.flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
		"v2beta2.autoscaling": "horizontalpodautoscalers",
	},
	27: { "v1beta1.storage.k8s.io": "csistoragecapacities" },
	29: { "v1beta2.flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations" },
	32: { "v1beta3.flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations" },
};

/** Those that 1.`minor` no longer has and 1.`minor - 1` still has, such as flowschemas.v1beta3.flowcontrol.apiserver.k8s.io. */
export function apisRemovedIn(minor: number): string[] {
	return Object.entries(REMOVED[minor] ?? {}).flatMap(([version, resources]) => resources.split(" ").map((resource) => `${resource}.${version}`));
}
