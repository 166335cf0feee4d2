// A Pod as `kubectl describe pod` prints it, compared with what kubectl printed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { storyOf } from "../../lifecycle/render/story.ts";
import { tabbed } from "../../lifecycle/render/tabs.ts";
import { withoutAges } from "../describe.ts";
import { fixture } from "./lifecycle-fixture.ts";

/** What `kubectl describe pod` printed in the lab, while that recording was made. */
const printed = readFileSync(join(import.meta.dirname, "../fixtures/lifecycle/describe.txt"), "utf8")
	.trimEnd()
	.split("\n\n\n");
const { pods, pause } = storyOf(fixture("pause"));

test("a Pod is described as kubectl 1.29 describes it, line by line, but for ages: also one whose containers have restarted", () => {
	assert.equal(printed.length, pods.length);
	for (const text of printed) {
		const [, name] = text.match(/^Name: +(\S+)$/m) ?? [];
		const pod = pods.find(({ history }) => history.name === name);
		assert.ok(pod, name);
		assert.equal(withoutAges(pod.seed.describe), withoutAges(text));
	}
	assert.match(printed.join("\n"), /Last State: +Terminated[\s\S]* \(x2 over \d+s\) /, "the lab's Pods show neither a restart nor an event that came twice");
});
test("a Pod of Kubernetes 1.18 is described as its kubectl describes it, in the host's time zone", () => {
	const real = readFileSync(join(import.meta.dirname, "../fixtures/lifecycle/describe-1.18.3.txt"), "utf8");
	assert.match(real, /^Start Time: .* \+0800$/m);
	const [pod] = storyOf(fixture("docker")).pods;
	assert.equal(withoutAges(pod?.seed.describe ?? ""), withoutAges(real));
});
test("the recording has the pause container's rows, and they pass", () => {
	assert.equal(pause.length, 28);
	for (const { pod, what, verdict } of pause) assert.equal(verdict, "PASS", `${pod} ${what}`);
});
test("tabs are lined up as text/tabwriter does it", () => {
	// Made with Go's text/tabwriter, NewWriter(out, 0, 8, 2, ' ', 0).
	assert.equal(tabbed("a\tb\nlonger\tc\nno tab\nx\ty"), "a       b\nlonger  c\nno tab\nx  y");
	assert.equal(tabbed("Type\tStatus\nReady \tTrue "), "Type    Status\nReady   True ");
	assert.equal(tabbed("k\t\nkey\tv\tw\nk\tlong\tw"), "k    \nkey  v     w\nk    long  w");
	const cell = fc.string({ unit: fc.constantFrom("a", "b", " "), maxLength: 5 });
	fc.assert(
		fc.property(fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 }), (rows) => {
			const lines = tabbed(rows.map((cells) => cells.join("\t")).join("\n")).split("\n");
			assert.equal(lines.length, rows.length);
			for (const [index, cells] of rows.entries()) assert.ok(lines[index]?.endsWith(cells.at(-1) ?? ""));
		}),
	);
});
