// npm run forget -- STACK HOST [--yes]: takes a host that will never come back out of a stack's state, so that `pulumi destroy` and `pulumi up` go on without it.
// Contacts no host. Shows what goes, asks, and keeps a copy of the state as it was. Exit status: 0 forgotten, 1 not, 2 wrong usage.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { printable } from "../printable.ts";
import { type Forgotten, StateError, withoutHost } from "./forget/state.ts";
import { RunError, run } from "./run.ts";
import { type Terminal, terminal } from "./terminal.ts";

/** The state could not be read or written; it is as it was. */
class ForgetError extends Error {}

async function exported(stack: string): Promise<string> {
	const { code, stdout, stderr } = await run("pulumi", ["stack", "export", "-s", stack, "--non-interactive"]);
	if (code !== 0) throw new ForgetError(`pulumi stack export -s ${stack}: ${stderr.trim()}`);
	return stdout;
}
/** A file that only its owner reads: what is secret in it is encrypted, and the rest is nobody else's business. */
function copyOf(state: string, stack: string): string {
	const folder = join(homedir(), ".kubeadm-lab");
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	const file = join(folder, `${stack}-${new Date().toISOString().replaceAll(/[-:]|\..*/g, "")}.json`);
	writeFileSync(file, state, { mode: 0o600, flag: "wx", flush: true });
	return file;
}
async function imported(stack: string, text: string): Promise<void> {
	const folder = mkdtempSync(join(tmpdir(), "forget-"));
	try {
		const file = join(folder, "state.json");
		writeFileSync(file, text, { mode: 0o600 });
		const { code, stderr } = await run("pulumi", ["stack", "import", "-s", stack, "--non-interactive", "--file", file]);
		if (code !== 0) throw new ForgetError(`pulumi stack import -s ${stack}: ${stderr.trim()}`);
	} finally {
		rmSync(folder, { recursive: true });
	}
}

function show(host: string, stack: string, { dropped, pods, isControlPlane, others }: Forgotten, print: Terminal["print"]): void {
	print(`${host} goes out of the state of stack ${stack}. Nothing is done on it, and what was changed on it stays: install it anew before you use it again.`);
	for (const name of dropped) print(`  ${name}`);
	if (isControlPlane && others.length === 0) print(`${host} is the control plane: all that was on the cluster goes too.`);
	if (isControlPlane && others.length > 0)
		print(
			`${host} is where the cluster began: all that is on the cluster goes out of the state too, though ${others.join(", ")} may go on with it. To keep the cluster: not this, but a host that is installed anew under ${host}'s name and address, and pulumi up.`,
		);
	for (const pod of pods) print(`${pod} ran on ${host}: its preStop hook will not run.`);
}
function whatNext(host: string, stack: string, { isControlPlane, pods }: Forgotten, print: Terminal["print"]): void {
	print(`To give the other hosts back: pulumi destroy -s ${stack}`);
	if (isControlPlane) return;
	print(`To go on without it: take ${host} out of hosts in Pulumi.${stack}.yaml, then on the control plane: kubectl delete node ${host}`);
	if (pods.length > 0) print(`and, before the next up: kubectl delete pod ${pods.join(" ")} --force`);
}

/** True when the host is out of the state at the end. */
export async function forget(stack: string, host: string, { print, ask }: Terminal, isYes: boolean): Promise<boolean> {
	const state = await exported(stack);
	const forgotten = withoutHost(state, host);
	show(host, stack, forgotten, print);
	if (!isYes && !(await ask(`Forget ${forgotten.dropped.length} entries?`))) {
		print("The state is unchanged.");
		return false;
	}
	if ((await exported(stack)) !== state)
		throw new ForgetError("the state changed meanwhile, and nothing was written. Wait for the other run to end, then run this again.");
	const copy = copyOf(state, stack);
	print(`The state as it was: ${copy}. To bring it back: pulumi stack import -s ${stack} --file ${copy}`); // before the import, which may end half-way
	await imported(stack, forgotten.text);
	print("Forgotten.");
	whatNext(host, stack, forgotten, print);
	return true;
}

async function main(words: string[]): Promise<number> {
	const [stack, host, ...rest] = words.filter((word) => word !== "--yes");
	if (stack === undefined || host === undefined || rest.length > 0 || words.some((word) => word.startsWith("-") && word !== "--yes")) {
		process.stderr.write("usage: npm run forget -- STACK HOST [--yes]\nIn the lab: lab/lab exec -- npm run forget -- lab k8s-node02\n");
		return 2;
	}
	const { close, ...dialogue } = terminal();
	try {
		return (await forget(stack, host, dialogue, words.includes("--yes"))) ? 0 : 1;
	} catch (error) {
		if (!(error instanceof ForgetError || error instanceof StateError || error instanceof RunError)) throw error;
		process.stderr.write(`${printable(error.message)}\n`);
		return 1;
	} finally {
		close();
	}
}
if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
