// Gathers the whole story of a recording: its histories, verdicts and views, from which the text, the page and the JSON are rendered.

import { historiesIn } from "../history/history.ts";
import { hookIn, type PodHistory } from "../history/pod-history.ts";
import { type Entry, span } from "../recording/entry.ts";
import { readRecording } from "../recording/recording.ts";
import { type Timeline, timelineOf, type Wording } from "../recording/timeline.ts";
import { type PauseRow, pauseRow } from "../verdicts/pause.ts";
import { type Repeats, repeatsOf } from "../verdicts/repeats.ts";
import { type JudgedPod, judge } from "../verdicts/verdicts.ts";
import { describePod } from "./describe.ts";
import { podLine } from "./pod-line.ts";
import { podYaml } from "./yaml.ts";

export interface Story {
	timeline: Timeline;
	pods: PodStory[];
	/** Of Pods that were made more than once. */
	repeats: Repeats[];
	/** What the pause container holds together, where the stack asked for the probe. */
	pause: PauseRow[];
	/** In words: what is wrong with the recording, or missing. */
	problems: string[];
}
export interface PodStory extends JudgedPod {
	seed: SeedView;
}
/** What the seed's page shows of its Pod, from this recording. */
export interface SeedView {
	yaml: string;
	wide: string;
	describe: string;
	/** Lines of the message file on the Pod's Node, before the deletion and after the end. Undefined where it was not read. */
	before?: string[];
	after?: string[];
	/** So many of these lines were there before the Pod: earlier Pods wrote them. */
	earlier: number;
}

/**
 * `pod` picks Pods by name; all without it. `problems` are known already, such as hosts that gave no recording.
 * @throws RecordingError where the text holds no recording at all.
 */
export function storyOf(text: string, { name = "recording", pod, problems = [] }: { name?: string; pod?: string; problems?: string[] } = {}): Story {
	const timeline = timelineOf(readRecording(text, name));
	const histories = historiesIn(timeline).filter((history) => pod === undefined || history.name === pod);
	const seen = [...new Set([...timeline.pods.values()].map(({ metadata }) => metadata.name))].join(", ");
	const nobody =
		pod === undefined ? "No Pod appeared while this was recorded." : `Pod ${pod} never appeared while this was recorded${seen ? `; these did: ${seen}` : ""}.`;
	const missing = histories.length > 0 ? [] : [nobody];
	const pods = histories.map((history) => ({ history, verdicts: judge(history), seed: seedView(history, timeline.wording) }));
	return { timeline, pods, repeats: repeatsOf(pods), pause: timeline.pause.map(pauseRow), problems: [...problems, ...timeline.problems, ...missing] };
}

/** When the Pod's end began, in ms: the deletion is recorded some time after it was requested, and preStop may run before that. */
function terminationBegan({ containers, deletionRequested }: PodHistory): number {
	if (deletionRequested === undefined) return Number.POSITIVE_INFINITY;
	const { earliest } = span(deletionRequested);
	const hooks = containers.flatMap(({ runs }) => runs.flatMap((run) => hookIn(run, "preStop")?.requested?.at ?? []));
	return Math.min(deletionRequested.at, ...hooks.filter((at) => at >= earliest));
}
function seedView(history: PodHistory, wording: Wording): SeedView {
	const { alive, earlier, entries, deletionRequested, gone } = history;
	const until = terminationBegan(history);
	const events = entries.filter(({ kind, at }) => kind === "event" && at <= until);
	const lines = (kind: Entry["kind"]) => entries.filter((entry) => entry.kind === kind);
	const before = [...earlier, ...lines("line").filter(({ at, id }) => at < until && id < (deletionRequested?.id ?? Number.POSITIVE_INFINITY))];
	const after = lines("line-after");
	return {
		yaml: podYaml(alive),
		wide: podLine(alive),
		describe: describePod(alive, events, entries.filter(({ at }) => at <= until).at(-1)?.at ?? 0, wording),
		earlier: earlier.length,
		...(entries.some(({ source }) => source === "message file") ? { before: before.map(({ text }) => text) } : {}),
		...(gone && after.length > 0 ? { after: after.map(({ text }) => text) } : {}),
	};
}
