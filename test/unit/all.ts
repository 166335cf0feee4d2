// All unit tests in one process, a file after the other: by itself each would load Pulumi's SDK again, which takes longer than its tests.
// Not `--test-isolation=none`: there a file that can't be loaded, or an `after` that fails, fails nothing (Node 24.21.0, 2026-11-25).
import { globSync } from "node:fs";
import { test } from "node:test";

for (const file of globSync("**/*.test.ts", { cwd: import.meta.dirname }).sort()) test(file, () => import(`./${file}`));
