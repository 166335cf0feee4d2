// A socket to a host or to an agent, with Go's words for what goes wrong.
import { connect, type Socket } from "node:net";
import { dialError } from "./go-text.ts";

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
