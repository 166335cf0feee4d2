// What somebody may change by hand on a prepared host, and what a preview then says. Each is put right by `up` alone.

export interface Drift {
	/** What was changed, for the test's name. */
	what: string;
	/** The host whose state it is. Default: any that is free. */
	host?: string;
	/** Runs as root on the host, or where `on` says. */
	change: string;
	/** Where `change` and `wrong` run: kubectl needs the control plane. Default: the host. */
	on?: string;
	/** Resource whose difference it is: the part of its name after the host's. */
	step: "identity" | "packages" | "system" | "runtime" | "kubelet" | "node";
	/** The items that preview must show: `item: "found" => "wanted"`, as patterns. */
	shows: RegExp[];
	/** Prints nothing once the item is right again. */
	wrong: string;
	/** Units that may be restarted by the repair, and `containers` where some may. Default none. */
	restarts?: string[];
	/** Files that may be written beside those that are shown. Default none. */
	writes?: RegExp;
}

const HASH = '"sha256 [0-9a-f]{12}"';
const item = (name: string, found: string, wanted: string) => new RegExp(`^ *~ ${name.replaceAll(/[.[\]()]/g, "\\$&")} *: ${found} => ${wanted}$`, "m");
const file = (path: string, found = HASH) => item(`file ${path}`, found, HASH);

const INSTALLED = /^\/(usr|opt\/cni|etc\/(dnf|yum)|var\/(cache|lib)\/(dnf|yum|rpm))\b/;
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

/** And the stack itself. */
export const SETTINGS = "  kubeadm-lab:timezone: Asia/Shanghai\n  kubeadm-lab:ntpServers: [172.16.1.1]\n";

