// The resource plugin `host`: the converged state of hosts, read and repaired over SSH, as `host:index:Step`. It knows scripts and connections, and
// nothing of what the scripts are for. docs/drift.md says how it is used. `host:index:Recording` shows a summary of what hosts recorded, when it is deleted;
// `host:index:Costs` says before a change what it costs. `host:index:run` runs a step once, between two resources.
import { tmpdir } from "node:os";
import type * as grpc from "@grpc/grpc-js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { printable } from "../printable.ts";
import { changedKeys, checkConfiguration, settingsOf } from "./configuration.ts";
import { asksForALook, checkCosts, costsOf, hasOtherCosts } from "./costs.ts";
import { diffStep, isOtherScriptOnly } from "./diff.ts";
import { Hosts } from "./hosts.ts";
import { callIn, checkStep, type Failure } from "./inputs.ts";
import { removeKubeconfigs, serversOf } from "./kubeconfigs.ts";
import { EngineLog } from "./plugin/engine-log.ts";
import { serveResources, work } from "./plugin/resources.ts";
import { unary as anyUnary } from "./plugin/serve.ts";
import { fromStruct, type Properties, toStruct, type Value } from "./plugin/values.ts";
import { Progress } from "./progress.ts";
import { changedInputs, checkRecording, type Summarize, summarizeRecording } from "./recording.ts";
import { Report } from "./report.ts";
import { type Shown, Steps } from "./step.ts";

const VERSION = "0.1.0";
const TYPE = "host:index:Step";
const RECORDING = "host:index:Recording";
const COSTS = "host:index:Costs";
const RUN = "host:index:run";

const log = new EngineLog(printable);
const cancelled = new AbortController();
/** ms since 1970. */
const began = Date.now();
let hosts: Hosts | undefined;
let steps: Steps | undefined;
let progress = new Progress(0, () => {});
let hostNames: string[] = [];

/** What goes wrong on a host is told in its own words. */
const unary = <Request, Response>(answer: (request: Request) => Response | Promise<Response>) =>
	anyUnary<Request, Response>(async (request) => {
		try {
			return await answer(request);
		} catch (error) {
			if (error instanceof Error) error.message = printable(error.message);
			throw error;
		}
	});

const typeIn = (urn: string): string | undefined => urn.split("::")[2]?.split("$").at(-1);
const isRecording = (request: { getUrn(): string }): boolean => typeIn(request.getUrn()) === RECORDING;
const isCosts = (request: { getUrn(): string }): boolean => typeIn(request.getUrn()) === COSTS;
/** A preview says it once, although the engine may ask twice for a difference. */
const warned = new Set<string>();
/** URN -> inputs of what only looks at a host, and does not in this run: it is as it was. */
const notLooking = new Map<string, Properties>();
/** What it depends on is behind it in the run, the preflights too. */
async function previewCosts(olds: Properties, news: Properties): Promise<void> {
	if (!asksForALook(olds, news)) return;
	await Promise.all([...notLooking].map(([urn, inputs]) => workOnStep(urn, (steps, shown) => steps.previewCreate(inputs, shown))));
	notLooking.clear();
}

/** The state of a version before, whose scripts are among its inputs alone. */
function whole(state: Properties, inputs: Properties): Properties {
	const kept = ["text", "scripts"].filter((name) => state[name] === undefined && inputs[name] !== undefined);
	return { ...state, ...Object.fromEntries(kept.map((name) => [name, inputs[name] as Value])) };
}

/** Does one piece of work for a step. */
function workOnStep<T>(urn: string, act: (steps: Steps, shown: Shown) => Promise<T>): Promise<T> {
	if (typeIn(urn) !== TYPE) throw new Error(`${urn}: the provider host has ${TYPE}, ${RECORDING} and ${COSTS} only`);
	const known = steps;
	if (!known) throw new Error("the provider's configuration is not known yet");
	return work(log, () =>
		act(known, {
			status: (line) => log.status(urn, line),
			info: (line) => log.diagnostic(urn, "info", line),
			warn: (line) => log.diagnostic(urn, "warning", line),
			error: (line) => log.diagnostic(urn, "error", line),
		}),
	);
}

const counted = <T>(verb: "apply" | "undo", { step, apply }: Properties, work: () => Promise<T>): Promise<T> =>
	verb === "apply" && apply === false ? work() : progress.during(verb, String(step), work); // the first does nothing

