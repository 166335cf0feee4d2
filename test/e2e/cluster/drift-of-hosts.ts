// What somebody may change by hand on a prepared host: its name, packages, system and container runtime.
import { type Drift, file, item } from "./drift.ts";

const INSTALLED = /^\/(usr|opt\/cni|etc\/(dnf|yum)|var\/(cache|lib)\/(dnf|yum|rpm))\b/;
/** What the stack sets here for these. */
export const SETTINGS = "  kubeadm-lab:timezone: Asia/Shanghai\n  kubeadm-lab:ntpServers: [172.16.1.1]\n";

/** A unit that the runtime's step enables. */
export const disabled = (unit: string): Drift => ({
	what: `${unit}, disabled`,
	change: `systemctl disable -q ${unit}`,
	step: "runtime",
	shows: [item(`${unit} at boot`, '"disabled"', '"enabled"')],
	wrong: `systemctl is-enabled ${unit} | grep -vx enabled`,
});
// Not here: live swap, SELinux's mode, modules and NetworkManager. The lab's hosts share a kernel that has no SELinux and one swap for all of the machine;
// test/scripts/system.test.ts changes these on a played host.
export const HOST_DRIFTS: Drift[] = [
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
	disabled("kubelet"),
	disabled("containerd"),
	{
		what: "containerd's configuration",
		change: "echo '# x' >>/etc/containerd/config.toml",
		step: "runtime",
		restarts: ["containerd"],
		shows: [file("/etc/containerd/config.toml")],
		wrong: "grep '# x' /etc/containerd/config.toml",
	},
];
