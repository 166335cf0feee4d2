// Steps of hosts under the real engine, with their real scripts: a stack of the version before moves over; a changed key touches no host.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SAMPLE_HOSTS, sampleSettings } from "../scripts/verbs.ts";
import { PLAYED, PlayedHosts, STEPS } from "./support/played-hosts.ts";
import { Project } from "./support/project.ts";

const root = join(import.meta.dirname, "../..");
/** Steps as the program makes them now, and as it made them before: the same names, by cluster/step.ts. */
const PROGRAM = `
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { HostConnections } from ${JSON.stringify(join(root, "cluster/host-provider.ts"))};
import { Command } from "@pulumi/command/remote/command.js";
import { hostState } from ${JSON.stringify(join(root, "cluster/step.ts"))};
import { stepScript, stepText } from ${JSON.stringify(join(root, "cluster/step-text.ts"))};
import { scriptCommand, scriptInput, scriptName } from ${JSON.stringify(join(root, "provider/shell.ts"))};
const { hosts, privateKey, settings, isBefore, older = {}, isNamed, folder } = JSON.parse(readFileSync("settings.json", "utf8"));
const specs = Object.entries<any>(hosts).map(([name, host]) => ({ name, role: "worker" as const, ...host }));
const ssh = { privateKey: pulumi.secret(privateKey), dialErrorLimit: 0, perDialTimeoutSeconds: 10 };
const files = new Map(["scripts", ...Object.keys(settings)].map((step): [string, URL] => [step, pathToFileURL(join(folder, \`\${step}.sh\`))]));
const scripts = [...files].map(([step, file]) => scriptName(step, stepScript(file)));
class Host extends pulumi.ComponentResource {
	constructor(host: any, provider?: HostConnections) {
		super("kubeadm-lab:cluster:Host", host.name);
		const state = (step: string, settings: any, opts: object = {}, flags = {}) =>
			hostState(\`\${host.name}-\${step}\`, { host: host.name, step: files.get(step)!, settings, ...flags }, { parent: this, provider: provider!, ...opts });
		const kept = provider && state("scripts", { SCRIPTS: scripts }, {}, { bringsScripts: true });
		for (const [step, set] of Object.entries<any>(settings)) {
			if (kept) state(step, set, { dependsOn: kept });
			else {
				const connection = { host: host.address, port: host.port, user: host.user, hostKey: host.hostKey, privateKey: ssh.privateKey, dialErrorLimit: 0, perDialTimeout: 10 };
				const stdin = scriptInput(stepText(files.get(step)!, { ...set, ...older[host.name] }));
				const [create, undo] = ["apply", "undo"].map((verb) => scriptCommand("root", verb));
				new Command(\`\${host.name}-\${step}\`, { connection, stdin, create, update: create, delete: undo, addPreviousOutputInEnv: false }, { parent: this });
			}
		}
	}
}
const names = isNamed ? "test-hosts" : "hosts"; // as the version before named it: after the stack
const provider = isBefore ? undefined : new HostConnections(names, { hosts: specs, ssh, steps: [...files.values()] }, isNamed ? {} : { aliases: [{ name: "test-hosts" }] });
for (const spec of specs) new Host(spec, provider);
`;

let played: PlayedHosts;
let project: Project;
let settings: Record<string, unknown>;
before(async () => {
	// What a person's login may bring: another language, a greeting from sshd, and profiles that print where nobody asked.
	const login = 'ForceCommand bash -l -c "$SSH_ORIGINAL_COMMAND"\nBanner /etc/os-release';
	played = await PlayedHosts.start(2, { settings: login, environment: "LC_ALL=de_DE.UTF-8 LANG=de_DE.UTF-8" });
	for (const name of Object.keys(played.hosts))
		for (const file of [".bash_profile", ".bashrc"])
			played.write(name, file, "echo 'Willkommen!'; echo 'Letzter Login: nie' >&2; printf 'file /x\\ta\\tb\\n'\n");
	project = new Project(PROGRAM, { host: join(root, "provider") });
	await project.init();
	const sample = SAMPLE_HOSTS.find(({ name }) => name === PLAYED);
	assert.ok(sample);
	settings = {
		hosts: played.hosts,
		privateKey: played.privateKey,
		folder: join(root, "cluster/steps"),
		settings: Object.fromEntries(STEPS.map((step) => [step, sampleSettings(step, sample)])),
	};
});
after(async () => {
	project?.remove();
	await played?.stop();
});
const names = ["host1", "host2"];
const KEPT = "var/lib/kubeadm-lab/scripts";
/** Runs `up` and returns what it printed; no host may be written to but for the scripts that it keeps, if at all, and no unit be told anything. */
async function upThatTouchesNoHost({ bringsScripts = false } = {}): Promise<string> {
	const audit = (name: string) => played.audit(name).filter((line) => !bringsScripts || !line.startsWith(KEPT));
	const was = names.map(audit);
	for (const name of names) played.calls(name);
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", "test");
	assert.equal(code, 0, output);
	for (const [i, name] of names.entries()) {
		assert.deepEqual(audit(name), was[i], `${name} was written to`);
		assert.deepEqual(played.calls(name), [], `${name}: something was restarted or installed`);
	}
	return output;
}
const types = async () => [...new Set((await project.resources()).map(({ type }) => type))].filter((type) => !type.includes("cluster:Host"));

