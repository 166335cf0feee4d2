// Serves gRPC as a plugin does: a process that prints the port of its server and ends when it is stopped, or when the engine is gone.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import any from "google-protobuf/google/protobuf/any_pb.js";
import { type Properties, toStruct } from "./values.ts";

const MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024; // the engine's own: sdk/go/common/util/rpcutil/options.go, pulumi v3.274.1
const PARENT_POLL_MS = 1000;

/** Starts the server on a free loopback port and prints the port, which is all the engine waits for. */
export async function serve(register: (server: grpc.Server) => void): Promise<void> {
	const server = new grpc.Server({ "grpc.max_receive_message_length": MESSAGE_LIMIT_BYTES, "grpc.max_send_message_length": MESSAGE_LIMIT_BYTES });
	register(server);
	const port = await new Promise<number>((resolve, reject) => {
		server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
	});
	process.stdout.write(`${port}\n`);
}

/**
 * Calls `stopped` on SIGINT or SIGTERM (the engine sends SIGINT and waits at most 5 s for each plugin), and `orphaned` once the process that
 * started this one is gone: a killed engine sends nothing.
 */
export function onEnd(stopped: () => void, orphaned: () => void): void {
	process.on("SIGINT", stopped);
	process.on("SIGTERM", stopped);
	process.stdout.on("error", () => {}); // a pipe nobody reads any more is no reason to die half-way
	process.stderr.on("error", () => {});
	const parent = process.ppid;
	const poll = setInterval(() => {
		if (process.ppid === parent) return;
		clearInterval(poll);
		orphaned();
	}, PARENT_POLL_MS);
	poll.unref();
}

/** Turns a plain or async function into a gRPC handler. What it throws goes out as UNKNOWN, as any plain error of Go does. */
export function unary<Request, Response>(
	answer: (request: Request, call: grpc.ServerUnaryCall<Request, Response>) => Response | Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
	return async (call, callback) => {
		try {
			callback(null, await answer(call.request, call));
		} catch (error) {
			callback(toStatus(error));
		}
	};
}

/** A resource that is there but not as it should be: the engine keeps it in the state, with the reasons, and updates it at the next run. */
export class HalfDone extends Error {
	readonly id: string;
	readonly properties: Properties;
	readonly inputs: Properties;
	constructor(reason: string, resource: { id: string; properties: Properties; inputs: Properties }) {
		super(reason);
		this.id = resource.id;
		this.properties = resource.properties;
		this.inputs = resource.inputs;
	}
}

function halfDone({ message, id, properties, inputs }: HalfDone): Partial<grpc.StatusObject> {
	const reason = shorten(message);
	const failed = new provider.ErrorResourceInitFailed().setId(id).setProperties(toStruct(properties)).setInputs(toStruct(inputs)).setReasonsList([reason]);
	failed.setRefreshBeforeUpdate(true); // what is there by then is not known
	const details = new any.Any();
	details.pack(failed.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
	const answer = new status.Status().setCode(grpc.status.UNKNOWN).setMessage(reason);
	answer.addDetails(details);
	const metadata = new grpc.Metadata();
	metadata.add("grpc-status-details-bin", Buffer.from(answer.serializeBinary()));
	return { code: grpc.status.UNKNOWN, details: reason, metadata };
}

export function toStatus(error: unknown): Partial<grpc.StatusObject> {
	if (error instanceof HalfDone) return halfDone(error);
	return { code: grpc.status.UNKNOWN, details: shorten(error instanceof Error ? error.message : String(error)) };
}

// An error's text travels as an HTTP/2 header, percent-encoded. Node takes 64 KiB of headers; one more and the whole connection breaks, and with
// it every other call under way (seen on 2026-11-24).
const HEADER_LIMIT_BYTES = 48 * 1024;
const HEAD_CHARACTERS = 2000;

/** Leaves out the middle of a text that is too long: the start says what failed, the end mostly why. */
export function shorten(text: string): string {
	let short = wellFormed(text);
	for (let tail = HEADER_LIMIT_BYTES; encodeURI(short).length > HEADER_LIMIT_BYTES; tail = Math.floor(tail * 0.8)) {
		const left = `\n[${text.length - HEAD_CHARACTERS - tail} characters left out]\n`;
		short = wellFormed(text.slice(0, HEAD_CHARACTERS) + left + text.slice(-tail));
	}
	return short;
}

/** Without half characters, which can't be encoded. */
function wellFormed(text: string): string {
	return Buffer.from(text).toString();
}

/** The engine's address: the last argument that is no flag. */
export function engineAddress(argv: string[]): string {
	return argv.slice(2).findLast((argument) => !argument.startsWith("-")) ?? "";
}

/** Version of an installed npm package, such as "3.270.0". */
export function packageVersion(name: string): string {
	return JSON.parse(readFileSync(fileURLToPath(import.meta.resolve(`${name}/package.json`)), "utf8")).version;
}
