// The provider of host state without a host: inputs, configuration, differences, answers and reports.
import assert from "node:assert/strict";
import { test } from "node:test";
import { details, parseAnswer, summaryLine } from "../../provider/answer.ts";
import { changedKeys, checkConfiguration, settingsOf } from "../../provider/configuration.ts";
import { diffStep } from "../../provider/diff.ts";
import { checkStep, stepInputs } from "../../provider/inputs.ts";
import { asSecret, isSecret, open, type Properties, UNKNOWN } from "../../provider/plugin/values.ts";
import { changes, facts, Report } from "../../provider/report.ts";

const step = { host: "one", step: "system", text: asSecret("echo"), settings: { A: "1", LIST: ["x", "y"], ON: true, N: 3 } };
const reasons = (news: Properties) => checkStep({}, news, ["one", "two"]).failures.map(({ property, reason }) => `${property} ${reason}`);

test("checkStep names everything that is wrong with a step by its property, and shows no value", () => {
	assert.deepEqual(reasons(step), []);
	assert.deepEqual(reasons({ ...step, host: "three" }), ["host is none of the provider's hosts: one, two"]);
	assert.deepEqual(reasons({ host: "", step: "Not This", text: "a\0b", undo: "no", wrong: 1, settings: { A: {}, LIST: ["x", 2], "a b": null } }), [
		"wrong is none of host, step, text, settings, looksOnly, apply, undo",
		"host must be a text that is not empty",
		"step must be lower-case letters, digits and dashes",
		"text holds a NUL character, which no shell can read",
		"undo must be true or false",
		"settings.A must be a text, a number, true, false or a list of texts",
		"settings.LIST[1] must be a text",
		'settings["a b"] must be a text, a number, true, false or a list of texts',
	]);
	assert.deepEqual(reasons({}), ["host is missing", "step is missing", "text is missing"]);
	assert.deepEqual(reasons({ host: UNKNOWN, step: UNKNOWN, text: asSecret(UNKNOWN), settings: UNKNOWN, undo: UNKNOWN }), []);
});
test("checkStep keeps what is wanted of items that were found different, until the script is another", () => {
	const found = { "sysctl a": "1" };
	assert.deepEqual(checkStep({ ...step, found }, step, []).inputs.found, found);
	assert.deepEqual(checkStep({ ...step, found }, { ...step, text: asSecret("other") }, []).inputs.found, {});
	assert.deepEqual(checkStep({}, step, []).inputs.found, {});
});
test("a script is kept packed in its envelope, and stays as it was kept until it is another script", () => {
	const { inputs } = checkStep({}, step, []);
	assert.match(String(open(inputs.text ?? null)), /^gzip:/);
	assert.ok(isSecret(inputs.text));
	assert.equal(stepInputs(inputs).text, "echo");
	assert.equal(open(checkStep({}, { ...step, text: "echo" }, []).inputs.text ?? null), open(inputs.text ?? null), "the same without an envelope");
	assert.deepEqual(checkStep(inputs, step, []).inputs, inputs);
	assert.deepEqual(checkStep({}, inputs, []).inputs, inputs, "what is packed is not packed again");
	assert.deepEqual(checkStep(step, step, []).inputs.text, step.text, "as the version before kept it");
	assert.equal(stepInputs(checkStep(step, { ...step, text: asSecret("other") }, []).inputs).text, "other");
	const long = { ...step, text: asSecret("systemctl is-active kubelet.service\n".repeat(700)) };
	assert.ok(String(open(checkStep({}, long, []).inputs.text ?? null)).length < 500);
});

const state = { ...step, found: { "sysctl a": "1" }, printed: "" };
const paths = (olds: Properties, news: Properties) =>
	Object.fromEntries([...diffStep(olds, news)].map(([path, { kind, replaces }]) => [path, replaces ? `${kind}, replaces` : kind]));
