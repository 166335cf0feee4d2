// The resource `host:index:Recording`: when it is deleted, it reads what the hosts recorded, and shows a summary of it.
import type { Hosts } from "./hosts.ts";
import { type Failure, packed } from "./inputs.ts";
import { unpackScript } from "./packed-script.ts";
import { asSecret, isEqual, isObject, isSecret, isUnknown, open, type Properties, reveal } from "./plugin/values.ts";
import { endOf } from "./ssh/script.ts";
import type { Shown } from "./step.ts";

interface Inputs {
	/** By host: the script that prints its recording, packed (lifecycle/recording/packed.ts), with `apply`. */
	scripts: Record<string, string>;
	/** Gets the whole summary; each other Pod one line of it. */
	pod: string;
	/** For the command that makes the whole report. */
	stack: string;
}
const FIELDS = ["scripts", "pod", "stack"];

/** Names everything that is wrong by property. The inputs to keep have the scripts packed. */
export function checkRecording(olds: Properties, news: Properties): { inputs: Properties; failures: Failure[] } {
	const failures: Failure[] = Object.keys(news)
		.filter((name) => !FIELDS.includes(name))
		.map((property) => ({ property, reason: `is none of ${FIELDS.join(", ")}` }));
	for (const property of FIELDS) {
		const value = open(news[property] ?? null);
		const isRight = property === "scripts" ? isObject(value) : typeof value === "string" && value !== "";
		if (!isRight && !isUnknown(value))
			failures.push({ property, reason: property === "scripts" ? "must be an object: a script for each host" : "must be a text" });
	}
	const [old, wanted] = [open(olds.scripts ?? null), open(news.scripts ?? null)];
	if (!isObject(wanted)) return { inputs: news, failures };
	const scripts = Object.fromEntries(Object.entries(wanted).map(([host, text]) => [host, packed(isObject(old) ? old[host] : undefined, text) ?? text]));
	return { inputs: { ...news, scripts: isSecret(news.scripts) ? asSecret(scripts) : scripts }, failures };
}
/** Names of what is another: it is taken into the state, and no host is asked. */
export function changedInputs(olds: Properties, news: Properties): string[] {
	return FIELDS.filter((name) => !isEqual(reveal(olds[name] ?? null), reveal(news[name] ?? null)));
}

/** What packed recordings of hosts say of a Pod, in a few lines. */
export type Summarize = (recordings: string[], pod: string) => Promise<string>;

/** A recording that can't be read is a warning: it must not keep anybody from a destroy. */
export async function summarizeRecording(
	state: Properties,
	hosts: Hosts,
	{ warn, info }: Pick<Shown, "warn"> & { info: (text: string) => void },
	summarize: Summarize,
): Promise<void> {
	const { scripts, pod, stack } = reveal(state) as unknown as Inputs;
	const read = async ([host, text]: [string, string]): Promise<string[]> => {
		try {
			const ended = await hosts.run(host, { verb: "apply", text: unpackScript(text), isProbe: true });
			if (ended.code === 0) return [ended.stdout];
			warn(`${host}: ${ended.stderr.trim().split("\n").at(-1) || endOf(ended)}`);
		} catch (error) {
			warn(`the recording of ${host} was not read: ${(error as Error).message}`);
		}
		return [];
	};
	const recordings = (await Promise.all(Object.entries(scripts).map(read))).flat();
	if (recordings.length === 0) return;
	info(`${await summarize(recordings, pod)}\nthe whole story: npm run lifecycle -- report ${stack}`);
}
