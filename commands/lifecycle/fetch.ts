// Gets a stack's recordings from its hosts, over SSH: the stack may be up, or destroyed already.
import { stepText } from "../../cluster/step-text.ts";
import { type StackHost, stackReach } from "../../config/stack-file.ts";
import { unpackRecording } from "../../lifecycle/recording/packed.ts";
import { passwordOf, scriptCommand } from "../../provider/shell.ts";
import { runScript } from "../../provider/ssh/script.ts";
import { connect, type Login, loginOf, pinnedKey, type Secret } from "../login.ts";

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
const RECORDING = new URL("../../workloads/steps/recording.sh", import.meta.url);
const RUN_SECONDS = 120;

/** `text` is that of Pulumi.<stack>.yaml. */
export async function fetchRecordings(text: string, secret: Secret): Promise<Fetched> {
	const { hosts, bastion } = stackReach(text);
	for (const host of [...(bastion ? [bastion] : []), ...hosts]) pinnedKey(host); // before any secret is asked for
	const login = await loginOf(text, secret);
	const on = (some: StackHost[], verb: string) => Promise.all(some.map(async (host) => ({ host, ...(await onHost(host, login, verb)) })));
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
const failed = (answers: { host: StackHost; code: number | null | undefined; stderr: string }[]): string[] =>
	answers.filter(({ code }) => code !== 0).map(({ host, stderr }) => `${host.name}: ${lastLine(stderr)}`);
const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

/** Runs step `recording` with the given verb. */
async function onHost(host: StackHost, login: Login, verb: string) {
	const password = passwordOf(host.user, login.sudoPassword);
	const script = {
		command: scriptCommand(host.user, verb, password !== undefined),
		text: stepText(RECORDING, { HOST_NAME: host.name }),
		...(password === undefined ? {} : { password }),
		timeoutSeconds: RUN_SECONDS,
	};
	try {
		const client = await connect(host, login);
		try {
			return await runScript(client, script);
		} finally {
			client.end();
		}
	} catch (error) {
		return { code: undefined, stdout: "", stderr: (error as Error).message };
	}
}
