// Renders the story as plain text, for a terminal or a log.
import { printable } from "../../printable.ts";
import type { Entry } from "../recording/entry.ts";
import { seconds } from "../verdicts/order.ts";
import { pauseTable } from "../verdicts/pause.ts";
import type { Verdict } from "../verdicts/verdicts.ts";
import { offset } from "./offset.ts";
import { repeatsText } from "./repeats.ts";
import { isNews, rowsOf } from "./rows.ts";
import type { PodStory, Story } from "./story.ts";
import { WORDS } from "./verdict-list.ts";

/** A few lines: what came when, and the verdicts that say something. */
export function shortText(story: Story): string {
	return printable([...story.pods.map(shortPod), ...story.problems.map((problem) => `note: ${problem}`)].join("\n"));
}
function shortPod({ history, verdicts }: PodStory): string {
	const start = history.added?.at ?? history.entries[0]?.at ?? 0;
	const decided = verdicts.filter(({ word }) => word !== "NOT OBSERVED");
	const open = verdicts.length - decided.length;
	return [
		`${history.name} on ${history.node || "no Node"}`,
		...momentLines(history, start),
		...decided.map(({ word, guarantee, because }) => `${word.padEnd(14)} ${guarantee.title}${word === "PASS" ? "" : `: ${because}`}`),
		...(open > 0 ? [`${"NOT OBSERVED".padEnd(14)} ${open} more of ${verdicts.length}`] : []),
	].join("\n");
}
/** One Pod in one line, and a line for each failure. */
export function countsText({ history, verdicts }: PodStory): string {
	const counts = WORDS.map((word) => ({ word, count: verdicts.filter((verdict) => verdict.word === word).length })).filter(({ count }) => count > 0);
	const failed = verdicts.filter(({ word }) => word === "FAIL").map(({ guarantee, because }) => `  FAIL ${guarantee.title}: ${because}`);
	return printable(
		[`${history.name} on ${history.node || "no Node"}: ${counts.map(({ word, count }) => `${count} ${word}`).join(", ")}`, ...failed].join("\n"),
	);
}
/** Bars' begins and marks, in order of time: the drawing in words. `by`: "by" where it happened no later than that, else empty. */
export function momentsOf(history: PodStory["history"]): { at: number; by: string; who: string; what: string }[] {
	const by = (entry: Entry | undefined) => (entry?.meaning === "by" ? "by" : "");
	return rowsOf(history)
		.flatMap(({ name, bars, inner, marks }) => [
			...bars.map(({ from, to, kind, label, isOpen, entries }) => ({
				at: from,
				by: by(entries[0]),
				who: name,
				what: kind === "created" ? "created" : name === "Pod" ? label : isOpen ? "runs" : `runs for ${seconds(to - from)}`,
			})),
			...inner.map(({ from, label, entries }) => ({ at: from, by: by(entries[0]), who: name, what: label })),
			...marks.filter(isNews).map(({ at, label, entry }) => ({ at, by: by(entry), who: name, what: label })),
		])
		.sort((a, b) => a.at - b.at);
}
/** What was recorded late can stand below what it brought about. */
const momentLines = (history: PodStory["history"], start: number): string[] =>
	momentsOf(history).map(({ at, by, who, what }) => `${by.padEnd(2)}${offset(at, start).padStart(11)}  ${who.padEnd(16)} ${what}`);

/** Everything: the seed's view, the verdicts, the entries. */
export function fullText(story: Story): string {
	const pause = story.pause.length > 0 ? [`--- the pause container\n${pauseTable(story.pause)}`] : [];
	const notes = story.problems.map((problem) => `note: ${problem}`);
	return printable(`${[...notes, ...clockLines(story), ...story.repeats.map(repeatsText), ...story.pods.map(fullPod), ...pause].join("\n\n")}\n`);
}
export function clockLines({ timeline }: Story): string[] {
	return timeline.clocks.map(
		({ host, reference, offsetMs, errorMs, isUsed }) =>
			`clock of ${host}: ${isUsed ? `${Math.abs(offsetMs)} ms ${offsetMs > 0 ? "ahead of" : "behind"} ${reference}, taken off its times` : `as ${reference}'s`} (measured to within ${errorMs} ms)`,
	);
}
function fullPod(pod: PodStory): string {
	const { history, verdicts, seed } = pod;
	const start = history.added?.at ?? history.entries[0]?.at ?? 0;
	return [
		`=== ${history.name} on ${history.node || "no Node"} ===`,
		seed.yaml.trimEnd(),
		`--- kubectl get pod -o wide\n${seed.wide}`,
		`--- kubectl describe pod ${history.name}\n${seed.describe}`,
		...(seed.before ? [`--- message file before the deletion\n${seed.before.join("\n")}`] : []),
		...(seed.after ? [`--- message file after the Pod was gone\n${seed.after.join("\n")}`] : []),
		`--- what happened (by: no later than; the time is when the recorder heard of it)\n${momentLines(history, start).join("\n")}`,
		`--- verdicts\n${verdicts.map(verdictText).join("\n")}`,
		`--- entries\n${history.entries.map((entry) => entryText(entry, start)).join("\n")}`,
	].join("\n\n");
}
function verdictText({ word, guarantee, because, entries }: Verdict): string {
	const from = entries.length > 0 ? ` [${entries.map(({ id }) => id).join(", ")}]` : "";
	return `${word.padEnd(14)} ${guarantee.title}\n${" ".repeat(15)}${because}${from}\n${" ".repeat(15)}${guarantee.page}: "${guarantee.says}"`;
}
function entryText({ id, at, meaning, source, container = "", text, apiSecond }: Entry, start: number): string {
	const api = apiSecond === undefined ? "" : ` (API: ${new Date(apiSecond).toISOString().slice(11, 19)})`;
	return `${String(id).padStart(4)} ${offset(at, start).padStart(11)} ${meaning} ${source.padEnd(16)} ${container.padEnd(16)} ${text}${api}`;
}
