// The engine's side of the `command` plugin.
import * as grpc from "@grpc/grpc-js";
import type pluginInfo from "@pulumi/pulumi/proto/plugin_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { fromStruct, type Properties, toStruct } from "../../../provider/plugin/values.ts";
import { standIn } from "./executable.ts";
import { checked, type Failure, kindsOf, ResourcePlugin } from "./resource-plugin.ts";

export const TYPE = "command:remote:Command";

export interface Difference {
	changes: boolean;
	replaces: string[];
	/** As `kindsOf` gives it. */
	detailed: Record<string, string>;
}

export class CommandPlugin extends ResourcePlugin {
	/** Starts the plugin that COMMAND_PLUGIN names, or else the stand-in, and configures it. */
	static async start(env: NodeJS.ProcessEnv = {}): Promise<CommandPlugin> {
		const path = (folder: string) => process.env.COMMAND_PLUGIN || standIn("command-plugin", folder, "pulumi-resource-command");
		const plugin = new CommandPlugin(await CommandPlugin.launch(path, env));
		await plugin.configure({ version: "1.2.1" }, "urn:pulumi:test::contract::pulumi:providers:command::default_1_2_1");
		return plugin;
	}

	protected failure(error: grpc.ServiceError): Error {
		return new PluginError(error);
	}

	urn(name: string, type = TYPE): string {
		return `urn:pulumi:test::contract::my:component:Host$${type}::${name}`;
	}

	async version(): Promise<string> {
		const info: pluginInfo.PluginInfo = await this.call(this.client.getPluginInfo, new empty.Empty());
		return info.getVersion();
	}

	/** Whether it tells a difference; a plugin without this call tells none. */
	async diffConfig(old: Properties, news: Properties): Promise<boolean> {
		const request = new provider.DiffRequest().setOlds(toStruct(old)).setOldInputs(toStruct(old)).setNews(toStruct(news));
		const response: provider.DiffResponse | undefined = await this.optional(this.client.diffConfig, request);
		return response?.getChanges() === provider.DiffResponse.DiffChanges.DIFF_SOME;
	}

	async check(news: Properties, type = TYPE): Promise<{ inputs: Properties; failures: Failure[] }> {
		return checked(await this.call(this.client.check, new provider.CheckRequest().setUrn(this.urn("checked", type)).setNews(toStruct(news))));
	}

	/** Difference between a state and inputs that are checked first, as the engine does. */
	async diff(state: Properties, news: Properties): Promise<Difference> {
		const { inputs } = await this.check(news);
		const request = new provider.DiffRequest().setId("it").setUrn(this.urn("compared")).setOlds(toStruct(state)).setNews(toStruct(inputs));
		const response: provider.DiffResponse = await this.call(this.client.diff, request);
		return {
			changes: response.getChanges() === provider.DiffResponse.DiffChanges.DIFF_SOME,
			replaces: response.getReplacesList(),
			detailed: kindsOf(response),
		};
	}

	async create(name: string, news: Properties, options: { preview?: boolean; timeout?: number } = {}): Promise<{ id: string; state: Properties }> {
		const { inputs, failures } = await this.check(news);
		if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
		const request = new provider.CreateRequest().setUrn(this.urn(name)).setName(name).setType(TYPE).setProperties(toStruct(inputs));
		const response: provider.CreateResponse = await this.call(
			this.client.create,
			request.setPreview(options.preview ?? false).setTimeout(options.timeout ?? 0),
		);
		return { id: response.getId(), state: fromStruct(response.getProperties()) };
	}

	async update(name: string, state: Properties, news: Properties, options: { preview?: boolean } = {}): Promise<Properties> {
		const { inputs } = await this.check(news);
		const request = new provider.UpdateRequest().setId("it").setUrn(this.urn(name)).setOlds(toStruct(state)).setNews(toStruct(inputs));
		const response: provider.UpdateResponse = await this.call(this.client.update, request.setPreview(options.preview ?? false));
		return fromStruct(response.getProperties());
	}

	async delete(name: string, state: Properties): Promise<void> {
		await this.call(this.client.delete, new provider.DeleteRequest().setId("it").setUrn(this.urn(name)).setProperties(toStruct(state)));
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
