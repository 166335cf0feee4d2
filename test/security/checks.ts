// The checks of the CIS Kubernetes Benchmark that can be made on a running cluster of kubeadm's, with the numbers that kube-bench has for cis-1.8 (Kubernetes 1.26 to 1.29).
// Left out are those that ask what people do in a cluster of theirs (5.2 to 5.7), and files that kubeadm does not write (a kubeconfig of kube-proxy).

export interface Check {
	id: string;
	what: string;
	/** Bash on each host of these; what it prints is compared. Functions: SHELL. */
	command: string;
	on: "control plane" | "every host";
	expected: RegExp;
	/** Why it is not as expected here. One that passes after all fails the test, so that the table is true. */
	reason?: string;
}

/** `owner FILES`, `modes FILES`: of each; `flag PROGRAM NAME`: the flag's value as the process has it; `configz PATH`: of the kubelet's own answer; `kube`: as the admin. */
export const SHELL = `owner() { stat -c %U:%G -- "$@" | sort -u; }
modes() { stat -c %a -- "$@" | sort -u; }
flag() { tr '\\0' '\\n' <"/proc/$(pgrep -o -f "^([^ ]*/)?$1 ")/cmdline" | sed -n "s/^--$2=//p"; }
kube() { kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }
`;
/** As kube-bench: no more than the owner's. */
const OWNER_ONLY = /^([0-7]00\n?)+$/;
const ROOT = /^root:root$/;
const manifest = (id: string, name: string): Check[] => [
	{ id, what: `${name}'s manifest: mode 600 or less`, on: "control plane", command: `modes /etc/kubernetes/manifests/${name}.yaml`, expected: OWNER_ONLY },
	{
		id: id.replace(/\d+$/, (last) => `${Number(last) + 1}`),
		what: `${name}'s manifest: root:root`,
		on: "control plane",
		command: `owner /etc/kubernetes/manifests/${name}.yaml`,
		expected: ROOT,
	},
];
const flag = (id: string, program: string, name: string, expected: RegExp, reason?: string): Check => ({
	id,
	what: `${program} --${name}`,
	on: "control plane",
	command: `flag ${program} ${name}`,
	expected,
	...(reason === undefined ? {} : { reason }),
});
const kubelet = (id: string, what: string, path: string, expected: RegExp, reason?: string): Check => ({
	id,
	what: `kubelet: ${what}`,
	on: "every host",
	command: `configz ${path}`,
	expected,
	...(reason === undefined ? {} : { reason }),
});
const PUBLIC = "a certificate is no secret; kubeadm writes it so";
const API = "kube-apiserver";
const SET = /^\/./;
const UNSET = /^$/;
const CIPHERS = "Go's own choice, which each release of Kubernetes keeps up to date";
const AUDIT = "an audit log needs a policy and a place that are the operator's; a cluster for a demonstration has none";