// Not here: live swap, SELinux's mode, modules and NetworkManager. The lab's hosts share a kernel that has no SELinux and one swap for all of the machine;
// test/scripts/system.test.ts changes these on a played host.
export const DRIFTS: Drift[] = [
	{
		what: "our block in /etc/hosts",
		change: "sed -i /k8s-node02/d /etc/hosts",
		step: "identity",
		shows: [file("/etc/hosts")],
		wrong: "grep -c k8s-node02 /etc/hosts | grep -v 1",
	},
	{
		what: "the host's name",
		change: "hostname other",
		step: "identity",
		shows: [item("host name", '"other"', '"k8s-.*"')],
		wrong: "hostname | grep -v k8s-",
	},
	{
		what: "/etc/hostname",
		change: "echo other >/etc/hostname",
		step: "identity",
		shows: [file("/etc/hostname")],
		wrong: "grep -v k8s- /etc/hostname",
	},
	{
		what: "a repository's file",
		change: "echo '# x' >>/etc/yum.repos.d/kubeadm-lab-kubernetes.repo",
		step: "packages",
		shows: [file("/etc/yum.repos.d/kubeadm-lab-kubernetes.repo")],
		wrong: "grep '# x' /etc/yum.repos.d/kubeadm-lab-kubernetes.repo",
	},
	{
		what: "a package",
		change: "rpm -e --nodeps ethtool",
		step: "packages",
		shows: [item("package ethtool", '"not installed"', '"installed"')],
		wrong: "rpm -q ethtool >/dev/null || echo missing",
		writes: INSTALLED,
	},
	{
		what: "a package's version",
		change: "yum -q -y --disableplugin=versionlock --disablerepo='*' --enablerepo=kubeadm-lab-kubernetes install kubernetes-cni-1.4.0",
		step: "packages",
		shows: [item("package kubernetes-cni-1.3.0", '"kubernetes-cni-1\\.4\\.0-.*"', '"installed"')],
		wrong: "rpm -q kubernetes-cni-1.3.0 | grep 'not installed'",
		writes: INSTALLED,
	},
	{
		what: "the lock on versions",
		change: "list=$(ls /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list 2>/dev/null); sed -i /kubelet/d $list",
		step: "packages",
		writes: INSTALLED,
		shows: [/^ *~ file \/etc\/.*versionlock\.list *: "sha256 \w+" => "sha256 \w+"$/m],
		wrong: "grep -q kubelet /etc/dnf/plugins/versionlock.list || echo missing",
	},
	{
		what: "a sysctl",
		change: "sysctl -qw net.ipv4.ip_forward=0",
		step: "system",
		shows: [item("sysctl net.ipv4.ip_forward", '"0"', '"1"')],
		wrong: "sysctl -n net.ipv4.ip_forward | grep -v 1",
	},
	{
		what: "the file of sysctls",
		change: "rm /etc/sysctl.d/99-kubeadm-lab.conf",
		step: "system",
		shows: [file("/etc/sysctl.d/99-kubeadm-lab.conf", '"absent"')],
		wrong: "test -f /etc/sysctl.d/99-kubeadm-lab.conf || echo missing",
	},
	{
		what: "the file of modules",
		change: "echo dummy >>/etc/modules-load.d/kubeadm-lab.conf",
		step: "system",
		shows: [file("/etc/modules-load.d/kubeadm-lab.conf")],
		wrong: "grep dummy /etc/modules-load.d/kubeadm-lab.conf",
	},
	{
		what: "the mode of a file",
		change: "chmod 0600 /etc/modules-load.d/kubeadm-lab.conf",
		step: "system",
		shows: [item("mode /etc/modules-load.d/kubeadm-lab.conf", '"600"', '"644"')],
		wrong: "stat -c %a /etc/modules-load.d/kubeadm-lab.conf | grep -v 644",
	},
	{
		what: "swap in fstab",
		change: "sed -i 's/^#kubeadm-lab# //' /etc/fstab",
		step: "system",
		shows: [file("/etc/fstab")],
		wrong: "grep -E '^[^#].* swap ' /etc/fstab",
	},
	{
		what: "SELinux's configuration",
		change: "sed -i s/^SELINUX=permissive/SELINUX=enforcing/ /etc/selinux/config",
		step: "system",
		shows: [file("/etc/selinux/config")],
		wrong: "grep SELINUX=enforcing /etc/selinux/config",
	},
	{
		what: "firewalld, started",
		change: "systemctl start firewalld",
		step: "system",
		shows: [item("firewalld running", '"active"', '"inactive"')],
		wrong: "systemctl is-active firewalld | grep -x active",
	},
	{
		what: "firewalld, enabled",
		change: "systemctl enable -q firewalld",
		step: "system",
		shows: [item("firewalld at boot", '"enabled"', '"disabled"')],
		wrong: "systemctl is-enabled firewalld | grep -x enabled",
	},
	{
		what: "chronyd, stopped",
		change: "systemctl stop chronyd",
		step: "system",
		restarts: ["chronyd"],
		shows: [item("chronyd running", '"inactive"', '"active"')],
		wrong: "systemctl is-active chronyd | grep -vx active",
	},
	{
		what: "chronyd, disabled",
		change: "systemctl disable -q chronyd",
		step: "system",
		shows: [item("chronyd at boot", '"disabled"', '"enabled"')],
		wrong: "systemctl is-enabled chronyd | grep -vx enabled",
	},
	{
		what: "the time zone",
		change: "ln -sfn ../usr/share/zoneinfo/Etc/UTC /etc/localtime",
		step: "system",
		shows: [item("time zone", '"Etc/UTC"', '"Asia/Shanghai"')],
		wrong: "readlink /etc/localtime | grep -v Shanghai",
	},
	{
		what: "the time servers",
		change: "sed -i /172.16.1.1/d /etc/chrony.conf",
		step: "system",
		restarts: ["chronyd"],
		shows: [file("/etc/chrony.conf")],
		wrong: "grep -q 172.16.1.1 /etc/chrony.conf || echo missing",
	},
	{
		what: "a mirror",
		change: "echo '# x' >>/etc/containerd/certs.d/docker.io/hosts.toml",
		step: "runtime",
		shows: [file("/etc/containerd/certs.d/docker.io/hosts.toml")],
		wrong: "grep '# x' /etc/containerd/certs.d/docker.io/hosts.toml",
	},
	{
		what: "crictl's configuration",
		change: "rm /etc/crictl.yaml",
		step: "runtime",
		shows: [file("/etc/crictl.yaml", '"absent"')],
		wrong: "test -f /etc/crictl.yaml || echo missing",
	},
	{
		what: "the kubelet, disabled",
		change: "systemctl disable -q kubelet",
		step: "runtime",
		shows: [item("kubelet at boot", '"disabled"', '"enabled"')],
		wrong: "systemctl is-enabled kubelet | grep -vx enabled",
	},
	{
		what: "containerd, disabled",
		change: "systemctl disable -q containerd",
		step: "runtime",
		shows: [item("containerd at boot", '"disabled"', '"enabled"')],
		wrong: "systemctl is-enabled containerd | grep -vx enabled",
	},
	{
		what: "containerd's configuration",
		change: "echo '# x' >>/etc/containerd/config.toml",
		step: "runtime",
		restarts: ["containerd"],
		shows: [file("/etc/containerd/config.toml")],
		wrong: "grep '# x' /etc/containerd/config.toml",
	},
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
	{
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
	},
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

/**
 * Rounds of changes, at most one to each step of a host: all of a round is looked at and repaired by the same runs.
 * A host's changes of a round all restart something, or none does: so a restart that is not wanted is seen.
 */
export function rounds(hosts: string[]): (Drift & { host: string })[][] {
	const taken: (Drift & { host: string })[][] = [];
	for (const drift of DRIFTS.toSorted((one, other) => Number(other.host !== undefined) - Number(one.host !== undefined))) {
		const goWith = (other: Drift) => other.step !== drift.step && (other.restarts === undefined) === (drift.restarts === undefined);
		const free = (round: Drift[]) =>
			(drift.host === undefined ? hosts : [drift.host]).find((host) => round.every((other) => other.host !== host || goWith(other)));
		const round = taken.find((candidate) => free(candidate) !== undefined) ?? [];
		if (round.length === 0) taken.push(round);
		round.push({ ...drift, host: free(round) ?? "" });
	}
	return taken;
}
