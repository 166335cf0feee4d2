// Gets a stack's recordings from its hosts, over SSH: the stack may be up, or destroyed already.
import type { StackHost } from "../../config/stack-file.ts";
import { unpackRecording } from "../../lifecycle/recording/packed.ts";
import { type Login, loginOf, onHost, pinnedHosts, type Secret } from "../login.ts";

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

/** `text` is that of Pulumi.<stack>.yaml. */
export async function fetchRecordings(text: string, secret: Secret): Promise<Fetched> {
	const hosts = pinnedHosts(text);
	const login = await loginOf(text, secret);
	const on = (some: StackHost[], verb: string) => Promise.all(some.map(async (host) => ({ host, ...(await recordingOn(host, login, verb)) })));
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
async function recordingOn(host: StackHost, login: Login, verb: string) {
	try {
		return await onHost(host, login, (runStep) => runStep({ step: RECORDING, verb }));
	} catch (error) {
		return { code: undefined, stdout: "", stderr: (error as Error).message };
	}
}
