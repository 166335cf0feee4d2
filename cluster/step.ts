// The two kinds of steps on a host. Both send their settings, and the same command line runs the script that the host keeps (provider/shell.ts); they differ in who keeps
// what came of it.
//
// A state is something that the host is or has, which somebody may change by hand: the provider in provider/ reads it (`check`) in each preview, `up` puts it right
// (`apply`), destroy takes it back (`undo`). Choose it wherever `check` has an answer.
// An act is done once, for what comes after it (images pulled, a file read): a remote.Command, which never reads the host again, and is run again when what it gets has changed.
//
// Two states keep nothing: `leave` and `witness` are there for their undo at destroy, and a provider's resource reaches its host with any key and knows whose the host is.
// Three acts have a check and an undo as states do: `init` and `join` happen once and hand values and hooks on, and what they made is kept by the states `kubelet` and
// `node`; a `scenario` is a Pod that is to be seen as it goes wrong, not to be put right.
import { Command } from "@pulumi/command/remote/command.js";
import type { remote } from "@pulumi/command/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import type { Bastion, HostSpec, SshSettings } from "../config/settings.ts";
import { printable } from "../printable.ts";
import { CURRENT_SCRIPT, passwordOf, type Setting, scriptCommand, scriptInput, scriptOutput, settingsText } from "../provider/shell.ts";
import type { HostConnections } from "./host-provider.ts";
import { stepName } from "./step-text.ts";

interface StepArgs {
	/** Its file, in steps/ of the component that hands it over. */
	step: URL;
	/** `undo` has work to do when it is deleted; without it a dead host doesn't hold up a destroy. */
	undo?: boolean;
	/** What it prints is a secret, of a state also what differs: never shown, encrypted in the state. */
	isSecret?: boolean;
}
export interface StateArgs extends StepArgs {
	/** Name of one of the provider's hosts. */
	host: string;
	/** Shell name -> value. */
	settings: Record<string, Setting>;
	/** The script changes nothing with `apply` either. A preview runs it and shows what it prints. */
	looksOnly?: boolean;
	/** `apply` has work to do; without it nothing is dialled until destroy. */
	apply?: boolean;
	/** Names of the provider's shared settings that it gets too (HostConnections). */
	shared?: string[];
	/** It brings the host the scripts of all other steps. */
	bringsScripts?: boolean;
}
export interface ActArgs extends StepArgs {
	/** Where it runs; may be unknown during a preview. */
	host: pulumi.Input<HostSpec>;
	ssh: SshSettings;
	/** Shell name -> value. */
	settings: Record<string, pulumi.Input<Setting>>;
	/** What it prints is for the program, not for people: not logged, kept in the state. A secret is never logged. */
	isQuiet?: boolean;
	/** The script is told by its verb, `again`, that it was applied before. */
	again?: boolean;
	/** A changed value undoes the step and applies it again. Any other change applies it again in place; another script does not. */
	triggers?: pulumi.Input<unknown>[];
}
const DEFAULTS = { apply: true, undo: true, looksOnly: false, bringsScripts: false, isSecret: false, isQuiet: false, again: false };
export type StepOptions = pulumi.CustomResourceOptions & { parent: pulumi.Resource };
export type StateOptions = StepOptions & { provider: HostConnections };

/** The state of one step on one host; made by `hostState`. */
export class HostState extends pulumi.CustomResource {
	/** What `apply` printed. */
	declare readonly printed: pulumi.Output<string>;

	constructor(name: string, inputs: pulumi.Inputs, opts: pulumi.CustomResourceOptions) {
		super("host:index:Step", name, { ...inputs, printed: undefined }, opts);
	}
}

/**
 * Create and update run `apply`, delete runs `undo`, refresh runs `check`: `found` then has what differs, item by item.
 * An apply that failed half-way stays in the state, and the next `up` does the rest.
 */
export function hostState(name: string, args: StateArgs, opts: StateOptions): HostState {
	const { host, step, settings, shared, looksOnly, apply, undo, bringsScripts, isSecret } = { ...DEFAULTS, ...args };
	return new HostState(
		name,
		{
			host,
			step: stepName(step),
			settings: isSecret ? pulumi.secret(settings) : settings,
			...(shared ? { shared: opts.provider.digestsOf(shared) } : {}),
			...(looksOnly ? { looksOnly } : {}),
			...(apply ? {} : { apply }),
			...(undo ? {} : { undo }),
			...(bringsScripts ? { bringsScripts } : {}),
		},
		{
			deleteBeforeReplace: true, // or the old undo would wipe what the new apply found in place (--replace)
			...(isSecret ? { additionalSecretOutputs: ["printed", "found"] } : {}),
			...opts,
			aliases: [{ type: "command:remote:Command" }], // what it was before the provider: else it would be undone first
		},
	);
}

/**
 * Create and update run `apply` of the script that the host was brought last, delete runs `undo` of the one that was applied.
 * A failed create keeps nothing in the state, so `apply` can be run again after dying anywhere. The scripts bound their own time: customTimeouts would only limit dialling.
 */
export function hostAct(name: string, args: ActArgs, opts: StepOptions): Command {
	const { ssh, step, settings, isSecret, isQuiet, undo, again, triggers } = { ...DEFAULTS, ...args };
	const host = pulumi.output(args.host);
	const verb = (word: string) => host.user.apply((user) => scriptCommand(user, word, ssh.sudoPassword !== undefined));
	const password = ssh.sudoPassword && pulumi.all([host.user, ssh.sudoPassword]).apply(([user, text]) => passwordOf(user, text)); // makes stdin a secret
	return new Command(
		name,
		{
			connection: connectionTo(host, ssh),
			stdin: pulumi
				.all([pulumi.all(settings), password])
				.apply(([values, known]) => scriptInput(settingsText(stepName(step), values as Record<string, Setting>) + CURRENT_SCRIPT, known)),
			create: verb("apply"),
			update: verb(again ? "again" : "apply"),
			...(undo ? { delete: verb("undo") } : {}),
			logging: isQuiet || isSecret ? "none" : "stderr", // stdout is for the program
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
// Field by field: the engine prints the whole connection, key included, when it meets a field it doesn't know (pulumi-command#773).
function connectionTo(host: pulumi.Output<HostSpec>, ssh: SshSettings): remote.ConnectionArgs {
	const { privateKey, dialErrorLimit, perDialTimeoutSeconds: perDialTimeout, bastion } = ssh;
	const to = ({ address, port, user, hostKey }: { [K in keyof Bastion]: pulumi.Input<Bastion[K]> }) => ({
		host: address,
		port,
		user,
		hostKey,
		...(privateKey ? { privateKey } : {}), // else the plugin asks the agent of SSH_AUTH_SOCK; its path in the state would be another in each shell
		dialErrorLimit,
		perDialTimeout,
	});
	return { ...to(host), ...(bastion ? { proxy: to(bastion) } : {}) };
}

/** What the script's `apply` printed, without what the login printed before; secret where the plugin marks all outputs so because the connection is (1.2.1 does not). */
export function result(step: Command): pulumi.Output<string> {
	return step.stdout.apply(resultIn);
}
/** The same of its stdout. A state from before the mark has no other lines. */
export const resultIn = (stdout: string): string => scriptOutput(stdout) ?? stdout;
/** The same as plain text, for people too. */
export function printed(step: Command): pulumi.Output<string> {
	return pulumi.unsecret(result(step)).apply(printable);
}
