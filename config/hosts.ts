// Checks hosts and networks: is every name and address there once, are there as many control planes as there may be, and does no range get in another's way? Pure.

import { contains, formatCidr, NODE_PREFIX, nodesIn, overlap, parseAddress, parseCidr, type Range } from "./network.ts";
import { assignNodePodCidrs } from "./pod-cidr.ts";
import type { Report } from "./problems.ts";
import type { Values } from "./read.ts";
import type { Release } from "./releases.ts";
import type { ClusterSettings, HostSpec } from "./settings.ts";

type Hosts = Values["hosts"];

export function checkHosts({ hosts, top, endpoint }: Values, report: Report): void {
	if (hosts.length === 0) {
		if (top.hosts !== undefined) report("hosts", "not set. List a control plane and its workers, each with name, address and role.");
		return;
	}
	checkTwice(hosts, report);
	checkRoles(hosts, { demoEnabled: top.demoEnabled ?? false, hasEndpoint: endpoint !== undefined }, report);
}

function checkTwice(hosts: Hosts, report: Report): void {
	const names = new Map<string, string>();
	const addresses = new Map<string, string>();
	const once = (seen: Map<string, string>, value: string | undefined, path: string, advice: string) => {
		if (value === undefined) return;
		const before = seen.get(value);
		if (before === undefined) seen.set(value, path);
		else report(path, `"${value}" is also ${before}. ${advice}`);
	};
	for (const [i, host] of hosts.entries()) {
		once(names, host.name, `hosts[${i}].name`, "Give each host its own name.");
		once(addresses, host.address, `hosts[${i}].address`, "Give each network card its own address.");
		once(addresses, host.externalAddress, `hosts[${i}].externalAddress`, "Give each network card its own address.");
	}
}

const MOST_CONTROL_PLANES = 5; // each more makes every write slower; etcd advises no more than seven members
function checkRoles(hosts: Hosts, { demoEnabled, hasEndpoint }: { demoEnabled: boolean; hasEndpoint: boolean }, report: Report): void {
	if (hosts.some((host) => host.role === undefined)) return; // reported already, and the count would mislead
	const label = (chosen: Hosts) => chosen.map((host) => host.name ?? host.address ?? "?").join(", ");
	const controlPlanes = hosts.filter((host) => host.role === "control-plane");
	const count = controlPlanes.length;
	if (count === 0) report("hosts", `found no control plane, need 1, or 3 and an apiEndpoint. Set role: control-plane on one of ${label(hosts)}.`);
	if (count > 0 && (count % 2 === 0 || count > MOST_CONTROL_PLANES))
		report(
			"hosts",
			`found ${count} control planes (${label(controlPlanes)}), need 1, 3 or 5: etcd goes on while more than half of them do, so an even one more bears no loss. Set role: worker on ${count > MOST_CONTROL_PLANES ? "the others" : "one of them"}, or add one.`,
		);
	else if (count > 1 && !hasEndpoint)
		report(
			"apiEndpoint",
			`not set, with ${count} control planes (${label(controlPlanes)}). Name a free address of nodeNetwork under which all of them answer, such as apiEndpoint: { address: 172.16.1.100 }; or set role: worker on all but one.`,
		);
	if (demoEnabled && controlPlanes.length === hosts.length)
		report("hosts", "found no worker, but the demo Pod needs one: a control plane takes no ordinary Pods. Add a worker, or set demoEnabled: false.");
}

interface Named {
	key: "nodeNetwork" | "podCidr" | "serviceCidr";
	range: Range;
	example: string;
}

