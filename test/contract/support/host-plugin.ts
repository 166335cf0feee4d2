// The engine's side of the plugin `host`, and a step for tests of it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, beforeEach } from "node:test";
import type * as grpc from "@grpc/grpc-js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import { fromStruct, type Properties, reveal, toStruct } from "../../../provider/plugin/values.ts";
import { scriptFile, temporaryFolder } from "./executable.ts";
import { checked, type Failure, kindsOf, ResourcePlugin, type State } from "./resource-plugin.ts";
import { Sshd } from "./sshd.ts";

/** A step's text as a host script is: three verbs. `check` is what it prints and how it ends. */
export function scriptText({ check = "exit 0", apply = ":", undo = ":" }: { check?: string; apply?: string; undo?: string }): string {
	return `main() {\ncase "$1" in\ncheck) ${check} ;;\napply) ${apply} ;;\nundo) ${undo} ;;\nesac\n}\nmain "$@" </dev/null\n`;
}

/** A step that keeps two files with one word each. */
export function filesStep(folder: string) {
	const [a, b] = [join(folder, "a"), join(folder, "b")];
	const check = `n=0; for f in ${a} ${b}; do v="$(cat "$f" 2>/dev/null)"; [ "$v" = good ] || { printf 'file %s\\tgood\\t%s\\n' "$f" "$v"; n=3; }; done; exit $n`;
	return {
		a,
		b,
		step: {
			host: "one",
			step: "files",
			text: scriptText({ check, apply: `for f in ${a} ${b}; do echo "wrote $f" >&2; echo good >"$f"; done; echo done`, undo: `rm -f ${a} ${b}` }),
		},
	};
}

/** For the tests of a file: one SSH server, and for each test a plugin that is configured for it and a folder. */
export function pluginForEachTest() {
	const own = {} as { sshd: Sshd; plugin: HostPlugin; folder: ReturnType<typeof temporaryFolder> };
	before(async () => {
		own.sshd = await Sshd.start();
	});
	after(() => own.sshd.remove());
	beforeEach(async () => {
		own.folder = temporaryFolder();
		own.plugin = await HostPlugin.start(own.sshd);
	});
	afterEach(async () => {
		await own.plugin.stop();
		own.folder.remove();
	});
	return own;
}

export class HostPlugin extends ResourcePlugin {
	/** Of the resources that it is asked about. */
	type = "host:index:Step";

	/** Starts it, and configures it with one host, `one`, unless told otherwise. */
	static async start(sshd: Sshd, changes: Properties = {}, env: NodeJS.ProcessEnv = {}): Promise<HostPlugin> {
		const main = join(import.meta.dirname, "../../../provider/main.ts");
		const plugin = new HostPlugin(await HostPlugin.launch((folder) => scriptFile(main, join(folder, "pulumi-resource-host")), env));
		await plugin.configure(HostPlugin.configuration(sshd, changes));
		return plugin;
	}

	/** A configuration that works; what is given replaces or adds. */
	static configuration(sshd: Sshd, changes: Properties = {}): Properties {
		const { host, port, user, privateKey, hostKey } = sshd.connection() as { [name: string]: string | number };
		const hosts = { one: { address: host, port, user, hostKey } };
		return { hosts: JSON.stringify(hosts), privateKey, dialErrorLimit: 0, perDialTimeoutSeconds: 5, ...changes } as Properties;
	}

	urn(name: string): string {
		return `urn:pulumi:test::contract::my:component:Host$${this.type}::${name}`;
	}

	protected failure(error: grpc.ServiceError): Error {
		return new HostError(error);
	}

