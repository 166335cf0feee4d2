// The provider of host state without a host: inputs, configuration, differences, answers and reports.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { details, parseAnswer, summaryLine } from "../../provider/answer.ts";
import { changedKeys, checkConfiguration, settingsOf } from "../../provider/configuration.ts";
import { diffStep, isOtherScriptOnly } from "../../provider/diff.ts";
import { callIn, checkStep, stepInputs } from "../../provider/inputs.ts";
import { asSecret, isSecret, open, type Properties, UNKNOWN } from "../../provider/plugin/values.ts";
import { changes, facts, Report } from "../../provider/report.ts";
import { packScripts, Scripts, unpackScripts } from "../../provider/scripts.ts";

const scripts = new Scripts({ system: "echo", files: "cat" });
const script = scripts.current("system") ?? "";
const step = { host: "one", step: "system", settings: { A: "1", LIST: ["x", "y"], ON: true, N: 3 } };
const reasons = (news: Properties) => checkStep({}, news, ["one", "two"], scripts).failures.map(({ property, reason }) => `${property} ${reason}`);

test("checkStep names everything that is wrong with a step by its property, and shows no value", () => {
	assert.deepEqual(reasons(step), []);
	assert.deepEqual(reasons({ ...step, host: "three" }), ["host is none of the provider's hosts: one, two"]);
	assert.deepEqual(
		reasons({ host: "", step: "Not This", undo: "no", wrong: 1, shared: { "a b": "x" }, settings: { A: {}, LIST: ["x", 2], "a b": null, NUL: "a\0b" } }),
		[
			"wrong is none of host, step, settings, shared, looksOnly, apply, undo, bringsScripts",
			"host must be a text that is not empty",
			"step must be lower-case letters, digits and dashes",
			"step is none of the provider's scripts",
			"undo must be true or false",
			"settings.A must be a text, a number, true, false or a list of texts",
			"settings.LIST[1] must be a text",
			'settings["a b"] is no setting\'s name: use capitals, digits and underscores',
			'settings["a b"] must be a text, a number, true, false or a list of texts',
			"settings.NUL holds a NUL character, which no shell can read",
			"shared must be an object: names of settings to texts",
		],
	);
	assert.deepEqual(reasons({}), ["host is missing", "step is missing"]);
	assert.deepEqual(reasons({ host: UNKNOWN, step: UNKNOWN, settings: UNKNOWN, undo: UNKNOWN }), []);
});
test("checkStep keeps what is wanted of items that were found different, until the settings are others", () => {
	const found = { "sysctl a": "1" };
	assert.deepEqual(checkStep({ ...step, found }, step, []).inputs.found, found);
	assert.deepEqual(checkStep({ ...step, found, script: "system-0000000000000000" }, step, [], scripts).inputs.found, found, "also where the script is another");
	assert.deepEqual(checkStep({ ...step, found }, { ...step, settings: { A: "2" } }, []).inputs.found, {});
	assert.deepEqual(checkStep({}, step, []).inputs.found, {});
});
test("checkStep names the script that the step will run, by what is in it", () => {
	assert.match(script, /^system-[0-9a-f]{16}$/);
	assert.equal(checkStep({}, step, [], scripts).inputs.script, script);
	assert.equal(new Scripts({ system: "echo" }).current("system"), script);
	assert.notEqual(new Scripts({ system: "echo 1" }).current("system"), script);
	assert.equal(checkStep({}, step, []).inputs.script, undefined, "with a configuration that is not known yet");
});
test("a state of the version before has the whole text among its inputs, packed or not", () => {
	const packed = `gzip:${gzipSync("echo").toString("base64")}`;
	for (const text of ["echo", packed, asSecret(packed)]) assert.equal(stepInputs({ ...step, text }).text, "echo");
	assert.equal(stepInputs(step).text, undefined);
});

