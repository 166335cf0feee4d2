// The story as JSON, for other programs: what the page shows, with the entries by number.
import type { Story } from "../story.ts";

export function storyJson({ timeline, pods, problems }: Story): string {
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
	return `${JSON.stringify({ schema: "kubeadm-lab/story", version: 1, problems, clocks: timeline.clocks, pods: shown }, null, "\t")}\n`;
}