export function checkNetworks({ hosts, top }: Values, report: Report): void {
	const named = (key: Named["key"], example: string): Named[] => {
		const range = parseCidr(top[key] ?? "");
		return range ? [{ key, range, example }] : [];
	};
	const [nodes] = named("nodeNetwork", "172.16.1.0/24");
	const [pods] = named("podCidr", "10.244.0.0/16");
	const [services] = named("serviceCidr", "10.96.0.0/12");
	if (top.nodeNetwork === "") report("nodeNetwork", "not set. Add the network that holds every host's address, such as nodeNetwork: 172.16.1.0/24");
	for (const [i, host] of hosts.entries()) {
		const address = parseAddress(host.address ?? "");
		if (nodes && address !== undefined && !contains(nodes.range, address))
			report(
				`hosts[${i}].address`,
				`${host.address} is outside nodeNetwork ${formatCidr(nodes.range)}. Use the card that all hosts share, or correct nodeNetwork.`,
			);
		else if (nodes && nodes.range.prefix < 31 && (address === nodes.range.first || address === nodes.range.last))
			report(
				`hosts[${i}].address`,
				`${host.address} is the ${address === nodes.range.first ? "network" : "broadcast"} address of nodeNetwork ${formatCidr(nodes.range)}. Use the address you ssh to, or correct nodeNetwork.`,
			);
	}
	for (const range of [pods, services]) if (range) checkClear(range, nodes, hosts, report);
	if (pods && services && overlap(pods.range, services.range))
		report(
			"serviceCidr",
			`${formatCidr(services.range)} overlaps podCidr ${formatCidr(pods.range)}. Choose ranges apart, such as 10.96.0.0/12 and 10.244.0.0/16.`,
		);
	if (pods && nodesIn(pods.range) < hosts.length)
		report(
			"podCidr",
			`${formatCidr(pods.range)} has room for ${nodesIn(pods.range)} Nodes with a /${NODE_PREFIX} each, need ${hosts.length}. Use a wider range, such as 10.244.0.0/16.`,
		);
	// kubeadm's own limits: constants.MinimumAddressesInServiceSubnet and MaximumBitsForServiceSubnet.
	if (services && (services.range.prefix < 12 || services.range.prefix > 28))
		report("serviceCidr", `${formatCidr(services.range)} is a /${services.range.prefix}, kubeadm takes /12 to /28. Use a range such as 10.96.0.0/12.`);
}

/** Where the program gives each Node its range by the host's address, two hosts may come out with the same one in a small podCidr. */
export function checkNodePodCidrs({ hosts, top }: Values, release: Release | undefined, report: Report): void {
	const range = parseCidr(top.podCidr ?? "");
	const addresses = new Set(hosts.map((host) => host.address));
	const isProgram = release && choosePodCidrAllocator(top.podCidrs ?? "auto", release) === "program";
	if (!isProgram || !range || addresses.size < hosts.length || addresses.has(undefined) || nodesIn(range) < hosts.length) return; // or reported already
	try {
		assignNodePodCidrs({ hosts: hosts as HostSpec[], podCidr: formatCidr(range) });
	} catch (error) {
		report("podCidr", (error as Error).message.replace(/^podCidr: /, ""));
	}
}
/** What `podCidrs: auto` means: the program up to Kubernetes 1.30, whose node-ipam controller would sleep 10 s first. */
export function choosePodCidrAllocator(choice: NonNullable<Values["top"]["podCidrs"]>, release: Release): ClusterSettings["podCidrs"] {
	if (choice !== "auto") return choice;
	return release.nodeIpamSleeps ? "program" : "controller-manager";
}

/** Pods and Services must not take addresses that hosts have on any card. */
function checkClear({ key, range, example }: Named, nodes: Named | undefined, hosts: Hosts, report: Report): void {
	const text = formatCidr(range);
	const advice = `Choose a range outside the hosts' networks, such as ${example}.`;
	const inside = hosts.flatMap((host) =>
		[host.address, host.externalAddress]
			.filter((address) => address !== undefined && contains(range, parseAddress(address) ?? -1))
			.map((address) => `${host.name ?? "?"} (${address})`),
	);
	if (inside.length > 0) report(key, `${text} contains host ${inside.join(", ")}. ${advice}`);
	else if (nodes && overlap(range, nodes.range)) report(key, `${text} overlaps nodeNetwork ${formatCidr(nodes.range)}. ${advice}`);
}
