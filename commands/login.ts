// How a command that needs no engine logs in to a stack's hosts and runs steps there: by the same settings as the program. The stack may be up, or destroyed already.
import type { Client } from "ssh2";
import { stepText } from "../cluster/step-text.ts";
import { attempt } from "../config/host-keys.ts";
import { readKeyFile } from "../config/keys.ts";
import { normalPrivateKey, oneLine } from "../config/private-key-form.ts";
import { type StackHost, stackReach, stackTexts } from "../config/stack-file.ts";
import { passwordOf, type Setting, scriptCommand } from "../provider/shell.ts";
import { type Connection, dial } from "../provider/ssh/connection.ts";
import { keyOrAgent } from "../provider/ssh/login.ts";
import { type Ended, runScript } from "../provider/ssh/script.ts";
import { run } from "./run.ts";

/** The user's mistake. */
export class LoginError extends Error {}

/** Asks Pulumi for a secret of the stack. */
export type Secret = (key: string) => Promise<string>;
export function secretsOf(stack: string): Secret {
	return async (key) => {
		const { code, stdout, stderr } = await run("pulumi", ["config", "get", key, "-s", stack]);
		if (code !== 0) throw new LoginError(`${key} of stack ${stack}: ${stderr.trim()}`);
		return stdout;
	};
}

export interface Login {
	/** Undefined: the agent that SSH_AUTH_SOCK names has the keys. */
	privateKey: string | undefined;
	sudoPassword?: string;
	bastion?: StackHost;
}
/** `text` is that of Pulumi.<stack>.yaml. */
export async function loginOf(text: string, secret: Secret): Promise<Login> {
	const given = stackTexts(text);
	const line = async (key: string) => (given[key] === undefined ? "" : oneLine(await secret(key)));
	const { bastion, identity } = stackReach(text);
	if (identity && "problem" in identity) throw new LoginError(`sshConfig: ${identity.problem}`);
	const file = identity?.file ?? given.sshPrivateKeyFile;
	const key = async () => (file ? readKeyFile(file) : await secret("sshPrivateKey"));
	const opened = async () => {
		const [pem, passphrase] = [await key(), await line("sshPrivateKeyPassphrase")];
		const place = identity ? `sshConfig: IdentityFile ${file}` : file ? "sshPrivateKeyFile" : "sshPrivateKey";
		return attempt(
			() => normalPrivateKey(pem, passphrase),
			place,
			(path, problem) => {
				throw new LoginError(`${path}: ${problem}`);
			},
		);
	};
	const privateKey = given.sshAgent === "true" ? undefined : await opened();
	const sudoPassword = await line("sudoPassword");
	return { privateKey, ...(sudoPassword === "" ? {} : { sudoPassword }), ...(bastion ? { bastion } : {}) };
}

/** The hosts, where each and the bastion has its key in the file: seen before any secret is asked for. @throws LoginError */
export function pinnedHosts(text: string): StackHost[] {
	const { hosts, bastion } = stackReach(text);
	for (const host of [...(bastion ? [bastion] : []), ...hosts]) pinnedKey(host);
	return hosts;
}

const CONNECT_SECONDS = 10;
const KEEPALIVE_SECONDS = 10; // a host that vanishes in the middle is given up after four of them
const RUN_SECONDS = 120;

function pinnedKey({ name, trusted }: StackHost): string {
	if (trusted === undefined) throw new LoginError(`${name}: its host key is not in the stack's file. Run: npm run trust -- STACK`);
	return trusted;
}
/** Dials once. The key stays in memory: a file would outlive a Ctrl-C. */
export async function connect(host: StackHost, { privateKey, bastion }: Login): Promise<Client> {
	const to = (end: StackHost): Connection => {
		const { address, port, user } = end;
		return { host: address, port, user, hostKey: pinnedKey(end), ...keyOrAgent(privateKey), dialErrorLimit: 0, perDialTimeout: CONNECT_SECONDS };
	};
	const patience = { greetingSeconds: CONNECT_SECONDS, loginSeconds: CONNECT_SECONDS, keepaliveSeconds: KEEPALIVE_SECONDS };
	const connection = { ...to(host), ...(bastion ? { proxy: to(bastion) } : {}) };
	return dial(connection, { signal: new AbortController().signal, status: () => {}, patience });
}

export interface StepRun {
	step: URL;
	/** Beside HOST_NAME. */
	settings?: Record<string, Setting>;
	/** Default apply. */
	verb?: string;
	/** Default 120. */
	timeoutSeconds?: number;
	/** A line of the script's messages, as it comes. */
	onLine?: (line: string) => void;
}
/** Runs steps on one host, over one connection, one after the other. */
export async function onHost<T>(host: StackHost, login: Login, work: (runStep: (step: StepRun) => Promise<Ended>) => Promise<T>): Promise<T> {
	const password = passwordOf(host.user, login.sudoPassword);
	const client = await connect(host, login);
	try {
		return await work(({ step, settings = {}, verb = "apply", timeoutSeconds = RUN_SECONDS, onLine }) =>
			runScript(client, {
				command: scriptCommand(host.user, verb, password !== undefined),
				text: stepText(step, { HOST_NAME: host.name, ...settings }),
				...(password === undefined ? {} : { password }),
				timeoutSeconds,
				...(onLine ? { onLine } : {}),
			}),
		);
	} finally {
		client.end();
	}
}
