// The engine's side of the plugin `host`: the same calls in the same order (pkg/resource/plugin/provider_plugin.go, pulumi v3.274.1).
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { fromStruct, type Properties, toStruct } from "../../../provider/plugin/values.ts";
import { Engine } from "./engine.ts";
import { Executable, script, temporaryFolder } from "./executable.ts";
import type { Sshd } from "./sshd.ts";

export interface Failure {
	property: string;
	reason: string;
}
export interface State {
	id: string;
	state: Properties;
	inputs: Properties;
}

/** A step's text as a host script is: three verbs. `check` is what it prints and how it ends. */
export function text({ check = "exit 0", apply = ":", undo = ":" }: { check?: string; apply?: string; undo?: string }): string {
	return `main() {\ncase "$1" in\ncheck) ${check} ;;\napply) ${apply} ;;\nundo) ${undo} ;;\nesac\n}\nmain "$@" </dev/null\n`;
}

export class HostPlugin {
	readonly engine: Engine;
	readonly executable: Executable;
	readonly #client: services.ResourceProviderClient;
	readonly #cleanUp: () => void;

	private constructor(engine: Engine, executable: Executable, client: services.ResourceProviderClient, cleanUp: () => void) {
		this.engine = engine;
		this.executable = executable;
		this.#client = client;
		this.#cleanUp = cleanUp;
	}

	/** Starts it, and configures it with one host, `one`, unless told otherwise. */
	static async start(sshd: Sshd, changes: Properties = {}, env: NodeJS.ProcessEnv = {}): Promise<HostPlugin> {
		const folder = temporaryFolder();
		const engine = await Engine.start();
		const path = script(join(import.meta.dirname, "../../../provider/main.ts"), join(folder.path, "pulumi-resource-host"));
		const executable = new Executable(path, engine.address, env);
		const client = new services.ResourceProviderClient(`127.0.0.1:${await executable.port}`, grpc.credentials.createInsecure());
		const plugin = new HostPlugin(engine, executable, client, folder.remove);
		await plugin.#configure(HostPlugin.configuration(sshd, changes));
		return plugin;
	}

	/** A configuration that works; what is given replaces or adds. */
	static configuration(sshd: Sshd, changes: Properties = {}): Properties {
		const { host, port, user, privateKey, hostKey } = sshd.connection() as { [name: string]: string | number };
		const hosts = { one: { address: host, port, user, hostKey } };
		return { hosts: JSON.stringify(hosts), privateKey, dialErrorLimit: 0, perDialTimeoutSeconds: 5, ...changes } as Properties;
	}

