// A host that will never come back: with the real engine and its real state, destroy fails until the host is forgotten, and ends then.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { run } from "../../commands/run.ts";
import { keyPair } from "../key-pair.ts";
import { Project } from "./support/project.ts";

const root = join(import.meta.dirname, "../..");
// Steps of two hosts that nobody answers for: the worker's has an undo, so its deletion dials; `dependsOn`, `deletedWith` and the parent lead to it from others.
const PROGRAM = `
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { HostConnections } from ${JSON.stringify(join(root, "cluster/host-provider.ts"))};
import { stepFile } from ${JSON.stringify(join(root, "test/scripts/shell-files.ts"))};
class Step extends pulumi.CustomResource {
	constructor(name, inputs, opts) {
		super("host:index:Step", name, { apply: false, undo: false, printed: undefined, ...inputs }, opts);
	}
}
const parent = new pulumi.ComponentResource("kubeadm-lab:cluster:Cluster", "lab");
const one = (name, address) => ({ name, role: "worker", address, port: 1, user: "root", hostKey: readFileSync("key.pub", "utf8"), labels: {}, taints: [] });
const ssh = { privateKey: pulumi.secret(readFileSync("key", "utf8")), dialErrorLimit: 0, perDialTimeoutSeconds: 1 };
const provider = new HostConnections("hosts", { hosts: [one("m", "127.0.0.1"), one("w", "127.0.0.2")], ssh, steps: ["preflight", "system", "node", "leave"].map(stepFile) } as any, { parent });
const host = new pulumi.ComponentResource("kubeadm-lab:cluster:Host", "lab-w", {}, { parent });
const first = new Step("lab-m-preflight", { host: "m", step: "preflight", settings: { ROLE: "control-plane" } }, { parent, provider });
const system = new Step("lab-w-system", { host: "w", step: "system", undo: true }, { parent: host, provider, dependsOn: first });
new pulumi.Stash("lab-w-token", { input: pulumi.secret("the-token") }, { parent: host });
const node = new Step("lab-w-node", { host: "m", step: "node", settings: { NODE_NAME: "w" } }, { parent, provider, dependsOn: system });
const last = new Step("lab-m-last", { host: "m", step: "leave" }, { parent, provider, dependsOn: [system, node], deletedWith: system });
new pulumi.Stash("after", { input: last.urn }, { parent });
`;
const key = keyPair();
let project: Project;
before(async () => {
	project = new Project(PROGRAM, { host: join(root, "provider") });
	writeFileSync(join(project.folder, "key"), key.private);
	writeFileSync(join(project.folder, "key.pub"), key.public);
	await project.init();
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(code, 0, output);
});
after(() => project?.remove());

/** The command as a person runs it; their home is the project's folder. */
const forget = (words: string[], input = "") =>
	run(process.execPath, [join(root, "commands/forget.ts"), ...words], {
		cwd: project.folder,
		env: { ...project.env, HOME: project.folder, PATH: `${dirname(project.cli)}:${project.env.PATH}` },
		input,
	});
const names = async () => (await project.resources()).map(({ urn }) => urn.split("::").at(-1));
const copies = () => readdirSync(project.folder).includes(".kubeadm-lab");

test("a host that the state does not know is refused with those that it knows, and nothing is written", async () => {
	const before = await names();
	const { code, stderr } = await forget(["test", "k8s-node09", "--yes"]);
	assert.deepEqual([code, stderr], [1, 'found no host "k8s-node09" in the state; its hosts are: m, w\n']);
	assert.deepEqual(await names(), before);
	assert.ok(!copies());
});

test("without a yes nothing is forgotten; what would go was shown", async () => {
	const before = await names();
	const { code, stdout } = await forget(["test", "w"], "n\n");
	assert.equal(code, 1, stdout);
	for (const name of ["lab-w (kubeadm-lab:cluster:Host)", "lab-w-system (host:index:Step)", "lab-w-token (pulumi:index:Stash)", "lab-w-node (host:index:Step)"])
		assert.ok(stdout.includes(`  ${name}\n`), stdout);
	assert.doesNotMatch(stdout, / {2}lab-m|after/);
	assert.match(stdout, /The state is unchanged\.\n$/);
	assert.deepEqual(await names(), before);
	assert.ok(!copies());
});

test("destroy fails while the host is in the state, and ends once it is forgotten; a copy that only its owner reads brings the state back", async () => {
	const failed = await project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test");
	assert.notEqual(failed.code, 0);
	assert.match(failed.output, /w system: undo: .*127\.0\.0\.2/);
	const before = await names();
	const { code, stdout, stderr } = await forget(["test", "w"], "y\n");
	assert.equal(code, 0, stdout + stderr);
	assert.ok(before.includes("lab-w-system"));
	assert.deepEqual(
		(await names()).filter((name) => name?.startsWith("lab-w")),
		[],
	);
	const copy = /The state as it was: (\S+)\. To bring it back: (pulumi .*)/.exec(stdout)?.[1] ?? "";
	assert.equal(statSync(copy).mode & 0o777, 0o600);
	for (const secret of [key.private.split("\n")[2] ?? "", "the-token"]) assert.ok(secret !== "" && !readFileSync(copy, "utf8").includes(secret));

	const back = await project.pulumi("stack", "import", "--stack", "test", "--file", copy);
	assert.equal(back.code, 0, back.output);
	assert.deepEqual(await names(), before);
	assert.equal((await forget(["test", "w", "--yes"])).code, 0);
	const { code: done, output } = await project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test");
	assert.equal(done, 0, output);
});

test("usage is told to who asks for nothing, or for too much", async () => {
	for (const words of [[], ["test"], ["test", "w", "x"], ["test", "w", "--force"]]) {
		const { code, stderr } = await forget(words);
		assert.deepEqual([code, stderr.split("\n")[0]], [2, "usage: npm run forget -- STACK HOST [--yes]"]);
	}
});
