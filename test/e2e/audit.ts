// A host's own audit: what was written and what was restarted since a mark.
import { kubectl, read } from "./lab.ts";

// rpmdb.sqlite-shm is what readers of rpm's database lock in: `rpm -q` touches it.
const NOT_LOOKED_AT =
	"/proc /sys /run /var/log /var/lib/etcd /var/lib/containerd /var/lib/kubelet /tmp /var/lib/chrony /data /var/lib/rpm/rpmdb.sqlite-shm".split(" ");

/** Starts the audit. Returns what runs: units with their start, and containers. */
export function mark(host: string): Promise<string> {
	return read(
		host,
		"touch /run/audit-mark; sleep 0.05; for u in containerd kubelet chronyd sshd; do systemctl show -p ActiveEnterTimestampMonotonic $u; done; crictl ps -q | sort",
	);
}
/** Files that were written since the mark, without what a running host writes by itself. */
export async function written(host: string): Promise<string[]> {
	const pruned = NOT_LOOKED_AT.map((path) => `-path ${path}`).join(" -o ");
	const found = await read(host, `find / -xdev \\( ${pruned} \\) -prune -o -newer /run/audit-mark -type f -print`);
	return found.split("\n").filter((line) => line !== "");
}
/** Each Pod of the cluster with the restarts of its containers. */
export const pods = (): Promise<string> =>
	kubectl("get pods -A --no-headers -o custom-columns=NAME:.metadata.name,UID:.metadata.uid,RESTARTS:'.status.containerStatuses[*].restartCount'");
