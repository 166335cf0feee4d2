// Packs scripts for a stack's state. They are most of it, and the engine writes all of it after each step of each resource.
import { gunzipSync, gzipSync } from "node:zlib";

const MARK = "gzip:"; // no script begins with it

/** What is packed stays as it is. */
export function packScript(script: string): string {
	return script.startsWith(MARK) ? script : MARK + gzipSync(script, { level: 9 }).toString("base64");
}

/** The script; also where it was kept as it is, as the version before did. Throws where the state was damaged. */
export function unpackScript(kept: string): string {
	return kept.startsWith(MARK) ? gunzipSync(Buffer.from(kept.slice(MARK.length), "base64")).toString("utf8") : kept;
}
