// The short table that `pulumi up` shows.
import { unpack } from "./packed.ts";
import { RecordingError } from "./recording.ts";
import { shortText } from "./render/text.ts";
import { storyOf } from "./story.ts";

/** Never throws for what is in a recording: a stack's output must not fail an `up` whose Pod runs. */
export function shortReport(packed: string[], pod: string): string {
	try {
		const story = storyOf(packed.map(unpack).join(""), { pod });
		// While the Pod lives, every recorder still runs.
		return shortText({ ...story, problems: story.problems.filter((problem) => !problem.includes("no end from")) });
	} catch (error) {
		if (error instanceof RecordingError) return error.message;
		throw error;
	}
}