export const CHECKS: Check[] = [
	...manifest("1.1.1", "kube-apiserver"),
	...manifest("1.1.3", "kube-controller-manager"),
	...manifest("1.1.5", "kube-scheduler"),
	...manifest("1.1.7", "etcd"),
	{
		id: "1.1.9",
		what: "CNI configuration: mode 600 or less",
		on: "every host",
		command: "modes /etc/cni/net.d/10-flannel.conflist",
		expected: OWNER_ONLY,
		reason: "flannel's own container writes it, 644; no secret is in it",
	},
	{ id: "1.1.10", what: "CNI configuration: root:root", on: "every host", command: "owner /etc/cni/net.d/10-flannel.conflist", expected: ROOT },
	{ id: "1.1.11", what: "etcd's data: mode 700 or less", on: "control plane", command: "modes /var/lib/etcd", expected: OWNER_ONLY },
	{
		id: "1.1.12",
		what: "etcd's data: etcd:etcd",
		on: "control plane",
		command: "owner /var/lib/etcd",
		expected: /^etcd:etcd$/,
		reason: "kubeadm's etcd runs as root; nobody else reads the folder",
	},
	{
		id: "1.1.13",
		what: "admin.conf: mode 600 or less",
		on: "control plane",
		command: "modes /etc/kubernetes/admin.conf $(ls /etc/kubernetes/super-admin.conf 2>/dev/null)",
		expected: OWNER_ONLY,
	},
	{
		id: "1.1.14",
		what: "admin.conf: root:root",
		on: "control plane",
		command: "owner /etc/kubernetes/admin.conf $(ls /etc/kubernetes/super-admin.conf 2>/dev/null)",
		expected: ROOT,
	},
	{ id: "1.1.15", what: "scheduler.conf: mode 600 or less", on: "control plane", command: "modes /etc/kubernetes/scheduler.conf", expected: OWNER_ONLY },
	{ id: "1.1.16", what: "scheduler.conf: root:root", on: "control plane", command: "owner /etc/kubernetes/scheduler.conf", expected: ROOT },
	{
		id: "1.1.17",
		what: "controller-manager.conf: mode 600 or less",
		on: "control plane",
		command: "modes /etc/kubernetes/controller-manager.conf",
		expected: OWNER_ONLY,
	},
	{ id: "1.1.18", what: "controller-manager.conf: root:root", on: "control plane", command: "owner /etc/kubernetes/controller-manager.conf", expected: ROOT },
	{
		id: "1.1.19",
		what: "pki folder and files: root:root",
		on: "control plane",
		command: "find /etc/kubernetes/pki -printf '%u:%g\\n' | sort -u",
		expected: ROOT,
	},
	{
		id: "1.1.20",
		what: "certificates: mode 600 or less",
		on: "control plane",
		command: "modes /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt",
		expected: OWNER_ONLY,
		reason: PUBLIC,
	},
	{
		id: "1.1.21",
		what: "keys: mode 600",
		on: "control plane",
		command: "modes /etc/kubernetes/pki/*.key /etc/kubernetes/pki/etcd/*.key",
		expected: OWNER_ONLY,
	},
	flag(
		"1.2.1",
		API,
		"anonymous-auth",
		/^false$/,
		"kubeadm join reads the cluster's CA as nobody, and the health checks ask as nobody; RBAC gives nobody no more than that",
	),
	flag("1.2.2", API, "token-auth-file", UNSET),
	flag("1.2.4", API, "kubelet-client-certificate", SET),
	flag("1.2.4", API, "kubelet-client-key", SET),
	flag(
		"1.2.5",
		API,
		"kubelet-certificate-authority",
		SET,
		"a kubelet's serving certificate is its own, as kubeadm leaves it; signing it needs somebody who approves each request",
	),
	flag("1.2.6", API, "authorization-mode", /^(?!.*AlwaysAllow)./),
	flag("1.2.7", API, "authorization-mode", /\bNode\b/),
	flag("1.2.8", API, "authorization-mode", /\bRBAC\b/),
	flag("1.2.9", API, "enable-admission-plugins", /EventRateLimit/, "needs a configuration of its own; a small cluster has few events"),
	flag("1.2.10", API, "enable-admission-plugins", /^(?!.*AlwaysAdmit)/),
	flag("1.2.11", API, "enable-admission-plugins", /AlwaysPullImages/, "images are pulled before, so that a Pod starts without a registry"),
	flag("1.2.13", API, "disable-admission-plugins", /^(?!.*ServiceAccount)/),
	flag("1.2.14", API, "disable-admission-plugins", /^(?!.*NamespaceLifecycle)/),
	flag("1.2.15", API, "enable-admission-plugins", /NodeRestriction/),
	flag("1.2.16", API, "profiling", /^false$/),
	flag("1.2.17", API, "audit-log-path", SET, AUDIT),
	flag("1.2.18", API, "audit-log-maxage", /^\d+$/, AUDIT),
	flag("1.2.19", API, "audit-log-maxbackup", /^\d+$/, AUDIT),
	flag("1.2.20", API, "audit-log-maxsize", /^\d+$/, AUDIT),
	flag("1.2.22", API, "service-account-lookup", /^(true)?$/),
	flag("1.2.23", API, "service-account-key-file", SET),
	flag("1.2.24", API, "etcd-certfile", SET),
	flag("1.2.24", API, "etcd-keyfile", SET),
	flag("1.2.25", API, "tls-cert-file", SET),
	flag("1.2.25", API, "tls-private-key-file", SET),
	flag("1.2.26", API, "client-ca-file", SET),
	flag("1.2.27", API, "etcd-cafile", SET),
	flag(
		"1.2.28",
		API,
		"encryption-provider-config",
		SET,
		"etcd's data are on one host, for root alone, and the key would lie beside them; this program keeps no Secret but join tokens, for minutes",
	),
	flag("1.2.30", API, "tls-cipher-suites", /./, CIPHERS),
	flag("1.3.1", "kube-controller-manager", "terminated-pod-gc-threshold", /^\d+$/, "the default, 12500, does for a cluster of this size"),
	flag("1.3.2", "kube-controller-manager", "profiling", /^false$/),
	flag("1.3.3", "kube-controller-manager", "use-service-account-credentials", /^true$/),
	flag("1.3.4", "kube-controller-manager", "service-account-private-key-file", SET),
	flag("1.3.5", "kube-controller-manager", "root-ca-file", SET),
	flag("1.3.6", "kube-controller-manager", "feature-gates", /^(?!.*RotateKubeletServerCertificate=false)/),
	flag("1.3.7", "kube-controller-manager", "bind-address", /^127\.0\.0\.1$/),
	flag("1.4.1", "kube-scheduler", "profiling", /^false$/),
	flag("1.4.2", "kube-scheduler", "bind-address", /^127\.0\.0\.1$/),
	flag("2.1", "etcd", "cert-file", SET),
	flag("2.1", "etcd", "key-file", SET),
	flag("2.2", "etcd", "client-cert-auth", /^true$/),
	flag("2.3", "etcd", "auto-tls", /^(false)?$/),
	flag("2.4", "etcd", "peer-cert-file", SET),
	flag("2.4", "etcd", "peer-key-file", SET),
	flag("2.5", "etcd", "peer-client-cert-auth", /^true$/),
	flag("2.6", "etcd", "peer-auto-tls", /^(false)?$/),
	{
		id: "2.7",
		what: "etcd has a CA of its own",
		on: "control plane",
		command: `[[ "$(sha256sum <"$(flag etcd trusted-ca-file)")" != "$(sha256sum <"$(flag ${API} client-ca-file)")" ]] && echo own`,
		expected: /^own$/,
	},
	flag("3.2.1", API, "audit-policy-file", SET, AUDIT),
	{
		id: "4.1.1",
		what: "kubelet's unit: mode 600 or less",
		on: "every host",
		command: "modes $(systemctl show -p FragmentPath -p DropInPaths --value kubelet.service)",
		expected: OWNER_ONLY,
		reason: "files of the kubelet's package, 644; no secret is in them",
	},
	{
		id: "4.1.2",
		what: "kubelet's unit: root:root",
		on: "every host",
		command: "owner $(systemctl show -p FragmentPath -p DropInPaths --value kubelet.service)",
		expected: ROOT,
	},
	{ id: "4.1.5", what: "kubelet.conf: mode 600 or less", on: "every host", command: "modes /etc/kubernetes/kubelet.conf", expected: OWNER_ONLY },
	{ id: "4.1.6", what: "kubelet.conf: root:root", on: "every host", command: "owner /etc/kubernetes/kubelet.conf", expected: ROOT },
	{ id: "4.1.7", what: "clients' CA: mode 600 or less", on: "every host", command: "modes /etc/kubernetes/pki/ca.crt", expected: OWNER_ONLY, reason: PUBLIC },
	{ id: "4.1.8", what: "clients' CA: root:root", on: "every host", command: "owner /etc/kubernetes/pki/ca.crt", expected: ROOT },
	{
		id: "4.1.9",
		what: "kubelet's config.yaml: mode 600 or less",
		on: "every host",
		command: "modes /var/lib/kubelet/config.yaml",
		expected: OWNER_ONLY,
		reason: "kubeadm writes it 644; no secret is in it",
	},
	{ id: "4.1.10", what: "kubelet's config.yaml: root:root", on: "every host", command: "owner /var/lib/kubelet/config.yaml", expected: ROOT },
	kubelet("4.2.1", "no anonymous requests", "authentication.anonymous.enabled", /^false$/),
	kubelet("4.2.2", "asks the API server who may", "authorization.mode", /^Webhook$/),
	kubelet("4.2.3", "clients' CA", "authentication.x509.clientCAFile", SET),
	kubelet("4.2.4", "no read-only port", "readOnlyPort", /^0?$/),
	kubelet("4.2.5", "idle streams end", "streamingConnectionIdleTimeout", /^(?!0)./),
	kubelet("4.2.6", "keeps its iptables chains", "makeIPTablesUtilChains", /^true$/),
	{ id: "4.2.7", what: "kubelet --hostname-override", on: "every host", command: "flag kubelet hostname-override", expected: UNSET },
	kubelet("4.2.8", "events are limited, and not off", "eventRecordQPS", /^[1-9]\d*$/),
	kubelet(
		"4.2.9",
		"serving certificate of the cluster's",
		"tlsCertFile",
		/^\/(?!var\/lib\/kubelet\/pki\/kubelet\.crt$)/,
		"its own, as 1.2.5 says; what it serves needs a client's certificate or token",
	),
	kubelet("4.2.10", "renews its client certificate", "rotateCertificates", /^true$/),
	kubelet("4.2.12", "ciphers", "tlsCipherSuites", /./, CIPHERS),
	kubelet("4.2.13", "Pods' processes are limited", "podPidsLimit", /^[1-9]\d*$/, "a limit is for a cluster with strangers' Pods"),
	{
		id: "5.1.1",
		what: "cluster-admin is bound to kubeadm's two groups alone",
		on: "control plane",
		command: `kube get clusterrolebindings -o jsonpath='{range .items[?(@.roleRef.name=="cluster-admin")]}{.subjects[*].name}{" "}{end}' | xargs -n 1 | sort | xargs`,
		expected: /^kubeadm:cluster-admins system:masters$/,
	},
	{
		id: "5.1.5",
		what: "default accounts have no rights",
		on: "control plane",
		command: `kube get rolebindings,clusterrolebindings -A -o jsonpath='{range .items[*]}{range .subjects[*]}{.kind}{"/"}{.name}{"\\n"}{end}{end}' | grep -cx ServiceAccount/default || true`,
		expected: /^0$/,
	},
];