/** Loaded only then: it is more than all the rest. */
const summarize: Summarize = async (recordings, pod) => (await import("../lifecycle/render/summary.ts")).finalSummary(recordings, pod);
function deleteRecording(urn: string, state: Properties): Promise<void> {
	const say = (severity: "info" | "warning") => (text: string) => log.diagnostic(urn, severity, text);
	const [known, scripts] = [hosts, steps?.scripts];
	if (!known || !scripts) throw new Error("the provider's configuration is not known yet");
	return work(log, () => summarizeRecording(state, known, scripts, { warn: say("warning"), info: say("info") }, summarize));
}

function checkResponse({ inputs, failures }: { inputs: Parameters<typeof toStruct>[0]; failures: Failure[] }): provider.CheckResponse {
	const response = new provider.CheckResponse().setInputs(toStruct(inputs));
	for (const { property, reason } of failures) response.addFailures(new provider.CheckFailure().setProperty(property).setReason(reason));
	return response;
}

const { DIFF_NONE, DIFF_SOME } = provider.DiffResponse.DiffChanges;
const KINDS = provider.PropertyDiff.Kind;

const handlers: grpc.UntypedServiceImplementation = {
	getSchema: unary(() => new provider.GetSchemaResponse().setSchema(JSON.stringify({ name: "host", version: VERSION }))),
	checkConfig: unary((request: provider.CheckRequest) =>
		checkResponse(checkConfiguration(request.getUrn(), fromStruct(request.getOlds()), fromStruct(request.getNews()))),
	),
	diffConfig: unary((request: provider.DiffRequest) => {
		const keys = changedKeys(fromStruct(request.getOldInputs() ?? request.getOlds()), fromStruct(request.getNews()));
		const response = new provider.DiffResponse()
			.setChanges(keys.length > 0 ? DIFF_SOME : DIFF_NONE)
			.setDiffsList(keys)
			.setHasdetaileddiff(keys.length > 0);
		// Key by key, or a changed private key would be an update without a reason: the CLI compares what it shows, and shows no secret.
		for (const key of keys) response.getDetaileddiffMap().set(key, new provider.PropertyDiff().setKind(KINDS.UPDATE));
		return response;
	}),
	configure: unary((request: provider.ConfigureRequest) => {
		const settings = settingsOf(fromStruct(request.getArgs()));
		if (settings) {
			hostNames = Object.keys(settings.hosts);
			const report = new Report(hostNames, (text) => {
				log.diagnostic("", "info", text);
				return log.flush();
			});
			hosts = new Hosts(settings, cancelled.signal);
			steps = new Steps(hosts, report);
			progress = new Progress(hostNames.length, (line) => log.status("", line));
		}
		return new provider.ConfigureResponse().setAcceptsecrets(true).setAcceptresources(true).setSupportspreview(true);
	}),
	check: unary((request: provider.CheckRequest) => {
		const [olds, news] = [fromStruct(request.getOlds()), fromStruct(request.getNews())];
		if (isCosts(request)) return checkResponse(checkCosts(news));
		return checkResponse(isRecording(request) ? checkRecording(news) : checkStep(olds, news, hostNames, steps?.scripts));
	}),
	diff: unary(async (request: provider.DiffRequest) => {
		const [olds, oldInputs, news] = [fromStruct(request.getOlds()), fromStruct(request.getOldInputs()), fromStruct(request.getNews())];
		if (isRecording(request)) {
			const names = changedInputs(olds, news);
			return new provider.DiffResponse().setChanges(names.length > 0 ? DIFF_SOME : DIFF_NONE).setDiffsList(names);
		}
		if (isCosts(request)) {
			for (const cost of costsOf(olds, news).filter((text) => !warned.has(text))) log.diagnostic("", "warning", warned.add(cost) && cost);
			await log.flush();
			return new provider.DiffResponse().setChanges(hasOtherCosts(olds, news) ? DIFF_SOME : DIFF_NONE).setDiffsList(["costs"]);
		}
		steps?.known(olds);
		const changes = diffStep(olds, news);
		if (isOtherScriptOnly(changes)) {
			const isAsked = oldInputs.script === news.script;
			if (isAsked || (await workOnStep(request.getUrn(), (steps) => steps.isAsWanted(olds, news)))) changes.clear();
		}
		if (news.looksOnly === true && changes.size === 0) notLooking.set(request.getUrn(), news);
		progress.compared(String(news.step), changes.size > 0);
		const response = new provider.DiffResponse().setChanges(changes.size > 0 ? DIFF_SOME : DIFF_NONE).setHasdetaileddiff(changes.size > 0);
		response.setDiffsList([...new Set([...changes.keys()].map((path) => path.replace(/[[.].*$/s, "")))]);
		for (const [path, { kind, replaces }] of changes) {
			const name = kind.toUpperCase() as "ADD" | "DELETE" | "UPDATE";
			response.getDetaileddiffMap().set(path, new provider.PropertyDiff().setKind(KINDS[replaces ? (`${name}_REPLACE` as const) : name]));
			if (!replaces) continue;
			response.addReplaces(path);
			response.setDeletebeforereplace(true); // or the old undo would wipe what the new apply made
		}
		return response;
	}),
	create: unary(async (request: provider.CreateRequest) => {
		const inputs = fromStruct(request.getProperties());
		if (isRecording(request)) return new provider.CreateResponse().setId(request.getPreview() ? "" : "recording").setProperties(toStruct(inputs));
		if (isCosts(request)) return new provider.CreateResponse().setId(request.getPreview() ? "" : "costs").setProperties(toStruct(inputs));
		if (request.getPreview()) {
			// With a configuration that isn't known yet there is nobody to ask.
			const state = steps ? await workOnStep(request.getUrn(), (steps, shown) => steps.previewCreate(inputs, shown)) : inputs;
			return new provider.CreateResponse().setId("").setProperties(toStruct(state));
		}
		const { id, state } = await counted("apply", inputs, () => workOnStep(request.getUrn(), (steps, shown) => steps.create(inputs, shown)));
		return new provider.CreateResponse().setId(id).setProperties(toStruct(state)).setRefreshBeforeUpdate(true);
	}),
	read: unary(async (request: provider.ReadRequest) => {
		const [old, inputs] = [fromStruct(request.getProperties()), fromStruct(request.getInputs())];
		if (isRecording(request) || isCosts(request))
			return new provider.ReadResponse().setId(request.getId()).setProperties(request.getProperties()).setInputs(request.getInputs());
		if (inputs.step === undefined) throw new Error(`${request.getId()}: a step can't be imported; create finds what is there and changes only the rest`);
		const answer = await workOnStep(request.getUrn(), (steps, shown) => steps.read(old, inputs, shown));
		return new provider.ReadResponse()
			.setId(request.getId())
			.setProperties(toStruct(answer.state))
			.setInputs(toStruct(answer.inputs))
			.setRefreshBeforeUpdate(true);
	}),
	update: unary(async (request: provider.UpdateRequest) => {
		const [olds, inputs] = [fromStruct(request.getOlds()), fromStruct(request.getNews())];
		if (isCosts(request) && request.getPreview()) await previewCosts(olds, inputs);
		if (isRecording(request) || isCosts(request)) return new provider.UpdateResponse().setProperties(toStruct(inputs));
		const state = request.getPreview()
			? await workOnStep(request.getUrn(), (steps, shown) => steps.previewUpdate(olds, inputs, shown))
			: await counted("apply", inputs, () => workOnStep(request.getUrn(), (steps, shown) => steps.update(request.getId(), inputs, shown)));
		return new provider.UpdateResponse().setProperties(toStruct(state)).setRefreshBeforeUpdate(true);
	}),
	delete: unary(async (request: provider.DeleteRequest) => {
		const state = whole(fromStruct(request.getProperties()), fromStruct(request.getOldInputs()));
		if (isCosts(request)) return new empty.Empty();
		if (isRecording(request)) await deleteRecording(request.getUrn(), state);
		else await counted("undo", state, () => workOnStep(request.getUrn(), (steps, shown) => steps.remove(state, shown)));
		return new empty.Empty();
	}),
	// For what the program must have done on a host between two resources (cluster/host-provider.ts).
	invoke: unary(async (request: provider.InvokeRequest) => {
		const known = steps;
		if (request.getTok() !== RUN) throw new Error(`${request.getTok()}: the provider host has ${RUN} only`);
		if (!known) throw new Error("the provider's configuration is not known yet");
		const differs = await work(log, () => known.call(callIn(fromStruct(request.getArgs()))));
		return new provider.InvokeResponse().setReturn(toStruct({ differs }));
	}),
};

process.on("exit", () => hosts && removeKubeconfigs(tmpdir(), serversOf(hosts.settings), began));
await serveResources(handlers, { version: VERSION, log, cancelled });
