// Runs the program under Pulumi's mocks and records every resource as the engine would see it: inputs, options, and what it depends on.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { CallbackServer } from "@pulumi/pulumi/runtime/callbacks.js";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import { stepScript } from "../../cluster/step-text.ts";
import { packRecording } from "../../lifecycle/recording/packed.ts";
import { CURRENT_SCRIPT, settingsText } from "../../provider/shell.ts";
import { stepFile } from "../scripts/shell-files.ts";
import { fixture } from "./lifecycle-fixture.ts";

/** How the SDK marks a secret on its way to the engine. */
const SECRET_KEY = "4dabf18193072939515e22adb298388d";

// biome-ignore lint/suspicious/noExplicitAny: inputs are whatever the resource takes
type Values = Record<string, any>;
export interface Resource {
	urn: string;
	type: string;
	name: string;
	/** URN of the parent; empty for the outermost. */
	parent: string;
	/** Secrets opened; `secret` says which they were. */
	inputs: Values;
	/** Paths of inputs that travel as secrets, such as `stdin` or `connection`. */
	secret: string[];
	/** URNs that must be there before it is created, and that outlive it: dependsOn, inputs and provider together. */
	needs: string[];
	deletedWith: string;
	replaceWith: string[];
	deleteBeforeReplace: boolean;
	secretOutputs: string[];
	ignoreChanges: string[];
	/** Another value replaces it; null where there is none. */
	replacementTrigger: unknown;
	/** Types that it had before. */
	formerTypes: string[];
	timeouts: { create: string; update: string; delete: string } | undefined;
	hooks: { beforeCreate: string[]; afterCreate: string[]; beforeUpdate: string[]; afterUpdate: string[]; ofDelete: string[]; onError: string[] };
}

// biome-ignore lint/suspicious/noExplicitAny: a RegisterResourceRequest, whose typings are not exported
type Request = any;
function asSeen(request: Request, urn: string): Resource {
	const raw = request.getObject().toJavaScript() as Values;
	const secret: string[] = [];
	const provider = request.getProvider().replace(/::[^:]*$/, ""); // URN::id
	const hooks = request.getHooks();
	const timeouts = request.getCustomtimeouts();
	return {
		urn,
		type: request.getType(),
		name: request.getName(),
		parent: request.getParent(),
		inputs: opened(raw, "", secret) as Values,
		secret,
		needs: [...request.getDependenciesList(), ...(provider === "" ? [] : [provider])],
		deletedWith: request.getDeletedwith(),
		replaceWith: request.getReplaceWithList(),
		deleteBeforeReplace: request.getDeletebeforereplace(),
		secretOutputs: request.getAdditionalsecretoutputsList(),
		ignoreChanges: request.getIgnorechangesList(),
		replacementTrigger: request.getReplacementTrigger()?.toJavaScript() ?? null,
		formerTypes: request.getAliasesList().map((alias: { getSpec(): { getType(): string } }) => alias.getSpec().getType()),
		timeouts: timeouts && { create: timeouts.getCreate(), update: timeouts.getUpdate(), delete: timeouts.getDelete() },
		hooks: {
			beforeCreate: hooks?.getBeforeCreateList() ?? [],
			afterCreate: hooks?.getAfterCreateList() ?? [],
			beforeUpdate: hooks?.getBeforeUpdateList() ?? [],
			afterUpdate: hooks?.getAfterUpdateList() ?? [],
			onError: hooks?.getOnErrorList() ?? [],
			ofDelete: [...(hooks?.getBeforeDeleteList() ?? []), ...(hooks?.getAfterDeleteList() ?? [])],
		},
	};
}
function opened(value: unknown, path: string, secret: string[]): unknown {
	if (Array.isArray(value)) return value.map((item, index) => opened(item, `${path}[${index}]`, secret));
	if (typeof value !== "object" || value === null) return value;
	const object = value as Values;
	if (SECRET_KEY in object) {
		secret.push(path);
		return opened(object.value, path, secret);
	}
	return Object.fromEntries(Object.entries(object).map(([key, item]) => [key, opened(item, path === "" ? key : `${path}.${key}`, secret)]));
}

