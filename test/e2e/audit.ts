// A host's own audit: what was written and what was restarted since a mark.
import { kubectl, read } from "./lab.ts";

// rpmdb.sqlite-shm is what readers of rpm's database lock in: `rpm -q` touches it.
const NOT_LOOKED_AT =
	"/proc /sys /run /var/log /var/lib/etcd /var/lib/containerd /var/lib/kubelet /tmp /var/lib/chrony /data /var/lib/rpm/rpmdb.sqlite-shm".split(" ");

/** What runs on a host: units with their main process and start, and under `containers` all of them. A restart changes it. */
export async function running(host: string): Promise<Record<string, string>> {
	const text = await read(
		host,
		`for u in containerd kubelet chronyd sshd; do echo "$u" $(systemctl show -p MainPID -p ActiveEnterTimestampMonotonic "$u"); done; echo containers $(crictl ps -q | sort)`,
	);
	return Object.fromEntries(
		text
			.trim()
			.split("\n")
			.map((line) => [line.split(" ", 1)[0] as string, line]),
	);
}
/** Starts the audit. Returns what runs. */
export async function mark(host: string): Promise<Record<string, string>> {
	await read(host, "touch /run/audit-mark; sleep 0.05");
	return running(host);
}
/** Files that were written since the mark, without what a running host writes by itself. */
export async function written(host: string): Promise<string[]> {
	const pruned = NOT_LOOKED_AT.map((path) => `-path ${path}`).join(" -o ");
	const kubelet = "/var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env";
	const found = await read(
		host,
		`find / -xdev \\( ${pruned} \\) -prune -o -newer /run/audit-mark -type f -print; find ${kubelet} -newer /run/audit-mark 2>/dev/null || true`,
	);
	return found.split("\n").filter((line) => line !== "");
}
/** Each Pod of the cluster with the restarts of its containers. */
export const pods = (): Promise<string> =>
	kubectl("get pods -A --no-headers -o custom-columns=NAME:.metadata.name,UID:.metadata.uid,RESTARTS:'.status.containerStatuses[*].restartCount'");
