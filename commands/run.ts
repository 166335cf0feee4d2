// A program of this machine, run to its end within a bound: what it printed, and how it ended. The one way to wait for a program here; what lives beside
// the caller (servers, a stand-in's program) is node's spawn, and ended by whoever started it.
import { type ChildProcess, spawn } from "node:child_process";

/** It can't be started, or is not done in time. */
export class RunError extends Error {}

export interface Ended {
	/** -1 where a signal ended it. */
	code: number;
	stdout: string;
	stderr: string;
	/** Both, as they came. */
	output: string;
}
export interface RunOptions {
	cwd?: string;
	/** Beside this process's own variables; an undefined one takes it out. */
	env?: NodeJS.ProcessEnv;
	/** What it reads. Default: nothing. */
	input?: string;
	/** Until it must be done. Default 120: pulumi's short commands take less than 10. */
	timeoutSeconds?: number;
	/** From SIGTERM to SIGKILL where it is not done in time. Default 5. */
	graceSeconds?: number;
	/** Sees it as soon as it runs. */
	onStart?: (child: ChildProcess) => void;
}

/** Resolves whatever the exit code is. Throws RunError; nothing that it started itself runs on then, and what that one started is its own affair. */
export function run(
	command: string,
	args: string[],
	{ cwd, env, input = "", timeoutSeconds = 120, graceSeconds = 5, onStart }: RunOptions = {},
): Promise<Ended> {
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
		const printed = { stdout: "", stderr: "", output: "" };
		for (const name of ["stdout", "stderr"] as const)
			child[name].setEncoding("utf8").on("data", (text: string) => {
				printed[name] += text;
				printed.output += text;
			});
		let isLate = false;
		let hard: NodeJS.Timeout | undefined;
		const bound = setTimeout(() => {
			isLate = true;
			child.kill("SIGTERM");
			hard = setTimeout(() => {
				child.kill("SIGKILL");
				for (const pipe of [child.stdout, child.stderr]) pipe.destroy(); // a program that it left behind may hold them
			}, graceSeconds * 1000);
		}, timeoutSeconds * 1000);
		const ended = () => {
			clearTimeout(bound);
			clearTimeout(hard);
		};
		child.once("error", (error: NodeJS.ErrnoException) => {
			ended();
			reject(new RunError(error.code === "ENOENT" ? `${command}: not found. Install it, or put its folder on PATH.` : `${command}: ${error.message}`));
		});
		child.once("close", (code) => {
			ended();
			if (!isLate) resolve({ code: code ?? -1, ...printed });
			else reject(new RunError(`${[command, ...args].join(" ")}: not done after ${timeoutSeconds} s; last output:\n${printed.output.slice(-4000).trimEnd()}`));
		});
		child.stdin.on("error", () => {}); // it may read no input, and be gone already
		child.stdin.end(input);
		onStart?.(child);
	});
}
