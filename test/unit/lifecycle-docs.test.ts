// The report in docs/lifecycle is what the program makes of its recording today.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { filesOf } from "../../commands/lifecycle.ts";
import { storyOf } from "../../lifecycle/render/story.ts";
import { fixture } from "./lifecycle-fixture.ts";

const folder = join(import.meta.dirname, "../../docs/lifecycle");

test("docs/lifecycle is what `report` writes today from the recording of a lab run", () => {
	const text = fixture("demo");
	const files = filesOf(text, storyOf(text, { pod: "lifecycle-demo-pod" }));
	assert.deepEqual(readdirSync(folder).sort(), ["life-lifecycle-demo-pod.svg", "page.html", "story.json", "story.txt"]);
	for (const name of readdirSync(folder))
		assert.ok(
			readFileSync(join(folder, name), "utf8") === files[name],
			`${name} is of an older program. Run: gunzip -k test/fixtures/lifecycle/demo.jsonl.gz; npm run lifecycle -- report --from test/fixtures/lifecycle/demo.jsonl --pod lifecycle-demo-pod --to docs/lifecycle; rm docs/lifecycle/recording.jsonl test/fixtures/lifecycle/demo.jsonl`,
		);
});
