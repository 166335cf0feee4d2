// The host keys that an SSH server shows, and servers that show none.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { shownKeys } from "../../provider/ssh/shown-keys.ts";

async function serve(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
	const sockets = new Set<Socket>();
	const server = createServer((socket) => {
		sockets.add(socket.on("error", () => {}));
		onSocket(socket);
	}).listen(0, "127.0.0.1");
	t.after(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	await once(server, "listening");
	return (server.address() as AddressInfo).port;
}

// A real server's keys: trust.test.ts.
test("a host that takes the connection and is silent, or is no SSH server, is given up in time", async (t) => {
	const begin = performance.now();
	for (const greeting of ["", "SSH-2.0-slow\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"]) {
		const port = await serve(t, (socket) => socket.write(greeting));
		await assert.rejects(shownKeys("127.0.0.1", port, 0.3));
	}
	await assert.rejects(shownKeys("127.0.0.1", await serve(t, (socket) => socket.end()), 0.3));
	assert.ok(performance.now() - begin < 3000);
});
