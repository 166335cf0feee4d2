// Both plugins under the real engine: what a person sees of `pulumi up`, and what is kept. The tests build on each other, as the days of a stack do.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./support/language-host.ts";
import { Project } from "./support/project.ts";
import { Sshd } from "./support/sshd.ts";

const PROGRAM = `
import { readFileSync } from "node:fs";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

type Commands = Record<string, command.remote.CommandArgs>;
const { connection, commands, fails }: { connection: any; commands: Commands; fails?: string } = JSON.parse(readFileSync("settings.json", "utf8"));
if (fails) throw new pulumi.RunError(fails);
const privateKey = pulumi.secret(connection.privateKey);
const made = Object.entries(commands).map(([name, args]) => [name, new command.remote.Command(name, { ...args, connection: { ...connection, privateKey } })] as const);
export const outputs = Object.fromEntries(made.map(([name, { stdout }]) => [name, stdout]));
`;

let sshd: Sshd;
let project: Project;
before(async () => {
	sshd = await Sshd.start();
	project = new Project(PROGRAM);
	await project.init();
});
after(async () => {
	project?.remove();
	await sshd?.remove();
});
const set = (commands: Record<string, object>) => project.settings({ connection: sshd.connection(), commands: commands as never });
const trace = (name: string) => join(sshd.folder, name);
const append = (word: string) => `echo ${word} >>${trace("trace")}`;

test("preview runs nothing and shows the output as not known yet", async () => {
	set({ one: { create: append("create"), delete: append("delete") } });
	const { code, output } = await project.pulumi("preview", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /\+ +command:remote:Command one create/);
	assert.match(output, /one: (output<string>|\[unknown\])/);
	assert.equal(existsSync(trace("trace")), false);
	assert.deepEqual(await project.resources(), []);
});

test("up creates, shows what runs, and hands its output on in plain", async () => {
	set({ one: { create: `${append("create")}; echo made`, update: `${append("update")}; echo changed`, delete: append("delete") } });
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /one: "made"/);
	assert.match(output, /command:remote:Command one creating \(\d+s\) made/);
	assert.doesNotMatch(output, /command:remote:Command \(one\):/, "a line of output is no diagnostic");
	assert.equal(readFileSync(trace("trace"), "utf8"), "create\n");
});

