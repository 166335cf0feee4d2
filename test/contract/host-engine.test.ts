// Steps of hosts under the real engine, with their real scripts: a stack of the version before moves over; what differs is found and repaired.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { endHostStack, type HostStack, startHostStack, upThatTouchesNoHost } from "./support/host-stack.ts";
import type { PlayedHosts } from "./support/played-hosts.ts";
import type { Project } from "./support/project.ts";

let stack: HostStack;
let played: PlayedHosts;
let project: Project;
let settings: HostStack["settings"];
before(async () => {
	stack = await startHostStack();
	({ played, project, settings } = stack);
});
after(() => endHostStack(stack));
const upTouchingNone = (options = {}) => upThatTouchesNoHost(stack, options);
const types = async () => [...new Set((await project.resources()).map(({ type }) => type))].filter((type) => !type.includes("cluster:Host"));

test("a stack of remote.Command steps moves over with one up, which writes nothing on any host, also where a script is not what it was", async () => {
	project.settings({ ...settings, isBefore: true, older: { host2: { OLDER: "yes" } } } as never);
	const old = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(old.code, 0, old.output);
	assert.deepEqual(await types(), ["command:remote:Command"]);
	project.settings(settings as never);
	assert.match(await upTouchingNone({ bringsScripts: true }), /~ 8 updated/);
	assert.deepEqual(await types(), ["host:index:Step"]);
});

test("the up after it has nothing to do, although each login greets, prints and speaks another language", async () => {
	assert.match(await upTouchingNone(), /Resources:\n +\d+ unchanged\n/);
	const { code, output } = await project.pulumi("refresh", "--preview-only", "--expect-no-changes", "--stack", "test");
	assert.equal(code, 0, output);
	assert.doesNotMatch(output, /not looked at|Willkommen/);
});

test("a difference is found and repaired through such a login, and nothing else is done", async () => {
	played.change("host2");
	const preview = await project.pulumi("preview", "--diff", "--refresh", "--stack", "test");
	assert.match(preview.output, /~ sysctl net\.ipv4\.ip_forward: "0" => "1"/);
	assert.match(preview.output, /~ 1 to update/);
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /~ 1 updated/);
	assert.equal(readFileSync(played.file("host2", "proc/sys/net/ipv4/ip_forward"), "utf8"), "1\n");
});

test("a stopped containerd, swap, SELinux and an unloaded module are one item each in the preview, and up repairs them", async () => {
	played.write("host2", "units/containerd.active", "inactive\n");
	played.write("host2", "proc/swaps", "Filename Type Size Used Priority\n/dev/sdb1 partition 1024 0 -2\n");
	played.write("host2", "mode", "Enforcing\n");
	rmSync(played.file("host2", "proc/sys/net/bridge"), { recursive: true });
	const preview = await project.pulumi("preview", "--diff", "--refresh", "--stack", "test");
	assert.equal(preview.code, 0, preview.output);
	const items = preview.output.match(/(?<= ~ ).*" => ".*/g)?.map((line) => line.replace(/ +:/, ":"));
	assert.deepEqual(items?.sort(), [
		'SELinux: "Enforcing" => "Permissive"',
		'containerd running: "inactive" => "active"',
		'module br_netfilter: "not loaded" => "loaded"',
		'swap: "/dev/sdb1" => "off"',
	]);
	assert.match(preview.output, /~ 2 to update/);
	played.calls("host2");
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /~ 2 updated/);
	assert.deepEqual(played.calls("host2").sort(), [
		"modprobe -- br_netfilter",
		"setenforce 0",
		"swapoff -- /dev/sdb1",
		"systemctl reset-failed -- containerd.service",
		"systemctl start -- containerd.service",
	]);
	assert.equal(readFileSync(played.file("host2", "proc/sys/net/bridge/bridge-nf-call-iptables"), "utf8"), "1\n");
	await upTouchingNone();
});

test("a step that was made half-way stays in the state, is looked at by the next up without --refresh, and gets the rest", async () => {
	const system = async () => {
		const found = (await project.resources()).find(({ urn }) => urn.endsWith("::host2-system"));
		assert.ok(found);
		return found;
	};
	const removed = await project.pulumi("state", "delete", (await system()).urn, "--yes", "--stack", "test");
	assert.equal(removed.code, 0, removed.output);
	const setenforce = readFileSync(played.file("host2", "bin/setenforce"), "utf8");
	played.write("host2", "bin/setenforce", "#!/bin/bash\nexit 1\n");
	played.write("host2", "mode", "Enforcing\n");
	const half = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.notEqual(half.code, 0);
	assert.match(half.output, /host2 system: apply: exit status 1\n[\s\S]*error: setenforce 0 failed/);
	const { initErrors, refreshBeforeUpdate, outputs } = await system();
	assert.deepEqual([initErrors?.length, refreshBeforeUpdate, outputs?.found], [1, true, { SELinux: "Enforcing", "apply ended": "no" }]);
	played.write("host2", "bin/setenforce", setenforce);
	played.change("host2");
	const preview = await project.pulumi("preview", "--diff", "--stack", "test");
	assert.match(
		preview.output,
		/~ SELinux *: "Enforcing" => "Permissive"\n *- apply ended *: "no"\n *~ sysctl net\.ipv4\.ip_forward: "0" => "1"/,
		"also what changed since",
	);
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /host2-system updated .*\[diff: ~found\]/);
	assert.deepEqual([(await system()).initErrors, readFileSync(played.file("host2", "mode"), "utf8")], [undefined, "Permissive\n"]);
	assert.match(await upTouchingNone(), /Resources:\n +\d+ unchanged\n/);
});
