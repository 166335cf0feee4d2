// Cuts one Pod's part out of a recording: small enough to keep beside what it shows.
import type { Line } from "./recording.ts";
import { readRecording } from "./recording.ts";
import { ownersIn } from "./runtime.ts";

interface ApiObject {
	metadata?: { name?: string; uid?: string };
	spec?: { nodeName?: string };
	involvedObject?: { kind?: string; uid?: string; name?: string };
}
const objectIn = ({ data }: Line): ApiObject => (data as { object?: ApiObject }).object ?? {};

/**
 * Lines about the Pod of that name, from its containers and its Node; notes and clocks stay, the message file is left out. Pods of one name: the last one.
 * @throws Error where the recording has no such Pod.
 */
export function excerpt(text: string, pod: string): string {
	const { lines } = readRecording(text);
	const own = lines.filter(({ from }) => from === "pods").map(objectIn);
	const uid = own.findLast(({ metadata }) => metadata?.name === pod)?.metadata?.uid;
	if (uid === undefined)
		throw new Error(`Pod ${pod} is not in the recording; these are: ${[...new Set(own.map(({ metadata }) => metadata?.name))].join(", ")}`);
	const node = own.findLast(({ metadata, spec }) => metadata?.uid === uid && spec?.nodeName !== undefined)?.spec?.nodeName;
	const ids = new Set([...ownersIn(lines)].filter(([, owner]) => owner.uid === uid).map(([id]) => id));
	const isOurs = (line: Line): boolean => {
		if (line.from === "note" || line.from === "clock" || line.from === "end") return true;
		if (line.from === "pods") return objectIn(line).metadata?.uid === uid;
		if (line.from === "events") {
			const of = objectIn(line).involvedObject;
			return of?.uid === uid || (of?.kind === "Node" && of.name === node);
		}
		if (line.from === "runtime" || line.from === "journal") return [...String(line.data).matchAll(/\b[0-9a-f]{64}\b/g)].some(([id]) => ids.has(id));
		return false;
	};
	const kept = new Set(lines.filter((line) => isOurs(line)).map(({ number }) => number));
	const texts = text.split("\n").filter((line, index) => line.startsWith('{"schema"') || kept.has(index + 1));
	return `${texts.join("\n")}\n`;
}
