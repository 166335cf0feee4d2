// The story as JSON, for other programs: what the page shows, with the entries by number.
import type { Runs } from "../verdicts/repeats.ts";
import type { Story } from "./story.ts";

const runJson = ({ name, count, guarantees, measures }: Runs) => ({
	...{ name, count, measures },
	guarantees: guarantees.map(({ guarantee, words }) => ({ guarantee: guarantee.id, words })),
});
export function storyJson({ timeline, pods, runs, pause, problems }: Story): string {
	const shown = pods.map(({ life, verdicts, seed }) => ({
		...{ name: life.name, uid: life.uid, node: life.node, seed },
		verdicts: verdicts.map(({ word, guarantee, because, entries }) => ({
			guarantee: guarantee.id,
			title: guarantee.title,
			word,
			because,
			entries: entries.map(({ id }) => id),
		})),
		entries: life.entries,
	}));
	return `${JSON.stringify({ schema: "kubeadm-lab/story", version: 1, problems, clocks: timeline.clocks, pods: shown, runs: runs.map(runJson), pause }, null, "\t")}\n`;
}
