// Compares rendered text with test/golden/<folder>/<file>. UPDATE_GOLDEN=1 rewrites what differs and removes what nobody asked for.
// A golden's folder belongs to one test file, which says so by `allCompared`.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after } from "node:test";

const GOLDEN_FOLDER = join(import.meta.dirname, "golden");

const compared = new Set<string>();
const isUpdating = process.env.UPDATE_GOLDEN === "1";
/** Only some tests run, so that nothing can be said about unused goldens. */
const isPartialRun = process.execArgv.some((argument) => /^--test-(name-pattern|skip-pattern|only|shard)/.test(argument));

/** Fails where the text differs from the golden, or where there is none. `path` is folder/file, such as kubeadm/lab-init.yaml. */
export function golden(path: string, text: string): void {
	const file = join(GOLDEN_FOLDER, path);
	compared.add(path);
	if (isUpdating) {
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(file, text);
	}
	const hint = "Look at the difference; if the new text is right, run the test with UPDATE_GOLDEN=1.";
	assert.ok(existsSync(file), `test/golden/${path} does not exist. ${hint}`);
	assert.equal(text, readFileSync(file, "utf8"), `test/golden/${path} differs. ${hint}`);
}

/** Called once by the test file that a folder belongs to: when the file ends, a golden in there that no test compared fails it. */
export function allCompared(folder: string): void {
	after(() => {
		if (isPartialRun) return;
		const files = readdirSync(join(GOLDEN_FOLDER, folder), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
		const paths = files.map((entry) => join(entry.parentPath, entry.name).slice(GOLDEN_FOLDER.length + 1));
		const left = paths.filter((path) => !compared.has(path));
		if (isUpdating) for (const path of left) rmSync(join(GOLDEN_FOLDER, path));
		else assert.deepEqual(left, [], "goldens that no test compares; remove them, or run with UPDATE_GOLDEN=1");
	});
}
