import assert from "node:assert/strict";
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
