// Ends what a test started: a test file that takes too long is ended with SIGTERM by the runner, and then no `after` runs.
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const started = new Set<ChildProcess>();
process.on("exit", () => {
	for (const child of started) endTree(child);
});
for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) process.once(signal, () => process.exit(code));

/** Ends a process, and all that it has started, when this one ends. */
export function endWithThis(child: ChildProcess): void {
	started.add(child);
	child.once("exit", () => started.delete(child));
}

/** Ends a process and all that it has started, at once. */
export function endTree(child: ChildProcess): void {
	if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
	for (const pid of [child.pid, ...below(child.pid)])
		try {
			process.kill(pid, "SIGKILL");
		} catch {} // gone meanwhile
}

/** Processes that a process has started, and these in turn. */
function below(pid: number): number[] {
	const parents = new Map(readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? [[Number(name), parentOf(name)]] : [])));
	const children = (parent: number): number[] => [...parents].flatMap(([child, its]) => (its === parent ? [child, ...children(child)] : []));
	return children(pid);
}

function parentOf(pid: string): number | undefined {
	try {
		return Number(/^\d+ \(.*\) \w (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
	} catch {
		return undefined;
	}
}