test("a stack of remote.Command steps moves over with one up, which writes nothing on any host, also where a script is not what it was", async () => {
	project.settings({ ...settings, isBefore: true, older: { host2: { OLDER: "yes" } } } as never);
	const old = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(old.code, 0, old.output);
	assert.deepEqual(await types(), ["command:remote:Command"]);
	project.settings(settings as never);
	assert.match(await upThatTouchesNoHost({ bringsScripts: true }), /~ 8 updated/);
	assert.deepEqual(await types(), ["host:index:Step"]);
});

test("the up after it has nothing to do, although each login greets, prints and speaks another language", async () => {
	assert.match(await upThatTouchesNoHost(), /Resources:\n +\d+ unchanged\n/);
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
	await upThatTouchesNoHost();
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
	assert.deepEqual([initErrors?.length, refreshBeforeUpdate, outputs?.found], [1, true, { SELinux: "Enforcing" }]);
	played.write("host2", "bin/setenforce", setenforce);
	played.change("host2");
	const preview = await project.pulumi("preview", "--diff", "--stack", "test");
	assert.match(preview.output, /~ SELinux *: "Enforcing" => "Permissive"\n *~ sysctl net\.ipv4\.ip_forward: "0" => "1"/, "also what changed since");
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /host2-system updated .*\[diff: ~found\]/);
	assert.deepEqual([(await system()).initErrors, readFileSync(played.file("host2", "mode"), "utf8")], [undefined, "Permissive\n"]);
	assert.match(await upThatTouchesNoHost(), /Resources:\n +\d+ unchanged\n/);
});

test("another private key runs no step: only the connections are updated", async () => {
	execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(project.folder, "second")]);
	played.authorize(readFileSync(join(project.folder, "second.pub"), "utf8"));
	settings = { ...settings, privateKey: readFileSync(join(project.folder, "second"), "utf8") };
	project.settings(settings as never);
	for (const name of names) execFileSync("find", [played.file(name, "var/lib/kubeadm-lab"), "-name", "owner", "-delete"]);
	const output = await upThatTouchesNoHost();
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
	const output = await upThatTouchesNoHost();
	assert.match(output, /pulumi:providers:host hosts updated .*\[diff: ~owner\]/);
	assert.match(output, /Resources:\n +~ 1 updated\n +\d+ unchanged\n/);
	assert.match(await upThatTouchesNoHost(), /Resources:\n +\d+ unchanged\n/);
});

test("a stack that was renamed is told to rename it back, and nothing else; renamed back it has nothing to do", async () => {
	assert.equal((await project.pulumi("stack", "rename", "prod", "--stack", "test")).code, 0);
	const { code, output } = await project.pulumi("preview", "--refresh", "--stack", "prod");
	assert.notEqual(code, 0);
	assert.match(output, /this stack is called prod, and was test when it set up its hosts; .* Give it back: pulumi stack rename test/);
	assert.doesNotMatch(output, /pulumi destroy|another stack/);
	assert.doesNotMatch(output, /host:index:Step \S+ (create|delete|update)/);
	assert.equal((await project.pulumi("stack", "rename", "test", "--stack", "prod")).code, 0);
	assert.match(await upThatTouchesNoHost(), /Resources:\n +\d+ unchanged\n/);
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
	assert.match(await upThatTouchesNoHost({ bringsScripts: true }), /~ 1 updated/);
	assert.match(await upThatTouchesNoHost(), /Resources:\n +\d+ unchanged\n/);
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
	assert.match(await upThatTouchesNoHost({ bringsScripts: true }), /~ 3 updated/);
	const [, wanted, ran] = (await applied()) ?? [];
	assert.deepEqual([ran, wanted === before], [before, false]);
	assert.deepEqual(
		readdirSync(keptOn("host1"))
			.filter((name) => name.startsWith("runtime-"))
			.sort(),
		[String(before), String(wanted)].sort(),
		"both are kept: the undo needs the old one",
	);
	assert.match(await upThatTouchesNoHost(), /Resources:\n +\d+ unchanged\n/);
	// Somebody with the version before runs it once more, then this one again.
	for (const folder of [join(root, "cluster/steps"), next]) {
		project.settings({ ...settings, folder } as never);
		assert.match(await upThatTouchesNoHost({ bringsScripts: true }), /~ 3 updated/);
		assert.match(await upThatTouchesNoHost(), /Resources:\n +\d+ unchanged\n/);
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
