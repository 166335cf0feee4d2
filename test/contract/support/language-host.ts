// The engine's side of the Node language host (pkg/resource/plugin/langruntime_plugin.go, pulumi v3.274.1).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import type pluginInfo from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { type Properties, toStruct } from "../../../provider/plugin/values.ts";
import { Engine } from "./engine.ts";
import { Executable, standIn, temporaryFolder } from "./executable.ts";

/** What the runner of a test saw: it stands where @pulumi/pulumi/cmd/run does, and does what the environment variable DO says. */
export interface Seen {
	pid: number;
	node: string;
	nodeArguments: string[];
	args: string[];
	cwd: string;
	env: Record<string, string>;
}

const CALL_LIMIT_MS = 60_000; // four times what the slowest program of the tests runs
const RUNNER = `const { writeFileSync, renameSync } = require("node:fs");
const { execPath: node, execArgv: nodeArguments, pid, env } = process;
writeFileSync(env.SEEN + ".new", JSON.stringify({ pid, node, nodeArguments, args: process.argv.slice(2), cwd: process.cwd(), env }));
renameSync(env.SEEN + ".new", env.SEEN);
eval(env.DO ?? "");
`;

export class LanguageHost {
	readonly folder: string;
	readonly engine: Engine;
	readonly executable: Executable;
	readonly #client: services.LanguageRuntimeClient;
	readonly #cleanUp: () => void;

	private constructor(folder: string, engine: Engine, executable: Executable, client: services.LanguageRuntimeClient, cleanUp: () => void) {
		this.folder = folder;
		this.engine = engine;
		this.executable = executable;
		this.#client = client;
		this.#cleanUp = cleanUp;
	}

	/** Starts the host that LANGUAGE_HOST names, or else the stand-in. Programs it runs do `act`; `runner: false` leaves it the real runner. */
	static async start(act = "", { runner = true } = {}): Promise<LanguageHost> {
		const { path: folder, remove } = temporaryFolder();
		mkdirSync(join(folder, "program"));
		writeFileSync(join(folder, "program/package.json"), '{ "name": "program" }');
		writeFileSync(join(folder, "runner.cjs"), RUNNER);
		const engine = await Engine.start();
		const path = process.env.LANGUAGE_HOST || standIn("language-host", folder, "pulumi-language-nodejs");
		const env = { DO: act, SEEN: join(folder, "seen.json"), PULUMI_LANGUAGE_NODEJS_RUN_PATH: runner ? join(folder, "runner.cjs") : "" };
		const executable = new Executable(path, engine.address, env);
		try {
			const client = new services.LanguageRuntimeClient(`127.0.0.1:${await executable.port}`, grpc.credentials.createInsecure());
			return new LanguageHost(folder, engine, executable, client, remove);
		} catch (error) {
			await executable.stop();
			engine.stop();
			remove();
			throw error;
		}
	}

	async stop(): Promise<void> {
		await this.executable.stop();
		this.#client.close();
		this.engine.stop();
		this.#cleanUp();
	}

	get program(): string {
		return join(this.folder, "program");
	}

	/** What the program or plugin saw, as soon as it runs. */
	async seen(): Promise<Seen> {
		const path = join(this.folder, "seen.json");
		while (!existsSync(path)) await sleep(20);
		return JSON.parse(readFileSync(path, "utf8"));
	}

	async version(): Promise<string> {
		const info: pluginInfo.PluginInfo = await this.#call(this.#client.getPluginInfo, new empty.Empty());
		return info.getVersion();
	}

	about(): Promise<language.AboutResponse> {
		return this.#call(this.#client.about, new language.AboutRequest().setInfo(this.#info({})));
	}

	async requiredPackages(): Promise<pluginInfo.PackageDependency[]> {
		const request = new language.GetRequiredPackagesRequest().setInfo(this.#info({}));
		const response: language.GetRequiredPackagesResponse = await this.#call(this.#client.getRequiredPackages, request);
		return response.getPackagesList();
	}

	async dependencies(): Promise<Record<string, string>> {
		const request = new language.GetProgramDependenciesRequest().setInfo(this.#info({}));
		const response: language.GetProgramDependenciesResponse = await this.#call(this.#client.getProgramDependencies, request);
		return Object.fromEntries(response.getDependenciesList().map((dependency) => [dependency.getName(), dependency.getVersion()]));
	}

	/** Puts packages into the program's node_modules, by folder. */
	install(packages: Record<string, Properties>): void {
		for (const [folder, manifest] of Object.entries(packages)) {
			mkdirSync(join(this.program, "node_modules", folder), { recursive: true });
			writeFileSync(join(this.program, "node_modules", folder, "package.json"), JSON.stringify(manifest));
		}
	}

	/** Runs the program, as `pulumi up` does. */
	async run(options: Properties = {}, change: (request: language.RunRequest) => void = () => {}): Promise<{ error: string; bail: boolean }> {
		const request = new language.RunRequest().setProject("project").setStack("stack").setOrganization("organization").setPwd(this.program);
		request.setMonitorAddress("127.0.0.1:1").setParallel(7).setProgram(".").setInfo(this.#info(options));
		change(request);
		const response: language.RunResponse = await this.#call(this.#client.run, request);
		return { error: response.getError(), bail: response.getBail() };
	}

	/** Runs the program's folder as a plugin. `kill` is what the engine does to end it. */
	runPlugin(args: string[], env: Record<string, string>): { ended: Promise<{ stdout: string; stderr: string; error?: string }>; kill: () => void } {
		const request = new language.RunPluginRequest().setPwd(this.folder).setArgsList(args).setInfo(this.#info({})).setKind("resource").setName("plugin");
		const all = { ...process.env, SEEN: join(this.folder, "seen.json"), ...env };
		const stream = this.#client.runPlugin(request.setEnvList(Object.entries(all).map(([name, value]) => `${name}=${value}`)));
		const output = { stdout: "", stderr: "" };
		stream.on("data", (response: language.RunPluginResponse) => {
			output.stdout += Buffer.from(response.getStdout_asU8());
			output.stderr += Buffer.from(response.getStderr_asU8());
		});
		const ended = new Promise<{ stdout: string; stderr: string; error?: string }>((resolve) => {
			stream.once("error", (error: grpc.ServiceError) => resolve({ ...output, error: error.details }));
			stream.once("end", () => resolve(output));
		});
		return { ended, kill: () => stream.cancel() };
	}

	async cancel(): Promise<void> {
		await this.#call(this.#client.cancel, new empty.Empty());
	}

	#info(options: Properties): language.ProgramInfo {
		return new language.ProgramInfo().setRootDirectory(this.folder).setProgramDirectory(this.program).setEntryPoint(".").setOptions(toStruct(options));
	}

	#call<Request, Response>(
		method: (
			request: Request,
			metadata: grpc.Metadata,
			options: grpc.CallOptions,
			callback: (error: grpc.ServiceError | null, response: Response) => void,
		) => unknown,
		request: Request,
	): Promise<Response> {
		return new Promise((resolve, reject) => {
			method.call(this.#client, request, new grpc.Metadata(), { deadline: Date.now() + CALL_LIMIT_MS }, (error, response) =>
				error ? reject(new Error(error.details)) : resolve(response),
			);
		});
	}
}

/** Whether a process is there, and not only as an entry that nobody has read the end of. */
export function isAlive(pid: number): boolean {
	try {
		return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
	} catch {
		return false;
	}
}