export class Graph {
	readonly resources: Resource[] = [];
	/** What the program wants to be called for; the mocks never call. */
	readonly hooks = new Map<string, { run: () => Promise<void>; onDryRun: boolean; ignoreErrors: boolean }>();
	readonly errorHooks = new Map<string, () => Promise<boolean>>();
	named(name: string): Resource {
		const found = this.resources.find((resource) => resource.name === name);
		if (!found) throw new Error(`no resource ${name}; there are ${this.resources.map((resource) => resource.name).join(", ")}`);
		return found;
	}
	ofType(type: string): Resource[] {
		return this.resources.filter((resource) => resource.type === type);
	}
	get commands(): Resource[] {
		return this.ofType("command:remote:Command");
	}
	get states(): Resource[] {
		return this.ofType("host:index:Step");
	}
	/** Commands and states: whatever runs a script on a host. */
	get steps(): Resource[] {
		return [...this.states, ...this.commands];
	}
	/** Names of everything that must be there before it, directly or not. At destroy all of them are still there when it goes. */
	before(name: string): Set<string> {
		const seen = new Set<string>();
		const visit = (urn: string) => {
			const resource = this.resources.find((candidate) => candidate.urn === urn);
			if (!resource || seen.has(resource.name)) return;
			seen.add(resource.name);
			resource.needs.forEach(visit);
		};
		this.named(name).needs.forEach(visit);
		return seen;
	}
}

/** Those of the provider's shared settings that a step gets; all of a graph's steps have the same ones. */
function sharedOf({ shared = {} }: Values): Record<string, string> {
	const provider = current.resources.find(({ type }) => type === "pulumi:providers:host");
	const values = JSON.parse(provider?.inputs.shared ?? "{}");
	return Object.fromEntries(Object.keys(shared).map((name) => [name, values[name]]));
}
/** What a host runs: the settings that it is sent, without the empty lines in front for a profile that asks (provider/shell.ts), and the script that it keeps. */
export function scriptTextOf({ inputs }: Pick<Resource, "inputs">): string {
	const sent: string = inputs.stdin?.trimStart().replace(CURRENT_SCRIPT, "") ?? settingsText(inputs.step, { ...sharedOf(inputs), ...inputs.settings });
	const [, step = ""] = sent.match(/^readonly STEP='(.*)'/) ?? [];
	return sent + stepScript(stepFile(step));
}

/** What the provider makes of its configuration. */
export const OWNER = "0123456789abcdef kubeadm-lab/lab";
export const CA_HASH = `sha256:${"0123456789abcdef".repeat(4)}`;
export const KUBECONFIG = "apiVersion: v1\nkind: Config\n# made up\n";
export const MESSAGE = "Hello initContainers\nHello from the postStart handler";
const POD_STATUS = {
	phase: "Running",
	podIP: "10.244.2.30",
	conditions: [
		{ type: "Initialized", status: "True", lastTransitionTime: "2020-05-23T14:08:07Z" },
		{ type: "Ready", status: "True", lastTransitionTime: "2020-05-23T14:08:09Z" },
	],
	initContainerStatuses: [{ name: "init-myservice", ready: true, restartCount: 0, state: { terminated: { exitCode: 0, reason: "Completed" } } }],
	containerStatuses: [{ name: "lifecycle-demo", ready: true, restartCount: 0, state: { running: { startedAt: "2020-05-23T14:08:07Z" } } }],
};

