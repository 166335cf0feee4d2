// npm run lifecycle -- COMMAND: the history of a stack's Pods, from its hosts or from recordings. `report` writes a folder: recording.jsonl, page.html,
// story.json, story.txt and a drawing of each Pod. Exit status: 0 done, 1 nothing could be shown, 2 wrong usage.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyError } from "../config/keys.ts";
import { StackFileError } from "../config/stack-file.ts";
import { RecordingError } from "../lifecycle/recording/recording.ts";
import { pageOf } from "../lifecycle/render/html.ts";
import { storyJson } from "../lifecycle/render/json.ts";
import { repeatsText } from "../lifecycle/render/repeats.ts";
import { type Story, storyOf } from "../lifecycle/render/story.ts";
import { svgOf } from "../lifecycle/render/svg.ts";
import { fullText, shortText } from "../lifecycle/render/text.ts";
import { repeatsOf } from "../lifecycle/verdicts/repeats.ts";
import { printable } from "../printable.ts";
import { FetchError } from "./lifecycle/fetch.ts";
import { repeat } from "./lifecycle/repeat.ts";
import { type Request, requestIn, USAGE, UsageError } from "./lifecycle/request.ts";
import { type Source, sourcesOf } from "./lifecycle/sources.ts";
import { LoginError } from "./login.ts";
import { RunError } from "./run.ts";

/** Everything that `report` writes, by file name. */
export function filesOf(text: string, story: Story): Record<string, string> {
	const drawings = story.pods.map(({ history }, index) => [`life-${story.pods.length > 1 ? `${index + 1}-` : ""}${history.name}.svg`, svgOf(history)]);
	return { "recording.jsonl": text, "page.html": pageOf(story), "story.json": storyJson(story), "story.txt": fullText(story), ...Object.fromEntries(drawings) };
}
const timeIn = (story: Story): string => new Date(story.timeline.entries[0]?.at ?? 0).toISOString().replaceAll(/[-:]|\..*/g, "");

const storyIn = ({ pod }: Request, { text, name, problems }: Source): Story => storyOf(text, { name, problems, ...(pod === undefined ? {} : { pod }) });

/** Pods of one name in all recordings, side by side. @throws RecordingError where none has two histories. */
function printRepeats(request: Request, sources: Source[]): void {
	const stories = sources.map((source) => storyIn(request, source));
	for (const problem of stories.flatMap(({ problems }) => problems)) console.error(printable(problem));
	const runs = repeatsOf(stories.flatMap(({ pods }) => pods));
	if (runs.length === 0) throw new RecordingError("No Pod has two lives in what was given. Make some: npm run lifecycle -- repeat 10 STACK");
	console.log(printable(runs.map(repeatsText).join("\n\n")));
}
function write(request: Request, { text, problems }: Source, story: Story): void {
	const label = `${request.stack ?? "recording"}-${timeIn(story)}`;
	if (request.command === "fetch") {
		const to = request.to ?? `reports/${label}.jsonl`;
		mkdirSync(join(to, ".."), { recursive: true });
		writeFileSync(to, text);
		for (const problem of problems) console.error(printable(problem));
		console.log(to);
		return;
	}
	const to = request.to ?? `reports/${label}`;
	mkdirSync(to, { recursive: true });
	for (const [file, content] of Object.entries(filesOf(text, story))) writeFileSync(join(to, file), content);
	console.log(`${shortText(story)}\n\n${join(to, "page.html")}`);
}

async function main(words: string[]): Promise<void> {
	const request = requestIn(words);
	if (request.command === "repeat") await repeat(String(request.stack), request.times ?? 0);
	const sources = await sourcesOf(request);
	if (request.command === "runs" || request.command === "repeat") return printRepeats(request, sources);
	const [source] = sources;
	if (source === undefined) return;
	const story = storyIn(request, source);
	if (request.command === "show") process.stdout.write(fullText(story));
	else {
		write(request, source, story);
		for (const problem of (await source.remove?.()) ?? []) console.error(printable(problem)); // only now is it safe here
	}
}

if (import.meta.main) {
	try {
		await main(process.argv.slice(2));
	} catch (error) {
		if (
			!(
				error instanceof UsageError ||
				error instanceof RecordingError ||
				error instanceof FetchError ||
				error instanceof LoginError ||
				error instanceof RunError ||
				error instanceof StackFileError ||
				error instanceof KeyError
			)
		)
			throw error;
		console.error(printable(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error.message));
		process.exitCode = error instanceof UsageError ? 2 : 1;
	}
}
