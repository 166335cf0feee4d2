// Processes the host starts. None outlives it.
import { type ChildProcess, spawn } from "node:child_process";

const GRACE_MS = 1000; // the engine gives the host 5 s altogether before it kills

export interface Started {
	/** Exit code; -1 where a signal ended it. Comes after the last piece of output. */
	ended: Promise<number>;
	/** Asks it to end, and ends it where it doesn't within a second. */
	stop: () => void;
}

const running = new Set<ChildProcess>();

/** Starts a process whose output goes, piece by piece, where `onOutput` and `onError` put it. It reads nothing. */
export function startChild(
	command: string,
	args: string[],
	options: { cwd?: string; env: NodeJS.ProcessEnv },
	onOutput: (data: Buffer) => void,
	onError: (data: Buffer) => void,
): Started {
	const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
	running.add(child);
	child.stdout.on("data", onOutput);
	child.stderr.on("data", onError);
	const ended = new Promise<number>((resolve, reject) => {
		child.once("error", reject).once("close", (code) => resolve(code ?? -1));
	}).finally(() => running.delete(child));
	ended.catch(() => {}); // whoever waits for it hears of it
	return { ended, stop: () => stop(child) };
}

export function stopAll(): void {
	for (const child of running) stop(child);
}

/** Ends every process, and resolves when they are gone, after a second at the latest. */
export async function endAll(): Promise<void> {
	const ends = [...running].map((child) => new Promise((resolve) => child.once("exit", resolve)));
	stopAll();
	await Promise.all(ends);
}

function stop(child: ChildProcess): void {
	child.kill("SIGINT");
	const last = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
	child.once("exit", () => clearTimeout(last));
}
