// The demo's message file: read, emptied and shown, whatever a Pod makes of it meanwhile.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { FakeHost } from "./fake-host.ts";

const PATH = "/data/volumes/nginx/log/message";
const LINES = "Hello initContainers\nHello from the postStart handler\n";

test("message prints what the hooks wrote", (t) => {
	const host = new FakeHost(t);
	const none = host.run("message", "apply");
	assert.equal(none.status, 1);
	assert.match(none.stderr, /error: no \/data\/volumes\/nginx\/log\/message on this host/);
	host.write(PATH, LINES);
	assert.equal(host.run("message", "apply").stdout, LINES);
});

test("witness shows the message file when it is undone, and leaves it", (t) => {
	const host = new FakeHost(t);
	assert.match(host.run("witness", "undo").stdout, /^no message file on \S+\n$/);
	host.write(PATH, `${LINES}Hello from the preStop handler\n`);
	assert.equal(host.run("witness", "apply").stdout, `${PATH}\n`);
	const { status, stdout } = host.run("witness", "undo");
	assert.equal(status, 0);
	assert.match(stdout, /^message file on \S+:\nHello initContainers\nHello from the postStart handler\nHello from the preStop handler\n$/);
	assert.equal(host.exists(PATH), true);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
});

test("a fresh file is emptied once, not again while the Pod writes, and anew after undo", (t) => {
	const host = new FakeHost(t);
	host.write(PATH, "of an earlier Pod\n");
	host.run("witness", "apply", { FRESH: true });
	assert.equal(host.read(PATH), "");
	host.write(PATH, LINES);
	host.run("witness", "apply", { FRESH: true });
	assert.equal(host.read(PATH), LINES);
	host.run("witness", "undo", { FRESH: true });
	assert.equal(host.read(PATH), LINES);
	host.run("witness", "apply", { FRESH: true });
	assert.equal(host.read(PATH), "");
});

const SECRET = "root:$6$secret\n";
/** What a Pod may make of its file; `at` is its path for bash. */
const MADE: [what: string, found: RegExp, make: string][] = [
	["a link to a file of the host", /a link/, `ln -s "$KUBEADM_LAB_ROOT/etc/shadow" "$at"`],
	["a link that climbs to it", /a link/, `ln -s ../../../../etc/shadow "$at"`],
	["a link to nothing", /a link/, `ln -s /nowhere "$at"`],
	["a pipe that nobody writes to", /a fifo/, `mkfifo "$at"`],
	["a folder", /a directory/, `mkdir "$at"`],
	...(process.getuid?.() === 0 ? ([["a device", /a character special file/, `mknod "$at" c 1 5`]] as [string, RegExp, string][]) : []),
];
for (const [what, found, make] of MADE)
	test(`the message file as ${what} is neither read nor emptied, and told in one line; destroy goes on`, (t) => {
		const host = new FakeHost(t);
		host.write("/etc/shadow", SECRET);
		mkdirSync(dirname(join(host.root, PATH)), { recursive: true });
		host.write("/var/lib/kubeadm-lab/cluster/id", "sample");
		const made = spawnSync("bash", ["-euc", `at="$KUBEADM_LAB_ROOT${PATH}"; ${make}`], { env: { ...process.env, KUBEADM_LAB_ROOT: host.root } });
		assert.equal(made.status, 0, String(made.stderr));
		const told = `${PATH} is ${found.source}, and a file was expected: it was not opened or followed\\. Who can write in that folder made it; remove it\n`;
		const message = host.run("message", "apply");
		assert.deepEqual([message.status, message.stdout], [1, ""]);
		assert.match(message.stderr, new RegExp(`error: ${told}`));
		const fresh = host.run("witness", "apply", { FRESH: true });
		assert.equal(fresh.status, 0);
		assert.match(fresh.stderr, new RegExp(`not emptied: ${told}`));
		const undone = host.run("witness", "undo");
		assert.equal(undone.status, 0, undone.stderr);
		assert.match(undone.stdout, new RegExp(`^message file on \\S+: ${told}$`));
		assert.equal(host.read("/etc/shadow"), SECRET);
	});

test("a Pod that changes its file to a link and back all the time gets nothing of the host read or emptied", async (t) => {
	const host = new FakeHost(t);
	host.write("/etc/shadow", SECRET);
	host.write(PATH, LINES);
	const swap = `cd "$KUBEADM_LAB_ROOT${dirname(PATH)}"; cp message file; ln -s "$KUBEADM_LAB_ROOT/etc/shadow" link
while :; do cp -P link new; mv -T new message; cp file new; mv -T new message; done`;
	const swapping = spawn("bash", ["-c", swap], { env: { ...process.env, KUBEADM_LAB_ROOT: host.root }, stdio: "ignore" });
	t.after(() => swapping.kill("SIGKILL"));
	for (let i = 0; i < 15; i++) {
		const { stdout, stderr } = host.run("message", "apply");
		assert.ok(["", LINES].includes(stdout), stdout);
		assert.doesNotMatch(stderr, /secret/);
		host.run("witness", "apply", { FRESH: true });
		host.run("witness", "undo");
		assert.equal(host.read("/etc/shadow"), SECRET);
	}
});

test("the message file's folder may be on another disk by a link from before the join; one that came later is not followed", (t) => {
	const host = new FakeHost(t);
	mkdirSync(join(host.root, "disk"));
	symlinkSync("disk", join(host.root, "data"));
	host.write(PATH, LINES);
	spawnSync("sleep", ["1.1"]); // times of a link and of the join, in seconds
	host.write("/var/lib/kubeadm-lab/cluster/id", "sample");
	assert.equal(host.run("message", "apply").stdout, LINES);
	renameSync(join(host.root, "disk/volumes/nginx/log"), join(host.root, "disk/elsewhere"));
	symlinkSync("../../elsewhere", join(host.root, "disk/volumes/nginx/log"));
	for (const [step, verb] of [
		["message", "apply"],
		["witness", "undo"],
	] as const) {
		const { stdout, stderr } = host.run(step, verb);
		assert.match(stdout + stderr, /is in a folder that does not lead where it did when this host joined, since a link came/);
		assert.doesNotMatch(stdout, /Hello/);
	}
});
