// Compares rendered text with test/golden/<folder>/<file>. UPDATE_GOLDEN=1 rewrites what differs and removes what nobody asked for.
// A golden's folder belongs to one test file: when that file ends, a golden in it that no test compared fails the run.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after } from "node:test";

export const GOLDEN_FOLDER = join(import.meta.dirname, "golden");

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

/** Goldens in the folders of the compared ones that no test compared. */
function unused(): string[] {
	const folders = new Set([...compared].map((path) => path.split("/")[0] ?? ""));
	return [...folders].flatMap((folder) =>
		readdirSync(join(GOLDEN_FOLDER, folder), { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map((entry) => join(entry.parentPath, entry.name).slice(GOLDEN_FOLDER.length + 1))
			.filter((path) => !compared.has(path)),
	);
}

after(() => {
	if (isPartialRun || compared.size === 0) return;
	const left = unused();
	if (isUpdating) for (const path of left) rmSync(join(GOLDEN_FOLDER, path));
	else assert.deepEqual(left, [], "goldens that no test compares; remove them, or run with UPDATE_GOLDEN=1");
});
