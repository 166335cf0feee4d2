// The running lab, as the end-to-end tests drive it: the same commands that a person types.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Ended, type RunOptions, run as runProgram } from "../../commands/run.ts";

export const project = fileURLToPath(new URL("../..", import.meta.url));
export const controlPlane = "k8s-master";
export const workers = ["k8s-node01", "k8s-node02"];
export const hosts = [controlPlane, ...workers];
export const messageFile = "/data/volumes/nginx/log/message";

/** Runs a command in the project's folder, and resolves whatever its exit code; rejects when it does not end in time (default 300 s). */
export const run = (command: string, args: string[], options: RunOptions = {}): Promise<Ended> =>
	runProgram(command, args, { cwd: project, timeoutSeconds: 300, ...options });

/** As `run`, and throws with the whole output unless it exits 0. */
export async function succeed(command: string, args: string[], options?: RunOptions): Promise<Ended> {
	const result = await run(command, args, options);
	if (result.code !== 0) throw new Error(`${command} ${args.join(" ")}: exit code ${result.code}\n${result.output}`);
	return result;
}

const cli = `${project}lab/lab`;
export const lab = (...args: string[]) => succeed(cli, args);
export const onHost = (host: string, command: string, options?: RunOptions) => run(cli, ["ssh", host, command], options);
/** What a command prints on a host; throws unless it exits 0. */
export const read = async (host: string, command: string): Promise<string> => (await succeed(cli, ["ssh", host, command])).stdout;

/** Arguments that run pulumi on the lab's stack, or on another one. */
export const pulumiArgs = (command: string, stack = "lab", ...args: string[]): string[] => {
	const changes = ["up", "destroy", "refresh"].includes(command) && !args.includes("--preview-only");
	return [
		"exec",
		"--",
		"pulumi",
		...command.split(" "),
		"-s",
		stack,
		"--non-interactive",
		"--color",
		"never",
		...(changes ? ["--yes", "--skip-preview"] : []),
		...args,
	];
};
export const pulumi = (command: string, ...args: string[]) => succeed(cli, pulumiArgs(command, "lab", ...args));
export const pulumiRun = (command: string, ...args: string[]) => run(cli, pulumiArgs(command, "lab", ...args));
export const output = async (name: string, ...args: string[]): Promise<string> =>
	(await succeed(cli, ["exec", "--", "pulumi", "stack", "output", name, "-s", "lab", ...args])).stdout.trimEnd();
/** Where the Pod landed. */
export const location = async (): Promise<{ node: string; host: string; file: string }> => JSON.parse(await output("location", "--json"));
/** kubectl on the control plane, with the admin's kubeconfig. */
export const kubectl = (command: string) => read(controlPlane, `kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl ${command}`);
/** The running lab's folder: keys, hosts' disks, the stack's state. */
export const labFolder = `${process.env.KUBEADM_LAB_CACHE ?? `${process.env.XDG_CACHE_HOME || `${process.env.HOME}/.cache`}/kubeadm-lab`}/lab`;
/** For docs/runs.json: what this cluster runs on, where the run of tests asks for it. */
export async function noteWhatRuns(): Promise<void> {
	const file = process.env.KUBEADM_LAB_SEEN;
	if (file !== undefined) writeFileSync(file, await read(controlPlane, readFileSync(`${project}test/seen.sh`, "utf8")));
}
