// One run of pulumi that something happens to: what it has printed so far, its parts, and its end.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { project, pulumiArgs } from "../e2e/lab.ts";
import { pids } from "./host.ts";

const POLL_MS = 10;
/** A host that vanishes is given up after 25 to 50 s, a run that is told to stop ends what is under way: whatever happens, a run is over by then. */
const END_SECONDS = 400;

interface Process {
	pid: number;
	parent: number;
	command: string;
	/** As in /proc: NAME=value, with NUL between. */
	environment: string;
}
export function processes(): Process[] {
	return pids().flatMap((pid) => {
		try {
			const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
			const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
			return [{ pid, parent, command, environment: readFileSync(`/proc/${pid}/environ`, "utf8") }];
		} catch {
			return []; // it has ended
		}
	});
}

export class PulumiRun {
	output = "";
	readonly #child: ChildProcess;
	readonly #ended: Promise<number>;
	#isOver = false;

	constructor(command: string, ...args: string[]) {
		// `lab exec` becomes pulumi: the pid is pulumi's. A group of its own, as a shell gives each command: Ctrl-C reaches all of it.
		this.#child = spawn(`${project}lab/lab`, pulumiArgs(command, "lab", ...args), { cwd: project, stdio: ["ignore", "pipe", "pipe"], detached: true });
		for (const pipe of [this.#child.stdout, this.#child.stderr])
			pipe?.setEncoding("utf8").on("data", (text: string) => {
				this.output += text;
			});
		// "exit", not "close": plugins that outlive their engine may hold the pipes.
		this.#ended = new Promise((resolve) => {
			this.#child.once("exit", (code) => {
				this.#isOver = true;
				resolve(code ?? -1);
			});
		});
	}

	/** Of the engine. */
	get pid(): number {
		return this.#child.pid ?? 0;
	}
	/** Waits for the moment. Throws where the run ends before it, or where it does not come within 200 s. */
	async until(what: string, isSo: () => boolean): Promise<void> {
		for (const end = performance.now() + 200_000; !isSo(); await sleep(POLL_MS)) {
			if (this.#isOver) throw new Error(`the run ended before: ${what}. Its output:\n${this.output.slice(-3000)}`);
			if (performance.now() > end) throw new Error(`not within 200 s: ${what}. Output so far:\n${this.output.slice(-3000)}`);
		}
	}
	/** Sends a signal to the engine, to its whole group as a terminal does, or to those that it started whose command line has a text. */
	signal(signal: NodeJS.Signals, to: "engine" | "group" | RegExp): void {
		const engine = this.pid;
		if (to === "engine") process.kill(engine, signal);
		else if (to === "group") process.kill(-engine, signal);
		else {
			const all = processes();
			const isBelow = (parent: number): boolean => parent === engine || all.some(({ pid, parent: next }) => pid === parent && next > 1 && isBelow(next));
			const found = all.filter(({ parent, command }) => to.test(command) && isBelow(parent));
			if (found.length === 0) throw new Error(`pulumi has no process ${to}: ${all.map(({ command }) => command).join("\n")}`);
			for (const { pid } of found) process.kill(pid, signal);
		}
	}
	/** Its exit code, -1 where a signal ended it. Throws where it is not over after 400 s; it is ended then. */
	async end(): Promise<number> {
		const late = sleep(END_SECONDS * 1000, undefined, { ref: false }).then(() => {
			this.signal("SIGKILL", "group");
			throw new Error(`not over after ${END_SECONDS} s; its last output:\n${this.output.slice(-3000)}`);
		});
		const code = await Promise.race([this.#ended, late]);
		this.#child.stdout?.destroy();
		this.#child.stderr?.destroy();
		return code;
	}
}

/** What stands under Diagnostics at the end of a run that was left to end: for each resource that failed its name, and its lines from the first error on. */
export function errorsIn(output: string): { resource: string; text: string }[] {
	const [, diagnostics = ""] = output.split(/^Diagnostics:$/m);
	const [own = ""] = diagnostics.split(/^(?=\S)/m);
	return own.split(/^ {2}(?=\S)/m).flatMap((block) => {
		const resource = /^\S+ \((.*)\):\n/.exec(block)?.[1];
		const [, text] = /^ {4}(error: [\s\S]*)/m.exec(block) ?? [];
		return resource === undefined || text === undefined ? [] : [{ resource, text: text.trim() }];
	});
}
