// Stand-in for the resource plugin `command` v1.2.1, used by the lab only where the official one is not installed.
// It knows `command:remote:Command`. Whatever the official plugin does otherwise is a fault here: test/contract runs against both.
// Left out on purpose: the official one fails with EOF where a command leaves more than 2 MB of its stdin, SSH's window, unread; and it waits for ever for a host that hangs.
import type * as grpc from "@grpc/grpc-js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { EngineLog } from "../../provider/plugin/engine-log.ts";
import { serveResources, work } from "../../provider/plugin/resources.ts";
import { unary } from "../../provider/plugin/serve.ts";
import { fromStruct, isEqual, type Properties, toStruct } from "../../provider/plugin/values.ts";
import { type Change, diffCommand } from "./command/diff.ts";
import { checkCommand, inputsOf } from "./command/inputs.ts";
import * as resource from "./command/resource.ts";

const VERSION = "1.2.1";
const TYPE = "command:remote:Command";

const log = new EngineLog();
const cancelled = new AbortController();

/** Throws for a resource type this stand-in does not have. */
function expectCommand(urn: string): void {
	const type = urn.split("::")[2]?.split("$").at(-1);
	if (type === TYPE) return;
	throw new Error(
		`${urn}: this stand-in for the command plugin has ${TYPE} only. Install the official plugin: pulumi plugin install resource command ${VERSION}`,
	);
}

/** Does one piece of work for a command. Zero seconds are no bound. */
function workOnCommand<T>(urn: string, timeoutSeconds: number, act: (shown: resource.Shown) => Promise<T>): Promise<T> {
	const signals = timeoutSeconds > 0 ? [cancelled.signal, AbortSignal.timeout(timeoutSeconds * 1000)] : [cancelled.signal];
	return work(log, () =>
		act({
			signal: AbortSignal.any(signals),
			status: (line) => log.status(urn, line),
			diagnostic: (severity, line) => log.diagnostic(urn, severity, line),
		}),
	);
}

function ignoring(news: Properties, olds: Properties, ignored: string[]): Properties {
	const kept = ignored.filter((key) => olds[key] !== undefined).map((key) => [key, olds[key]]);
	return { ...news, ...Object.fromEntries(kept) };
}

const { DIFF_NONE, DIFF_SOME } = provider.DiffResponse.DiffChanges;
const KINDS = provider.PropertyDiff.Kind;

function toPropertyDiff({ kind, replace }: Change): provider.PropertyDiff {
	const kinds = {
		add: replace ? KINDS.ADD_REPLACE : KINDS.ADD,
		delete: replace ? KINDS.DELETE_REPLACE : KINDS.DELETE,
		update: replace ? KINDS.UPDATE_REPLACE : KINDS.UPDATE,
	};
	return new provider.PropertyDiff().setKind(kinds[kind]);
}

const handlers: grpc.UntypedServiceImplementation = {
	checkConfig: unary((request: provider.CheckRequest) => new provider.CheckResponse().setInputs(request.getNews())),
	diffConfig: unary((request: provider.DiffRequest) => {
		const isSame = isEqual(fromStruct(request.getOldInputs() ?? request.getOlds()), fromStruct(request.getNews()));
		return new provider.DiffResponse().setChanges(isSame ? DIFF_NONE : DIFF_SOME);
	}),
	configure: unary(() => new provider.ConfigureResponse().setAcceptsecrets(true).setAcceptresources(true).setSupportspreview(true)),
	check: unary((request: provider.CheckRequest) => {
		expectCommand(request.getUrn());
		const { inputs, failures } = checkCommand(fromStruct(request.getNews()));
		const response = new provider.CheckResponse().setInputs(toStruct(inputs));
		for (const { property, reason } of failures) response.addFailures(new provider.CheckFailure().setProperty(property).setReason(reason));
		return response;
	}),
	diff: unary((request: provider.DiffRequest) => {
		expectCommand(request.getUrn());
		const olds = fromStruct(request.getOlds());
		const changes = diffCommand(inputsOf(olds), ignoring(fromStruct(request.getNews()), olds, request.getIgnorechangesList()));
		const response = new provider.DiffResponse().setChanges(changes.size > 0 ? DIFF_SOME : DIFF_NONE).setHasdetaileddiff(changes.size > 0);
		response.setDiffsList([...changes.keys()]);
		response.setReplacesList([...changes].filter(([, change]) => change.replace).map(([path]) => path));
		for (const [path, change] of changes) response.getDetaileddiffMap().set(path, toPropertyDiff(change));
		return response;
	}),
	create: unary(async (request: provider.CreateRequest) => {
		const urn = request.getUrn();
		expectCommand(urn);
		const name = urn.split("::").at(-1) ?? "";
		const inputs = fromStruct(request.getProperties());
		const created = request.getPreview()
			? resource.previewCreate(name, inputs)
			: await workOnCommand(urn, request.getTimeout(), (shown) => resource.create(name, inputs, shown));
		return new provider.CreateResponse().setId(created.id).setProperties(toStruct(created.state));
	}),
	read: unary((request: provider.ReadRequest) => {
		expectCommand(request.getUrn());
		return new provider.ReadResponse().setId(request.getId()).setProperties(request.getProperties()).setInputs(request.getInputs());
	}),
	update: unary(async (request: provider.UpdateRequest) => {
		const urn = request.getUrn();
		expectCommand(urn);
		const olds = fromStruct(request.getOlds());
		const inputs = ignoring(fromStruct(request.getNews()), olds, request.getIgnorechangesList());
		const state = request.getPreview()
			? resource.previewUpdate(olds, inputs)
			: await workOnCommand(urn, request.getTimeout(), (shown) => resource.update(olds, inputs, shown));
		return new provider.UpdateResponse().setProperties(toStruct(state));
	}),
	delete: unary(async (request: provider.DeleteRequest) => {
		const urn = request.getUrn();
		expectCommand(urn);
		await workOnCommand(urn, request.getTimeout(), (shown) => resource.remove(fromStruct(request.getProperties()), shown));
		return new empty.Empty();
	}),
	invoke: unary((request: provider.InvokeRequest) => {
		throw new Error(
			`${request.getTok()}: this stand-in for the command plugin has no functions. Install the official plugin: pulumi plugin install resource command ${VERSION}`,
		);
	}),
};

await serveResources(handlers, { version: VERSION, log, cancelled });
