// Packs and unpacks a recording as a host prints it: gzip, then base64.
import { gunzipSync, gzipSync } from "node:zlib";
import { RecordingError } from "./recording.ts";

/** The JSON lines. @throws RecordingError where the text is not what step `recording` prints. */
export function unpackRecording(text: string): string {
	try {
		return gunzipSync(Buffer.from(text, "base64")).toString("utf8");
	} catch (error) {
		throw new RecordingError(`not a packed recording (${(error as Error).message}): ${JSON.stringify(text.slice(0, 40))}`);
	}
}
/** As the hosts do it. */
export const packRecording = (text: string): string => gzipSync(text).toString("base64");
