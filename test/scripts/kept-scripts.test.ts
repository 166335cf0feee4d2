// The scripts that a host keeps: brought whole or not at all, run by what is in them, and there as long as an undo needs them.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Scripts } from "../../provider/scripts.ts";
import { CURRENT_SCRIPT, KEPT_SCRIPT, NOT_KEPT, scriptName, settingsText } from "../../provider/shell.ts";
import { FakeHost, WRITER, withFiles } from "./fake-host.ts";

const KEPT = "/var/lib/kubeadm-lab/scripts";
const STEP = "files";
/** A step that writes a file whose text is the version. */
const version = (number: number) =>
	WRITER.replace(/^readonly STEP=.*\n/, "")
		.replaceAll("new\\n", `${number}\\n`)
		.replace("undo() {", `undo() { log 'undone by ${number}';`);
const name = (number: number) => scriptName(STEP, version(number));
const brought = (...numbers: number[]) => ({ SCRIPTS: numbers.map(name), BROUGHT: numbers.flatMap((number) => [name(number), version(number)]) });
const sent = (number: number, changes = {}) => `SCRIPT='${name(number)}'\n${settingsText(STEP, { HOST_NAME: "one", ...changes })}${KEPT_SCRIPT}`;
const byAct = (changes = {}) => settingsText(STEP, { HOST_NAME: "one", ...changes }) + CURRENT_SCRIPT;
function hostWith(t: TestContext, ...numbers: number[]): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/app/app.conf", "old\n");
	if (numbers.length > 0) bring(host, ...numbers);
	return host;
}
function bring(host: FakeHost, ...numbers: number[]): void {
	const { status, stderr } = host.run("scripts", "apply", brought(...numbers));
	assert.equal(status, 0, stderr);
}
const texts = (host: FakeHost) => Object.keys(host.snapshot(`${KEPT}/texts`)).map((path) => path.split("/").at(-1));
const conf = (host: FakeHost) => host.read("/etc/app/app.conf");

