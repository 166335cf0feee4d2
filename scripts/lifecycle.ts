// npm run lifecycle -- report|show|fetch [STACK] [--from FILE] [--pod NAME] [--to PATH]: the life of a stack's Pods, from its hosts or from a recording.
// report writes a folder: recording.jsonl, page.html, story.json, story.txt and a drawing of each Pod. show prints the text. fetch writes the recording only.
// Exit status: 0 done, 1 nothing could be shown, 2 wrong usage.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { RecordingError, trimmed } from "../lifecycle/recording.ts";
import { pageOf } from "../lifecycle/render/html.ts";
import { storyJson } from "../lifecycle/render/json.ts";
import { svgOf } from "../lifecycle/render/svg.ts";
import { fullText, shortText } from "../lifecycle/render/text.ts";
import { type Story, storyOf } from "../lifecycle/story.ts";
import { FetchError, fetchRecordings, run } from "./lifecycle/fetch.ts";
import { TrustError } from "./trust.ts";

const USAGE = `usage: npm run lifecycle -- COMMAND [STACK] [OPTIONS]
  report   writes page.html, drawings, story.json, story.txt and recording.jsonl into a folder
  show     prints the whole story as text
  fetch    writes recording.jsonl only
STACK: whose hosts have the recording, as in Pulumi.STACK.yaml; not with --from
  --from FILE   a recording that was fetched before
  --pod NAME    only this Pod
  --to PATH     the folder, or fetch's file; default reports/STACK-TIME
In the lab: lab/lab exec -- npm run lifecycle -- report lab`;
class UsageError extends Error {}

interface Request {
	command: string;
	stack?: string;
	from?: string;
	pod?: string;
	to?: string;
}
function requestIn(words: string[]): Request {
	const options = { from: { type: "string" }, pod: { type: "string" }, to: { type: "string" } } as const;
	let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
	try {
		parsed = parseArgs({ args: words, allowPositionals: true, options });
	} catch (error) {
		throw new UsageError((error as Error).message);
	}
	const [command = "", stack, ...more] = parsed.positionals;
	if (!["report", "show", "fetch"].includes(command)) throw new UsageError(`found ${JSON.stringify(command)}, expected report, show or fetch`);
	if (more.length > 0) throw new UsageError(`found ${more.join(" ")} after the stack`);
	if ((stack === undefined) === (parsed.values.from === undefined)) throw new UsageError("expected a stack, or --from FILE");
	if (command === "fetch" && stack === undefined) throw new UsageError("fetch needs a stack");
	return { command, ...(stack === undefined ? {} : { stack }), ...parsed.values };
}

async function recordingOf({ stack, from }: Request): Promise<{ text: string; name: string; remove?: () => Promise<void> }> {
	if (from !== undefined) {
		if (!existsSync(from)) throw new UsageError(`${from}: no such file. Give one that npm run lifecycle -- fetch wrote.`);
		return { text: readFileSync(from, "utf8"), name: from };
	}
	const file = `Pulumi.${stack}.yaml`;
	if (!existsSync(file)) throw new UsageError(`${file}: no such file. Run this in the project's folder, with the name of a stack.`);
	const { text, problems, remove } = await fetchRecordings(readFileSync(file, "utf8"), async () => {
		const { code, stdout, stderr } = await run("pulumi", ["config", "get", "sshPrivateKey", "-s", String(stack)]);
		if (code !== 0) throw new FetchError(`the private key of stack ${stack}: ${stderr.trim()}`);
		return stdout;
	});
	for (const problem of problems) console.error(problem);
	return { text: trimmed(text), name: String(stack), remove };
}

/** Everything that `report` writes, by file name. */
function filesOf(text: string, story: Story): Record<string, string> {
	const drawings = story.pods.map(({ life }, index) => [`life-${story.pods.length > 1 ? `${index + 1}-` : ""}${life.name}.svg`, svgOf(life)]);
	return { "recording.jsonl": text, "page.html": pageOf(story), "story.json": storyJson(story), "story.txt": fullText(story), ...Object.fromEntries(drawings) };
}
const timeIn = (story: Story): string => new Date(story.timeline.entries[0]?.at ?? 0).toISOString().replaceAll(/[-:]|\..*/g, "");

async function main(words: string[]): Promise<void> {
	const request = requestIn(words);
	const { text, name, remove } = await recordingOf(request);
	const story = storyOf(text, { name, ...(request.pod === undefined ? {} : { pod: request.pod }) });
	const label = request.stack ?? "recording";
	if (request.command === "show") {
		process.stdout.write(fullText(story));
		return;
	}
	if (request.command === "fetch") {
		const to = request.to ?? `reports/${label}-${timeIn(story)}.jsonl`;
		mkdirSync(join(to, ".."), { recursive: true });
		writeFileSync(to, text);
		console.log(to);
	} else {
		const to = request.to ?? `reports/${label}-${timeIn(story)}`;
		mkdirSync(to, { recursive: true });
		for (const [file, content] of Object.entries(filesOf(text, story))) writeFileSync(join(to, file), content);
		console.log(`${shortText(story)}\n\n${join(to, "page.html")}`);
	}
	await remove?.(); // only now is it safe here
}

if (import.meta.main) {
	try {
		await main(process.argv.slice(2));
	} catch (error) {
		if (!(error instanceof UsageError || error instanceof RecordingError || error instanceof FetchError || error instanceof TrustError)) throw error;
		console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error.message);
		process.exitCode = error instanceof UsageError ? 2 : 1;
	}
}
