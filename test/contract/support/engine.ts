// As much of the engine as a plugin sees: an address that takes log lines.
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import type engine from "@pulumi/pulumi/proto/engine_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";

export interface Line {
	severity: "debug" | "info" | "warning" | "error";
	message: string;
	urn: string;
	isEphemeral: boolean;
	atMs: number;
}

const ANSWER_MS = 2; // long enough for a second line to overtake
const SEVERITIES = ["debug", "info", "warning", "error"] as const;

export class Engine {
	readonly lines: Line[] = [];
	/** Whether two lines of one resource were ever under way at the same time, and so might have changed places. */
	hasOverlap = false;
	readonly #underWay = new Set<string>();
	readonly #server = new grpc.Server();
	#waiting: (() => void)[] = [];
	address = "";

	static async start(): Promise<Engine> {
		const self = new Engine();
		const log: grpc.handleUnaryCall<engine.LogRequest, empty.Empty> = ({ request }, callback) => {
			self.lines.push({
				severity: SEVERITIES[request.getSeverity()] ?? "debug",
				message: request.getMessage(),
				urn: request.getUrn(),
				isEphemeral: request.getEphemeral(),
				atMs: performance.now(),
			});
			for (const wake of self.#waiting.splice(0)) wake();
			self.hasOverlap ||= self.#underWay.has(request.getUrn());
			self.#underWay.add(request.getUrn());
			setTimeout(() => {
				self.#underWay.delete(request.getUrn());
				callback(null, new empty.Empty());
			}, ANSWER_MS);
		};
		self.#server.addService(services.EngineService as unknown as grpc.ServiceDefinition, { log: log as grpc.UntypedHandleCall });
		const port = await new Promise<number>((resolve, reject) => {
			self.#server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
		});
		self.address = `127.0.0.1:${port}`;
		return self;
	}

	/** Lines that a resource has shown, oldest first. */
	of(urn: string): Line[] {
		return this.lines.filter((line) => line.urn === urn);
	}

	messages(urn: string): string[] {
		return this.of(urn).map((line) => line.message);
	}

	/** Waits until a resource has shown a line. */
	async line(urn: string, message: string): Promise<Line> {
		for (;;) {
			const found = this.of(urn).find((line) => line.message === message);
			if (found) return found;
			await new Promise<void>((resolve) => this.#waiting.push(resolve));
		}
	}

	stop(): void {
		this.#server.forceShutdown();
	}
}
