// A registry or repository that is not right: node bad-server.ts PORT UPSTREAM FAULT. Hands on what UPSTREAM answers, large bodies wrongly:
// `cut`: half of one, then the connection ends; `damaged`: with some bytes changed; `slow`: at 2 MB a second, else right. `silent`: takes a connection and never answers.
import { createServer, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const [port = "", upstream = "", fault = ""] = process.argv.slice(2);
const LARGE = 100_000; // a layer or a package; manifests and most metadata are smaller
const CHUNK = 64 * 1024;
const SLOW_MS = 32; // between chunks: 2 MB a second

createServer((incoming, answer) => {
	if (fault === "silent") return;
	const { host: _, ...headers } = incoming.headers;
	const outgoing = request(new URL(incoming.url ?? "/", upstream), { method: incoming.method, headers }, async (found) => {
		answer.writeHead(found.statusCode ?? 502, found.headers);
		const length = Number(found.headers["content-length"] ?? 0);
		let sent = 0;
		for await (const data of found as AsyncIterable<Buffer>) {
			if (length > LARGE && fault === "cut" && sent > length / 2) return answer.destroy();
			if (length > LARGE && fault === "damaged") data.fill(0, 0, Math.min(16, data.length));
			if (length > LARGE && fault === "slow") await sleep((SLOW_MS * data.length) / CHUNK);
			if (answer.destroyed) return found.destroy();
			answer.write(data);
			sent += data.length;
		}
		answer.end();
	});
	outgoing.on("error", () => answer.destroy());
	incoming.pipe(outgoing);
}).listen(Number(port), "172.16.1.1", () => console.log("listening"));
