// Whether this machine reaches the API server: a bastion carries SSH and nothing else.
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings } from "../config/settings.ts";
import { reachHost } from "../provider/ssh/reach.ts";
import { API_PORT, firstControlPlane } from "./kubeadm.ts";

const ANSWER_SECONDS = 5;
/** The second is how firewalld of a bare host rejects a port (icmp-host-prohibited), before `system` stops it. */
const ANSWERS = /: connect: (connection refused|no route to host)$/;

type Asked = Pick<ClusterSettings, "hosts" | "ssh" | "apiEndpoint">;

/**
 * Undefined where it does, or where the stack has no bastion. A refusal is an answer: before `kubeadm init` nobody listens there, and firewalld rejects.
 * For a warning and no error: a control plane that is down must not keep a preview from showing the other hosts.
 */
export async function apiUnreachable({ hosts, ssh, apiEndpoint }: Asked, ownPort = API_PORT, seconds = ANSWER_SECONDS): Promise<string | undefined> {
	if (!ssh.bastion) return undefined;
	const host = firstControlPlane({ hosts });
	const { address, port } = apiEndpoint ?? { address: host.address, port: ownPort };
	try {
		(await reachHost(address, port, seconds)).destroy();
		return undefined;
	} catch (error) {
		const { message } = error as Error;
		if (ANSWERS.test(message)) return undefined;
		return `${host.name}: ${message}; expected an answer: the bastion ${ssh.bastion.address} carries SSH only, and the API server is asked from this machine. Open a way to ${address}:${port} before pulumi up: README.md, Ways in`;
	}
}

export async function warnOfUnreachableApi(cluster: Asked): Promise<void> {
	const problem = await apiUnreachable(cluster);
	if (problem !== undefined) await pulumi.log.warn(problem);
}
