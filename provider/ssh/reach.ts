// A socket to a host or to an agent. What goes wrong is said as Pulumi's command plugin says it, so that one failure has one text in a run.
import { connect, type Socket } from "node:net";

const KEEPALIVE_MS = 15_000; // Go's net.Dialer

/** Connects to a port. No timeout where it is 0. */
export function reachHost(host: string, port: number, timeoutSeconds: number): Promise<Socket> {
	// noDelay as Go's dialer: else each login waits four times, and each script three times, for a delayed ACK of the host, 40 ms.
	const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
	return reach(socket, "tcp", `${host.includes(":") ? `[${host}]` : host}:${port}`, timeoutSeconds);
}

export function reachAgent(path: string): Promise<Socket> {
	return reach(connect(path), "unix", path, 0);
}

function reach(socket: Socket, network: "tcp" | "unix", address: string, timeoutSeconds: number): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const fail = (error: NodeJS.ErrnoException) => {
			socket.destroy();
			reject(new Error(dialError(error, network, address)));
		};
		socket.setTimeout(timeoutSeconds * 1000, () => fail(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" })));
		socket.once("error", fail).once("connect", () => {
			socket.setTimeout(0).off("error", fail);
			resolve(socket);
		});
	});
}

/** The error of `net.Dial` for what Node says about the same failure. */
function dialError(error: NodeJS.ErrnoException, network: "tcp" | "unix", address: string): string {
	const call = WORDS[error.code ?? ""];
	if (error.code === "ENOTFOUND" || error.code === "EAI_AGAIN") return `dial ${network}: lookup ${address.replace(/:\d+$/, "")}: no such host`;
	if (error.code === "ETIMEDOUT") return `dial ${network} ${address}: i/o timeout`;
	return `dial ${network} ${address}: connect: ${call ?? error.message}`;
}

const WORDS: Record<string, string> = {
	ECONNREFUSED: "connection refused",
	EHOSTUNREACH: "no route to host",
	ENETUNREACH: "network is unreachable",
	ECONNRESET: "connection reset by peer",
	ENOENT: "no such file or directory",
	EACCES: "permission denied",
};