test("a script is brought once, for root alone, and run by its name", (t) => {
	const host = hostWith(t, 1);
	assert.equal(host.read(`${KEPT}/texts/${name(1)}`), version(1));
	for (const path of ["", "/texts", "/current", "/used"]) assert.equal(statSync(join(host.root, KEPT, path)).mode & 0o777, 0o700, path);
	assert.equal(statSync(join(host.root, KEPT, "texts", name(1))).mode & 0o777, 0o600);
	assert.deepEqual([host.run("scripts", "check", brought(1)).status, host.sent(sent(1), "check").status], [0, 3]);
	assert.equal(host.sent(sent(1), "apply").status, 0);
	assert.equal(conf(host), "1\n");
	assert.equal(host.read(`${KEPT}/used/${STEP}`), `${name(1)}\n`);
	assert.equal(host.sent(sent(1), "undo").status, 0);
	assert.deepEqual([conf(host), host.exists(`${KEPT}/used/${STEP}`)], ["old\n", false]);
	assert.equal(host.run("scripts", "undo", brought(1)).status, 0);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
});
test("a script that is not there, or not whole, is not run: nothing is printed, nothing is changed", (t) => {
	const host = hostWith(t, 1);
	const before = host.snapshot("/");
	assert.deepEqual(host.sent(sent(2), "apply"), { status: NOT_KEPT, stdout: "", stderr: "" });
	assert.deepEqual(host.snapshot("/"), before);
	for (const damage of [version(1).slice(0, 100), "", `${version(1)}rm -rf /\n`]) {
		host.write(`${KEPT}/texts/${name(1)}`, damage);
		assert.deepEqual(host.sent(sent(1), "apply"), { status: NOT_KEPT, stdout: "", stderr: "" });
		assert.match(host.run("scripts", "check", brought(1)).stdout, new RegExp(`^script ${name(1)}\tpresent\tdamaged\n`));
	}
	rmSync(join(host.root, KEPT), { recursive: true });
	assert.equal(host.sent(sent(1), "undo").status, NOT_KEPT);
	assert.equal(host.run("scripts", "check", brought(1)).stdout, "scripts\t1 present\tabsent\n");
	bring(host, 1);
	assert.equal(host.sent(sent(1), "apply").status, 0);
});
test("an act runs the newest version, and is undone by the one that it ran; where the host has none it says so", (t) => {
	const host = hostWith(t, 1);
	assert.equal(host.sent(byAct({ NODE_NAME: "a" }), "apply").status, 0);
	bring(host, 2);
	assert.match(host.sent(byAct({ NODE_NAME: "a" }), "undo").stderr, /undone by 1$/m);
	assert.equal(host.sent(byAct({ NODE_NAME: "a" }), "apply").status, 0);
	assert.equal(conf(host), "2\n");
	rmSync(join(host.root, KEPT), { recursive: true });
	const { status, stderr } = host.sent(byAct(), "apply");
	assert.equal(status, NOT_KEPT);
	assert.match(stderr, /^files: this host does not have the script of this step, or not whole\. To bring it again: pulumi up\n$/);
});
test("another version's script stays until no undo needs it", (t) => {
	const host = hostWith(t, 1);
	assert.equal(host.sent(sent(1), "apply").status, 0);
	bring(host, 2);
	assert.deepEqual(texts(host).sort(), [name(1), name(2)].sort(), "1 was applied");
	assert.equal(host.run("scripts", "check", brought(2)).status, 0);
	assert.match(host.sent(sent(1), "undo").stderr, /undone by 1$/m);
	assert.equal(host.sent(sent(2), "apply").status, 0);
	bring(host, 3);
	assert.deepEqual(texts(host).sort(), [name(2), name(3)].sort());
});
test("where nobody knows what a step ran, as its mark is gone, no version of it is taken away", (t) => {
	const host = hostWith(t, 1);
	assert.equal(host.sent(sent(1), "apply").status, 0);
	rmSync(join(host.root, KEPT, "used"), { recursive: true });
	bring(host, 2);
	assert.deepEqual(texts(host).sort(), [name(1), name(2)].sort());
});
test("a Node's script counts by the Node: that of another one is not taken away for it", (t) => {
	const host = hostWith(t, 1);
	for (const node of ["a", "b"]) assert.equal(host.sent(sent(1, { NODE_NAME: node }), "apply").status, 0);
	bring(host, 2);
	assert.equal(host.sent(sent(2, { NODE_NAME: "a" }), "apply").status, 0);
	bring(host, 3);
	assert.ok(texts(host).includes(name(1)), "b ran it");
});
test("what can't be written is said with its place, and the old scripts are all there", (t) => {
	const host = hostWith(t, 1);
	host.command("mv", "echo 'mv: No space left on device' >&2; exit 1");
	const { status, stderr } = host.run("scripts", "apply", brought(2));
	assert.equal(status, 1);
	assert.match(
		stderr,
		/No space left on device\n.*can't keep scripts in \/var\/lib\/kubeadm-lab\/scripts\/texts: the line above says why\. See df \/var\/lib\/kubeadm-lab$/m,
	);
	rmSync(join(host.root, "bin/mv"));
	assert.deepEqual(texts(host), [name(1)]);
	assert.equal(host.sent(sent(1), "apply").status, 0);
});
test("a run that dies between two files leaves each whole, and the next one brings the rest", (t) => {
	const host = hostWith(t);
	const names = ["a", "b", "c"].map((step) => scriptName(step, version(1)));
	const parts = { SCRIPTS: names, BROUGHT: names.flatMap((each) => [each, version(1)]) };
	// The first mv has brought one of the three when the run dies.
	host.command("mv", `/bin/mv -f "\${@: -3:1}" "$3"; kill -9 "\${PPID}"`);
	assert.notEqual(host.run("scripts", "apply", parts).status, 0);
	assert.deepEqual(texts(host), names.slice(0, 1));
	assert.equal(host.read(`${KEPT}/texts/${names[0]}`), version(1));
	rmSync(join(host.root, "bin/mv"));
	assert.equal(host.run("scripts", "apply", parts).status, 0);
	assert.deepEqual(texts(host).sort(), names.sort());
});
test("the provider brings them packed, whatever is in them, where /tmp takes nothing", (t) => {
	const host = new FakeHost(t);
	const scripts = new Scripts({ files: version(1), odd: `echo "it's \\n $HOME ü \`x\`"\n` });
	const temporary = join(host.root, "none");
	mkdirSync(temporary);
	chmodSync(temporary, 0o555);
	const text = `TMPDIR=${temporary}\n${scripts.brought(scripts.names)}${host.text("scripts", { SCRIPTS: scripts.names }).replace(/^readonly BROUGHT=\([\s\S]*?'\)\n(?=readonly)/m, "")}`;
	const { status, stderr } = host.sent(text, "apply");
	assert.equal(status, 0, stderr);
	for (const each of scripts.names) assert.equal(host.read(`${KEPT}/texts/${each}`), scripts.text(each));
});
test("several runs of one step write the same line at once, as the gallery's do", (t) => {
	const host = new FakeHost(t);
	const text = withFiles(`check() { :; }
undo() { :; }
apply() {
  local i j
  for ((i = 0; i < 8; i++)); do
    for ((j = 0; j < 50; j++)); do put_line "\${ROOT}/line" word || exit 1; done &
  done
  wait
}`);
	const { status, stderr } = host.sent(text, "apply");
	assert.deepEqual([status, stderr, host.read("/line")], [0, "", "word\n"]);
	assert.deepEqual(
		readdirSync(host.root).filter((name) => name.startsWith("line.")),
		[],
	);
});
