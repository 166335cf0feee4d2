// Renders the story as JSON, for other programs: what the page shows, with the entries by number.
import type { Repeats } from "../verdicts/repeats.ts";
import type { Story } from "./story.ts";

const repeatsJson = ({ name, count, guarantees, measures }: Repeats) => ({
	name,
	count,
	measures,
	guarantees: guarantees.map(({ guarantee, words }) => ({ guarantee: guarantee.id, words })),
});
export function storyJson({ timeline, pods, repeats, pause, problems }: Story): string {
	const shown = pods.map(({ history, verdicts, seed }) => ({
		name: history.name,
		uid: history.uid,
		node: history.node,
		seed,
		verdicts: verdicts.map(({ word, guarantee, because, entries }) => ({
			guarantee: guarantee.id,
			title: guarantee.title,
			word,
			because,
			entries: entries.map(({ id }) => id),
		})),
		entries: history.entries,
	}));
	return `${JSON.stringify({ schema: "kubeadm-lab/story", version: 1, problems, clocks: timeline.clocks, pods: shown, runs: repeats.map(repeatsJson), pause }, null, "\t")}\n`;
}
