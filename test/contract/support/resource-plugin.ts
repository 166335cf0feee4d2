// The engine's side of any resource plugin: the same calls in the same order (pkg/resource/plugin/provider_plugin.go, pulumi v3.274.1).
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { fromStruct, type Properties, toStruct } from "../../../provider/plugin/values.ts";
import { Engine } from "./engine.ts";
import { Executable, temporaryFolder } from "./executable.ts";

export interface Failure {
	property: string;
	reason: string;
}
export interface State {
	id: string;
	state: Properties;
	inputs: Properties;
}
const CALL_LIMIT_MS = 60_000; // twice what the slowest call of the tests takes
type Method<Request, Response> = (
	request: Request,
	metadata: grpc.Metadata,
	options: grpc.CallOptions,
	callback: (error: grpc.ServiceError | null, response: Response) => void,
) => unknown;
interface Process {
	engine: Engine;
	executable: Executable;
	client: services.ResourceProviderClient;
	cleanUp: () => void;
}

export abstract class ResourcePlugin {
	readonly engine: Engine;
	readonly executable: Executable;
	protected readonly client: services.ResourceProviderClient;
	readonly #cleanUp: () => void;

	protected constructor({ engine, executable, client, cleanUp }: Process) {
		this.engine = engine;
		this.executable = executable;
		this.client = client;
		this.#cleanUp = cleanUp;
	}

	/** Starts what `executableIn` puts into a folder, which is removed at the end. */
	protected static async launch(executableIn: (folder: string) => string, env: NodeJS.ProcessEnv): Promise<Process> {
		const folder = temporaryFolder();
		const engine = await Engine.start();
		const executable = new Executable(executableIn(folder.path), engine.address, env);
		try {
			const client = new services.ResourceProviderClient(`127.0.0.1:${await executable.port}`, grpc.credentials.createInsecure());
			return { engine, executable, client, cleanUp: folder.remove };
		} catch (error) {
			await executable.stop();
			engine.stop();
			folder.remove();
			throw error;
		}
	}

	abstract urn(name: string): string;
	/** What the engine gets to see of a failure. */
	protected abstract failure(error: grpc.ServiceError): Error;

	/** Greets it and configures it; ends it where that fails. */
	protected async configure(inputs: Properties, urn = ""): Promise<void> {
		try {
			const greeting = new provider.ProviderHandshakeRequest().setEngineAddress(this.engine.address).setConfigureWithUrn(true);
			await this.optional(this.client.handshake, greeting);
			const { failures } = await this.checkConfig({}, inputs, urn);
			if (failures.length > 0) throw new Error(JSON.stringify(failures));
			await this.call(this.client.configure, new provider.ConfigureRequest().setAcceptsecrets(true).setAcceptresources(true).setArgs(toStruct(inputs)));
		} catch (error) {
			await this.stop();
			throw error;
		}
	}

	async checkConfig(olds: Properties, news: Properties, urn = ""): Promise<{ inputs: Properties; failures: Failure[] }> {
		return checked(await this.call(this.client.checkConfig, new provider.CheckRequest().setUrn(urn).setOlds(toStruct(olds)).setNews(toStruct(news))));
	}

	async read(name: string, { id, state, inputs }: State): Promise<State> {
		const request = new provider.ReadRequest().setId(id).setUrn(this.urn(name)).setProperties(toStruct(state)).setInputs(toStruct(inputs));
		const response: provider.ReadResponse = await this.call(this.client.read, request);
		return { id: response.getId(), state: fromStruct(response.getProperties()), inputs: fromStruct(response.getInputs()) };
	}

	async cancel(): Promise<void> {
		await this.call(this.client.cancel, new empty.Empty());
	}

	/** Ends it as the engine does. */
	async stop(): Promise<void> {
		await this.cancel().catch(() => {}); // it may be gone already, which is what some tests are about
		await this.executable.stop();
		this.client.close();
		this.engine.stop();
		this.#cleanUp();
	}

	protected call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
		return this.#call(method, request).catch((error) => Promise.reject(this.failure(error)));
	}

	/** A call that a plugin need not have: undefined where it does not, as the engine takes it. */
	protected optional<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response | undefined> {
		return this.#call(method, request).catch((error) => (error.code === grpc.status.UNIMPLEMENTED ? undefined : Promise.reject(this.failure(error))));
	}

	#call<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response> {
		return new Promise((resolve, reject) => {
			method.call(this.client, request, new grpc.Metadata(), { deadline: Date.now() + CALL_LIMIT_MS }, (error, response) =>
				error ? reject(error) : resolve(response),
			);
		});
	}
}

export function checked(response: provider.CheckResponse): { inputs: Properties; failures: Failure[] } {
	const failures = response.getFailuresList().map((failure) => ({ property: failure.getProperty(), reason: failure.getReason() }));
	return { inputs: fromStruct(response.getInputs()), failures };
}

/** Kind of change by property path, in the words of the protocol, such as UPDATE or ADD_REPLACE. */
export function kindsOf(response: provider.DiffResponse): Record<string, string> {
	const kinds = Object.entries(provider.PropertyDiff.Kind);
	return Object.fromEntries(
		[...response.getDetaileddiffMap().entries()].map(([path, change]) => [path, kinds.find(([, kind]) => kind === change.getKind())?.[0] ?? ""]),
	);
}
