// The other resources of the provider in provider/, beside the states of steps (step.ts): the way to the hosts, their recordings, and what a change costs.
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import { digest, type Setting } from "../provider/shell.ts";
import { stepName, stepScript } from "./step-text.ts";

/**
 * How the provider reaches the hosts: one connection each. It is in no resource's inputs, so a new key or port touches no host; nor are the steps' scripts.
 * Whose work is done there is in it too: the provider makes the id, and names the owner to each step.
 */
export class HostConnections extends pulumi.ProviderResource {
	/** `<id> <project>/<stack>`. */
	declare readonly owner: pulumi.Output<string>;
	readonly #shared: Record<string, string>;

	/**
	 * `steps`: each that is run through it, and those whose acts run what the hosts keep. `shared`: settings that are the same for all hosts, and so long that
	 * each host's state has only their digest (StateArgs.shared). Default none.
	 */
	constructor(
		name: string,
		{
			hosts,
			ssh,
			steps,
			shared = {},
			apiEndpoint,
		}: Pick<ClusterSettings, "hosts" | "ssh"> & Partial<Pick<ClusterSettings, "apiEndpoint">> & { steps: URL[]; shared?: Record<string, string> },
		opts?: pulumi.ResourceOptions,
	) {
		const known = hosts.map(({ name, address, port, user, hostKey }) => [name, { address, port, user, hostKey }]);
		super(
			"host",
			name,
			{
				hosts: JSON.stringify(Object.fromEntries(known)),
				...(ssh.privateKey ? { privateKey: pulumi.secret(ssh.privateKey) } : { sshAgent: true }),
				...(ssh.sudoPassword ? { sudoPassword: pulumi.secret(ssh.sudoPassword) } : {}),
				...(ssh.bastion ? { bastion: JSON.stringify(ssh.bastion) } : {}),
				...(apiEndpoint ? { apiServers: JSON.stringify([`${apiEndpoint.address}:${apiEndpoint.port}`]) } : {}),
				scripts: pulumi.secret(JSON.stringify(Object.fromEntries(steps.map((step) => [stepName(step), stepScript(step)])))), // no secret, but thousands of lines
				shared: JSON.stringify(shared),
				dialErrorLimit: ssh.dialErrorLimit,
				perDialTimeoutSeconds: ssh.perDialTimeoutSeconds,
				owner: undefined,
			},
			opts,
		);
		this.#shared = shared;
	}

	/** Name -> digest, for a state: another value makes it another state. */
	digestsOf(names: string[]): Record<string, string> {
		return Object.fromEntries(names.map((name) => [name, digest(this.#shared[name] ?? "")]));
	}

	/** For a command that undoes something: the setting OWNER, which the provider gives every step. */
	ownerOn(host: string): pulumi.Output<string> {
		return pulumi.interpolate`${this.owner} ${host}`;
	}
}

export interface StepCall {
	/** Name of one of the provider's hosts. */
	host: string;
	/** One of the provider's steps. */
	step: string;
	verb: "apply" | "check" | "undo";
	settings: Record<string, Setting>;
}
/**
 * Runs a step on a host once, for what is due between two resources: to be called in a hook. Returns the names of the items that `check` found different.
 * Throws with the host's own words where it is not reached or fails. Its settings are taken for secrets.
 */
export async function runStep(connections: HostConnections, { settings, ...call }: StepCall): Promise<{ differs: string[] }> {
	return await pulumi.runtime.invoke("host:index:run", { ...call, settings: pulumi.secret(settings) }, { provider: connections });
}

export interface HostRecordingArgs {
	hosts: HostSpec[];
	/** Told in full; each other Pod in one line. */
	pod: string;
	/** The step whose `apply` prints a host's recording. */
	step: URL;
}
/** Made, it does nothing. Delete: reads what the recorders of these hosts wrote, and shows it as a short table with a verdict for each guarantee. */
export class HostRecording extends pulumi.CustomResource {
	constructor(
		name: string,
		{ hosts, pod, step }: HostRecordingArgs,
		opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource; provider: HostConnections },
	) {
		super("host:index:Recording", name, { hosts: hosts.map((host) => host.name), step: stepName(step), pod, stack: pulumi.getStack() }, opts);
	}
}

/** What a preview says of a value that is another, or of a name that is no longer there. */
export interface Cost {
	/** One text; or several by name, each of which is told with its name. */
	value: string | Readonly<Record<string, string>>;
	changed?: string;
	gone?: string;
	/** Each preview until then shows what the hosts are, of whose preflights only the first would: the others find them done. */
	looks?: "yes";
}
/** Touches no host. Depends on what the costs are of: until that is done, each preview says them. */
export class ChangeCosts extends pulumi.CustomResource {
	constructor(name: string, costs: Record<string, Cost>, opts: pulumi.CustomResourceOptions & { parent: pulumi.Resource; provider: HostConnections }) {
		super("host:index:Costs", name, { costs }, opts);
	}
}
