// What the npm packages of a program are, and which provider plugins they need: those whose package.json says `pulumi.resource`.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Package {
	name: string;
	/** With a leading v, as in v1.2.1. */
	version: string;
	/** Where to download the plugin from, or "" for the usual place. */
	server: string;
}

/** Looks through `node_modules` of a program's folder and the ones nested in it. */
export function requiredPackages(programDirectory: string): Package[] {
	const found = new Map<string, Package>();
	for (const manifest of manifests(join(programDirectory, "node_modules"))) {
		const needed = toPackage(manifest);
		if (needed) found.set(`${needed.name} ${needed.version}`, needed);
	}
	return [...found.values()];
}

/** Packages of npm's lock file: the ones package.json names, or all. Throws where there is no such file. */
export function dependencies(programDirectory: string, isTransitive: boolean): { name: string; version: string }[] {
	const lockFile = join(programDirectory, "package-lock.json");
	const lock = readManifest(lockFile);
	if (!lock) throw new Error(`${lockFile}: not found, and dependencies are told from it; this host knows no other lock file. Run npm install`);
	const { dependencies = {} } = readManifest(join(programDirectory, "package.json")) ?? {};
	const locked = Object.entries(lock.packages ?? {}).map(([path, { version = "" }]) => ({ path, name: path.replace(/^(.*\/)?node_modules\//, ""), version }));
	const wanted = locked.filter(({ path, name }) => path !== "" && (isTransitive || (name in dependencies && path === `node_modules/${name}`)));
	return wanted.map(({ name, version }) => ({ name, version }));
}

interface Manifest {
	name?: string;
	version?: string;
	dependencies?: Record<string, string>;
	/** Of a lock file: by folder, the program's own being "". */
	packages?: Record<string, { version?: string }>;
	pulumi?: { resource?: boolean; name?: string; version?: string; server?: string };
}

function* manifests(folder: string): Generator<Manifest> {
	if (!existsSync(folder)) return;
	for (const entry of readdirSync(folder)) {
		if (entry.startsWith(".")) continue;
		const inside = join(folder, entry);
		if (entry.startsWith("@")) {
			yield* manifests(inside);
			continue;
		}
		const manifest = readManifest(join(inside, "package.json"));
		if (!manifest) continue;
		yield manifest;
		yield* manifests(join(inside, "node_modules"));
	}
}

function readManifest(file: string): Manifest | undefined {
	return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

function toPackage({ name = "", version = "", pulumi }: Manifest): Package | undefined {
	if (!pulumi?.resource) return undefined;
	const plugin = pulumi.name ?? (name.startsWith("@pulumi/") ? name.slice("@pulumi/".length) : undefined);
	if (plugin === undefined) return undefined;
	const wanted = pulumi.version ?? version;
	return { name: plugin, version: wanted.startsWith("v") ? wanted : `v${wanted}`, server: pulumi.server ?? "" };
}
