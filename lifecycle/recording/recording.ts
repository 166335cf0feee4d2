// Reads a recording: JSON lines that hosts wrote while Pods existed. docs/recording.md describes the format.
import { z } from "zod";

export const SCHEMA = "kubeadm-lab/recording";
export const VERSION = 1;

/** First line of what one host recorded. */
export interface Header {
	schema: typeof SCHEMA;
	version: typeof VERSION;
	/** When the recorder started: ms since 1970 by the host's own clock, as every `at` of that host. */
	at: number;
	host: string;
	role: "control-plane" | "worker";
	namespace: string;
	messageFile: string;
	kubernetes?: string | undefined;
	zone?: string | undefined;
}
/** Where a line comes from: the recorder reads several streams at once. */
export const STREAMS = ["clock", "note", "pods", "events", "runtime", "journal", "request", "pause", "file-start", "file", "file-end", "end"] as const;
export type Stream = (typeof STREAMS)[number];
export interface Line {
	/** Place in the text, from 1. */
	number: number;
	at: number;
	host: string;
	from: Stream;
	/** An object for clock, pods and events; else text. */
	data: unknown;
}
export interface Recording {
	/** For messages, such as the file's. */
	name: string;
	headers: Header[];
	lines: Line[];
	/** Places in `lines` at which one or more could not be read. */
	lost: number[];
	/** What is wrong with it, in words: the rest can be used. */
	problems: string[];
}
/** Nothing of the text can be used. The message says why, and what to do. */
export class RecordingError extends Error {}

const header = z.object({
	schema: z.literal(SCHEMA),
	version: z.literal(VERSION),
	at: z.number(),
	host: z.string(),
	role: z.enum(["control-plane", "worker"]),
	namespace: z.string(),
	messageFile: z.string(),
	/** The kubelet's release, such as v1.29.15; empty where there was none. Not in recordings of before 28 November 2026. */
	kubernetes: z.string().optional(),
	/** The host's time zone, such as +0800. As above. */
	zone: z
		.string()
		.regex(/^[+-]\d{4}$/)
		.optional(),
});
const streams: ReadonlySet<string> = new Set(STREAMS);

/**
 * Reads one recording, or several one after the other. `name` is for messages, such as the file's.
 * @throws RecordingError where it has no line that can be used.
 */
export function readRecording(text: string, name = "recording"): Recording {
	const recording: Recording = { name, headers: [], lines: [], lost: [], problems: [] };
	const texts = text.split("\n");
	const isWhole = texts.at(-1) === "";
	if (isWhole) texts.pop();
	let isOtherVersion = false;
	for (const [index, line] of texts.entries()) {
		const number = index + 1;
		if (line === "") continue;
		const value = parsed(line);
		if (recording.headers.length === 0 && !isOtherVersion && (value === undefined || !("schema" in value)))
			throw new RecordingError(`${name}:${number}: the first line is no recording's header. Give a file that npm run lifecycle -- fetch wrote.`);
		if (value === undefined) {
			const isLast = number === texts.length;
			recording.lost.push(recording.lines.length);
			recording.problems.push(`${name}:${number}: ${isLast ? "cut short in the middle of this line; what came after it is missing" : "not JSON; passed over"}`);
		} else if ("schema" in value) {
			const problem = addHeader(recording, value, `${name}:${number}`);
			if (problem !== undefined) recording.problems.push(problem);
			isOtherVersion = problem !== undefined;
		} else if (!isOtherVersion && !addLine(recording, value, number)) {
			recording.lost.push(recording.lines.length);
			recording.problems.push(`${name}:${number}: expected at, host, from and data; passed over`);
		}
	}
	if (recording.headers.length === 0) throw new RecordingError(recording.problems[0] ?? `${name}: empty. Was anything recorded? See demoRecordHours.`);
	recording.problems.push(...missingEnds(recording));
	return recording;
}
function parsed(line: string): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(line);
		return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
	} catch {
		return undefined;
	}
}
function addHeader(recording: Recording, value: Record<string, unknown>, where: string): string | undefined {
	if (value.schema === SCHEMA && value.version !== VERSION)
		return `${where}: a recording of version ${JSON.stringify(value.version)}; this program reads version ${VERSION}. Use the program that recorded it.`;
	const read = header.safeParse(value);
	if (!read.success) return `${where}: not a header of ${SCHEMA}: ${read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ")}`;
	recording.headers.push(read.data);
	return undefined;
}
function addLine(recording: Recording, { at, host, from, data }: Record<string, unknown>, number: number): boolean {
	if (typeof at !== "number" || typeof host !== "string" || typeof from !== "string" || !streams.has(from) || data === undefined) return false;
	recording.lines.push({ number, at, host, from: from as Stream, data });
	return true;
}
function missingEnds({ name, headers, lines }: Recording): string[] {
	const ended = new Set(lines.filter(({ from }) => from === "end").map(({ host }) => host));
	const open = headers.map(({ host }) => host).filter((host) => !ended.has(host));
	return open.length === 0 ? [] : [`${name}: no end from ${open.join(", ")}: the recorder was still running there, or the file was cut`];
}

/** The recording's text with less in it: only what a report needs of each object. Half the size, same entries. */
export function trimmed(text: string): string {
	return text.replaceAll(/,"managedFields":\[.*?\]\},"(spec|involvedObject)"/g, '},"$1"');
}
