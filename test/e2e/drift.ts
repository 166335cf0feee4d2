// What somebody may change by hand on a prepared host, and what a preview then says. Each is put right by `up` alone.

export interface Drift {
	/** What was changed, for the test's name. */
	what: string;
	/** Runs on the host, as root. */
	change: string;
	/** Resource whose difference it is: the part of its name after the host's. */
	step: "identity" | "packages" | "system" | "runtime";
	/** The items that preview must show: `item: "found" => "wanted"`, as patterns. */
	shows: RegExp[];
	/** Prints nothing once the item is right again. */
	wrong: string;
	/** Units that may be restarted by the repair. Default none. */
	restarts?: string[];
}

const HASH = '"sha256 [0-9a-f]{12}"';
const item = (name: string, found: string, wanted: string) => new RegExp(`^ *~ ${name.replaceAll(/[.[\]()]/g, "\\$&")} *: ${found} => ${wanted}$`, "m");
const file = (path: string, found = HASH) => item(`file ${path}`, found, HASH);

export const DRIFTS: Drift[] = [
	{
		...{ what: "our block in /etc/hosts", change: "sed -i /k8s-node02/d /etc/hosts", step: "identity" },
		...{ shows: [file("/etc/hosts")], wrong: "grep -c k8s-node02 /etc/hosts | grep -v 1" },
	},
	{
		...{ what: "the host's name", change: "hostname other", step: "identity" },
		...{ shows: [item("host name", '"other"', '"k8s-node01"')], wrong: "hostname | grep -v k8s-node01" },
	},
	{
		...{ what: "/etc/hostname", change: "echo other >/etc/hostname", step: "identity" },
		...{ shows: [file("/etc/hostname")], wrong: "grep -v k8s-node01 /etc/hostname" },
	},
	{
		...{ what: "a repository's file", change: "echo '# x' >>/etc/yum.repos.d/kubeadm-lab-kubernetes.repo", step: "packages" },
		...{ shows: [file("/etc/yum.repos.d/kubeadm-lab-kubernetes.repo")], wrong: "grep '# x' /etc/yum.repos.d/kubeadm-lab-kubernetes.repo" },
	},
	{
		...{ what: "a package", change: "rpm -e --nodeps ethtool", step: "packages" },
		...{ shows: [item("package ethtool", '"not installed"', '"installed"')], wrong: "rpm -q ethtool >/dev/null || echo missing" },
	},
	{
		...{
			what: "the lock on versions",
			change: "list=$(ls /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list 2>/dev/null); sed -i /kubelet/d $list",
			step: "packages",
		},
		...{
			shows: [/^ *~ file \/etc\/.*versionlock\.list *: "sha256 \w+" => "sha256 \w+"$/m],
			wrong: "grep -q kubelet /etc/dnf/plugins/versionlock.list || echo missing",
		},
	},
	{
		...{ what: "a sysctl", change: "sysctl -qw net.ipv4.ip_forward=0", step: "system" },
		...{ shows: [item("sysctl net.ipv4.ip_forward", '"0"', '"1"')], wrong: "sysctl -n net.ipv4.ip_forward | grep -v 1" },
	},
	{
		...{ what: "the file of sysctls", change: "rm /etc/sysctl.d/99-kubeadm-lab.conf", step: "system" },
		...{ shows: [file("/etc/sysctl.d/99-kubeadm-lab.conf", '"absent"')], wrong: "test -f /etc/sysctl.d/99-kubeadm-lab.conf || echo missing" },
	},
	{
		...{ what: "the file of modules", change: "echo dummy >>/etc/modules-load.d/kubeadm-lab.conf", step: "system" },
		...{ shows: [file("/etc/modules-load.d/kubeadm-lab.conf")], wrong: "grep dummy /etc/modules-load.d/kubeadm-lab.conf" },
	},
	{
		...{ what: "the mode of a file", change: "chmod 0600 /etc/modules-load.d/kubeadm-lab.conf", step: "system" },
		...{ shows: [item("mode /etc/modules-load.d/kubeadm-lab.conf", '"600"', '"644"')], wrong: "stat -c %a /etc/modules-load.d/kubeadm-lab.conf | grep -v 644" },
	},
	{
		...{ what: "swap in fstab", change: "sed -i 's/^#kubeadm-lab# //' /etc/fstab", step: "system" },
		...{ shows: [file("/etc/fstab")], wrong: "grep -E '^[^#].* swap ' /etc/fstab" },
	},
	{
		...{ what: "SELinux's configuration", change: "sed -i s/^SELINUX=permissive/SELINUX=enforcing/ /etc/selinux/config", step: "system" },
		...{ shows: [file("/etc/selinux/config")], wrong: "grep SELINUX=enforcing /etc/selinux/config" },
	},
	{
		...{ what: "firewalld, started", change: "systemctl start firewalld", step: "system" },
		...{ shows: [item("firewalld running", '"active"', '"inactive"')], wrong: "systemctl is-active firewalld | grep -x active" },
	},
	{
		...{ what: "firewalld, enabled", change: "systemctl enable -q firewalld", step: "system" },
		...{ shows: [item("firewalld at boot", '"enabled"', '"disabled"')], wrong: "systemctl is-enabled firewalld | grep -x enabled" },
	},
	{
		...{ what: "chronyd, stopped", change: "systemctl stop chronyd", step: "system", restarts: ["chronyd"] },
		...{ shows: [item("chronyd running", '"inactive"', '"active"')], wrong: "systemctl is-active chronyd | grep -vx active" },
	},
	{
		...{ what: "chronyd, disabled", change: "systemctl disable -q chronyd", step: "system" },
		...{ shows: [item("chronyd at boot", '"disabled"', '"enabled"')], wrong: "systemctl is-enabled chronyd | grep -vx enabled" },
	},
	{
		...{ what: "a mirror", change: "echo '# x' >>/etc/containerd/certs.d/docker.io/hosts.toml", step: "runtime" },
		...{ shows: [file("/etc/containerd/certs.d/docker.io/hosts.toml")], wrong: "grep '# x' /etc/containerd/certs.d/docker.io/hosts.toml" },
	},
	{
		...{ what: "crictl's configuration", change: "rm /etc/crictl.yaml", step: "runtime" },
		...{ shows: [file("/etc/crictl.yaml", '"absent"')], wrong: "test -f /etc/crictl.yaml || echo missing" },
	},
	{
		...{ what: "the kubelet, disabled", change: "systemctl disable -q kubelet", step: "runtime" },
		...{ shows: [item("kubelet at boot", '"disabled"', '"enabled"')], wrong: "systemctl is-enabled kubelet | grep -vx enabled" },
	},
	{
		...{ what: "containerd, disabled", change: "systemctl disable -q containerd", step: "runtime" },
		...{ shows: [item("containerd at boot", '"disabled"', '"enabled"')], wrong: "systemctl is-enabled containerd | grep -vx enabled" },
	},
	{
		...{ what: "containerd's configuration", change: "echo '# x' >>/etc/containerd/config.toml", step: "runtime", restarts: ["containerd"] },
		...{ shows: [file("/etc/containerd/config.toml")], wrong: "grep '# x' /etc/containerd/config.toml" },
	},
];
