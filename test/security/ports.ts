// What hosts listen on, as docs/security.md has it, and what is found by trying, or by asking the host.
import { join } from "node:path";
import { fourHosts } from "../e2e/control-planes.ts";
import { project, read, succeed } from "../e2e/lab.ts";

export const internal = (host: string) => `172.16.1.${110 + fourHosts.indexOf(host)}`;
export const external = (host: string) => `10.0.0.${110 + fourHosts.indexOf(host)}`;
/** Ports that anybody on a network may reach, and why. The first list is of every host. */
export const EVERYWHERE: Record<number, string> = {
	22: "sshd, the host's own",
	10250: "the kubelet: needs a client's certificate or token",
	10256: "kube-proxy's health for load balancers: says whether it is alive",
};
export const ON_CONTROL_PLANE: Record<number, string> = {
	6443: "the API server: its certificate has both addresses, so that kubectl can be used from either network",
};
export const ON_ITS_ADDRESS: Record<number, string> = { 2379: "etcd for clients: needs a client's certificate", 2380: "etcd for other members: the same" };
/** On every host, on all of its addresses. */
export const UDP_EVERYWHERE: Record<number, string> = { 8472: "flannel's VXLAN, which the kernel hears: it takes a packet from anybody for a Pod's" };

/** Every TCP port of an address that takes a connection from where the lab's own machine is. */
export async function openPorts(address: string): Promise<number[]> {
	const { stdout } = await succeed(`${project}lab/lab`, ["exec", "--", "node", join(import.meta.dirname, "scan.ts"), address], { timeoutSeconds: 280 });
	return stdout
		.trim()
		.split("\n")
		.map(Number)
		.sort((a, b) => a - b);
}
/** UDP ports that a host hears on more than itself. It is asked: from outside a port that is silent and one that is closed by a packet filter are the same. */
export const udpPorts = async (host: string): Promise<number[]> => heardFrom(await read(host, "ss -lunH"));

/** Ports in what `ss -lunH` prints, but for those on 127.0.0.0/8 and ::1. */
export function heardFrom(printed: string): number[] {
	const ports = printed.split("\n").flatMap((line) => {
		const [, address = "", port] = /^UNCONN +\d+ +\d+ +(\S+):(\d+) /.exec(line) ?? [];
		if (port === undefined && line.trim() !== "") throw new Error(`ss printed: ${line}`);
		return port === undefined || /^(127\.|\[?(::1|::ffff:127\.[\d.]+)\]?(%\S+)?$)/.test(address) ? [] : [Number(port)];
	});
	return [...new Set(ports)].sort((a, b) => a - b);
}
