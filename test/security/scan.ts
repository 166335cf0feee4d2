// Which TCP ports of an address take a connection: every one is tried, from where this runs. Prints them, a line each. usage: node scan.ts ADDRESS
import { connect } from "node:net";

const AT_ONCE = 500;
const WAIT_MS = 2000; // an address on the same wire answers in less than one
const [address = ""] = process.argv.slice(2);

const isOpen = (port: number): Promise<boolean> =>
	new Promise((resolve) => {
		const socket = connect({ host: address, port });
		const done = (answer: boolean) => {
			socket.destroy();
			resolve(answer);
		};
		socket
			.setTimeout(WAIT_MS, () => done(false))
			.once("connect", () => done(true))
			.once("error", () => done(false));
	});
let next = 1;
const lane = async () => {
	for (let port = next++; port <= 65535; port = next++) if (await isOpen(port)) console.log(port);
};
await Promise.all(Array.from({ length: AT_ONCE }, lane));