/** What the resource's provider would answer. */
function outputsOf(type: string, name: string, inputs: Values, kubeconfig: string): Values {
	if (type === "pulumi:providers:host") return { ...inputs, owner: OWNER };
	if (type === "pulumi:index:Stash") return { ...inputs, output: inputs.input };
	if (type === "kubernetes:core/v1:Pod") {
		const metadata = { ...inputs.metadata, uid: "6f5c", creationTimestamp: "2020-05-23T14:08:04Z" };
		return { ...inputs, metadata, spec: { ...inputs.spec, nodeName: "k8s-node02" }, status: POD_STATUS };
	}
	if (type !== "command:remote:Command" && type !== "host:index:Step") return inputs;
	const node = name.match(/k8s-\w+/)?.[0] ?? "k8s-master";
	const printed: [RegExp, string][] = [
		[/-init$/, `${CA_HASH}\nk8s-master v1.29.15`],
		[/-join$/, `${node} v1.29.15`],
		[/-kubeconfig$/, kubeconfig],
		[/-message$/, MESSAGE],
		[/-look$/, readFileSync(join(import.meta.dirname, "../fixtures/lifecycle/pause.tsv"), "utf8")],
		[/-recording$/, packRecording(fixture("destroyed"))],
	];
	const text = printed.find(([pattern]) => pattern.test(name))?.[1] ?? "";
	return type === "host:index:Step" ? { ...inputs, printed: text } : { ...inputs, stdout: text, stderr: "" };
}

// The mock monitor drops the options of a resource and knows no hooks (pulumi/pulumi#20874), so both are taken where the SDK hands them over.
let current = new Graph();
type Callback = (error: Error | null, answer: unknown) => void;
// biome-ignore lint/suspicious/noExplicitAny: methods that the typings leave out
const monitor = MockMonitor.prototype as any;
const registerResource = monitor.registerResource;
monitor.registerResource = function (request: Request, callback: Callback) {
	current.resources.push(asSeen(request, this.newUrn(request.getParent(), request.getType(), request.getName())));
	return registerResource.call(this, request, callback);
};
interface Hook {
	name: string;
	callback(): Promise<void>;
	opts?: pulumi.ResourceHookOptions;
}
// biome-ignore lint/suspicious/noExplicitAny: replaced by what takes no engine
(CallbackServer.prototype as any).registerResourceHook = async ({ name, callback, opts }: Hook) => {
	current.hooks.set(name, { run: callback, onDryRun: opts?.onDryRun ?? false, ignoreErrors: opts?.ignoreErrors ?? false });
};
// biome-ignore lint/suspicious/noExplicitAny: as above
(CallbackServer.prototype as any).registerErrorHook = async ({ name, callback }: { name: string; callback(): Promise<boolean> }) => {
	current.errorHooks.set(name, callback);
};

/** Runs `program` and waits until all it makes is registered. In a preview no resource has outputs that only its provider knows. */
export async function runProgram<T>(program: () => T | Promise<T>, { preview = false, kubeconfig = KUBECONFIG } = {}): Promise<{ graph: Graph; result: T }> {
	const graph = new Graph();
	current = graph;
	const mocks: pulumi.runtime.Mocks = {
		newResource: ({ type, name, inputs }) =>
			preview ? { id: undefined, state: inputs } : { id: `${name}-id`, state: outputsOf(type, name, inputs, kubeconfig) },
		call: ({ inputs }) => inputs,
	};
	await pulumi.runtime.setMocks(mocks, "kubeadm-lab", "lab", preview);
	const result = await program();
	await pulumi.runtime.disconnect();
	return { graph, result };
}

/** The value of an output, or undefined where a preview doesn't know it. */
export function resolved<T>(output: pulumi.Output<T>): Promise<T | undefined> {
	const { promise, isKnown } = output as unknown as { promise(withUnknowns?: boolean): Promise<T>; isKnown: Promise<boolean> };
	return isKnown.then((known) => (known ? promise.call(output) : undefined));
}
export const isSecretOutput = (output: pulumi.Output<unknown>): Promise<boolean> => (output as unknown as { isSecret: Promise<boolean> }).isSecret;