test("diffStep is empty for a host that is as wanted", () => {
	assert.deepEqual(paths(state, { ...step, found: { "sysctl a": "1" } }), {});
});
test("diffStep has one path for each item that was found different, whatever characters it has", () => {
	const wanted = { "sysctl net.ipv4.ip_forward": "1", 'file /etc/"x"[0]': "good", same: "s" };
	const found = { "sysctl net.ipv4.ip_forward": "0", 'file /etc/"x"[0]': "bad", same: "s", "apply ended": "no" };
	assert.deepEqual(paths({ ...step, found }, { ...step, found: wanted }), {
		'found["sysctl net.ipv4.ip_forward"]': "update",
		'found["file /etc/\\"x\\"[0]"]': "update",
		'found["apply ended"]': "delete",
	});
});
test("diffStep names the settings that changed, and the text only where no setting says why", () => {
	const other = { ...step, text: asSecret("other"), found: {} };
	assert.deepEqual(paths({ ...state, found: {} }, { ...other, settings: { A: "2", LIST: ["x"], ON: true, NEW: "n" } }), {
		'settings["A"]': "update",
		'settings["LIST"]': "update",
		'settings["N"]': "delete",
		'settings["NEW"]': "add",
	});
	assert.deepEqual(paths({ ...state, found: {} }, other), { text: "update" });
});
test("diffStep replaces a step only for another host or another step, and never one that was a command before", () => {
	assert.deepEqual(paths({ ...state, found: {} }, { ...step, host: "two", found: {} }), { host: "update, replaces" });
	const { step: name, ...command } = { stdin: "echo", create: "bash -s -- apply", step: undefined };
	assert.ok([...diffStep(command, { ...step, found: {} }).values()].every(({ replaces }) => !replaces));
	assert.equal(name, undefined);
});

test("an answer is one difference a line", () => {
	const ended = { code: 3, stdout: "file /etc/hosts\tsha256 ab\tabsent\nhost name\ta\tb\n", stderr: "" };
	const answer = parseAnswer(ended);
	assert.deepEqual(
		[...answer],
		[
			["file /etc/hosts", { wanted: "sha256 ab", found: "absent" }],
			["host name", { wanted: "a", found: "b" }],
		],
	);
	assert.equal(summaryLine(answer), "2 items will change: file /etc/hosts, host name");
	assert.deepEqual(details(answer), ["file /etc/hosts: absent => sha256 ab", "host name: b => a"]);
	assert.deepEqual(changes("identity", answer, true), [
		"identity: 2 items will change: file /etc/hosts, host name",
		"  identity: file /etc/hosts: absent => sha256 ab",
		"  identity: host name: b => a",
	]);
	assert.equal(summaryLine(parseAnswer({ code: 0, stdout: "", stderr: "" })), "nothing to change");
	assert.equal(summaryLine(new Map([["one", { wanted: "a", found: "b" }]])), "1 item will change: one");
});
test("a summary stays short and says how many it left out", () => {
	const answer = new Map(Array.from({ length: 40 }, (_, i) => [`package number-${i}`, { wanted: "installed", found: "not installed" }]));
	assert.match(summaryLine(answer), /^40 items will change: package number-0, .* and \d+ more$/);
	assert.ok(summaryLine(answer).length < 280);
});
test("facts are one line, without those that have no value", () => {
	assert.equal(facts(["os=CentOS Linux 7", "empty=", "no fact", "url=http://a/?b=c"]), "os CentOS Linux 7, url http://a/?b=c");
});
test("what probes of several hosts found is shown together, by host and then in the order of the probes", async () => {
	const told: string[] = [];
	const report = new Report(["a", "b"], async (text) => void told.push(text));
	await Promise.all([
		report.during(async (say) => say("b", "first")),
		report.during(async (say) => {
			await new Promise((resolve) => setTimeout(resolve, 20));
			say("a", "slow");
		}),
		report.during(async (say) => say("a", "quick")),
		report.during(async () => {}),
	]);
	assert.deepEqual(told, ["a: slow\na: quick\nb: first"]);
	await assert.rejects(
		report.during(async () => Promise.reject(new Error("no"))),
		/no/,
	);
	assert.equal(told.length, 1);
});

