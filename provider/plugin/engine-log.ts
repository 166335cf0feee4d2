// Sends lines to the engine, which shows them, in the order in which they were made.
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";

export class EngineLog {
	#client: services.EngineClient | undefined;
	#last: Promise<void> = Promise.resolve();
	readonly #shown: (text: string) => string;

	/** `shown` makes of each line what the engine may show; default: as it is. */
	constructor(shown: (text: string) => string = (text) => text) {
		this.#shown = shown;
	}

	connect(address: string): void {
		if (address !== "") this.#client = new services.EngineClient(address, grpc.credentials.createInsecure());
	}

	/** A line beside the resource while it is worked on. It is gone afterwards, unlike a diagnostic. */
	status(urn: string, line: string): void {
		this.#send(urn, line, engine.LogSeverity.INFO, true);
	}

	/** A line under Diagnostics. An error fails the whole run. Without a URN it is said of the stack. */
	diagnostic(urn: string, severity: "info" | "warning" | "error", line: string): void {
		const severities = { info: engine.LogSeverity.INFO, warning: engine.LogSeverity.WARNING, error: engine.LogSeverity.ERROR };
		this.#send(urn, line, severities[severity], false);
	}

	/** Resolves once the engine has every line so far. */
	flush(): Promise<void> {
		return this.#last;
	}

	// Sent one after the other: two calls under way at once can change places.
	#send(urn: string, line: string, severity: engine.LogSeverity, isEphemeral: boolean): void {
		const client = this.#client;
		if (!client) return;
		const request = new engine.LogRequest().setUrn(urn).setMessage(this.#shown(line)).setSeverity(severity).setEphemeral(isEphemeral);
		this.#last = this.#last.then(() => new Promise((resolve) => client.log(request, () => resolve()))); // an engine that is gone reads nothing
	}
}
