// What somebody asks of `npm run lifecycle`.
import { parseArgs } from "node:util";

export const USAGE = `usage: npm run lifecycle -- COMMAND [STACK] [OPTIONS]
  report    writes page.html, drawings, story.json, story.txt and recording.jsonl into a folder
  show      prints the whole story as text
  runs      puts Pods of one name side by side: how often each verdict, how long things took
  repeat N  makes lifecycle-demo-pod anew N times (pulumi up --replace), then as runs
  fetch     writes recording.jsonl only
STACK: whose hosts have the recording, as in Pulumi.STACK.yaml; not with --from
  --from FILE   a recording that was fetched before, packed with gzip or not; for runs any number of them
  --pod NAME    only this Pod
  --to PATH     the folder, or fetch's file; default reports/STACK-TIME
In the lab: lab/lab exec -- npm run lifecycle -- report lab`;
export class UsageError extends Error {}

const COMMANDS = ["report", "show", "runs", "repeat", "fetch"] as const;
export interface Request {
	command: (typeof COMMANDS)[number];
	/** Undefined where recordings are given. */
	stack?: string;
	from: string[];
	pod?: string;
	to?: string;
	/** Of repeat. */
	times?: number;
}
const MOST_TIMES = 1000;

/** @throws UsageError */
export function requestIn(words: string[]): Request {
	const options = { from: { type: "string", multiple: true }, pod: { type: "string" }, to: { type: "string" } } as const;
	let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
	try {
		parsed = parseArgs({ args: words, allowPositionals: true, options });
	} catch (error) {
		throw new UsageError((error as Error).message);
	}
	const [word = "", ...rest] = parsed.positionals;
	const command = COMMANDS.find((one) => one === word);
	if (command === undefined) throw new UsageError(`found ${JSON.stringify(word)}, expected ${COMMANDS.slice(0, -1).join(", ")} or ${COMMANDS.at(-1)}`);
	const times = command === "repeat" ? { times: timesIn(rest.shift()) } : {};
	const [stack, ...more] = rest;
	if (more.length > 0) throw new UsageError(`found ${more.join(" ")} after the stack`);
	const { from = [], ...values } = parsed.values;
	if ((stack === undefined) === (from.length === 0)) throw new UsageError("expected a stack, or --from FILE");
	if ((command === "fetch" || command === "repeat") && stack === undefined) throw new UsageError(`${command} needs a stack`);
	if (from.length > 1 && command !== "runs") throw new UsageError(`${command} takes one --from; runs takes several`);
	return { command, ...(stack === undefined ? {} : { stack }), from, ...values, ...times };
}
function timesIn(word: string | undefined): number {
	const times = Number(word);
	if (!Number.isInteger(times) || times < 1 || times > MOST_TIMES)
		throw new UsageError(`repeat: found ${JSON.stringify(word ?? "")}, expected a number from 1 to ${MOST_TIMES}`);
	return times;
}
