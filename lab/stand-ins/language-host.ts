// Stand-in for `pulumi-language-nodejs`, used by the lab only where the official one is not installed.
// It runs programs and plugins, no more: no code generation, no packing. test/contract runs against both.
// Left out on purpose: the official one hangs once a program prints a line of more than 64 KiB on stderr.
import type * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { engineAddress, onEnd, packageVersion, serve, toStatus, unary } from "../../provider/plugin/serve.ts";
import { endAll, type Started, startChild, stopAll } from "./language/child.ts";
import { parseOptions } from "./language/options.ts";
import { dependencies, requiredPackages } from "./language/packages.ts";
import { configurationOf, pluginStart, programStart } from "./language/program.ts";

/** What @pulumi/pulumi's runner exits with after it has shown the error itself (sdk/nodejs/cmd/run/index.ts, v3.270.0). */
const ERROR_WAS_SHOWN = 32;

let engine = engineAddress(process.argv);

async function handleRun(request: language.RunRequest, call: grpc.ServerUnaryCall<language.RunRequest, language.RunResponse>): Promise<language.RunResponse> {
	const response = new language.RunResponse();
	const configuration = configurationOf(request); // what is wrong with it is no error of the program
	try {
		const { args, ...options } = programStart(request, engine, configuration);
		const program = startChild(
			process.execPath,
			args,
			options,
			(data) => process.stdout.write(data),
			(data) => process.stderr.write(data),
		);
		call.on("cancelled", program.stop);
		const code = await program.ended;
		if (code === ERROR_WAS_SHOWN) return response.setBail(true);
		return code === 0 ? response : response.setError(`Program exited with non-zero exit code: ${code}`);
	} catch (error) {
		return response.setError((error as Error).message);
	}
}

type Streamed<Request, Response> = grpc.ServerWritableStream<Request, Response>;

/** Runs a process, sends its output as it comes, and ends the stream with it. */
async function stream<Request, Response>(
	call: Streamed<Request, Response>,
	begin: (send: { stdout: (data: Buffer) => void; stderr: (data: Buffer) => void }) => Started,
	response: { stdout: (data: Buffer) => Response; stderr: (data: Buffer) => Response },
): Promise<void> {
	try {
		const child = begin({ stdout: (data) => call.write(response.stdout(data)), stderr: (data) => call.write(response.stderr(data)) });
		call.on("cancelled", child.stop);
		const code = await child.ended;
		if (code !== 0) throw new Error(`Program exited with non-zero exit code: ${code}`);
		call.end();
	} catch (error) {
		call.emit("error", toStatus(error));
	}
}

function runPlugin(call: Streamed<language.RunPluginRequest, language.RunPluginResponse>): Promise<void> {
	return stream(
		call,
		(send) => {
			const { args, ...options } = pluginStart(call.request);
			return startChild(process.execPath, args, options, send.stdout, send.stderr);
		},
		{
			stdout: (data) => new language.RunPluginResponse().setStdout(data),
			stderr: (data) => new language.RunPluginResponse().setStderr(data),
		},
	);
}

function installDependencies(call: Streamed<language.InstallDependenciesRequest, language.InstallDependenciesResponse>): Promise<void> {
	return stream(
		call,
		(send) => {
			const info = call.request.getInfo();
			const { packageManager } = parseOptions(info?.getOptions());
			return startChild(packageManager, ["install"], { cwd: info?.getProgramDirectory(), env: process.env }, send.stdout, send.stderr);
		},
		{
			stdout: (data) => new language.InstallDependenciesResponse().setStdout(data),
			stderr: (data) => new language.InstallDependenciesResponse().setStderr(data),
		},
	);
}

const handlers: grpc.UntypedServiceImplementation = {
	handshake: unary((request: language.LanguageHandshakeRequest) => {
		engine = request.getEngineAddress();
		return new language.LanguageHandshakeResponse();
	}),
	getPluginInfo: unary(() => new plugin.PluginInfo().setVersion(packageVersion("@pulumi/pulumi"))),
	about: unary((request: language.AboutRequest) => {
		const response = new language.AboutResponse().setExecutable(process.execPath).setVersion(process.version);
		response.getMetadataMap().set("packagemanager", parseOptions(request.getInfo()?.getOptions()).packageManager);
		return response;
	}),
	getRequiredPackages: unary((request: language.GetRequiredPackagesRequest) => {
		const packages = requiredPackages(request.getInfo()?.getProgramDirectory() ?? "");
		return new language.GetRequiredPackagesResponse().setPackagesList(
			packages.map(({ name, version, server }) => new plugin.PackageDependency().setName(name).setKind("resource").setVersion(version).setServer(server)),
		);
	}),
	getProgramDependencies: unary((request: language.GetProgramDependenciesRequest) => {
		const installed = dependencies(request.getInfo()?.getProgramDirectory() ?? "", request.getTransitivedependencies());
		return new language.GetProgramDependenciesResponse().setDependenciesList(
			installed.map(({ name, version }) => new language.DependencyInfo().setName(name).setVersion(version)),
		);
	}),
	run: unary(handleRun),
	runPlugin: runPlugin as grpc.UntypedHandleCall,
	installDependencies: installDependencies as grpc.UntypedHandleCall,
	cancel: unary(() => {
		stopAll();
		return new empty.Empty();
	}),
};

const end = () => void endAll().finally(() => process.exit(0));
onEnd(end, end);
await serve((server) => server.addService(services.LanguageRuntimeService as unknown as grpc.ServiceDefinition, handlers));
