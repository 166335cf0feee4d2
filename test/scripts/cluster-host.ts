// A prepared host for the tests of init and join, with stand-ins for kubeadm and its neighbours.
import type { TestContext } from "node:test";
import { FakeHost } from "./fake-host.ts";

export const HASH = `sha256:${"ab".repeat(32)}`;
export const TOKEN = "abcdef.0123456789abcdef";
export const ID = "sample-172.16.1.110";
export const DISCOVERY = `criSocket: "unix:///run/containerd/containerd.sock"
apiServerEndpoint: "172.16.1.110:6443"
token: ${TOKEN}
caCertHashes: ["${HASH}"]`;
export const master = { changes: { NODE_POD_CIDR: "10.244.0.0/24" }, name: "k8s-master" };

/** A prepared host; its kubeadm leaves what the real one leaves, and prints a token where it should not. */
export function preparedHost(t: TestContext): FakeHost {
	const host = new FakeHost(t);
	for (const folder of ["/etc/kubernetes/manifests", "/etc/cni/net.d", "/opt/cni/bin", "/var/log", "/var/lib"]) host.write(`${folder}/.theirs`, "theirs");
	host.write("/etc/cni/net.d/87-podman.conflist", "theirs");
	host.write("/opt/cni/bin/bridge", "theirs");
	host.write("/sys/class/net/eth0/address", "");
	host.write("/proc/sys/kernel/panic", "0\n");
	host.command(
		"kubeadm",
		`r="\${KUBEADM_LAB_ROOT}"
case "$1" in
init)
  mkdir -p "$r"/var/lib/etcd/member "$r"/etc/kubernetes/pki "$r"/var/lib/kubelet "$r"/var/log/pods/p
  : >"$r/etc/kubernetes/admin.conf"; : >"$r/etc/kubernetes/kubelet.conf"; : >"$r/etc/kubernetes/manifests/etcd.yaml"; echo 10 >"$r/proc/sys/kernel/panic"
  echo "kubeadm join 172.16.1.110:6443 --token ${TOKEN} --discovery-token-ca-cert-hash ${HASH}" ;;
join)
  stat -c %a "$3" >"$r/config-mode"; cat "$3" >"$r/config-seen"
  mkdir -p "$r"/var/lib/kubelet "$r"/run/flannel "$r"/etc/kubernetes/pki; : >"$r/etc/kubernetes/kubelet.conf"; echo FLANNEL >"$r/run/flannel/subnet.env"
  : >"$r/etc/cni/net.d/10-flannel.conflist"; : >"$r/opt/cni/bin/flannel"; systemctl start kubelet ;;
esac`,
	);
	host.command("kubelet", "echo 'Kubernetes v1.29.15'");
	for (const name of ["kubectl", "crictl", "journalctl", "iptables-save", "ip6tables-save", "iptables-nft-save", "ip6tables-nft-save"]) host.command(name);
	host.command("curl", "exit 7");
	return host;
}
export const worker = (changes = {}) => ({ JOIN_CONFIG: DISCOVERY, TIMEOUT_SECONDS: 2, ...changes });
export const init = (host: FakeHost, verb: string, changes = {}) => host.run("init", verb, { ...master.changes, ...changes }, master.name);
export const tree = (host: FakeHost) =>
	Object.fromEntries(
		["/etc", "/opt", "/var", "/run", "/proc"].flatMap((folder) => Object.entries(host.snapshot(folder))).filter(([path]) => !path.startsWith("/run/lock/")),
	);
export const kubeadms = (host: FakeHost) =>
	host
		.calls()
		.filter((call) => call.startsWith("kubeadm"))
		.map((call) => call.split(" ")[1]);
