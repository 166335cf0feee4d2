// What the plugin `host` shows at the deletion of a recording, against a real SSH server.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { packRecording } from "../../lifecycle/recording/packed.ts";
import { fixture } from "../unit/lifecycle-fixture.ts";
import { HostPlugin, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

let sshd: Sshd;
let plugin: HostPlugin;
before(async () => {
	sshd = await Sshd.start();
});
after(() => sshd.remove());
beforeEach(async () => {
	plugin = await HostPlugin.start(sshd);
	plugin.type = "host:index:Recording";
});
afterEach(() => plugin.stop());

const packed = packRecording(fixture("destroyed"));
const recording = (text: string, { pod = "lifecycle-demo-pod", hosts = ["one"] } = {}) => ({ hosts, step: "recording", text, pod, stack: "lab" });
const scriptPrinting = (line: string) => scriptText({ apply: `echo ${line}`, check: "exit 9", undo: "exit 9" });
async function shownAtDeletion(inputs: ReturnType<typeof recording>) {
	const before = plugin.engine.of(plugin.urn("told")).length;
	const made = await plugin.create("told", inputs);
	await plugin.delete("told", made);
	return plugin.engine
		.of(plugin.urn("told"))
		.slice(before)
		.map(({ message, isEphemeral }) => ({ message, isEphemeral }));
}

test("a recording's deletion tells it as a short table with the verdicts, and says how to see the rest", async () => {
	const [line, ...more] = await shownAtDeletion(recording(scriptPrinting(packed)));
	assert.deepEqual([line?.isEphemeral, more], [false, []]);
	const lines = line?.message.split("\n") ?? [];
	assert.match(lines[0] ?? "", /^lifecycle-demo-pod on k8s-node0\d$/);
	for (const one of ["PASS           preStop ends before SIGTERM", "PASS           what is in a hostPath outlives the Pod"])
		assert.ok(lines.includes(one), one);
	assert.equal(lines.at(-1), "the whole story: npm run lifecycle -- report lab");
});
test("of several Pods one is told in full and each other in a line; one that never appeared is named", async () => {
	const gallery = packRecording(fixture("gallery"));
	const [line] = await shownAtDeletion(recording(scriptPrinting(gallery)));
	assert.match(line?.message ?? "", /^two-containers on k8s-node0\d: \d+ PASS, 1 NOT GUARANTEED, \d+ NOT OBSERVED$/m);
	const [other] = await shownAtDeletion(recording(scriptPrinting(gallery), { pod: "nobody" }));
	assert.match(other?.message ?? "", /^note: Pod nobody never appeared while this was recorded; these did: /m);
});
test("a host that can't be read or has no recording is a warning, and no destroy fails for it", async () => {
	const refused = scriptText({ apply: "echo 'error: no recording in /var/log' >&2; exit 1" });
	const lines = (await shownAtDeletion(recording(refused, { hosts: ["one", "two"] }))).map(({ message }) => message).sort();
	assert.deepEqual(lines, ["one: error: no recording in /var/log", "the recording of two was not read: two is none of the provider's hosts: one"]);
	const [broken] = await shownAtDeletion(recording(scriptText({ apply: "echo begun; sleep 0.3; kill -9 $PPID; sleep 1" })));
	assert.equal(broken?.message, "one: the connection was lost");
	const [damaged] = await shownAtDeletion(recording(scriptPrinting("no-base64")));
	assert.match(damaged?.message ?? "", /^not a packed recording \(.*\): "no-base64/);
});
test("the recording of a version before, which has a script for each host, is told too", async () => {
	const state = { scripts: { one: scriptPrinting(packed) }, pod: "lifecycle-demo-pod", stack: "lab" };
	await plugin.delete("old", { id: "recording", state: { pod: state.pod, stack: state.stack }, inputs: state });
	assert.match(plugin.engine.of(plugin.urn("old"))[0]?.message ?? "", /^lifecycle-demo-pod on k8s-node0\d\n/);
});
test("making it, looking at it and changing it contact no host, and a wrong input is named", async () => {
	const inputs = recording("exit 9");
	const made = await plugin.create("told", inputs);
	assert.deepEqual((await plugin.read("told", made)).state, made.state);
	assert.deepEqual(await plugin.diff(made, made.inputs), {});
	const changed = await plugin.update("told", made, { ...inputs, pod: "other" });
	assert.equal(changed.state.pod, "other");
	assert.deepEqual(plugin.engine.of(plugin.urn("told")), []);
	const { failures } = await plugin.check({ hosts: "x", pod: "", more: 1 });
	assert.deepEqual(
		failures.map(({ property }) => property),
		["more", "hosts", "step", "pod", "stack"],
	);
});
