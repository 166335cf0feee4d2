// What a killed run applied and no state knows of: the undo of what the state does know gives it back too.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { scriptName, settingsText } from "../../provider/shell.ts";
import { FakeHost, WRITER } from "./fake-host.ts";

const KEPT = "/var/lib/kubeadm-lab/scripts";
const STEP = "files";
// biome-ignore lint/suspicious/noTemplateCurlyInString: they are bash's
const TEXT = `${WRITER.replace(/^readonly STEP=.*\n/, "").replace("undo() {", "undo() { [[ ! -e ${ROOT}/fail ]] || die 'it fails'; log \"undone with ${WORD}, ${LIST[1]}\";")}`;
const NAME = scriptName(STEP, TEXT);
const BROUGHT = { SCRIPTS: [NAME], BROUGHT: [NAME, TEXT] };
const WORDS = { WORD: "a 'quoted' $(touch /tmp/never) `word`\nof two lines", LIST: ["one", 'two "words"\n$HOME'] };
const RUN = `eval "$(<"\${KUBEADM_LAB_ROOT:-}${KEPT}/texts/${NAME}")"\n`;
const sent = (front: string) => `${front}SCRIPT='${NAME}'\n${settingsText(STEP, { HOST_NAME: "one", ...WORDS })}${RUN}`;

/** A host that a run has brought the scripts, and that another step was applied on. */
function hostWith(t: TestContext, front: string): FakeHost {
	const host = new FakeHost(t);
	host.write("/etc/app/app.conf", "old\n");
	const bring = host.run("scripts", "apply", BROUGHT);
	assert.equal(bring.status, 0, bring.stderr);
	const { status, stderr } = host.sent(sent(front), "apply");
	assert.equal(status, 0, stderr);
	assert.equal(host.read("/etc/app/app.conf"), "new\n");
	return host;
}

test("a step that no state knows is undone with its own settings, word for word, before the scripts go", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	const { status, stderr } = host.run("scripts", "undo", BROUGHT);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /scripts: undoing files, which a run that was killed has left\n/);
	assert.ok(stderr.includes(`undone with ${WORDS.WORD}, ${WORDS.LIST[1]}`), stderr);
	assert.equal(host.read("/etc/app/app.conf"), "old\n");
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
});
test("a second apply with other settings is undone with these", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	host.sent(sent("KEEPS_SETTINGS=yes\n").replace("of two lines", "of another apply"), "apply");
	assert.match(host.run("scripts", "undo", BROUGHT).stderr, /of another apply/);
});
test("what the state knows of is undone once, by its own undo, and leaves neither mark nor settings", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	assert.ok(host.exists(`${KEPT}/settings/${STEP}`));
	assert.equal(host.sent(sent(""), "undo").status, 0);
	assert.deepEqual([host.exists(`${KEPT}/settings/${STEP}`), host.exists(`${KEPT}/used/${STEP}`)], [false, false]);
	assert.doesNotMatch(host.run("scripts", "undo", BROUGHT).stderr, /undoing/);
});
test("settings that may hold a secret are not kept; the step is then not undone, and neither are its records lost", (t) => {
	const host = hostWith(t, "");
	assert.equal(host.exists(`${KEPT}/settings`), false);
	assert.doesNotMatch(host.run("scripts", "undo", BROUGHT).stderr, /undoing/);
	assert.ok(host.exists(`/var/lib/kubeadm-lab/${STEP}`));
});
test("a script that is damaged is not run: what it left is told", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	host.write(`${KEPT}/texts/${NAME}`, `${TEXT}touch ${join(host.root, "never")}\n`);
	const { status, stderr } = host.run("scripts", "undo", BROUGHT);
	assert.equal(status, 0, stderr);
	assert.match(
		stderr,
		new RegExp(`files was applied by a run that was killed, and its script ${NAME} is gone: it is not undone\\. Its records: /var/lib/kubeadm-lab/files`),
	);
	assert.deepEqual([host.exists("/never"), host.read("/etc/app/app.conf")], [false, "new\n"]);
});
test("an undo that fails stops the one that asked for it, with what it said, and may be run again", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	host.write("/fail", "");
	const { status, stderr } = host.run("scripts", "undo", BROUGHT);
	assert.equal(status, 1);
	assert.match(stderr, /it fails\n.*scripts: error: files, which a run that was killed has left, could not be undone/s);
	assert.ok(host.exists(`${KEPT}/texts/${NAME}`));
	rmSync(join(host.root, "fail"));
	assert.equal(host.run("scripts", "undo", BROUGHT).status, 0);
	assert.deepEqual([host.read("/etc/app/app.conf"), host.exists("/var/lib/kubeadm-lab")], ["old\n", false]);
});
test("what steps that were killed left in memory goes with the scripts: a join's configuration, kubectl's cache, a setting of the kubelet's unit", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	const others = ["/run/kubeadm-lab-notes", "/run/systemd/system/kubelet.service.d/theirs.conf"];
	const ours = ["/run/kubeadm-lab-join.yaml", "/run/kubeadm-lab-node-one.cache/discovery/file", "/run/systemd/system/kubelet.service.d/kubeadm-lab.conf"];
	for (const path of [...ours, ...others]) host.write(path, "x");
	assert.equal(host.run("scripts", "undo", BROUGHT).status, 0);
	assert.deepEqual(
		[...ours, ...others].filter((path) => host.exists(path)),
		others,
	);
});
test("of several the one that was applied last is undone first", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	host.sent(sent("KEEPS_SETTINGS=yes\n").replace("WORD='", "NODE_NAME='later'\nreadonly WORD='"), "apply");
	const { stderr } = host.run("scripts", "undo", BROUGHT);
	assert.deepEqual(
		[...stderr.matchAll(/undoing (\S+),/g)].map(([, name]) => name),
		["files.later", "files"],
	);
});
test("packages go after what is configured in them, and leave the host's name and the scripts to their own undo", (t) => {
	const host = hostWith(t, "KEEPS_SETTINGS=yes\n");
	for (const name of ["rpm", "yum", "pgrep"]) host.command(name);
	const { stderr } = host.run("packages", "undo");
	assert.match(stderr, /packages: undoing files, which a run that was killed has left\n/);
	assert.equal(host.read("/etc/app/app.conf"), "old\n");
	assert.ok(host.exists(KEPT));
});
test("scripts that a killed run brought, and nothing else, go with the last undo, which is the preflight's; a host that has more keeps them", (t) => {
	const bare = new FakeHost(t);
	bare.run("scripts", "apply", BROUGHT);
	assert.equal(bare.run("preflight", "undo").status, 0);
	assert.equal(bare.exists("/var/lib/kubeadm-lab"), false);
	const more = hostWith(t, "");
	assert.equal(more.run("preflight", "undo").status, 0);
	assert.ok(more.exists(`${KEPT}/texts/${NAME}`));
});
