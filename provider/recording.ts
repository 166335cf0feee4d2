// The resource `host:index:Recording`: when it is deleted, it reads what the hosts recorded, and shows a summary of it.
import type { Hosts } from "./hosts.ts";
import type { Failure } from "./inputs.ts";
import { isEqual, isUnknown, open, type Properties, reveal, type Value } from "./plugin/values.ts";
import { type Scripts, unpackScript } from "./scripts.ts";
import { settingsText } from "./shell.ts";
import { endOf } from "./ssh/script.ts";
import type { Shown } from "./step.ts";

interface Inputs {
	/** Whose recordings. */
	hosts: string[];
	/** Whose script prints the recording of HOST_NAME, packed (lifecycle/recording/packed.ts), with `apply`. */
	step: string;
	/** In a state of the version before, instead of both: by host, that script with its settings, packed. */
	scripts?: Record<string, string>;
	/** Gets the whole summary; each other Pod one line of it. */
	pod: string;
	/** For the command that makes the whole report. */
	stack: string;
}
const FIELDS = ["hosts", "step", "pod", "stack"];

/** Names everything that is wrong by property. */
export function checkRecording(inputs: Properties): { inputs: Properties; failures: Failure[] } {
	const failures: Failure[] = Object.keys(inputs)
		.filter((name) => !FIELDS.includes(name))
		.map((property) => ({ property, reason: `is none of ${FIELDS.join(", ")}` }));
	const isText = (value: Value): boolean => typeof value === "string" && value !== "";
	for (const property of FIELDS) {
		const value = open(inputs[property] ?? null);
		const isRight = property === "hosts" ? Array.isArray(value) && value.every(isText) : isText(value);
		if (!isRight && !isUnknown(value)) failures.push({ property, reason: property === "hosts" ? "must be a list of names" : "must be a text" });
	}
	return { inputs, failures };
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
	known: Scripts,
	{ warn, info }: Pick<Shown, "warn"> & { info: (text: string) => void },
	summarize: Summarize,
): Promise<void> {
	const { hosts: names = [], step, scripts, pod, stack } = reveal(state) as unknown as Inputs;
	const script = known.text(known.current(step) ?? "") ?? "";
	const texts = scripts ?? Object.fromEntries(names.map((name) => [name, settingsText(step, { HOST_NAME: name }) + script]));
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
	const recordings = (await Promise.all(Object.entries(texts).map(read))).flat();
	if (recordings.length === 0) return;
	info(`${await summarize(recordings, pod)}\nthe whole story: npm run lifecycle -- report ${stack}`);
}
