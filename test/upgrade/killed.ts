// A run of pulumi that is killed at a moment that a host knows.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { project, pulumiArgs, run } from "../e2e/lab.ts";

const cli = `${project}lab/lab`;

/** Starts an up and kills it, the engine and all that it started, and the script on the host, as soon as the host is where `isThen` (a condition of its shell) says. */
export async function killedUp(file: string, host: string, isThen: string): Promise<void> {
	const child = spawn(cli, pulumiArgs("up", "lab", "--config-file", file), { cwd: project, stdio: "ignore", detached: true });
	const ended = new Promise((resolve) => child.once("close", resolve));
	const kill = `for p in /proc/[0-9]*; do case "$(tr '\\0' ' ' <$p/cmdline 2>/dev/null)" in *'kubeadm-lab apply '|kubeadm\\ upgrade*) kill -9 "\${p#/proc/}" ;; esac; done`;
	const script = `for i in $(seq 12000); do if ${isThen}; then ${kill}; echo killed; exit; fi; sleep 0.05; done; exit 1`;
	assert.match((await run(cli, ["ssh", host, script], { timeoutSeconds: 1500 })).stdout, /killed/, `${host} never came to: ${isThen}`);
	process.kill(-(child.pid ?? 0), "SIGKILL");
	await ended;
	await run(cli, ["exec", "--", "pulumi", "cancel", "lab", "--yes"]);
}
