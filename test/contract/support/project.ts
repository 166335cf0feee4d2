// A small Pulumi project run by the real engine, with the plugins under test as its only ones.
import type { ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { run } from "../../../commands/run.ts";
import type { Properties } from "../../../provider/plugin/values.ts";
import { endWithThis } from "./ends.ts";
import { standIn, temporaryFolder } from "./executable.ts";

export interface Result {
	code: number;
	/** What it said, and after that what it warned of. */
	output: string;
}
export interface Resource {
	type: string;
	urn: string;
	outputs?: Properties;
	inputs?: Properties;
	initErrors?: string[];
	refreshBeforeUpdate?: boolean;
}

/** The `pulumi` that PULUMI names, or the one the lab has built, or the one on PATH: with an official one there the lab builds none. */
export function findPulumi(env: NodeJS.ProcessEnv = process.env): string {
	const cache = env.KUBEADM_LAB_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kubeadm-lab");
	const onPath = (env.PATH ?? "").split(delimiter).map((folder) => join(folder || ".", "pulumi"));
	const pulumi = (env.PULUMI ? [env.PULUMI] : [...globSync(join(cache, "toolchain/pulumi-*/pulumi")), ...onPath]).find((path) => existsSync(path));
	if (pulumi) return pulumi;
	const found = env.PULUMI ? `PULUMI=${env.PULUMI}: not found` : `no pulumi in ${cache}/toolchain or on PATH`;
	throw new Error(`${found}. This test needs the real engine: run lab/lab up, which builds it, or name a pulumi with PULUMI=/path.`);
}

export class Project {
	readonly folder: string;
	readonly remove: () => void;
	/** The CLI, and the environment that it runs in. */
	readonly cli: string;
	readonly env: NodeJS.ProcessEnv;

	/** `program` is the text of index.ts; `plugins` adds plugin folders by name. */
	constructor(program: string, plugins: Record<string, string> = {}) {
		this.cli = findPulumi();
		const { path, remove } = temporaryFolder();
		this.folder = path;
		this.remove = remove;
		for (const folder of ["bin", "plugin", "state", "home", "node_modules/@pulumi"]) mkdirSync(join(path, folder), { recursive: true });
		const modules = join(import.meta.dirname, "../../../node_modules");
		for (const name of ["@pulumi/pulumi", "@pulumi/command"]) symlinkSync(join(modules, name), join(path, "node_modules", name));
		placePlugin(process.env.LANGUAGE_HOST, "language-host", join(path, "bin"), "pulumi-language-nodejs");
		placePlugin(process.env.COMMAND_PLUGIN, "command-plugin", join(path, "plugin"), "pulumi-resource-command");
		writeFileSync(join(path, "package.json"), '{ "name": "contract", "type": "module", "main": "index.ts" }');
		const providers = Object.entries({ command: "./plugin", ...plugins }).map(([name, folder]) => ({ name, path: folder }));
		const project = { name: "contract", runtime: { name: "nodejs", options: { typescript: false } }, plugins: { providers } };
		writeFileSync(join(path, "Pulumi.yaml"), JSON.stringify(project)); // JSON is YAML too
		writeFileSync(join(path, "index.ts"), program);
		this.env = {
			...process.env,
			PATH: [join(path, "bin"), dirname(process.execPath), process.env.PATH].join(delimiter),
			PULUMI_HOME: join(path, "home"),
			PULUMI_BACKEND_URL: `file://${join(path, "state")}?metadata=skip`,
			PULUMI_CONFIG_PASSPHRASE: "contract",
			PULUMI_SKIP_UPDATE_CHECK: "true",
			PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
			SSH_AUTH_SOCK: "",
		};
	}

	async init(): Promise<void> {
		const { code, output } = await this.pulumi("stack", "init", "test");
		if (code !== 0) throw new Error(output);
	}

	/** What the program reads. */
	settings(settings: Properties): void {
		writeFileSync(join(this.folder, "settings.json"), JSON.stringify(settings));
	}

	/** Runs the CLI to its end. */
	pulumi(...args: string[]): Promise<Result> {
		return this.start(args).ended;
	}

	/** Runs the CLI. `interrupt` is what Ctrl-C does to it. */
	start(args: string[]): { ended: Promise<Result>; interrupt: () => void } {
		let interrupt = () => {};
		const onStart = (child: ChildProcess) => {
			endWithThis(child);
			interrupt = () => void child.kill("SIGINT");
		};
		const ended = run(this.cli, [...args, "--non-interactive", "--color", "never"], { cwd: this.folder, env: this.env, onStart }).then(
			({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
		);
		return { ended, interrupt: () => interrupt() };
	}

	/** Resources of the state, besides stack and providers, in clear text where asked for. */
	async resources({ showSecrets = false } = {}): Promise<Resource[]> {
		const file = join(this.folder, "export.json");
		const { code, output } = await this.pulumi("stack", "export", "--file", file, ...(showSecrets ? ["--show-secrets"] : []));
		if (code !== 0) throw new Error(output);
		const resources: Resource[] = JSON.parse(readFileSync(file, "utf8")).deployment.resources ?? [];
		return resources.filter(({ type }) => !type.startsWith("pulumi:"));
	}
}

/** Puts the plugin under test where the engine looks for it. */
function placePlugin(official: string | undefined, name: "command-plugin" | "language-host", folder: string, executable: string): void {
	if (official) copyFileSync(official, join(folder, executable));
	else standIn(name, folder, executable);
}