const URN = "urn:pulumi:lab::kubeadm-lab::kubeadm-lab:cluster:Cluster$pulumi:providers:host::hosts";
const host = { address: "192.0.2.1", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA" };
const configuration = (hosts: object): Properties => ({ hosts: JSON.stringify(hosts), privateKey: asSecret("pem") });
test("a configuration without an address, a host key or a private key is refused by property", () => {
	const { failures } = checkConfiguration(URN, {}, { ...configuration({ one: { ...host, hostKey: "", port: 0 } }), privateKey: "", dialErrorLimit: "many" });
	assert.deepEqual(
		failures.map(({ property }) => property),
		['hosts["one"].hostKey', 'hosts["one"].port', "privateKey", "dialErrorLimit"],
	);
	assert.deepEqual(
		checkConfiguration(URN, {}, { privateKey: "pem" }).failures.map(({ property }) => property),
		["hosts"],
	);
	assert.deepEqual(
		checkConfiguration(URN, {}, { hosts: "{", privateKey: UNKNOWN }).failures.map(({ property }) => property),
		["hosts"],
	);
	assert.deepEqual(checkConfiguration(URN, {}, { hosts: UNKNOWN, privateKey: "pem" }).failures, []);
});
test("a host that is taken out of the configuration stays reachable for the undo of its steps", () => {
	const [olds, news] = [configuration({ one: host, two: host }), configuration({ one: { ...host, port: 2222 } })];
	const { inputs } = checkConfiguration(URN, olds, news);
	assert.deepEqual(settingsOf(inputs)?.hosts, { one: { ...host, port: 2222 }, two: host });
	assert.deepEqual(checkConfiguration(URN, inputs, news).inputs, inputs, "and changes nothing at the next run");
});
test("the id of whose work it is is made once, and names the stack; the state of a version before has none", () => {
	const news = configuration({ one: host });
	const [first, other] = [checkConfiguration(URN, {}, news).inputs, checkConfiguration(URN, {}, news).inputs];
	assert.match(String(first.owner), /^[0-9a-f]{16} kubeadm-lab\/lab$/);
	assert.notEqual(first.owner, other.owner);
	assert.equal(checkConfiguration(URN, first, news).inputs.owner, first.owner);
	assert.equal(settingsOf(first)?.owner, first.owner);
	assert.deepEqual(changedKeys(news, first), ["owner"], "an update in place");
	assert.equal(settingsOf(news)?.owner, "");
});
test("a stack that was renamed is told to rename it back, and nothing else", () => {
	const { inputs } = checkConfiguration(URN, {}, configuration({ one: host }));
	const { failures } = checkConfiguration(URN.replace(":lab::", ":prod::"), inputs, configuration({ one: host }));
	assert.deepEqual(failures, [
		{
			property: "",
			reason:
				"this stack is called prod, and was lab when it set up its hosts; its cluster has that name. Nothing was changed. Give it back: pulumi stack rename lab",
		},
	]);
});
test("the provider's version is no change of its configuration, a key is", () => {
	const old = configuration({ one: host });
	assert.deepEqual(changedKeys({ ...old, version: "1" }, { ...old, version: "2" }), []);
	assert.deepEqual(changedKeys(old, { ...old, privateKey: asSecret("other") }), ["privateKey"]);
});
test("a configuration that is not known yet has no settings", () => {
	assert.equal(settingsOf({ hosts: UNKNOWN, privateKey: "pem" }), undefined);
	assert.equal(settingsOf({ ...configuration({ one: host }), privateKey: UNKNOWN }), undefined);
	assert.equal(settingsOf(configuration({ one: host }))?.lookTimeoutSeconds, 60);
});
