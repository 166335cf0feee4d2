// docs/gallery.md has every Pod of the gallery.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SCENARIO_NAMES } from "../../config/settings.ts";
import { SCENARIOS } from "../../workloads/scenarios.ts";

test("docs/gallery.md lists every Pod of the gallery, with what it shows and the release it needs", () => {
	const text = readFileSync(join(import.meta.dirname, "../../docs/gallery.md"), "utf8");
	const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (.*) \| 1\.(\d+) \|$/gm)].map(([, name, shows, minor]) => ({ name, shows, minor: Number(minor) }));
	assert.deepEqual(
		rows.map(({ name }) => name),
		SCENARIO_NAMES,
	);
	for (const [index, name] of SCENARIO_NAMES.entries()) {
		const { shows, fromMinor } = SCENARIOS[name];
		assert.equal(rows[index]?.minor, fromMinor, name);
		assert.equal(rows[index]?.shows, shows, name);
	}
});
