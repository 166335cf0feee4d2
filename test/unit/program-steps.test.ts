// How a step on a host is looked at, repeated and undone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { graph, HOSTS, NODE_STATES, program } from "./program.ts";
import type { Graph } from "./program-graph.ts";

test("the converged state of a host belongs to the provider that looks at it, and a stack made with commands moves over", () => {
	const names = HOSTS.flatMap((host) => ["preflight", "identity", "packages", "system", "runtime", ...NODE_STATES].map((step) => `lab-${host}-${step}`));
	assert.deepEqual(graph.states.map(({ name }) => name).sort(), names.sort());
	for (const { name, inputs, formerTypes, needs } of graph.states) {
		assert.deepEqual(formerTypes, ["command:remote:Command"], name);
		assert.ok(needs.includes(graph.named("lab-hosts").urn), name);
		assert.equal(name, `lab-${inputs.step === "node" ? inputs.settings.NODE_NAME : inputs.host}-${inputs.step}`);
		assert.equal(inputs.looksOnly, inputs.step === "preflight" ? true : undefined, name);
		const flags = [...(inputs.looksOnly ? ["looksOnly"] : []), ...(inputs.undo === false ? ["undo"] : [])];
		assert.deepEqual(Object.keys(inputs).sort(), ["host", "settings", "step", "text", ...flags].sort(), name);
	}
});
test("every step that has a create has the same update, so that a changed connection never means a new create", () => {
	for (const { name, inputs } of graph.commands) {
		assert.equal(inputs.update, inputs.create, name);
		assert.ok(inputs.create !== undefined || inputs.delete !== undefined, name);
	}
});
test("steps with nothing to undo have no delete, so that a dead host does not hold up a destroy", () => {
	const without = graph.commands.filter(({ inputs }) => inputs.delete === undefined).map(({ name }) => name.replace(/^.*-/, ""));
	assert.deepEqual([...new Set(without)].sort(), ["images", "kubeconfig", "message", "recording"]);
});
test("witnesses dial no host before destroy, unless the file is to be emptied", async () => {
	const witnesses = (of: Graph) => of.commands.filter(({ name }) => name.endsWith("-witness"));
	assert.deepEqual(
		witnesses(graph).map(({ inputs }) => inputs.create),
		[undefined, undefined],
	);
	const fresh = await program({ changes: { demoFreshFile: true } });
	assert.deepEqual(
		witnesses(fresh.graph).map(({ inputs }) => inputs.create),
		["bash -s -- apply", "bash -s -- apply"],
	);
	assert.ok(witnesses(fresh.graph).every(({ inputs }) => /^readonly FRESH='yes'$/m.test(inputs.stdin)));
});
test("no delete hook: a plain pulumi destroy would refuse to run", () => {
	for (const { name, hooks } of graph.resources) assert.deepEqual(hooks.ofDelete, [], name);
});