test("the state holds no private key in plain, and it is a secret of its own", async () => {
	const [before] = readdirSync(join(project.folder, "state/.pulumi/stacks/contract"));
	const text = readFileSync(join(project.folder, "state/.pulumi/stacks/contract", before ?? ""), "utf8");
	assert.doesNotMatch(text, /BEGIN OPENSSH/);
	const [resource] = await project.resources({ showSecrets: true });
	for (const properties of [resource?.inputs, resource?.outputs]) {
		const { plaintext } = properties?.connection as { plaintext: string };
		assert.match(plaintext, /"privateKey":\{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270"/);
	}
	assert.equal(resource?.outputs?.stdout, "made");
});

test("a second up changes nothing", async () => {
	const { code, output } = await project.pulumi("up", "--yes", "--expect-no-changes", "--stack", "test");
	assert.equal(code, 0, output);
	assert.equal(readFileSync(trace("trace"), "utf8"), "create\n");
});

test("refresh changes nothing", async () => {
	const { code, output } = await project.pulumi("refresh", "--yes", "--expect-no-changes", "--stack", "test");
	assert.equal(code, 0, output);
});

test("a changed input runs `update`, and the preview before it names the input", async () => {
	set({ one: { create: `${append("create")}; echo made`, update: `${append("update")}; echo changed`, delete: append("delete"), stdin: "new" } });
	const { code, output } = await project.pulumi("up", "--yes", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /~ +command:remote:Command one update \[diff: \+stdin\]/);
	assert.match(output, /one: "made" => "changed"/);
	assert.equal(readFileSync(trace("trace"), "utf8"), "create\nupdate\n");
});

test("a changed trigger makes a replacement: the new create, then the old delete", async () => {
	const args = { create: append("create"), update: append("update"), delete: append("delete") };
	set({ one: { ...args, triggers: [1] } });
	const first = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(first.code, 0, first.output);
	writeFileSync(trace("trace"), "");
	set({ one: { ...args, triggers: [2] } });
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
	assert.equal(readFileSync(trace("trace"), "utf8"), "create\ndelete\n");
});

test("a command that fails fails the run, is shown with its output, and leaves nothing in the state", async () => {
	set({ one: { create: append("create"), delete: append("delete"), triggers: [2] }, two: { create: "echo no luck; exit 3" } });
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.notEqual(code, 0);
	assert.match(output, /Process exited with status 3: running "echo no luck; exit 3":\n +no luck/);
	assert.deepEqual(
		(await project.resources()).map(({ urn }) => urn.split("::").at(-1)),
		["one"],
	);
});

test("destroy runs `delete`", async () => {
	writeFileSync(trace("trace"), "");
	const { code, output } = await project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
	assert.equal(readFileSync(trace("trace"), "utf8"), "delete\n");
	assert.deepEqual(await project.resources(), []);
});

test("an error that the program has shown is not followed by another about its exit code", async () => {
	project.settings({ fails: "hosts: found 2, need 3" });
	const { code, output } = await project.pulumi("preview", "--stack", "test");
	assert.notEqual(code, 0);
	assert.match(output, /error: hosts: found 2, need 3/);
	assert.doesNotMatch(output, /exit code/);
});

test("one Ctrl-C lets the running command end, keeps it, and leaves no process", async () => {
	set({ slow: { create: `echo $PPID >${trace("pid")}; sleep 3; echo done`, update: "true" } });
	const { ended, interrupt } = project.start(["up", "--yes", "--skip-preview", "--stack", "test"]);
	while (!existsSync(trace("pid"))) await sleep(50);
	interrupt();
	const { code, output } = await ended;
	assert.notEqual(code, 0, output);
	const [slow] = await project.resources();
	assert.equal(slow?.outputs?.stdout, "done");
	assert.deepEqual(processesOf(project.folder), []);
	const { code: destroyed } = await project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(destroyed, 0);
});

test("a provider that is a folder with PulumiPlugin.yaml runs by the language host", async (t) => {
	const own = new Project(
		`import * as pulumi from "@pulumi/pulumi";
		class Thing extends pulumi.CustomResource {
			declare readonly doubled: pulumi.Output<string>;
			constructor(name: string, args: { word: string }) { super("tiny:index:Thing", name, { ...args, doubled: undefined }); }
		}
		export const doubled = new Thing("thing", { word: "ab" }).doubled;`,
		{ tiny: "./tiny" },
	);
	t.after(own.remove);
	const folder = join(own.folder, "tiny");
	mkdirSync(folder);
	symlinkSync(join(own.folder, "node_modules"), join(folder, "node_modules"));
	writeFileSync(join(folder, "PulumiPlugin.yaml"), "name: tiny\nruntime: {name: nodejs, options: {typescript: false}}\n");
	writeFileSync(join(folder, "package.json"), '{ "name": "tiny", "type": "module", "main": "index.js" }');
	writeFileSync(
		join(folder, "index.js"),
		`import { main } from "@pulumi/pulumi/provider/index.js";
		const schema = JSON.stringify({ name: "tiny", version: "0.0.1", resources: {} });
		main({ version: "0.0.1", schema, create: async (urn, { word }) => ({ id: "it", outs: { doubled: word + word } }) }, process.argv.slice(2));`,
	);
	await own.init();
	const { code, output } = await own.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
	assert.match(output, /doubled: "abab"/);
	assert.deepEqual(processesOf(own.folder), []);
});

test("an error of a resource is not buried under the calls that it cut off", async (t) => {
	const own = new Project(`import { readFileSync } from "node:fs";
		import * as command from "@pulumi/command";
		import * as pulumi from "@pulumi/pulumi";
		import { passOverCutOffCalls } from ${JSON.stringify(join(import.meta.dirname, "../../cut-off.ts"))};
		passOverCutOffCalls();
		const { connection } = JSON.parse(readFileSync("settings.json", "utf8"));
		const made = (name: string, create: string, opts = {}) => new command.remote.Command(name, { connection, create, logging: "none" }, opts);
		made("bad", "sleep 1; echo no luck; exit 3");
		const last = made("last", "sleep 3; echo done").stdout; // with it the engine ends
		class Part extends pulumi.ComponentResource {
			constructor(name: string, lateMs: number) {
				super("own:index:Part", name);
				this.registerOutputs({ told: last.apply(async (text) => { await new Promise((resolve) => setTimeout(resolve, lateMs)); void pulumi.log.info("told: " + text, this); return text; }) });
			}
		}
		for (let i = 0; i < 20; i++) new Part("part" + i, 150 * i);`);
	t.after(own.remove);
	await own.init();
	own.settings({ connection: sshd.connection() });
	const { code, output } = await own.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.notEqual(code, 0, output);
	const diagnostics = output.slice(output.indexOf("Diagnostics:"));
	assert.match(diagnostics, /Process exited with status 3: running "sleep 1; echo no luck; exit 3":\n +no luck/);
	assert.doesNotMatch(output, /failed to deliver log message|Channel has been shut down|UNAVAILABLE/);
	assert.ok(diagnostics.split("\n").length < 45, diagnostics);
});

test("the SDK's debug lines hold secrets in the clear, and with sendNoDebugLines nothing that can be logged does", async (t) => {
	const lines = async (call: string) => {
		const own = new Project(`import * as pulumi from "@pulumi/pulumi";
			import { sendNoDebugLines } from ${JSON.stringify(join(import.meta.dirname, "../../cut-off.ts"))};
			${call}
			new pulumi.Stash("kept", { input: pulumi.secret("hidden-" + 6 * 7) });`);
		t.after(own.remove);
		own.env.PULUMI_DEBUG_COMMANDS = "true"; // or there is no --event-log
		await own.init();
		const events = join(own.folder, "events");
		const { code, output } = await own.pulumi(
			"up",
			"--yes",
			"--skip-preview",
			"--stack",
			"test",
			"--debug",
			"-v=9",
			"--logtostderr",
			"--logflow",
			"--event-log",
			events,
		);
		assert.equal(code, 0, output);
		return output + readFileSync(events, "utf8");
	};
	assert.match(await lines(""), /RegisterResource RPC finished: resource:kept.*hidden-42/);
	const text = await lines("sendNoDebugLines();");
	assert.doesNotMatch(text, /hidden-42/);
	assert.match(text, /kept/);
});

/** Processes whose command line names a folder. */
function processesOf(folder: string): string[] {
	const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isAlive(Number(name)));
	return pids.map((pid) => commandLine(pid)).filter((line) => line.includes(folder));
}

function commandLine(pid: string): string {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
	} catch {
		return "";
	}
}
