// Creates, updates and deletes a `command:remote:Command`. Nothing but its inputs, its state and a host decides what happens.
import { randomBytes } from "node:crypto";
import { isEqual, type Properties, reveal, UNKNOWN } from "../../../provider/plugin/values.ts";
import { type Connection, type Dialing, dial } from "../../../provider/ssh/connection.ts";
import { inputsOf } from "./inputs.ts";
import { type Output, runCommand } from "./session.ts";

interface Inputs {
	connection: Connection;
	create?: string;
	update?: string;
	delete?: string;
	stdin?: string;
	logging?: "stdout" | "stderr" | "stdoutAndStderr" | "none";
	environment?: Record<string, string>;
	addPreviousOutputInEnv?: boolean;
}

export interface Shown extends Dialing {
	diagnostic: (severity: "warning" | "error", line: string) => void;
	/** How long a command may print nothing. Default SILENCE_SECONDS. */
	silenceSeconds?: number;
}

// Where a host's disk hangs, its kernel still answers keepalives, and the official plugin waits for ever. Nothing sent to the host could end that: no signal ends what
// waits for a disk, and sshd waits for its output. The bound is one of silence, since a whole run may take as long as its settings say. The longest silence in order is
// 5 h, where initTimeoutSeconds is 7200, its most: 3 h for another run (cluster/steps/lib/common.sh), then 2 h for the API server (init.sh).
const SILENCE_SECONDS = 6 * 3600;
const PATIENCE = { greetingSeconds: 0, loginSeconds: 120, keepaliveSeconds: 0 }; // of a login: sshd's own LoginGraceTime, which may not end it there

/** Runs `create` where there is one. The id is the name with eight random hexadecimal digits. */
export async function create(name: string, inputs: Properties, shown: Shown): Promise<{ id: string; state: Properties }> {
	const { create: command } = commandInputs(inputs);
	const output = command === undefined ? { stdout: "", stderr: "" } : await execute(command, inputs, { stdout: "", stderr: "" }, shown);
	return { id: newId(name), state: { ...inputs, ...output } };
}

/** Runs `update`, or else `create`, on the connection of the new inputs. With neither, the state keeps what was printed last. */
export async function update(old: Properties, inputs: Properties, shown: Shown): Promise<Properties> {
	const { update: updates, create: creates } = commandInputs(inputs);
	const command = updates ?? creates;
	const previous = outputOf(old);
	return { ...inputs, ...(command === undefined ? previous : await execute(command, inputs, previous, shown)) };
}

/** Runs `delete` where there is one, on the connection in the state. */
export async function remove(state: Properties, shown: Shown): Promise<void> {
	const { delete: command } = commandInputs(state);
	if (command !== undefined) await execute(command, state, outputOf(state), shown);
}

/** What a preview knows: nothing of what a command will print. */
export function previewCreate(name: string, inputs: Properties): { id: string; state: Properties } {
	return { id: newId(name), state: { ...inputs, stdout: UNKNOWN, stderr: UNKNOWN } };
}

export function previewUpdate(old: Properties, inputs: Properties): Properties {
	const output = isEqual(inputsOf(old), inputs) ? { stdout: old.stdout ?? "", stderr: old.stderr ?? "" } : { stdout: UNKNOWN, stderr: UNKNOWN };
	return { ...inputs, ...output };
}

function newId(name: string): string {
	return name + randomBytes(4).toString("hex");
}

function commandInputs(properties: Properties): Inputs {
	return reveal(properties) as unknown as Inputs;
}

function outputOf(state: Properties): Output {
	const { stdout = "", stderr = "" } = reveal(state) as Properties;
	return { stdout: String(stdout), stderr: String(stderr) };
}

async function execute(command: string, properties: Properties, previous: Output, shown: Shown): Promise<Output> {
	const { connection, stdin = "", logging = "stdoutAndStderr", environment = {}, addPreviousOutputInEnv = true } = commandInputs(properties);
	const optional: Record<string, string> = {};
	if (addPreviousOutputInEnv && previous.stdout !== "") optional.PULUMI_COMMAND_STDOUT = previous.stdout;
	if (addPreviousOutputInEnv && previous.stderr !== "") optional.PULUMI_COMMAND_STDERR = previous.stderr;
	const client = await dial(connection, { patience: PATIENCE, ...shown });
	try {
		return await runCommand(client, {
			host: connection.host,
			command,
			stdin,
			environment,
			optional,
			shows: { stdout: /^stdout/.test(logging), stderr: /stderr$/i.test(logging) },
			onLine: shown.status,
			onRefused: (name, isFatal) => shown.diagnostic(isFatal ? "error" : "warning", refusedVariable(name)),
			silenceSeconds: shown.silenceSeconds ?? SILENCE_SECONDS,
		});
	} finally {
		client.end();
	}
}

function refusedVariable(name: string): string {
	return `Unable to set '${name}'. The SSH server takes a variable only where its AcceptEnv names it. Where a shell runs the command, put it in front: ${name}=value command`;
}
