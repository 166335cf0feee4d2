// The ways in to a host that people have, with real SSH servers: each for the provider and for the `command` plugin, which log in for themselves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { normalPrivateKey } from "../../config/private-key-form.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
import { HostPlugin, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

let sshd: Sshd;
let command: CommandPlugin;
before(async () => {
	sshd = await Sshd.start();
	command = await CommandPlugin.start();
});
after(async () => {
	await command?.stop();
	await sshd?.remove();
});
const STEP = { host: "one", step: "it", text: scriptText({ apply: "echo in" }) };

test("a key that was opened by its passphrase lets the provider and the command plugin in", async () => {
	const privateKey = normalPrivateKey(sshd.privateKey("locked"), "open sesame");
	const plugin = await HostPlugin.start(sshd, { privateKey });
	try {
		assert.equal((await plugin.create("it", STEP)).state.printed, "in");
	} finally {
		await plugin.stop();
	}
	const { state } = await command.create("it", { connection: sshd.connection({ privateKey }), create: "echo in" });
	assert.equal(state.stdout, "in");
});
