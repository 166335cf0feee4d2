// Where recordings come from: files, or a stack's hosts.
import { existsSync, readFileSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { RecordingError, trimmed } from "../../lifecycle/recording/recording.ts";
import { secretsOf } from "../login.ts";
import { fetchRecordings } from "./fetch.ts";
import { type Request, UsageError } from "./request.ts";

export interface Source {
	text: string;
	/** For messages. */
	name: string;
	/** What each host without a recording said. */
	problems: string[];
	/** Takes it off the hosts; returns what each host said that would not. */
	remove?: () => Promise<string[]>;
}

/** @throws UsageError, LoginError, FetchError, RecordingError */
export async function sourcesOf({ stack, from }: Pick<Request, "stack" | "from">): Promise<Source[]> {
	if (stack !== undefined) return [await fromHosts(stack)];
	return from.map((file) => {
		if (!existsSync(file)) throw new UsageError(`${file}: no such file. Give one that npm run lifecycle -- fetch wrote.`);
		return { text: textOf(file), name: file, problems: [] };
	});
}
/** A recording may be kept packed. */
function textOf(file: string): string {
	const bytes = readFileSync(file);
	if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString("utf8");
	try {
		return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString("utf8"); // of one that was cut short: what is there
	} catch (error) {
		throw new RecordingError(`${file}: damaged gzip (${(error as Error).message}). Give a file that npm run lifecycle -- fetch wrote, packed or not.`);
	}
}
async function fromHosts(stack: string): Promise<Source> {
	const file = `Pulumi.${stack}.yaml`;
	if (!existsSync(file)) throw new UsageError(`${file}: no such file. Run this in the project's folder, with the name of a stack.`);
	const { text, problems, remove } = await fetchRecordings(readFileSync(file, "utf8"), secretsOf(stack));
	return { text: trimmed(text), name: stack, problems, remove };
}