const state = { ...step, script, found: { "sysctl a": "1" }, printed: "" };
const paths = (olds: Properties, news: Properties) =>
	Object.fromEntries([...diffStep(olds, news)].map(([path, { kind, replaces }]) => [path, replaces ? `${kind}, replaces` : kind]));
test("diffStep is empty for a host that is as wanted", () => {
	assert.deepEqual(paths(state, { ...step, script, found: { "sysctl a": "1" } }), {});
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
test("diffStep names the settings that changed, and the script only where no setting says why", () => {
	const other = { ...step, script: "system-0000000000000000", found: {} };
	assert.deepEqual(paths({ ...state, found: {} }, { ...other, settings: { A: "2", LIST: ["x"], ON: true, NEW: "n" } }), {
		'settings["A"]': "update",
		'settings["LIST"]': "update",
		'settings["N"]': "delete",
		'settings["NEW"]': "add",
	});
	assert.deepEqual(paths({ ...state, found: {} }, other), { script: "update" });
});
test("a step whose script alone is another may be asked whether it has anything to do, one that moves over from the version before is applied", () => {
	const other = { ...step, script: "system-0000000000000000", found: state.found };
	assert.equal(isOtherScriptOnly(diffStep(state, other)), true);
	assert.equal(isOtherScriptOnly(diffStep(state, { ...other, found: { "sysctl a": "2" } })), false);
	assert.equal(isOtherScriptOnly(diffStep({ ...step, found: state.found }, other)), false);
	assert.equal(isOtherScriptOnly(diffStep(state, { ...state })), false);
});
test("diffStep replaces a step only for another host or another step, and never one that was a command before", () => {
	assert.deepEqual(paths({ ...state, found: {} }, { ...step, script, host: "two", found: {} }), { host: "update, replaces" });
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

test("of many hosts, what is alike is said once, and of each other one in what it differs", async () => {
	const told: string[] = [];
	const names = Array.from({ length: 9 }, (_, i) => `n${i}`);
	const report = new Report(names, async (text) => void told.push(...text.split("\n")));
	const say = (some: string[], text: (host: string) => string) => Promise.all(some.map((host) => report.during(async (say) => say(host, text(host)))));
	await say(names.slice(0, 4), (host) => `os CentOS 7, cpus 2, diskFreeGb ${host === "n3" ? 5 : 20}`);
	await say(names.slice(4), (host) => (host === "n8" ? "os Debian, cpus 8, diskFreeGb 5" : "os CentOS 7, cpus 2, diskFreeGb 20"));
	await say(names, (host) => `packages: 2 items will change: package a${host === "n5" ? "" : ", package b"}`);
	assert.deepEqual(told, [
		"n0: os CentOS 7, cpus 2, diskFreeGb 20",
		"n1, n2: as n0",
		"n3: as n0, but diskFreeGb 5",
		"n4, n5, n6, n7: as n0",
		"n8: os Debian, cpus 8, diskFreeGb 5",
		"n0: packages: 2 items will change: package a, package b",
		"n1, n2, n3, n4, n6, n7, n8: packages: as n0",
		"n5: packages: 2 items will change: package a",
	]);
	const few: string[] = [];
	const small = new Report(names.slice(0, 8), async (text) => void few.push(...text.split("\n")));
	await Promise.all(names.slice(0, 2).map((host) => small.during(async (say) => say(host, "x: same"))));
	assert.deepEqual(few, ["n0: x: same", "n1: x: same"]);
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
test("a shared setting is kept once; a state with another digest of it is changed by name", () => {
	const news = { ...configuration({ one: host }), shared: JSON.stringify({ BLOCK: "a\nb" }) };
	const { inputs, failures } = checkConfiguration(URN, {}, news);
	assert.deepEqual([settingsOf(inputs)?.shared, failures], [{ BLOCK: "a\nb" }, []]);
	assert.deepEqual(settingsOf(configuration({ one: host }))?.shared, {}, "the state of a version before has none");
	for (const shared of ["x", JSON.stringify({ "a b": "x" }), JSON.stringify({ A: "\0" })])
		assert.deepEqual(
			checkConfiguration(URN, {}, { ...news, shared }).failures.map(({ property }) => property),
			["shared"],
		);
	const of = (digest: string) => ({ ...step, script, shared: { BLOCK: digest }, found: {} });
	assert.deepEqual(paths({ ...of("one"), printed: "" }, of("two")), { 'shared["BLOCK"]': "update" });
	assert.deepEqual(checkStep({ ...of("one"), found: { x: "1" } }, of("two"), []).inputs.found, {});
});
test("the scripts of all steps are kept once, packed and in an envelope, and stay as they were kept until one is another", () => {
	const texts = { system: "echo\n".repeat(10_000), files: "cat" };
	const news = { ...configuration({ one: host }), scripts: asSecret(JSON.stringify(texts)) };
	const { inputs } = checkConfiguration(URN, {}, news);
	assert.ok(isSecret(inputs.scripts) && String(open(inputs.scripts)).length < 200);
	assert.deepEqual(settingsOf(inputs)?.scripts, texts);
	const old = { ...inputs, scripts: asSecret(JSON.stringify(texts)) };
	assert.deepEqual(checkConfiguration(URN, old, news).inputs.scripts, old.scripts, "however it was packed");
	const other = checkConfiguration(URN, inputs, { ...news, scripts: asSecret(packScripts({ ...texts, files: "dog" })) }).inputs;
	assert.deepEqual(unpackScripts(String(open(other.scripts ?? null))).files, "dog");
	assert.deepEqual(changedKeys(inputs, other), ["scripts"]);
	for (const wrong of ["no json", JSON.stringify({ a: 1 }), JSON.stringify({ a: "\0" })])
		assert.deepEqual(
			checkConfiguration(URN, {}, { ...news, scripts: wrong }).failures.map(({ property }) => property),
			["scripts"],
		);
});
test("a configuration that is not known yet has no settings", () => {
	assert.equal(settingsOf({ hosts: UNKNOWN, privateKey: "pem" }), undefined);
	assert.equal(settingsOf({ ...configuration({ one: host }), privateKey: UNKNOWN }), undefined);
	assert.equal(settingsOf(configuration({ one: host }))?.lookTimeoutSeconds, 60);
});

test("a call of a step needs a host, a step, a verb and settings that a shell can hold; no value is in what is said of it", () => {
	const call = { host: "k8s-master", step: "join", verb: "check", settings: asSecret({ A: "x", LIST: ["y"] }) };
	assert.deepEqual(callIn(call), { inputs: { host: "k8s-master", step: "join", settings: call.settings }, verb: "check" });
	assert.throws(() => callIn({ ...call, host: 1 }), /^Error: expected the names of a host and a step$/);
	assert.throws(() => callIn({ ...call, verb: "again" }), /^Error: k8s-master join: expected apply, check or undo$/);
	assert.throws(() => callIn({ ...call, settings: { "a b": "secret" } }), /^Error: k8s-master join: settings\["a b"\] is no setting's name/);
	assert.throws(
		() => callIn({ ...call, settings: { A: "secret\0" } }),
		(error: Error) => /holds a NUL character/.test(error.message) && !error.message.includes("secret\0"),
	);
});
test("where API servers answered in a configuration before stays known, and a stack that never had such an address says nothing of it", () => {
	const plain = configuration({ one: host });
	const at = (address: string) => ({ ...plain, apiServers: JSON.stringify([address]) });
	const first = checkConfiguration(URN, {}, at("10.0.0.100:8443")).inputs;
	const second = checkConfiguration(URN, first, at("10.0.0.101:8443")).inputs;
	assert.deepEqual(settingsOf(checkConfiguration(URN, second, plain).inputs)?.apiServers, ["10.0.0.100:8443", "10.0.0.101:8443"]);
	assert.equal(checkConfiguration(URN, {}, plain).inputs.apiServers, undefined);
	assert.deepEqual(settingsOf(plain)?.apiServers, []);
});
