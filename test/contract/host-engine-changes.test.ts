// The same hosts when something around their steps is another: the key, the stack's name, the scripts that hosts keep, the program's version, a host that is away.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { endHostStack, type HostStack, KEPT, names, root, startHostStack, upThatTouchesNoHost } from "./support/host-stack.ts";
import { type PlayedHosts, STEPS } from "./support/played-hosts.ts";
import type { Project } from "./support/project.ts";

let stack: HostStack;
let played: PlayedHosts;
let project: Project;
let settings: HostStack["settings"];
before(async () => {
	stack = await startHostStack();
	({ played, project, settings } = stack);
	project.settings(settings as never);
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
});
after(() => endHostStack(stack));
const upTouchingNone = (options = {}) => upThatTouchesNoHost(stack, options);

test("another private key runs no step: only the connections are updated", async () => {
	execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(project.folder, "second")]);
	played.authorize(readFileSync(join(project.folder, "second.pub"), "utf8"));
	settings = { ...settings, privateKey: readFileSync(join(project.folder, "second"), "utf8") };
	project.settings(settings as never);
	for (const name of names) execFileSync("find", [played.file(name, "var/lib/kubeadm-lab"), "-name", "owner", "-delete"]);
	const output = await upTouchingNone();
	assert.match(output, /pulumi:providers:host hosts updated .*\[diff: ~privateKey\]/);
	assert.match(output, /~ 1 updated/);
});

/** Changes the state, as it is exported. */
async function editState(edit: (text: string) => string): Promise<void> {
	const file = join(project.folder, "state.json");
	assert.equal((await project.pulumi("stack", "export", "--stack", "test", "--file", file)).code, 0);
	writeFileSync(file, edit(readFileSync(file, "utf8")));
	assert.equal((await project.pulumi("stack", "import", "--stack", "test", "--file", file)).code, 0);
}
test("connections that were named after their stack, and knew no owner, become those of today in place, and no step with them", async () => {
	await editState((text) =>
		text
			.replaceAll("::hosts", "::test-hosts")
			.replaceAll(/ *"owner": "[^"]*",?\n/g, "")
			.replaceAll(/,(\s*\})/g, "$1"),
	);
	const output = await upTouchingNone();
	assert.match(output, /pulumi:providers:host hosts updated .*\[diff: ~owner\]/);
	assert.match(output, /Resources:\n +~ 1 updated\n +\d+ unchanged\n/);
	assert.match(await upTouchingNone(), /Resources:\n +\d+ unchanged\n/);
});

test("a stack that was renamed is told to rename it back, and nothing else; renamed back it has nothing to do", async () => {
	assert.equal((await project.pulumi("stack", "rename", "prod", "--stack", "test")).code, 0);
	const { code, output } = await project.pulumi("preview", "--refresh", "--stack", "prod");
	assert.notEqual(code, 0);
	assert.match(output, /this stack is called prod, and was test when it set up its hosts; .* Give it back: pulumi stack rename test/);
	assert.doesNotMatch(output, /pulumi destroy|another stack/);
	assert.doesNotMatch(output, /host:index:Step \S+ (create|delete|update)/);
	assert.equal((await project.pulumi("stack", "rename", "test", "--stack", "prod")).code, 0);
	assert.match(await upTouchingNone(), /Resources:\n +\d+ unchanged\n/);
});

