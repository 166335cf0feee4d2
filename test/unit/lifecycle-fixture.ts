// Recordings from real lab runs (test/fixtures/lifecycle/README.md).
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const fixture = (name: string): string => readFileSync(join(import.meta.dirname, `../fixtures/lifecycle/${name}.jsonl`), "utf8");
