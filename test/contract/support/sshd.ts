// A real OpenSSH server for one test file: its own port, keys and settings in a temporary folder.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Properties } from "../../../provider/plugin/values.ts";
import { endWithThis } from "./ends.ts";

const SSHD = "/usr/sbin/sshd";
const START_LIMIT_MS = 10_000;
/** A server that takes no SHA-1, as today's guides for hardening have it, with an RSA key only. For Sshd.start. */
export const HARDENED_RSA: [string, HostKey[]] = ["HostKeyAlgorithms rsa-sha2-512,rsa-sha2-256", ["rsa"]];
type HostKey = "host" | "second" | "rsa";

export class Sshd {
	readonly folder = mkdtempSync(join(tmpdir(), "contract-sshd-"));
	readonly port: number;
	readonly #settings: string;
	readonly #hostKeys: readonly HostKey[];
	/** Bash that a mount namespace of the server's own begins with; empty for none. */
	#world = "";
	#server: ChildProcess | undefined;

	private constructor(port: number, settings: string, hostKeys: readonly HostKey[]) {
		this.port = port;
		this.#settings = settings;
		this.#hostKeys = hostKeys;
	}

	/** Prepares keys and settings. By default the server takes only variables that start with ACCEPTED_; a later line of `settings` adds to that. FOLDER in these is the server's. */
	static async prepare(settings = "", hostKeys: readonly HostKey[] = ["host", "second"]): Promise<Sshd> {
		if (!existsSync(SSHD)) throw new Error(`${SSHD}: not found. The contract tests need a real SSH server. Install openssh-server.`);
		if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 }); // sshd started by root refuses to work without it
		const sshd = new Sshd(await freePort(), settings, hostKeys);
		for (const name of ["host", "user", "other"]) sshd.#makeKey(name);
		sshd.#makeKey("second", "ecdsa");
		if (hostKeys.includes("rsa")) sshd.#makeKey("rsa", "rsa");
		execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "open sesame", "-f", sshd.#makeKey("locked")]);
		writeFileSync(join(sshd.folder, "authorized_keys"), sshd.#read("user.pub") + sshd.#read("locked.pub"), { mode: 0o600 });
		return sshd;
	}

	/**
	 * A server in a world of its own: /etc and what sudo keeps are copies, which this bash text changes as root before the server starts. FOLDER is the server's,
	 * with these files in it.
	 * Its users may read the server's folder, for their authorized_keys.
	 */
	static async startIn(world: string, files: Record<string, string>, settings = ""): Promise<Sshd> {
		if (process.getuid?.() !== 0 || !existsSync("/usr/bin/sudo")) throw new Error("found no root or no /usr/bin/sudo; run as root, after: bash lab/setup");
		const sshd = await Sshd.prepare(settings);
		for (const [name, text] of Object.entries(files)) writeFileSync(join(sshd.folder, name), text.replaceAll("FOLDER", sshd.folder));
		const copies = `d=$(mktemp -d); mount -t tmpfs t "$d"; mkdir "$d/up" "$d/work" /run/sudo /var/lib/sudo -p; mount -t overlay o -o "lowerdir=/etc,upperdir=$d/up,workdir=$d/work" /etc
for own in /run/sudo /var/lib/sudo; do mount -t tmpfs t "$own"; done; chmod a+x FOLDER; chmod a+r FOLDER/authorized_keys`;
		sshd.#world = `set -e; ${copies}\n${world}\n`.replaceAll("FOLDER", sshd.folder);
		return sshd.#started();
	}

	async #started(): Promise<this> {
		try {
			await this.start();
		} catch (error) {
			await this.remove();
			throw error;
		}
		return this;
	}

	static async start(settings?: string, hostKeys?: readonly HostKey[]): Promise<Sshd> {
		const sshd = await Sshd.prepare(settings, hostKeys);
		return sshd.#started();
	}

	async start(): Promise<void> {
		const config = join(this.folder, "sshd_config");
		const settings = this.#settings.replaceAll("FOLDER", this.folder);
		const first = settings.split("\n").filter((line) => /^(MaxStartups|AuthorizedKeysFile) /.test(line)); // sshd takes the first of two
		writeFileSync(
			config,
			`${first.join("\n")}
ListenAddress 127.0.0.1:${this.port}
${this.#hostKeys.map((name) => `HostKey ${this.folder}/${name}`).join("\n")}
AuthorizedKeysFile ${this.folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
MaxStartups 100
LogLevel VERBOSE
AcceptEnv ACCEPTED_*
${settings}
`,
		);
		const command = [SSHD, "-D", "-e", "-f", config, "-E", join(this.folder, "log")];
		const [program = "", ...args] = this.#world === "" ? command : ["unshare", "--mount", "bash", "-c", `${this.#world}exec "$@"`, "-", ...command];
		const server = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
		this.#server = server;
		endWithThis(server);
		for (const end = performance.now() + START_LIMIT_MS; !(await answers(this.port)); await sleep(20)) {
			if (server.exitCode !== null || performance.now() > end) throw new Error(`sshd did not start: ${this.log}`);
		}
	}

	/** Stops listening. Sessions that run go on. */
	async stop(): Promise<void> {
		const server = this.#server;
		if (server && server.exitCode === null) {
			server.kill();
			await new Promise((resolve) => server.once("exit", resolve));
		}
	}

	async remove(): Promise<void> {
		await this.stop();
		rmSync(this.folder, { recursive: true });
	}

	/** A `connection` input that works; what is given replaces or adds. `undefined` leaves a field out. */
	connection(fields: Record<string, string | number | Properties | undefined> = {}): Properties {
		const all = {
			host: "127.0.0.1",
			port: this.port,
			user: userInfo().username,
			privateKey: this.#read("user"),
			hostKey: this.publicKey("host"),
			dialErrorLimit: 0,
			...fields,
		};
		return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Properties;
	}

	/** Private key that the server doesn't know ("other") or that has the passphrase "open sesame" ("locked"). */
	privateKey(name: "user" | "other" | "locked"): string {
		return this.#read(name);
	}

	/** Type and key, without the comment. The host has "host" (ed25519) and "second" (ecdsa), or only "rsa"; "user" may log in; "other" (ed25519) is nobody's. */
	publicKey(name: HostKey | "user" | "other"): string {
		return this.#read(`${name}.pub`).trim().split(" ").slice(0, 2).join(" ");
	}

	get log(): string {
		return this.#read("log");
	}

	/** How many times somebody connected, besides the look whether the server is up. */
	get dials(): number {
		return this.log.match(/Connection from/g)?.length ?? 0;
	}

	#makeKey(name: string, type = "ed25519"): string {
		const path = join(this.folder, name);
		execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", `contract-${name}`, "-f", path]);
		return path;
	}

	#read(name: string): string {
		const path = join(this.folder, name);
		return existsSync(path) ? readFileSync(path, "utf8") : "";
	}
}

export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await new Promise((resolve) => server.once("listening", resolve));
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	if (typeof address !== "object" || address === null) throw new Error("no port");
	return address.port;
}

function answers(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1");
		socket.once("data", () => resolve(true)).once("error", () => resolve(false));
		socket.once("data", () => socket.destroy());
	});
}
