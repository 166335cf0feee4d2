// What a preview knows of the step that brings the scripts, whose output tells one installation of a host from another; and what a check warns of.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UNKNOWN } from "../../provider/plugin/values.ts";
import { pluginForEachTest, scriptText } from "./support/host-plugin.ts";

const own = pluginForEachTest();
/** Keeps an id and a script, as cluster/steps/scripts.sh does. */
function keeper() {
	const [id, script] = ["id", "script"].map((name) => join(own.folder.path, name)) as [string, string];
	const check = `n=0; [ -e ${id} ] || { printf 'host\\tthe one that was prepared\\tinstalled anew\\n'; n=3; }; [ -e ${script} ] || { printf 'script a\\tpresent\\tabsent\\n'; n=3; }; exit $n`;
	const apply = `[ -e ${id} ] || echo "$$" >${id}; : >${script}; cat ${id}`;
	return { id, script, step: { host: "one", step: "files", bringsScripts: true, text: scriptText({ check, apply }) } };
}

test("where scripts are missing or others, the host is known to be the one that it was; where it was installed anew, what its join gets is not known yet", async () => {
	const { id, script, step } = keeper();
	const made = await own.plugin.create("it", step);
	const printed = made.state.printed as string;
	assert.match(printed, /^\d+$/);

	rmSync(script);
	const damaged = await own.plugin.read("it", made);
	assert.equal((await own.plugin.update("it", damaged, step, { preview: true })).state.printed, printed);
	const repaired = await own.plugin.update("it", damaged, step);
	assert.equal(repaired.state.printed, printed);
	const newer = { ...step, text: `${step.text}# another version\n` };
	assert.equal((await own.plugin.update("it", await own.plugin.read("it", repaired), newer, { preview: true })).state.printed, printed);

	rmSync(script);
	rmSync(id);
	const both = await own.plugin.update("it", await own.plugin.read("it", repaired), step);
	rmSync(script);
	assert.equal(
		(await own.plugin.update("it", await own.plugin.read("it", both), step, { preview: true })).state.printed,
		both.state.printed,
		"that was long ago",
	);

	rmSync(id);
	const anew = await own.plugin.read("it", repaired);
	assert.equal((anew.state.found as Record<string, string>).host, "installed anew");
	assert.equal((await own.plugin.update("it", anew, newer, { preview: true })).state.printed, UNKNOWN);
	assert.notEqual((await own.plugin.update("it", anew, newer)).state.printed, both.state.printed);
});
test("a state of a version before, which printed nothing, gets its value with the next up", async () => {
	const { step } = keeper();
	const made = await own.plugin.create("it", step);
	const before = { ...made, state: { ...made.state, printed: "" } };
	assert.equal((await own.plugin.update("it", before, { ...step, text: `${step.text}# newer\n` }, { preview: true })).state.printed, UNKNOWN);
});
test("what a check notes is a warning of the preview, with its host, and no difference", async () => {
	const note = join(own.folder.path, "note");
	const step = { host: "one", step: "files", text: scriptText({ check: `[ ! -e ${note} ] || echo 'note: the CA ends on 2027-01-01' >&2; exit 0` }) };
	const made = await own.plugin.create("it", step);
	writeFileSync(note, "");
	const seen = await own.plugin.read("it", made);
	assert.deepEqual(seen.state.found, {});
	assert.deepEqual(
		own.plugin.engine.of(own.plugin.urn("it")).map(({ message }) => message),
		["one: the CA ends on 2027-01-01"],
	);
});
