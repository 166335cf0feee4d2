// Checks `apiEndpoint`: one address under which several control planes answer. Pure.
import { contains, formatCidr, parseAddress, parseCidr } from "./network.ts";
import type { Report } from "./problems.ts";
import type { Values } from "./read.ts";

/** What listens on each control plane already: kubeadm's preflight asks for the same ones, free. */
const TAKEN: Record<number, string> = {
	22: "sshd",
	2379: "etcd",
	2380: "etcd",
	6443: "the API server",
	10250: "the kubelet",
	10257: "the controller-manager",
	10259: "the scheduler",
};

export function checkEndpoint({ endpoint, hosts, top }: Values, report: Report): void {
	if (endpoint?.port !== undefined && TAKEN[endpoint.port] !== undefined)
		report("apiEndpoint.port", `${endpoint.port} is ${TAKEN[endpoint.port]}'s on a control plane. Use another, such as 8443.`);
	const address = parseAddress(endpoint?.address ?? "");
	if (address === undefined) return; // none, or reported already
	const path = "apiEndpoint.address";
	const text = endpoint?.address;
	const owner = hosts.find((host) => host.address === text || host.externalAddress === text);
	if (owner) report(path, `${text} is ${owner.name ?? "a host"}'s own address. Use one that no machine has: it moves between the control planes.`);
	const nodes = parseCidr(top.nodeNetwork ?? "");
	if (nodes && !contains(nodes, address))
		report(path, `${text} is outside nodeNetwork ${formatCidr(nodes)}. Use a free address of the network that the hosts share.`);
	else if (nodes && nodes.prefix < 31 && (address === nodes.first || address === nodes.last))
		report(
			path,
			`${text} is the ${address === nodes.first ? "network" : "broadcast"} address of nodeNetwork ${formatCidr(nodes)}. Use a free address in between.`,
		);
}
