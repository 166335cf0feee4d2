// What hosts listen on, as docs/security.md has it, and what is found by trying.
import { join } from "node:path";
import { fourHosts } from "../e2e/control-planes.ts";
import { project, succeed } from "../e2e/lab.ts";

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

/** Every TCP port of an address that takes a connection from where the lab's own machine is. */
export async function openPorts(address: string): Promise<number[]> {
	const { stdout } = await succeed(`${project}lab/lab`, ["exec", "--", "node", join(import.meta.dirname, "scan.ts"), address], { timeoutSeconds: 280 });
	return stdout
		.trim()
		.split("\n")
		.map(Number)
		.sort((a, b) => a - b);
}
