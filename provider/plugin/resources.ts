// What all resource plugins have in common: how they greet the engine, how they are cancelled, and how they end.
import type * as grpc from "@grpc/grpc-js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import type { EngineLog } from "./engine-log.ts";
import { engineAddress, onEnd, serve, unary } from "./serve.ts";

let running = 0;
/** Does one piece of work for a resource, and returns when the engine has every line of it. A plugin whose engine is gone ends only after it. */
export async function work<T>(log: EngineLog, act: () => Promise<T>): Promise<T> {
	running++;
	try {
		return await act();
	} finally {
		await log.flush();
		running--;
	}
}

/**
 * Serves a resource plugin: these handlers, and what all plugins answer alike. `cancelled` is aborted when the engine cancels or is gone: then
 * nothing new begins, and a script that runs goes on.
 */
export async function serveResources(
	handlers: grpc.UntypedServiceImplementation,
	{ version, log, cancelled }: { version: string; log: EngineLog; cancelled: AbortController },
): Promise<void> {
	const common: grpc.UntypedServiceImplementation = {
		handshake: unary((request: provider.ProviderHandshakeRequest) => {
			log.connect(request.getEngineAddress());
			return new provider.ProviderHandshakeResponse().setAcceptSecrets(true).setAcceptResources(true);
		}),
		getPluginInfo: unary(() => new plugin.PluginInfo().setVersion(version)),
		cancel: unary(() => {
			cancelled.abort();
			return new empty.Empty();
		}),
	};
	onEnd(
		() => process.exit(0),
		() => {
			cancelled.abort();
			setInterval(() => running === 0 && process.exit(0), 100); // nobody reads the answer, but a half-done host is worse than a late end
		},
	);
	log.connect(engineAddress(process.argv));
	await serve((server) => server.addService(services.ResourceProviderService as never, { ...common, ...handlers }));
}
