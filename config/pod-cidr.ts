// Assigns each Node its /24 of the cluster's Pod CIDR, where the program gives them out. Pure.

import { formatAddress, NODE_PREFIX, nodesIn, parseAddress, parseCidr } from "./network.ts";
import type { ClusterSettings } from "./settings.ts";

/**
 * Host name -> CIDR. A Node's range can't change once it is set, so it must not depend on who else is in the list: it is the /24 whose index is
 * the distance of the host's address from the control plane's, modulo the number of /24s. 172.16.1.110-112 get .0, .1 and .2, as on the seed's page.
 * Throws when the Pod network has no /24, or when two hosts would share one.
 */
export function assignNodePodCidrs({
	hosts,
	podCidr,
}: {
	hosts: Pick<ClusterSettings["hosts"][number], "name" | "address" | "role">[];
	podCidr: string;
}): Record<string, string> {
	const range = parseCidr(podCidr);
	const count = range ? nodesIn(range) : 0;
	if (!range || count === 0) throw new Error(`podCidr: ${podCidr} has no room for a /${NODE_PREFIX} per host. Use a wider range, such as 10.244.0.0/16.`);
	const number = (address: string | undefined) => parseAddress(address ?? "") ?? 0;
	const first = number(hosts.find((host) => host.role === "control-plane")?.address);
	const owners = new Map<number, string>();
	const cidrs: Record<string, string> = {};
	for (const { name, address } of hosts) {
		const index = (((number(address) - first) % count) + count) % count; // never negative
		const owner = owners.get(index);
		if (owner !== undefined)
			throw new Error(
				`podCidr: ${podCidr} gives ${owner} and ${name} the same /${NODE_PREFIX} (by their addresses). Use a wider range, or podCidrs: controller-manager.`,
			);
		owners.set(index, name);
		cidrs[name] = `${formatAddress(range.first + index * 256)}/${NODE_PREFIX}`;
	}
	return cidrs;
}
