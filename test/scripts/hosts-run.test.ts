// test/hosts/run in a project with a played lab and one small test: what it writes, and how it ends.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const PAGE = "before\n<!-- test:hosts: begin; written by test/hosts/run -->\nold\n<!-- test:hosts: end -->\nafter\n";

function run(t: TestContext, { tests = "", page = PAGE, lab = "exit 0" }) {
	const folder = mkdtempSync(join(tmpdir(), "hosts-run-"));
	t.after(() => rmSync(folder, { recursive: true }));
	const write = (path: string, text: string) => {
		mkdirSync(dirname(join(folder, path)), { recursive: true });
		writeFileSync(join(folder, path), text);
	};
	write("docs/reliability.md", page);
	write("lab/setup", "");
	write("lab/lab", `#!/bin/bash\necho "lab $*" >>calls\n[[ "$1" != exec ]] || echo v3.274.1\n${lab}\n`);
	write("test/hosts/a.test.ts", `import { test } from "node:test";\n${tests}\n`);
	write("package.json", '{ "type": "module" }');
	for (const path of [
		"test/hosts/run",
		"test/suite.sh",
		"Pulumi.yaml",
		"lab/content/specs/docker-ce.spec",
		"commands",
		"config",
		"printable.ts",
		"docs/runs.json",
		"README.md",
	])
		cpSync(join(root, path), join(folder, path), { recursive: true });
	symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
	spawnSync("chmod", ["+x", join(folder, "lab/lab")]);
	const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, GIT_DIR: join(root, ".git") };
	Reflect.deleteProperty(env, "NODE_TEST_CONTEXT"); // or the inner run takes itself for a part of this one
	const { status, stdout, stderr } = spawnSync("bash", [join(folder, "test/hosts/run")], { encoding: "utf8", env, timeout: 60_000 });
	const read = (path: string) => readFileSync(join(folder, path), "utf8");
	return { status, last: stdout.trimEnd().split("\n").at(-1), stderr, read };
}

test("test/hosts/run counts the tests and writes date, commit and versions into the page", (t) => {
	const { status, last, stderr, read } = run(t, { tests: 'test("one", () => {}); test("two", () => { throw new Error("no"); });' });
	assert.deepEqual([status, last], [1, "1 passed, 1 failed"], stderr);
	assert.match(
		read("docs/reliability.md"),
		/^before\n<!-- .* -->\nLast run: \d{4}-\d\d-\d\d, 0 minutes, commit \S+; Kubernetes 1\.\d+\.\d+, containerd \d+\.\d+\.\d+, pulumi v3\.274\.1: 1 passed, 1 failed\.\n<!-- test:hosts: end -->\nafter\n$/,
	);
	assert.match(read("README.md"), /\| `npm run test:hosts` \| \d{4}-\d\d-\d\d, commit \S+: 1 passed, 1 failed \|/);
	assert.equal(read("calls"), "lab up\nlab exec -- pulumi version\nlab down\n");
	assert.deepEqual(
		[run(t, { tests: 'test("one", () => {});' })].map((good) => [good.status, good.last]),
		[[0, "1 passed, 0 failed"]],
	);
});
test("test/hosts/run that breaks off has failed and says nothing of it in the page; a page without its place is told first", (t) => {
	const broken = run(t, { lab: '[[ "$1" != up ]]' });
	assert.deepEqual([broken.status, broken.last, broken.read("docs/reliability.md")], [1, "0 passed, 1 failed", PAGE]);
	const lost = run(t, { page: "before\n" });
	assert.deepEqual([lost.status, lost.last], [1, "0 passed, 1 failed"]);
	assert.match(lost.stderr, /docs\/reliability\.md: the marks .* are not both there/);
	assert.throws(() => lost.read("calls"), /ENOENT/);
});
