// How goldens are compared: one that is missing, that differs or that nobody compares fails the run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const tests = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "golden-"));
after(() => rmSync(folder, { recursive: true }));

writeFileSync(join(folder, "package.json"), '{"type": "module"}');
copyFileSync(join(tests, "golden.ts"), join(folder, "golden.ts"));
copyFileSync(join(tests, "unit/all.ts"), join(folder, "all.ts"));
writeFileSync(
	join(folder, "some.test.ts"),
	'import { test } from "node:test";\nimport { allCompared, golden } from "./golden.ts";\nallCompared("some");\ntest("one", () => golden("some/one.txt", "text\\n"));\ntest("two", () => golden("some/deep/two.txt", "text\\n"));\n',
);
const at = (path: string) => join(folder, "golden", path);
function run(environment: Record<string, string> = {}, args = ["all.ts"]) {
	const { NODE_TEST_CONTEXT: _, UPDATE_GOLDEN: __, ...rest } = process.env;
	const { status, stdout } = spawnSync(process.execPath, ["--test-reporter=tap", ...args], {
		cwd: folder,
		encoding: "utf8",
		env: { ...rest, ...environment },
	});
	return { status, stdout };
}

test("a golden that is missing, that differs or that nobody compares fails the run, and only the flag rewrites", () => {
	const missing = run();
	assert.equal(missing.status, 1);
	assert.match(missing.stdout, /test\/golden\/some\/one\.txt does not exist\. .*UPDATE_GOLDEN=1/);
	assert.equal(run({ UPDATE_GOLDEN: "1" }).status, 0);
	assert.equal(run().status, 0);
	writeFileSync(at("some/one.txt"), "other\n");
	assert.match(run().stdout, /test\/golden\/some\/one\.txt differs/);
	assert.equal(readFileSync(at("some/one.txt"), "utf8"), "other\n");
	assert.equal(run({ UPDATE_GOLDEN: "1" }).status, 0);

	writeFileSync(at("some/deep/three.txt"), "");
	mkdirSync(at("others"));
	writeFileSync(at("others/file.txt"), "");
	const unused = run();
	assert.equal(unused.status, 1);
	assert.match(unused.stdout, /goldens that no test compares/);
	assert.equal(run({}, ["--test", "some.test.ts"]).status, 1, "also when the file is run by itself");
	assert.equal(run({}, ["--test", "--test-name-pattern=one", "some.test.ts"]).status, 0, "a run of some tests says nothing about the rest");
	assert.equal(run({ UPDATE_GOLDEN: "1" }).status, 0);
	assert.deepEqual([existsSync(at("some/deep/three.txt")), existsSync(at("some/deep/two.txt")), existsSync(at("others/file.txt"))], [false, true, true]);
});

test("every folder of goldens belongs to a test", () => {
	const sources = readdirSync(tests, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
	const texts = sources.map((name) => readFileSync(join(tests, name), "utf8")).join("\n");
	for (const name of readdirSync(join(tests, "golden"))) assert.match(texts, new RegExp(`allCompared\\("${name}"\\)`), `no test compares test/golden/${name}`);
});
