// A plugin as the engine meets it: an executable that prints a port.
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { endTree, endWithThis } from "./ends.ts";

/** A start takes 1 s, and more than 10 s on a machine with ten times the work that it can do. */
const START_LIMIT_MS = Number(process.env.START_LIMIT_MS ?? 60_000);
const PATIENCE_MS = 5000; // as the engine's: pkg/resource/plugin/plugin.go, pulumi v3.274.1

/** Writes a script that runs one of the stand-ins the way the lab does, and returns its path. */
export function standIn(name: "command-plugin" | "language-host", folder: string, executable: string): string {
	return scriptFile(join(import.meta.dirname, "../../../lab/stand-ins", `${name}.ts`), join(folder, executable));
}

/** Writes a script that runs `source` with this test's own node, and returns its path. */
export function scriptFile(source: string, path: string): string {
	writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${source}' "$@"\n`);
	chmodSync(path, 0o755);
	return path;
}

export class Executable {
	readonly process: ChildProcess;
	readonly exited: Promise<number | null>;
	/** First line of its output. */
	readonly port: Promise<number>;
	stdout = "";
	stderr = "";

	/** Starts it in a process group of its own, as the engine does, with the engine's address as its one argument. */
	constructor(path: string, engineAddress: string, env: NodeJS.ProcessEnv = {}) {
		const searched = `${dirname(process.execPath)}:${process.env.PATH}`; // the official language host takes node from PATH
		this.process = spawn(path, [engineAddress], {
			detached: true,
			stdio: ["pipe", "pipe", "pipe"],
			env: { ...process.env, PATH: searched, SSH_AUTH_SOCK: "", ...env },
		});
		endWithThis(this.process);
		this.exited = new Promise((resolve) => this.process.once("close", (code) => resolve(code)));
		this.port = new Promise((resolve, reject) => {
			this.process.once("error", reject);
			this.process.stdout?.on("data", (data) => {
				this.stdout += data;
				const [port] = /^\d+\n/.exec(this.stdout) ?? [];
				if (port) resolve(Number(port));
			});
			this.process.stderr?.on("data", (data) => {
				this.stderr += data;
			});
			// A hook has no time limit of its own, unlike a test: a plugin that does not start must fail it.
			setTimeout(() => reject(new Error(`${path} printed no port within ${START_LIMIT_MS / 1000} s: ${this.stdout}${this.stderr}`)), START_LIMIT_MS).unref();
			this.exited.then((code) => reject(new Error(`${path} ended with ${code} before it printed a port: ${this.stdout}${this.stderr}`)));
		});
		this.port.catch(() => {});
	}

	/** What the engine does at the end: SIGINT to the group. */
	interrupt(): void {
		if (this.process.pid) process.kill(-this.process.pid, "SIGINT");
	}

	/** Interrupts it, and ends it where it does not end in the time that the engine gives it. */
	async stop(): Promise<void> {
		const last = setTimeout(() => endTree(this.process), PATIENCE_MS);
		if (this.process.exitCode === null && this.process.signalCode === null) this.interrupt();
		await this.exited;
		clearTimeout(last);
	}
}

export function temporaryFolder(): { path: string; remove: () => void } {
	const path = mkdtempSync(join(tmpdir(), "contract-"));
	return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
