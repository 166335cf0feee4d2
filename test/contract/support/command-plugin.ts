// The engine's side of the `command` plugin: the same calls in the same order (pkg/resource/plugin/provider_plugin.go, pulumi v3.274.1).
import * as grpc from "@grpc/grpc-js";
import type pluginInfo from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { fromStruct, type Properties, toStruct } from "../../../provider/plugin/values.ts";
import { Engine } from "./engine.ts";
import { Executable, standIn, temporaryFolder } from "./executable.ts";

export const TYPE = "command:remote:Command";

export interface Difference {
	changes: boolean;
	replaces: string[];
	/** Kind of change by property path, in the words of the protocol, such as UPDATE or ADD_REPLACE. */
	detailed: Record<string, string>;
}

export class CommandPlugin {
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

	/** Starts the plugin that COMMAND_PLUGIN names, or else the stand-in, and configures it. */
	static async start(env: NodeJS.ProcessEnv = {}): Promise<CommandPlugin> {
		const folder = temporaryFolder();
		const engine = await Engine.start();
		const path = process.env.COMMAND_PLUGIN || standIn("command-plugin", folder.path, "pulumi-resource-command");
		const executable = new Executable(path, engine.address, env);
		const client = new services.ResourceProviderClient(`127.0.0.1:${await executable.port}`, grpc.credentials.createInsecure());
		const plugin = new CommandPlugin(engine, executable, client, folder.remove);
		await plugin.#configure();
		return plugin;
	}

	async #configure(): Promise<void> {
		const urn = "urn:pulumi:test::contract::pulumi:providers:command::default_1_2_1";
		const inputs = toStruct({ version: "1.2.1" });
		await this.#call(this.#client.handshake, new provider.ProviderHandshakeRequest().setEngineAddress(this.engine.address).setConfigureWithUrn(true));
		await this.#call(this.#client.checkConfig, new provider.CheckRequest().setUrn(urn).setNews(inputs));
		await this.#call(this.#client.configure, new provider.ConfigureRequest().setAcceptsecrets(true).setAcceptresources(true).setArgs(inputs));
	}

	/** Ends it as the engine does. */
	async stop(): Promise<void> {
		await this.cancel().catch(() => {}); // it may be gone already, which is what some tests are about
		await this.executable.stop();
		this.#client.close();
		this.engine.stop();
		this.#cleanUp();
	}

	urn(name: string, type = TYPE): string {
		return `urn:pulumi:test::contract::my:component:Host$${type}::${name}`;
	}

	async version(): Promise<string> {
		const info: pluginInfo.PluginInfo = await this.#call(this.#client.getPluginInfo, new empty.Empty());
		return info.getVersion();
	}

	async diffConfig(old: Properties, news: Properties): Promise<boolean> {
		const request = new provider.DiffRequest().setOlds(toStruct(old)).setOldInputs(toStruct(old)).setNews(toStruct(news));
		const response: provider.DiffResponse = await this.#call(this.#client.diffConfig, request);
		return response.getChanges() === provider.DiffResponse.DiffChanges.DIFF_SOME;
	}

	async check(news: Properties, type = TYPE): Promise<{ inputs: Properties; failures: { property: string; reason: string }[] }> {
		const request = new provider.CheckRequest().setUrn(this.urn("checked", type)).setNews(toStruct(news));
		const response: provider.CheckResponse = await this.#call(this.#client.check, request);
		return {
			inputs: fromStruct(response.getInputs()),
			failures: response.getFailuresList().map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() })),
		};
	}

	/** Difference between a state and inputs that are checked first, as the engine does. */
	async diff(state: Properties, news: Properties): Promise<Difference> {
		const { inputs } = await this.check(news);
		const request = new provider.DiffRequest().setId("it").setUrn(this.urn("compared")).setOlds(toStruct(state)).setNews(toStruct(inputs));
		const response: provider.DiffResponse = await this.#call(this.#client.diff, request);
		const kinds = Object.entries(provider.PropertyDiff.Kind);
		return {
			changes: response.getChanges() === provider.DiffResponse.DiffChanges.DIFF_SOME,
			replaces: response.getReplacesList(),
			detailed: Object.fromEntries(
				[...response.getDetaileddiffMap().entries()].map(([path, change]) => [path, kinds.find(([, kind]) => kind === change.getKind())?.[0] ?? ""]),
			),
		};
	}

	async create(name: string, news: Properties, options: { preview?: boolean; timeout?: number } = {}): Promise<{ id: string; state: Properties }> {
		const { inputs, failures } = await this.check(news);
		if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
		const request = new provider.CreateRequest().setUrn(this.urn(name)).setName(name).setType(TYPE).setProperties(toStruct(inputs));
		const response: provider.CreateResponse = await this.#call(
			this.#client.create,
			request.setPreview(options.preview ?? false).setTimeout(options.timeout ?? 0),
		);
		return { id: response.getId(), state: fromStruct(response.getProperties()) };
	}

	async update(name: string, state: Properties, news: Properties, options: { preview?: boolean } = {}): Promise<Properties> {
		const { inputs } = await this.check(news);
		const request = new provider.UpdateRequest().setId("it").setUrn(this.urn(name)).setOlds(toStruct(state)).setNews(toStruct(inputs));
		const response: provider.UpdateResponse = await this.#call(this.#client.update, request.setPreview(options.preview ?? false));
		return fromStruct(response.getProperties());
	}

	async delete(name: string, state: Properties): Promise<void> {
		await this.#call(this.#client.delete, new provider.DeleteRequest().setId("it").setUrn(this.urn(name)).setProperties(toStruct(state)));
	}

	async read(state: Properties, inputs: Properties): Promise<{ id: string; state: Properties; inputs: Properties }> {
		const request = new provider.ReadRequest().setId("it").setUrn(this.urn("read")).setProperties(toStruct(state)).setInputs(toStruct(inputs));
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
			method.call(this.#client, request, (error, response) => (error ? reject(new PluginError(error)) : resolve(response)));
		});
	}
}

/** What the engine gets to see of a failure. */
export class PluginError extends Error {
	readonly code: string;
	/** Whether the plugin handed over a half-made resource to keep. */
	readonly hasDetails: boolean;
	constructor(error: grpc.ServiceError) {
		super(error.details);
		this.code = grpc.status[error.code];
		this.hasDetails = error.metadata.get("grpc-status-details-bin").length > 0;
	}
}
