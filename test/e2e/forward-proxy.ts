// A forward proxy of a test's own: node forward-proxy.ts ADDRESS PORT NAME=ADDRESS… It alone knows these names. Tells each request on stdout.
import { createServer, request } from "node:http";
import { connect } from "node:net";

const [address = "127.0.0.1", port = "3128", ...names] = process.argv.slice(2);
const known = new Map(names.map((pair) => pair.split("=") as [string, string]));
const addressOf = (host: string) => known.get(host) ?? host;

const server = createServer((incoming, answer) => {
	const { hostname, port: wanted, pathname, search } = new URL(incoming.url ?? "");
	console.log(`${incoming.method} ${incoming.url}`);
	const { "proxy-connection": _, ...headers } = incoming.headers;
	const outgoing = request({ host: addressOf(hostname), port: wanted || 80, path: pathname + search, method: incoming.method, headers }, (found) => {
		answer.writeHead(found.statusCode ?? 502, found.headers);
		found.pipe(answer);
	});
	outgoing.on("error", (error) => answer.writeHead(502).end(error.message));
	incoming.pipe(outgoing);
});
server.on("connect", (incoming, socket, head) => {
	const [host = "", wanted = "443"] = (incoming.url ?? "").split(":");
	console.log(`CONNECT ${incoming.url}`);
	const pipe = connect(Number(wanted), addressOf(host), () => {
		socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
		pipe.write(head);
		pipe.pipe(socket).pipe(pipe);
	});
	for (const [one, other] of [[pipe, socket] as const, [socket, pipe] as const]) one.on("error", () => other.destroy());
});
server.listen(Number(port), address, () => console.log("listening"));
