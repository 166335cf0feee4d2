// Every file of shell that hosts get: the cluster's steps and the workloads', and what steps are made of.
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "../..");
export interface ShellFile {
	/** Such as `init` or `reset`: the file's name without its ending. */
	name: string;
	/** Below the project, such as cluster/steps/init.sh. */
	path: string;
	/** Whether it has the three verbs; else it is something that steps are made of. */
	isStep: boolean;
	text: string;
}
export const shellFiles: ShellFile[] = globSync("{cluster,workloads}/steps/{,lib/}*.sh", { cwd: root })
	.sort()
	.map((path) => ({ path, name: basename(path, ".sh"), isStep: !path.includes("/lib/"), text: readFileSync(join(root, path), "utf8") }));

/** The one of such a name. */
export function shellFile(name: string): ShellFile {
	const found = shellFiles.find((file) => file.name === name);
	if (!found) throw new Error(`no ${name}.sh among the steps; there are: ${shellFiles.map((file) => file.name).join(", ")}`);
	return found;
}
/** Where a step's file is, as a component hands it over. */
export function stepFile(name: string): URL {
	const { path, isStep } = shellFile(name);
	if (!isStep) throw new Error(`${path} is no step`);
	return pathToFileURL(join(root, path));
}
