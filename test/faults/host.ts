// A lab host from outside, as somebody at its console sees it: its files and processes, without SSH and without asking it.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { labFolder } from "../e2e/lab.ts";

const textOf = (path: string): string => {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return ""; // it has ended, or is not there
	}
};
const namespaceOf = (pid: number): string => {
	try {
		return readlinkSync(`/proc/${pid}/ns/pid`);
	} catch {
		return "";
	}
};
/** Numbers of all that runs on this machine. */
export const pids = (): number[] =>
	readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.map(Number);

/** Sends a process a signal, by default the one that ends it. False where it is gone already, as the script's substitutions mostly are a moment after they were seen. */
export function signalled(pid: number, signal: NodeJS.Signals = "SIGKILL"): boolean {
	try {
		return process.kill(pid, signal);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
		return false;
	}
}

export class LabHost {
	readonly name: string;
	#first = 0;
	constructor(name: string) {
		this.name = name;
	}

	/** Process 1 of the host, by its number on this machine; 0 while it is off. The host's own SSH key tells it from hosts of another lab. */
	get first(): number {
		const key = textOf(`${labFolder}/hosts/${this.name}/ssh_host_ed25519_key.pub`);
		const isIt = (pid: number) => pid > 0 && textOf(`/proc/${pid}/root/etc/ssh/ssh_host_ed25519_key.pub`) === key;
		if (!isIt(this.#first)) this.#first = pids().find((pid) => /^NSpid:.*\t1$/m.test(textOf(`/proc/${pid}/status`)) && isIt(pid)) ?? 0;
		return this.#first;
	}
	has(path: string): boolean {
		return lstatSync(`/proc/${this.first}/root${path}`, { throwIfNoEntry: false }) !== undefined;
	}
	/** Numbers, on this machine, of what runs on the host and not in a container there, with the words of its command line. */
	running(command: RegExp): number[] {
		const own = namespaceOf(this.first);
		if (own === "") return [];
		return pids().filter((pid) => namespaceOf(pid) === own && command.test(textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " ")));
	}
	/** The program's scripts that run there, and what they started. */
	scripts(): number[] {
		return this.running(/kubeadm-lab (apply|check|undo) *$/);
	}
	/**
	 * Until that is done no script of the program goes on there, begins or is heard of: some are done in less time than a fault takes, or than it takes to look for them. So
	 * those of `known` are held first.
	 */
	async still(known: number[], act: () => Promise<unknown>): Promise<void> {
		const first = known.filter((pid) => signalled(pid, "SIGSTOP"));
		const held = [...first, ...[...this.running(/\bsshd\b/), ...this.scripts()].filter((pid) => signalled(pid, "SIGSTOP"))];
		try {
			await act();
		} finally {
			for (const pid of held) signalled(pid, "SIGCONT");
		}
	}
}
