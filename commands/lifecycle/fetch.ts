// Gets a stack's recordings from its hosts, over SSH: the stack may be up, or destroyed already.
import { stepText } from "../../cluster/step-text.ts";
import { readKeyFile } from "../../config/keys.ts";
import { normalPrivateKey, oneLine } from "../../config/private-key-form.ts";
import { stackHosts, stackTexts } from "../../config/stack-file.ts";
import { unpackRecording } from "../../lifecycle/recording/packed.ts";
import { scriptCommand } from "../../provider/shell.ts";
import { dial } from "../../provider/ssh/connection.ts";
import { runScript } from "../../provider/ssh/script.ts";

/** The user's mistake, or a host that can't be asked. */
export class FetchError extends Error {}
export interface Fetched {
	/** The hosts' recordings, one after the other. */
	text: string;
	/** What each host without one said. */
	problems: string[];
	/** Removes them from the hosts; those of recorders that still run stay. Returns what each host said that failed. */
	remove: () => Promise<string[]>;
}
interface Host {
	name: string;
	address: string;
	port: number;
	user: string;
	hostKey: string;
}
const RECORDING = new URL("../../workloads/steps/recording.sh", import.meta.url);
const CONNECT_SECONDS = 10;
const KEEPALIVE_SECONDS = 10; // a host that vanishes in the middle is given up after four of them
const RUN_SECONDS = 120;

/** Asks Pulumi for a secret of the stack. */
export type Secret = (key: string) => Promise<string>;

/** `text` is that of Pulumi.<stack>.yaml. */
export async function fetchRecordings(text: string, secret: Secret): Promise<Fetched> {
	const hosts = hostsIn(text);
	const key = await privateKey(text, secret);
	const on = (some: Host[], verb: string) => Promise.all(some.map(async (host) => ({ host, ...(await onHost(host, key, verb)) })));
	const answers = await on(hosts, "apply");
	const good = answers.filter(({ code }) => code === 0);
	const problems = failed(answers).map((problem) => `no recording from ${problem}`);
	if (good.length === 0) throw new FetchError(`no host gave a recording:\n${failed(answers).join("\n")}`);
	return {
		text: good.map(({ stdout }) => unpackRecording(stdout)).join(""),
		problems,
		remove: async () =>
			failed(
				await on(
					good.map(({ host }) => host),
					"undo",
				),
			).map((problem) => `the recording was not removed from ${problem}`),
	};
}
const failed = (answers: { host: Host; code: number | null | undefined; stderr: string }[]): string[] =>
	answers.filter(({ code }) => code !== 0).map(({ host, stderr }) => `${host.name}: ${lastLine(stderr)}`);
const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

function hostsIn(text: string): Host[] {
	return stackHosts(text).map(({ trusted, ...host }) => {
		if (trusted === undefined) throw new FetchError(`${host.name}: its host key is not in the stack's file. Run: npm run trust -- STACK`);
		return { ...host, hostKey: trusted };
	});
}
async function privateKey(text: string, secret: Secret): Promise<string> {
	const { sshPrivateKeyFile: file, sshPrivateKeyPassphrase } = stackTexts(text);
	const key = file ? readKeyFile(file) : await secret("sshPrivateKey");
	return normalPrivateKey(key, sshPrivateKeyPassphrase === undefined ? "" : oneLine(await secret("sshPrivateKeyPassphrase")));
}

/** Runs step `recording` with the given verb. The key stays in memory: a file would outlive a Ctrl-C. */
async function onHost({ name, address: host, port, user, hostKey }: Host, privateKey: string, verb: string) {
	const connection = { host, port, user, hostKey, privateKey, dialErrorLimit: 0, perDialTimeout: CONNECT_SECONDS, ignoresAgent: true };
	const patience = { greetingSeconds: CONNECT_SECONDS, loginSeconds: CONNECT_SECONDS, keepaliveSeconds: KEEPALIVE_SECONDS };
	try {
		const client = await dial(connection, { signal: new AbortController().signal, status: () => {}, patience });
		try {
			return await runScript(client, { command: scriptCommand(user, verb), text: stepText(RECORDING, { HOST_NAME: name }), timeoutSeconds: RUN_SECONDS });
		} finally {
			client.end();
		}
	} catch (error) {
		return { code: undefined, stdout: "", stderr: (error as Error).message };
	}
}
