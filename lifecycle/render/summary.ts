// Renders the summaries that `pulumi up` and `pulumi destroy` show.
import { unpackRecording } from "../recording/packed.ts";
import { RecordingError } from "../recording/recording.ts";
import { type Story, storyOf } from "./story.ts";
import { countsText, shortText } from "./text.ts";

/** While the Pod lives: what came when, and the verdicts so far. Of several Pods of that name the last one. */
export function summarySoFar(packed: string[], pod: string): string {
	// Every recorder still runs.
	return summaryOf(packed, (text) => {
		const story = storyOf(text, { pod });
		return shortText({ ...story, pods: story.pods.slice(-1), problems: story.problems.filter((problem) => !problem.includes("no end from")) });
	});
}
/** When all is over: the same with the Pod's end, and one line for each other Pod, those of the same name too. */
export function finalSummary(packed: string[], pod: string): string {
	return summaryOf(packed, (text) => {
		const story = storyOf(text);
		const last = story.pods.findLast(({ history }) => history.name === pod);
		const own: Story = last ? { ...story, pods: [last] } : storyOf(text, { pod });
		return [shortText(own), ...story.pods.filter((one) => one !== last).map(countsText)].join("\n");
	});
}
/** Never throws for what is in a recording: what is shown must not fail an `up` or a `destroy` that did its work. */
function summaryOf(packed: string[], render: (text: string) => string): string {
	try {
		return render(packed.map(unpackRecording).join(""));
	} catch (error) {
		if (error instanceof RecordingError) return error.message;
		throw error;
	}
}