	async #configure(configuration: Properties): Promise<void> {
		const { failures } = await this.checkConfig({}, configuration);
		if (failures.length > 0) throw new Error(JSON.stringify(failures));
		await this.#call(this.#client.handshake, new provider.ProviderHandshakeRequest().setEngineAddress(this.engine.address).setConfigureWithUrn(true));
		await this.#call(this.#client.configure, new provider.ConfigureRequest().setAcceptsecrets(true).setAcceptresources(true).setArgs(toStruct(configuration)));
	}

	/** Ends it as the engine does. */
	async stop(): Promise<void> {
		await this.cancel().catch(() => {}); // it may be gone already
		await this.executable.stop();
		this.#client.close();
		this.engine.stop();
		this.#cleanUp();
	}

	urn(name: string): string {
		return `urn:pulumi:test::contract::my:component:Host$host:index:Step::${name}`;
	}

	async checkConfig(olds: Properties, news: Properties): Promise<{ inputs: Properties; failures: Failure[] }> {
		const request = new provider.CheckRequest().setOlds(toStruct(olds)).setNews(toStruct(news));
		return toChecked(await this.#call(this.#client.checkConfig, request));
	}

	async diffConfig(olds: Properties, news: Properties): Promise<{ keys: string[]; replaces: string[] }> {
		const request = new provider.DiffRequest().setOldInputs(toStruct(olds)).setNews(toStruct(news));
		const response: provider.DiffResponse = await this.#call(this.#client.diffConfig, request);
		return { keys: response.getDiffsList(), replaces: response.getReplacesList() };
	}

	async check(news: Properties, olds: Properties = {}): Promise<{ inputs: Properties; failures: Failure[] }> {
		const request = new provider.CheckRequest().setUrn(this.urn("checked")).setOlds(toStruct(olds)).setNews(toStruct(news));
		return toChecked(await this.#call(this.#client.check, request));
	}

	/** Kind of change by property path. */
	async diff(state: Properties, inputs: Properties): Promise<Record<string, string>> {
		const request = new provider.DiffRequest().setId("it").setUrn(this.urn("compared")).setOlds(toStruct(state)).setNews(toStruct(inputs));
		const response: provider.DiffResponse = await this.#call(this.#client.diff, request);
		const kinds = Object.entries(provider.PropertyDiff.Kind);
		return Object.fromEntries(
			[...response.getDetaileddiffMap().entries()].map(([path, change]) => [path, kinds.find(([, kind]) => kind === change.getKind())?.[0] ?? ""]),
		);
	}

	async create(name: string, news: Properties, { preview = false } = {}): Promise<State> {
		const { inputs } = await this.check(news);
		const request = new provider.CreateRequest().setUrn(this.urn(name)).setProperties(toStruct(inputs)).setPreview(preview);
		const response: provider.CreateResponse = await this.#call(this.#client.create, request);
		return { id: response.getId(), state: fromStruct(response.getProperties()), inputs };
	}

	/** Checks `news` as the engine does, and updates. */
	async update(name: string, old: State, news: Properties, { preview = false } = {}): Promise<State> {
		const { inputs } = await this.check(news, old.inputs);
		const request = new provider.UpdateRequest().setId(old.id).setUrn(this.urn(name)).setOlds(toStruct(old.state)).setNews(toStruct(inputs));
		const response: provider.UpdateResponse = await this.#call(this.#client.update, request.setPreview(preview));
		return { id: old.id, state: fromStruct(response.getProperties()), inputs };
	}

	async delete(name: string, { id, state }: State): Promise<void> {
		await this.#call(this.#client.delete, new provider.DeleteRequest().setId(id).setUrn(this.urn(name)).setProperties(toStruct(state)));
	}

	async read(name: string, { id, state, inputs }: State): Promise<State> {
		const request = new provider.ReadRequest().setId(id).setUrn(this.urn(name)).setProperties(toStruct(state)).setInputs(toStruct(inputs));
		const response: provider.ReadResponse = await this.#call(this.#client.read, request);
		return { id: response.getId(), state: fromStruct(response.getProperties()), inputs: fromStruct(response.getInputs()) };
	}

	async cancel(): Promise<void> {
		await this.#call(this.#client.cancel, new empty.Empty());
	}

	#call<Request, Response>(
		method: (request: Request, callback: (error: grpc.ServiceError | null, response: Response) => void) => unknown,
		request: Request,
	): Promise<Response> {
		return new Promise((resolve, reject) => {
			method.call(this.#client, request, (error, response) => (error ? reject(new HostError(error)) : resolve(response)));
		});
	}
}

function toChecked(response: provider.CheckResponse): { inputs: Properties; failures: Failure[] } {
	const failures = response.getFailuresList().map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() }));
	return { inputs: fromStruct(response.getInputs()), failures };
}

/** What the engine gets to see of a failure. */
export class HostError extends Error {
	/** The half-done resource that it keeps. */
	readonly kept: State | undefined;
	constructor(error: grpc.ServiceError) {
		super(error.details);
		const [bytes] = error.metadata.get("grpc-status-details-bin");
		if (!bytes) return;
		const [any] = status.Status.deserializeBinary(new Uint8Array(bytes as Buffer)).getDetailsList();
		const failed = provider.ErrorResourceInitFailed.deserializeBinary(any?.getValue_asU8() ?? new Uint8Array());
		this.kept = { id: failed.getId(), state: fromStruct(failed.getProperties()), inputs: fromStruct(failed.getInputs()) };
	}
}
