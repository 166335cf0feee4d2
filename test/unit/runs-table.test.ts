// The README's table of what was run: made from docs/runs.json, with every release of config/releases.ts in it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { withTable } from "../../commands/config-table.ts";
import { BEGIN, END, noted, type Run, runsTable, seen } from "../../commands/runs-table.ts";
import { RELEASE_VERSIONS } from "../../config/releases.ts";

const text = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const RUN: Run = { command: "npm test", kubernetes: "1.2.3", runtime: "Docker 1", cgroup: "v1", date: "2026-01-02", commit: "abc", passed: 3, failed: 1 };

test("the README's table is what docs/runs.json and the releases say", () => {
	const readme = text("README.md");
	const runs = JSON.parse(text("docs/runs.json")) as Run[];
	assert.equal(withTable(readme, runsTable(runs, RELEASE_VERSIONS), BEGIN, END), readme, "run: node_modules/.bin/node commands/runs-table.ts");
});
test("a release that none was made with is said to be not run, and each run has its row", () => {
	assert.deepEqual(
		runsTable([RUN, { ...RUN, command: "other" }], ["1.1.0", "1.2.0", "1.2.3", "1.3.0"])
			.split("\n")
			.slice(2),
		[
			"| 1.1.0, 1.2.0 |  |  | not run |  |",
			"| 1.2.3 | Docker 1 | v1 | `npm test` | 2026-01-02, commit abc: 3 passed, 1 failed |",
			"| 1.2.3 | Docker 1 | v1 | `other` | 2026-01-02, commit abc: 3 passed, 1 failed |",
			"| 1.3.0 |  |  | not run |  |",
		],
	);
	assert.throws(() => runsTable([RUN], ["1.1.0"]), { message: "docs/runs.json: npm test ran Kubernetes 1.2.3, which is not in config/releases.ts" });
});
test("a run replaces the one of the same command, with the versions that its cluster said, or where none came up the ones before", () => {
	const now = { command: "npm test", date: "2026-01-03", commit: "def", passed: 4, failed: 0 };
	const found = seen("v1.18.3 docker://20.10.24 cgroup2fs\n");
	assert.deepEqual(noted([RUN], now, found), [{ ...now, kubernetes: "1.18.3", runtime: "Docker 20.10.24", cgroup: "v2" }]);
	assert.deepEqual(noted([RUN], now, seen("")), [{ ...RUN, ...now }]);
	assert.deepEqual(noted([], now, seen("v1.29.15 containerd://1.6.20 tmpfs"))[0]?.runtime, "containerd 1.6.20");
	assert.throws(() => noted([], now, undefined), { message: "npm test: no cluster came up, and none did before. Nothing was noted" });
	assert.throws(() => seen("error: no server"), /expected a kubelet's version, a runtime's and a file system, found "error: no server"/);
});
