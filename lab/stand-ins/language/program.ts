// How a Pulumi program or plugin is started: with @pulumi/pulumi's own runner, by the node that runs this host.
import { createRequire } from "node:module";
import { join } from "node:path";
import type language from "@pulumi/pulumi/proto/language_pb.js";
import { parseOptions } from "./options.ts";

export interface Start {
	args: string[];
	cwd?: string;
	env: NodeJS.ProcessEnv;
}

/** The configuration as the SDK wants it, as JSON. Throws for a key that is none, in the engine's words. */
export function configurationOf(request: language.RunRequest): string {
	return JSON.stringify(Object.fromEntries([...request.getConfigMap().entries()].map(([key, value]) => [longKey(key), value])));
}

/** A program: `pulumi up` and its like. */
export function programStart(request: language.RunRequest, engineAddress: string, configuration: string): Start {
	const info = programInfo(request);
	const options = parseOptions(info.getOptions());
	const runner = locate(process.env.PULUMI_LANGUAGE_NODEJS_RUN_PATH || "@pulumi/pulumi/cmd/run", info.getProgramDirectory(), "pulumi install");
	const flags = {
		monitor: request.getMonitorAddress(),
		engine: engineAddress,
		organization: request.getOrganization(),
		project: request.getProject(),
		"root-directory": info.getRootDirectory(),
		stack: request.getStack(),
		pwd: info.getProgramDirectory(),
	};
	const args = Object.entries(flags).flatMap(([name, value]) => (value === "" ? [] : [`--${name}`, value]));
	if (request.getDryrun()) args.push("--dry-run");
	args.push("--parallel", String(request.getParallel()), info.getEntryPoint(), ...request.getArgsList());
	return {
		args: [...options.nodeArguments, runner, ...args],
		env: {
			...process.env,
			...options.environment,
			PULUMI_CONFIG: configuration,
			PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
		},
	};
}

/** A plugin whose folder has a PulumiPlugin.yaml, or a policy pack (kind analyzer). */
export function pluginStart(request: language.RunPluginRequest): Start {
	const info = programInfo(request);
	const folder = info.getProgramDirectory();
	const options = parseOptions(info.getOptions());
	const isPolicyPack = request.getKind() === "analyzer";
	const shim = isPolicyPack ? "@pulumi/pulumi/cmd/run-policy-pack" : process.env.PULUMI_LANGUAGE_NODEJS_RUN_PATH || "@pulumi/pulumi/cmd/run-plugin";
	const runner = locate(shim, folder, `npm install in ${folder}`);
	const given = request.getEnvList();
	const env = given.length > 0 ? Object.fromEntries(given.map(splitVariable)) : process.env;
	// A policy pack gets its folder last and runs inside it; a plugin gets it first and runs where the engine says.
	const args = isPolicyPack ? [...request.getArgsList(), folder] : [folder, ...request.getArgsList()];
	return {
		args: [...options.nodeArguments, runner, ...args],
		cwd: isPolicyPack ? folder : request.getPwd() || undefined,
		env: { ...env, ...options.environment },
	};
}

function programInfo(request: { getInfo(): language.ProgramInfo | undefined }): language.ProgramInfo {
	const info = request.getInfo();
	if (!info) throw new Error("the engine named no program; this host needs pulumi 3.100 or newer");
	return info;
}

function locate(module: string, folder: string, installCommand: string): string {
	try {
		return createRequire(join(folder, "package.json")).resolve(module);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
		throw new Error(`It looks like the Pulumi SDK has not been installed. Have you run ${installCommand}?`);
	}
}

/** `project:key` as old SDKs want it: `project:config:key`. New ones take both. */
function longKey(key: string): string {
	const [, namespace, name] = /^([^:]+):(?:config:)?([^:]+)$/.exec(key) ?? [];
	if (name !== undefined) return `${namespace}:config:${name}`;
	const shape = "configuration keys should be of the form `<namespace>:<name>`";
	throw new Error(`failed to serialize configuration: could not parse ${key} as a configuration key (${shape})`);
}

function splitVariable(line: string): [string, string] {
	const cut = line.indexOf("=");
	return [line.slice(0, cut), line.slice(cut + 1)];
}
