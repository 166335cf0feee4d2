// The Kubernetes provider writes the kubeconfig that it is given into TMPDIR at each run, for Helm, and leaves it there (pulumi-kubernetes 4.25.0,
// provider/pkg/provider/util.go): the admin's key of this cluster, in the clear. Nothing of this program uses Helm, so it goes when the run ends.
import { lstatSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";

/** As Go's os.CreateTemp("", "kubeconfig") names them. */
const NAME = /^kubeconfig\d+$/;
const SERVER = /^\s*server:\s*"?https:\/\/([^:/\s"]+):6443"?\s*$/m;
const LARGEST_BYTES = 1_000_000;
/** Older ones are left of a run that was killed; between that and this run's own they may be another program's. */
const OLD_MS = 3_600_000;

/**
 * Removes from `folder` those that are this user's own, lead to one of `addresses`, and are of this run (not older than `since`, ms since 1970) or left of one
 * before. What can't be read or removed stays.
 */
export function removeKubeconfigs(folder: string, addresses: ReadonlySet<string>, since: number, now = Date.now()): void {
	for (const name of namesIn(folder)) {
		const path = join(folder, name);
		try {
			const stat = lstatSync(path);
			const { mtimeMs, size, uid } = stat;
			if (!stat.isFile() || uid !== process.getuid?.() || size > LARGEST_BYTES || (mtimeMs < since && mtimeMs > now - OLD_MS)) continue;
			const server = SERVER.exec(readFileSync(path, "utf8"))?.[1];
			if (server !== undefined && addresses.has(server)) unlinkSync(path);
		} catch {
			// gone meanwhile, or not ours to read
		}
	}
}
function namesIn(folder: string): string[] {
	try {
		return readdirSync(folder).filter((name) => NAME.test(name));
	} catch {
		return [];
	}
}
