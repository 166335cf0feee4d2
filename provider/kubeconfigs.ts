// The Kubernetes provider writes the kubeconfig that it is given into TMPDIR at each run, for Helm, and leaves it there (pulumi-kubernetes 4.25.0,
// provider/pkg/provider/util.go): the admin's key of this cluster, in the clear. Nothing of this program uses Helm, so it goes when the run ends.
import { lstatSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";

/** As Go's os.CreateTemp("", "kubeconfig") names them. */
const NAME = /^kubeconfig\d+$/;
const SERVER = /^\s*server:\s*"?https:\/\/([^:/\s"]+:\d+)"?\s*$/m;
const API_PORT = 6443;
const LARGEST_BYTES = 1_000_000;
/** Beside another run of the Kubernetes provider: older ones are left of a run that was killed; between that and this run's own they may be that one's. */
const OLD_MS = 3_600_000;

/**
 * Removes from `folder` those that are this user's own, lead to one of `servers` (`address:port`, as serversOf gives them), and are of this run (not older than `since`, ms since 1970) or left of one
 * before, such as a killed one. What can't be read or removed stays.
 * @param isBeside whether another run may be using one
 */
export function removeKubeconfigs(folder: string, servers: ReadonlySet<string>, since: number, now = Date.now(), isBeside = isAnotherRun(folder)): void {
	for (const name of namesIn(folder)) {
		const path = join(folder, name);
		try {
			const stat = lstatSync(path);
			const { mtimeMs, size, uid } = stat;
			if (!stat.isFile() || uid !== process.getuid?.() || size > LARGEST_BYTES || (isBeside && mtimeMs < since && mtimeMs > now - OLD_MS)) continue;
			const server = SERVER.exec(readFileSync(path, "utf8"))?.[1];
			if (server !== undefined && servers.has(server)) unlinkSync(path);
		} catch {
			// gone meanwhile, or not ours to read
		}
	}
}
/** Where the API servers of a stack's own answer: on each host, and under the addresses of its endpoint. */
export function serversOf({ hosts, apiServers }: { hosts: Record<string, { address: string }>; apiServers: string[] }): Set<string> {
	return new Set([...Object.values(hosts).map(({ address }) => `${address}:${API_PORT}`), ...apiServers]);
}
function namesIn(folder: string): string[] {
	try {
		return readdirSync(folder).filter((name) => NAME.test(name));
	} catch {
		return [];
	}
}
/** Whether a Kubernetes provider works for another engine than `engine`, with files in the same `folder`; where /proc does not say, one may. */
export function isAnotherRun(folder: string, engine = process.ppid, processes = "/proc"): boolean {
	try {
		return readdirSync(processes).some((name) => /^\d+$/.test(name) && isAnothers(join(processes, name), engine, folder));
	} catch {
		return true;
	}
}
function isAnothers(process: string, engine: number, folder: string): boolean {
	try {
		const [program = ""] = readFileSync(join(process, "cmdline"), "utf8").split("\0");
		const parent = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(join(process, "status"), "utf8"))?.[1]);
		if (basename(program) !== "pulumi-resource-kubernetes" || parent === engine || parent === 1) return false; // 1: its engine was killed, and it lives on by mistake
		const environment = readFileSync(join(process, "environ"), "utf8").split("\0");
		return resolve(environment.find((one) => one.startsWith("TMPDIR="))?.slice(7) || "/tmp") === resolve(folder); // os.TempDir of Go
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EACCES"; // another user's; else it has ended
	}
}
