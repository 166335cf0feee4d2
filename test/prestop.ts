// The table of docs/prestop.md: what ends a Pod, and what the recording of it says.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { hookIn } from "../lifecycle/history/pod-history.ts";
import type { PodStory } from "../lifecycle/render/story.ts";
import type { GuaranteeId } from "../lifecycle/verdicts/guarantees.ts";

/** By name of the recording: what ends the Pod, in the words of the table. */
export const WAYS = {
	delete: "`kubectl delete pod`",
	destroy: "`pulumi destroy`",
	drain: "`kubectl drain`",
	evict: "eviction through the API",
	force: "`kubectl delete pod --grace-period=0 --force`",
	"kubelet-stop": "the kubelet stops: the Pod goes on",
	reboot: "`systemctl reboot` of the node",
	"power-off": "the node's power goes: `systemctl reboot --force --force`",
	reset: "`kubeadm reset` on the node",
} as const;
export type Way = keyof typeof WAYS;

const docs = join(import.meta.dirname, "../docs");
export const tableFile = join(docs, "prestop.md");
export const recordingFile = (way: Way): string => join(docs, `prestop/${way}.jsonl.gz`);
export const keptRecording = (way: Way): string => gunzipSync(readFileSync(recordingFile(way))).toString("utf8");

/** A preStop command was run in one of the Pod's containers, and ended by itself. */
export const hasRun = ({ history }: PodStory): boolean =>
	history.containers.some(({ runs }) => runs.some((run) => hookIn(run, "preStop")?.exited?.exitCode === 0));

/** The table's row, from the recording. */
export const rowOf = (way: Way, story: PodStory): string => `| ${[...cellsOf(way, story), `[${way}](prestop/${way}.jsonl.gz)`].join(" | ")} |`;
export function cellsOf(way: Way, story: PodStory): string[] {
	const word = (id: GuaranteeId) => story.verdicts.find(({ guarantee }) => guarantee.id === id)?.word;
	return [WAYS[way], hasRun(story) ? "yes" : "no", word("prestop-before-term") ?? "", word("hooks-at-least-once") ?? ""];
}