	#configuration: Properties = {};
	readonly #scripts: Record<string, string> = {};
	protected override configure(inputs: Properties): Promise<void> {
		this.#configuration = inputs;
		return super.configure(inputs);
	}
	/** A step as tests write it, with its script as `text`, which the plugin is configured with first; a state of the version before has it so too, and is left so. */
	async known({ text, ...step }: Properties): Promise<Properties> {
		const name = String(step.step);
		if (text === undefined || this.#scripts[name] === reveal(text)) return step;
		this.#scripts[name] = String(reveal(text));
		await this.configure({ ...this.#configuration, scripts: JSON.stringify(this.#scripts) });
		return step;
	}

	async diffConfig(olds: Properties, news: Properties): Promise<{ keys: string[]; replaces: string[] }> {
		const request = new provider.DiffRequest().setOldInputs(toStruct(olds)).setNews(toStruct(news));
		const response: provider.DiffResponse = await this.call(this.client.diffConfig, request);
		return { keys: response.getDiffsList(), replaces: response.getReplacesList() };
	}

	async check(news: Properties, olds: Properties = {}): Promise<{ inputs: Properties; failures: Failure[] }> {
		const request = new provider.CheckRequest()
			.setUrn(this.urn("checked"))
			.setOlds(toStruct(olds))
			.setNews(toStruct(await this.known(news)));
		return checked(await this.call(this.client.check, request));
	}

	/** Kind of change by property path. */
	async diff(old: Pick<State, "state" | "inputs">, news: Properties): Promise<Record<string, string>> {
		const request = new provider.DiffRequest().setId("it").setUrn(this.urn("compared")).setOlds(toStruct(old.state)).setOldInputs(toStruct(old.inputs));
		request.setNews(toStruct(news));
		const response: provider.DiffResponse = await this.call(this.client.diff, request);
		return kindsOf(response);
	}

	async create(name: string, news: Properties, { preview = false } = {}): Promise<State> {
		const { inputs } = await this.check(news);
		const request = new provider.CreateRequest().setUrn(this.urn(name)).setProperties(toStruct(inputs)).setPreview(preview);
		const response: provider.CreateResponse = await this.call(this.client.create, request);
		return { id: response.getId(), state: fromStruct(response.getProperties()), inputs };
	}

	/** Checks `news` as the engine does, and updates. */
	async update(name: string, old: State, news: Properties, { preview = false } = {}): Promise<State> {
		const { inputs } = await this.check(news, old.inputs);
		const request = new provider.UpdateRequest().setId(old.id).setUrn(this.urn(name)).setOlds(toStruct(old.state)).setNews(toStruct(inputs));
		request.setOldInputs(toStruct(old.inputs));
		const response: provider.UpdateResponse = await this.call(this.client.update, request.setPreview(preview));
		return { id: old.id, state: fromStruct(response.getProperties()), inputs };
	}

	async delete(name: string, { id, state, inputs }: State): Promise<void> {
		const request = new provider.DeleteRequest().setId(id).setUrn(this.urn(name)).setProperties(toStruct(state));
		await this.call(this.client.delete, request.setOldInputs(toStruct(inputs)));
	}
}

/** What the engine gets to see of a failure. */
export class HostError extends Error {
	/** The half-done resource that it keeps. */
	readonly kept: (State & { refreshesBeforeUpdate: boolean }) | undefined;
	constructor(error: grpc.ServiceError) {
		super(error.details);
		const [bytes] = error.metadata.get("grpc-status-details-bin");
		if (!bytes) return;
		const [any] = status.Status.deserializeBinary(new Uint8Array(bytes as Buffer)).getDetailsList();
		const failed = provider.ErrorResourceInitFailed.deserializeBinary(any?.getValue_asU8() ?? new Uint8Array());
		const [state, inputs] = [fromStruct(failed.getProperties()), fromStruct(failed.getInputs())];
		this.kept = { id: failed.getId(), state, inputs, refreshesBeforeUpdate: failed.getRefreshBeforeUpdate() };
	}
}
/** What the call fails with. */
export async function rejection(act: Promise<unknown>): Promise<HostError> {
	const error = await act.then(
		() => undefined,
		(error) => error,
	);
	assert.ok(error instanceof HostError, `expected a failure, found ${JSON.stringify(error)}`);
	return error;
}
