// Recordings from real lab runs (test/fixtures/lifecycle/README.md).
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export function fixture(name: string): string {
	const file = join(import.meta.dirname, `../fixtures/lifecycle/${name}.jsonl`);
	return existsSync(file) ? readFileSync(file, "utf8") : gunzipSync(readFileSync(`${file}.gz`)).toString("utf8");
}
