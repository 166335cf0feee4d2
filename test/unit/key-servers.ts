// Servers that show an SSH host key, and a terminal that gives answers: for the tests of npm run trust.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import ssh2 from "ssh2";
import type { Terminal } from "../../commands/terminal.ts";

/** A terminal that gives these answers in turn, and no to every further question. */
export function scriptedTerminal(...answers: boolean[]): Terminal & { lines: string[] } {
	const lines: string[] = [];
	const print = (line: string) => void lines.push(line);
	const ask = async (question: string) => {
		lines.push(`? ${question}`);
		return answers.shift() ?? false;
	};
	return { lines, print, ask };
}
/** A stack whose hosts nobody logs in to asks for none. */
export const noSecret = (key: string): Promise<string> => assert.fail(`asked for ${key}`);
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return port;
}
const SSHD = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"].find(existsSync);
/** A folder for one test file, and the servers whose keys are in it. */
export class KeyServers {
	readonly folder = mkdtempSync(join(tmpdir(), "trust-"));
	readonly #stops: (() => void)[] = [];

	/** A server on 127.0.0.1 with one key of this type: the real sshd, or ssh2's own where none is installed. */
	async serve(type: string, ...options: string[]): Promise<{ port: number; key: string }> {
		const port = await freePort();
		const file = join(this.folder, `host-${port}`);
		execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file]);
		if (SSHD) this.#stops.push(await this.#startSshd(SSHD, file, port, options));
		else {
			const server = new ssh2.Server({ hostKeys: [readFileSync(file)] }, (client) => client.on("error", () => {})).listen(port, "127.0.0.1");
			await once(server, "listening");
			this.#stops.push(() => void server.close());
		}
		return { port, key: readFileSync(`${file}.pub`, "utf8").trim() };
	}
	async #startSshd(program: string, file: string, port: number, options: string[]): Promise<() => void> {
		// As root sshd wants this folder, which its service makes; an sshd that only shows its key never uses it.
		if (process.getuid?.() === 0 && !existsSync("/run/sshd")) {
			mkdirSync("/run/sshd", { mode: 0o755 });
			this.#stops.push(() => rmdirSync("/run/sshd"));
		}
		const args = [
			"-D",
			"-e",
			"-f",
			"/dev/null",
			"-h",
			file,
			"-o",
			"ListenAddress=127.0.0.1",
			"-o",
			"PidFile=none",
			...options.flatMap((option) => ["-o", option]),
			"-p",
			String(port),
		];
		const server = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
		const lines = createInterface({ input: server.stderr });
		const said: string[] = [];
		for await (const line of lines) {
			said.push(line);
			if (line.startsWith("Server listening")) return () => void server.kill();
		}
		return assert.fail(`sshd ended: ${said.join("; ")}`);
	}
	remove(): void {
		for (const stop of this.#stops.reverse()) stop();
		rmSync(this.folder, { recursive: true });
	}
}
