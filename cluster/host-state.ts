// The converged state of one step of a host, as a resource of the provider in provider/: looked at in each preview, repaired by `up`.
import * as pulumi from "@pulumi/pulumi";
import type { HostSpec, SshSettings } from "../config/settings.ts";
import { type Setting, stepText } from "./step.ts";

/**
 * How the provider reaches the hosts: one connection each. It is in no resource's inputs, so a new key or port touches no host.
 * Whose work is done there is in it too: the provider makes the id, and names the owner to each step.
 */
export class HostConnections extends pulumi.ProviderResource {
	/** `<id> <project>/<stack>`. */
	declare readonly owner: pulumi.Output<string>;

	constructor(name: string, { hosts, ssh }: { hosts: HostSpec[]; ssh: SshSettings }, opts?: pulumi.ResourceOptions) {
		const known = hosts.map(({ name, address, port, user, hostKey }) => [name, { address, port, user, hostKey }]);
		super(
			"host",
			name,
			{
				hosts: JSON.stringify(Object.fromEntries(known)),
				privateKey: pulumi.secret(ssh.privateKey),
				...{ dialErrorLimit: ssh.dialErrorLimit, perDialTimeoutSeconds: ssh.perDialTimeoutSeconds },
				owner: undefined,
			},
			opts,
		);
	}

	/** For a command that undoes something: the setting OWNER, which the provider gives every step. */
	ownerOn(host: string): pulumi.Output<string> {
		return pulumi.interpolate`${this.owner} ${host}`;
	}
}

export interface HostStateArgs {
	/** Name of one of the provider's hosts. */
	host: string;
	/** Name of the script: cluster/scripts/<step>.sh. */
	step: string;
	/** Shell name -> value. */
	settings: Record<string, Setting>;
	/** The script changes nothing with `apply` either. A preview runs it and shows what it prints. Default false. */
	looksOnly?: boolean;
	/** `apply` has work to do. Default true; without it nothing is dialled until destroy. */
	apply?: boolean;
	/** `undo` has work to do on delete. Default true; without it a dead host doesn't hold up a destroy. */
	undo?: boolean;
	/** What it prints and what differs is a secret: never shown, encrypted in the state. Default false. */
	isSecret?: boolean;
}

/**
 * Create and update run `apply`, delete runs `undo`, refresh runs `check`: `found` then has what differs, item by item.
 * An apply that failed half-way stays in the state, and the next `up` does the rest.
 */
export class HostState extends pulumi.CustomResource {
	/** What `apply` printed. */
	declare readonly printed: pulumi.Output<string>;

	constructor(name: string, args: HostStateArgs, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource; provider: HostConnections }) {
		const { host, step, settings, looksOnly = false, apply = true, undo = true, isSecret = false } = args;
		super(
			"host:index:Step",
			name,
			{
				...{ host, step, settings: isSecret ? pulumi.secret(settings) : settings },
				text: pulumi.secret(stepText(step, settings)), // no secret, but hundreds of lines that a preview would show; `settings` says what is in it
				...(looksOnly ? { looksOnly } : {}),
				...(apply ? {} : { apply }),
				...(undo ? {} : { undo }),
				printed: undefined,
			},
			{
				deleteBeforeReplace: true, // or the old undo would wipe what the new apply found in place (--replace)
				...(isSecret ? { additionalSecretOutputs: ["printed", "found"] } : {}),
				...opts,
				aliases: [{ type: "command:remote:Command" }], // what it was before the provider: the state moves over, and no host is touched (docs/drift.md)
			},
		);
	}
}

export interface HostRecordingArgs {
	hosts: HostSpec[];
	/** Told in full; each other Pod in one line. */
	pod: string;
}
/** Made, it does nothing. Delete: reads what the recorders of these hosts wrote, and shows it as a short table with a verdict for each guarantee. */
export class HostRecording extends pulumi.CustomResource {
	constructor(name: string, { hosts, pod }: HostRecordingArgs, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource; provider: HostConnections }) {
		const scripts = Object.fromEntries(hosts.map((host) => [host.name, stepText("recording", { HOST_NAME: host.name })]));
		super("host:index:Recording", name, { scripts: pulumi.secret(scripts), pod, stack: pulumi.getStack() }, opts); // secret: hundreds of lines that a preview would show
	}
}

/** What a preview says of a value that is another, or of a name that is no longer there. */
export interface Cost {
	/** One text; or several by name, each of which is told with its name. */
	value: string | Readonly<Record<string, string>>;
	changed?: string;
	gone?: string;
}
/** Touches no host. Depends on what the costs are of: until that is done, each preview says them. */
export class ChangeCosts extends pulumi.CustomResource {
	constructor(name: string, costs: Record<string, Cost>, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource; provider: HostConnections }) {
		super("host:index:Costs", name, { costs }, opts);
	}
}
