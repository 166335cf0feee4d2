// What somebody may change by hand on a Node: the kubelet, its certificates, labels and taints.
import { type Drift, file, item } from "./drift.ts";

const MASTER = "k8s-master";
const kubectl = (command: string) => `kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl ${command}`;
/** The same certificate, good for five days more: signed anew by its CA. */
const shortLived = (crt: string, key: string, ca: string) =>
	`printf extendedKeyUsage=clientAuth >/tmp/ext; openssl x509 -x509toreq -in ${crt} -signkey ${key} 2>/dev/null | openssl x509 -req -CA ${ca}.crt -CAkey ${ca}.key -set_serial 7 -days 5 -extfile /tmp/ext 2>/dev/null`;
const fromConfig = (field: string) => `sed -n 's/^ *client-${field}-data: //p' /etc/kubernetes/scheduler.conf | base64 -d`;
const GOOD = '"good for 30 days"';
const until = (path: string) => item(`certificate ${path}`, '"until .* GMT"', GOOD);

/** Labels and taints that the stack gives its hosts here. */
export const MARKS: Record<string, string> = {
	"k8s-node01": "labels: { disk: ssd }",
	"k8s-node02": "taints: ['dedicated=demo:PreferNoSchedule']",
};

export const ENDING_CERTIFICATES: Drift = {
	what: "certificates that end soon",
	host: MASTER,
	step: "kubelet",
	restarts: ["containers"],
	change: [
		"set -e; cd /etc/kubernetes/pki",
		`${shortLived("front-proxy-client.crt", "front-proxy-client.key", "front-proxy-ca")} >/tmp/new.crt; cp /tmp/new.crt front-proxy-client.crt`,
		`${fromConfig("certificate")} >/tmp/old.crt; ${fromConfig("key")} >/tmp/old.key`,
		`${shortLived("/tmp/old.crt", "/tmp/old.key", "ca")} >/tmp/new.crt`,
		'sed -i "s|client-certificate-data: .*|client-certificate-data: $(base64 -w0 /tmp/new.crt)|" /etc/kubernetes/scheduler.conf; rm /tmp/old.key',
	].join("; "),
	shows: [until("/etc/kubernetes/pki/front-proxy-client.crt"), until("/etc/kubernetes/scheduler.conf")],
	wrong: "openssl x509 -in /etc/kubernetes/pki/front-proxy-client.crt -noout -checkend 2592000 >/dev/null || echo ends",
	writes: /^\/etc\/kubernetes\/pki\/front-proxy-client\.key$/,
};
export const NODE_DRIFTS: Drift[] = [
	{
		what: "the kubelet's flags",
		change: "sed -i 's/node-ip/node-labels=a=b --node-ip/' /var/lib/kubelet/kubeadm-flags.env",
		step: "kubelet",
		shows: [file("/var/lib/kubelet/kubeadm-flags.env")],
		wrong: "grep node-labels /var/lib/kubelet/kubeadm-flags.env",
		restarts: ["kubelet"],
	},
	{
		what: "the kubelet's configuration",
		change: "sed -i '$a maxPods: 7' /var/lib/kubelet/config.yaml",
		step: "kubelet",
		shows: [file("/var/lib/kubelet/config.yaml")],
		wrong: "grep maxPods /var/lib/kubelet/config.yaml",
		restarts: ["kubelet"],
	},
	{
		what: "the mode of the kubelet's kubeconfig",
		change: "chmod 0644 /etc/kubernetes/kubelet.conf",
		step: "kubelet",
		shows: [item("mode /etc/kubernetes/kubelet.conf", '"644"', '"600"')],
		wrong: "stat -c %a /etc/kubernetes/kubelet.conf | grep -v 600",
	},
	{
		what: "the kubelet's kubeconfig",
		change: "sed -i '$a # x' /etc/kubernetes/kubelet.conf",
		step: "kubelet",
		restarts: ["kubelet"],
		shows: [file("/etc/kubernetes/kubelet.conf")],
		wrong: "grep '# x' /etc/kubernetes/kubelet.conf",
	},
	{
		what: "the kubelet's own arguments",
		change: "echo KUBELET_EXTRA_ARGS=--v=3 >/etc/sysconfig/kubelet",
		step: "kubelet",
		restarts: ["kubelet"],
		shows: [file("/etc/sysconfig/kubelet")],
		wrong: "grep v=3 /etc/sysconfig/kubelet",
	},
	{
		what: "the kubelet, stopped",
		change: "systemctl stop kubelet",
		step: "kubelet",
		restarts: ["kubelet"],
		shows: [item("kubelet running", '"inactive"', '"active"')],
		wrong: "systemctl is-active kubelet | grep -vx active",
	},
	{
		what: "a static Pod",
		host: MASTER,
		change: "sed -i 's/--leader-elect=false/--leader-elect=true/' /etc/kubernetes/manifests/kube-scheduler.yaml",
		step: "kubelet",
		shows: [file("/etc/kubernetes/manifests/kube-scheduler.yaml")],
		wrong: "grep elect=true /etc/kubernetes/manifests/kube-scheduler.yaml",
		restarts: ["containers"],
	},
	ENDING_CERTIFICATES,
	{
		what: "a taint too many",
		host: "k8s-node01",
		on: MASTER,
		change: kubectl("taint node k8s-node01 theirs=x:PreferNoSchedule"),
		step: "node",
		shows: [item("taint theirs=x:PreferNoSchedule", '"present"', '"absent"')],
		wrong: kubectl("get node k8s-node01 -o yaml | grep theirs"),
	},
	{
		what: "a taint too few",
		host: "k8s-node02",
		on: MASTER,
		change: kubectl("taint node k8s-node02 dedicated-"),
		step: "node",
		shows: [item("taint dedicated=demo:PreferNoSchedule", '"absent"', '"present"')],
		wrong: kubectl("get node k8s-node02 -o yaml | grep -q dedicated || echo missing"),
	},
	{
		what: "the control plane's own label",
		host: MASTER,
		change: kubectl("label node k8s-master node-role.kubernetes.io/control-plane-"),
		step: "node",
		shows: [item("label node-role.kubernetes.io/control-plane", '"absent"', '"[(]empty[)]"')],
		wrong: kubectl("get node k8s-master | grep -q control-plane || echo missing"),
	},
	{
		what: "a label",
		host: "k8s-node01",
		on: MASTER,
		change: kubectl("label node k8s-node01 disk=hdd --overwrite"),
		step: "node",
		shows: [item("label disk", '"hdd"', '"ssd"')],
		wrong: kubectl("get node k8s-node01 -L disk | grep hdd"),
	},
	{
		what: "the control plane's own taint",
		host: MASTER,
		change: kubectl("taint node k8s-master node-role.kubernetes.io/control-plane-"),
		step: "node",
		shows: [item("taint node-role.kubernetes.io/control-plane:NoSchedule", '"absent"', '"present"')],
		wrong: kubectl("get node k8s-master -o yaml | grep -q 'effect: NoSchedule' || echo missing"),
	},
];
