// The one place that makes a remote.Command: a host script with its settings, sent through stdin.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { Command } from "@pulumi/command/remote/command.js";
import type { remote } from "@pulumi/command/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import type { HostSpec, SshSettings } from "../config/settings.ts";
import { scriptCommand, scriptInput, scriptOutput } from "../provider/shell.ts";

/** What a script may be given: booleans reach it as yes or no, lists as bash arrays. */
export type Setting = string | number | boolean | string[];

export interface HostStepArgs {
	/** Where it runs; may be unknown during a preview. */
	host: pulumi.Input<HostSpec>;
	ssh: SshSettings;
	/** Its file, in steps/ of the component that hands it over. */
	step: URL;
	/** Shell name -> value. */
	settings: Record<string, pulumi.Input<Setting>>;
	/** stdout is a secret: never logged, encrypted in the state. Default false. */
	isSecret?: boolean;
	/** What it prints is for the program, not for people: not logged, kept in the state. Default false. */
	isQuiet?: boolean;
	/** `undo` has work to do at destroy. Default true; without it a dead host doesn't hold up a destroy. */
	undo?: boolean;
	/** A changed value undoes the step and applies it again. Any other change applies it again in place. */
	triggers?: pulumi.Input<unknown>[];
}
export type HostStepOptions = pulumi.CustomResourceOptions & { parent: pulumi.Resource };

/** Quotes any text as one word for bash; throws on NUL, which no shell can hold. */
export function shellQuote(text: string): string {
	if (text.includes("\0")) throw new Error(`a shell value can't hold a NUL character: ${JSON.stringify(text.slice(0, 40))}`);
	return `'${text.replaceAll("'", "'\\''")}'`;
}

function assignment(name: string, value: Setting): string {
	if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new Error(`${name} is not a setting's name: use capitals, digits and underscores`);
	if (Array.isArray(value)) return `readonly ${name}=(${value.map(shellQuote).join(" ")})`;
	return `readonly ${name}=${shellQuote(typeof value === "boolean" ? (value ? "yes" : "no") : String(value))}`;
}

interface Script {
	text: string;
	uses: string[];
}
const scripts = new Map<string, Script | undefined>();
/** A script without its comment lines, so that a changed comment changes no resource; and the files it says it uses. Undefined where there is no such file. */
function script({ href }: URL): Script | undefined {
	if (!scripts.has(href)) {
		const text = existsSync(new URL(href)) ? readFileSync(new URL(href), "utf8") : undefined;
		scripts.set(href, text === undefined ? undefined : { text: stripComments(text), uses: usedFiles(text) });
	}
	return scripts.get(href);
}
/** Drops lines that hold nothing but a comment. Scripts have no such line inside a string or here-document. */
export function stripComments(text: string): string {
	return text.replaceAll(/^[ \t]*#.*(\n|$)/gm, "");
}
/** Line 2 of a script may name files with functions that it needs: `# uses: folders.sh reset.sh`. */
export function usedFiles(text: string): string[] {
	return text.match(/^#!.*\n# uses: (.+)$/m)?.[1]?.split(" ") ?? [];
}

/** Its name in records on hosts, in the provider's inputs and in messages: its file's. */
export function stepName(step: URL): string {
	return basename(step.pathname, ".sh");
}
/** Of cluster/steps/lib: what every script gets in front. */
export const COMMON_FILES = ["common.sh", "files.sh", "units.sh", "verbs.sh"];
/**
 * The text that a host runs: settings in order of their names, then the common files, those that the script uses, and the script.
 * What it uses is found in lib/ beside it, then in cluster/steps/lib.
 */
export function stepText(step: URL, settings: Record<string, Setting>): string {
	const assignments = Object.keys(settings)
		.sort()
		.map((name) => assignment(name, settings[name] as Setting));
	const own = script(step);
	if (!own) throw new Error(`no step ${step.pathname}`);
	const used = [...COMMON_FILES, ...own.uses].map((file) => {
		const found = script(new URL(`./lib/${file}`, step)) ?? script(new URL(`./steps/lib/${file}`, import.meta.url));
		if (!found) throw new Error(`${step.pathname} uses ${file}, which is neither in lib/ beside it nor in cluster/steps/lib`);
		return found;
	});
	return `${[`readonly STEP=${shellQuote(stepName(step))}`, ...assignments].join("\n")}\n${[...used, own].map(({ text }) => text).join("")}`;
}

// Field by field: the engine prints the whole connection, key included, when it meets a field it doesn't know (pulumi-command#773).
function connectionTo(host: pulumi.Output<HostSpec>, ssh: SshSettings): remote.ConnectionArgs {
	return {
		host: host.address,
		port: host.port,
		user: host.user,
		hostKey: host.hostKey,
		privateKey: ssh.privateKey,
		dialErrorLimit: ssh.dialErrorLimit,
		perDialTimeout: ssh.perDialTimeoutSeconds,
	};
}

/**
 * One script on one host. Create and update run `apply`, delete runs `undo` with the text kept in the state.
 * A failed create keeps nothing in the state, so `apply` can be run again after dying anywhere. The scripts bound their own time: customTimeouts would only limit dialling.
 */
export function hostStep(name: string, args: HostStepArgs, opts: HostStepOptions): Command {
	const { ssh, step, settings, isSecret = false, isQuiet = isSecret, undo = true, triggers } = args;
	const host = pulumi.output(args.host);
	const verb = (word: string) => host.user.apply((user) => scriptCommand(user, word));
	return new Command(
		name,
		{
			connection: connectionTo(host, ssh),
			stdin: pulumi.all(settings).apply((values) => scriptInput(stepText(step, values as Record<string, Setting>))),
			create: verb("apply"),
			update: verb("apply"),
			...(undo ? { delete: verb("undo") } : {}),
			logging: isQuiet ? "none" : "stderr", // stdout is for the program
			...(triggers ? { triggers } : {}),
			addPreviousOutputInEnv: false, // sshd refuses the variables, which warns on every update (pulumi-command#584)
		},
		{
			deleteBeforeReplace: true, // or the old undo would wipe what the new apply made
			...(isSecret ? { additionalSecretOutputs: ["stdout", "stderr"] } : {}),
			...opts,
		},
	);
}

/** What the script's `apply` printed, without what the login printed before; secret where the plugin marks all outputs so because the connection is (1.2.1 does not). */
export function result(step: Command): pulumi.Output<string> {
	return step.stdout.apply((stdout) => scriptOutput(stdout) ?? stdout); // a state from before the mark has no other lines
}
/** The same as plain text. */
export function printed(step: Command): pulumi.Output<string> {
	return pulumi.unsecret(result(step));
}