const keptOn = (name: string, path = "") => played.file(name, `${KEPT}/texts/${path}`);
test("a script that is gone from a host or damaged is an item of the preview, and comes again; without any of them a host is looked at all the same", async () => {
	const [file = ""] = readdirSync(keptOn("host1")).filter((name) => name.startsWith("system-"));
	rmSync(keptOn("host1", file));
	appendFileSync(keptOn("host2", file), "rm -rf /\n");
	played.change("host2");
	const preview = await project.pulumi("preview", "--diff", "--refresh", "--stack", "test");
	assert.equal(preview.code, 0, preview.output);
	for (const item of [`script ${file}: "absent" => "present"`, `script ${file}: "damaged" => "present"`, `sysctl net.ipv4.ip_forward: "0" => "1"`])
		assert.ok(preview.output.includes(item), preview.output);
	assert.match(preview.output, /~ 3 to update/);
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", "test");
	assert.equal(code, 0, output);
	assert.deepEqual(readFileSync(keptOn("host1", file)), readFileSync(keptOn("host2", file)));
	rmSync(played.file("host1", KEPT), { recursive: true });
	const none = await project.pulumi("preview", "--diff", "--refresh", "--stack", "test");
	assert.match(none.output, /scripts: "absent" => "5 present"/);
	assert.match(none.output, /~ 1 to update/);
	assert.doesNotMatch(none.output, /not looked at/);
	assert.match(await upTouchingNone({ bringsScripts: true }), /~ 1 updated/);
	assert.match(await upTouchingNone(), /Resources:\n +\d+ unchanged\n/);
});

test("a version whose scripts are others has an empty preview but for them, runs no step again, and undoes with the script that was applied", async () => {
	const next = join(project.folder, "next");
	mkdirSync(next);
	for (const step of ["scripts", ...STEPS]) {
		const text = readFileSync(join(root, `cluster/steps/${step}.sh`), "utf8");
		const edited = step === "system" ? text : text.replace("undo() {", `undo() {\n: >"\${ROOT}/undone-by-the-next-version"`);
		writeFileSync(join(next, `${step}.sh`), step === "scripts" ? text : edited);
	}
	const applied = async () => {
		const of = (await project.resources()).filter(({ type }) => type === "host:index:Step");
		return of
			.map(({ urn, inputs, outputs }) => [urn.split("::").at(-1), inputs?.script, outputs?.script])
			.filter(([name]) => /host1-runtime/.test(String(name)))[0];
	};
	const [, before, same] = (await applied()) ?? [];
	assert.equal(before, same);
	settings = { ...settings, folder: next };
	project.settings(settings as never);
	const preview = await project.pulumi("preview", "--refresh", "--stack", "test");
	assert.match(preview.output, /~ 3 to update\n/);
	assert.match(preview.output, /host1-scripts update .*\[diff: .*settings\]/);
	assert.match(await upTouchingNone({ bringsScripts: true }), /~ 3 updated/);
	const [, wanted, ran] = (await applied()) ?? [];
	assert.deepEqual([ran, wanted === before], [before, false]);
	assert.deepEqual(
		readdirSync(keptOn("host1"))
			.filter((name) => name.startsWith("runtime-"))
			.sort(),
		[String(before), String(wanted)].sort(),
		"both are kept: the undo needs the old one",
	);
	assert.match(await upTouchingNone(), /Resources:\n +\d+ unchanged\n/);
	// Somebody with the version before runs it once more, then this one again.
	for (const folder of [join(root, "cluster/steps"), next]) {
		project.settings({ ...settings, folder } as never);
		assert.match(await upTouchingNone({ bringsScripts: true }), /~ 3 updated/);
		assert.match(await upTouchingNone(), /Resources:\n +\d+ unchanged\n/);
	}
	played.change("host1"); // a difference is repaired by the new version
	assert.match((await project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", "test")).output, /~ 1 updated/);
});

test("a state in which a host can't be reached is left as it is, the other host is shown, and destroy undoes both", async () => {
	played.change("host1");
	await played.stopServer("host2");
	const { code, output } = await project.pulumi("preview", "--diff", "--refresh", "--stack", "test");
	assert.equal(code, 0, output);
	assert.equal(output.match(/warning: host2 was not looked at: .*connection refused/g)?.length, 1, output);
	assert.match(output, /~ 1 to update/);
	await played.startServer("host2");
	const destroyed = await project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(destroyed.code, 0, destroyed.output);
	for (const name of names) assert.equal(existsSync(played.file(name, "undone-by-the-next-version")), false, name);
	for (const name of names)
		assert.deepEqual(
			played.audit(name).filter((line) => line.startsWith("var/lib/kubeadm-lab")),
			[],
			name,
		);
});
