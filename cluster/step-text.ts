// Puts together the script that a host runs for a step, from the step's file and what that uses. Pure, but for reading the files.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Setting, settingsText } from "../provider/shell.ts";

interface Script {
	text: string;
	uses: string[];
}
const scripts = new Map<string, Script | undefined>();
/** A script without its comment lines, so that a changed comment changes no resource; and the files it says it uses. Undefined where there is no such file. */
function script({ href }: URL): Script | undefined {
	if (!scripts.has(href)) {
		const text = existsSync(new URL(href)) ? readFileSync(new URL(href), "utf8") : undefined;
		scripts.set(href, text === undefined ? undefined : { text: stripComments(text), uses: usedFiles(text) });
	}
	return scripts.get(href);
}
/** Drops lines that hold nothing but a comment. Scripts have no such line inside a string or here-document. */
export function stripComments(text: string): string {
	return text.replaceAll(/^[ \t]*#.*(\n|$)/gm, "");
}
/** Line 2 of a script may name files with functions that it needs: `# uses: folders.sh reset.sh`. */
export function usedFiles(text: string): string[] {
	return text.match(/^#!.*\n# uses: (.+)$/m)?.[1]?.split(" ") ?? [];
}

/** Its name in records on hosts, in the provider's inputs and in messages: its file's. */
export function stepName(step: URL): string {
	return basename(step.pathname, ".sh");
}
/** Of cluster/steps/lib: what every script gets in front. */
export const COMMON_FILES = ["common.sh", "files.sh", "units.sh", "verbs.sh"];
/**
 * The script that a host runs for a step: the common files, those that the step uses, and its own.
 * What it uses is found in lib/ beside it, then in cluster/steps/lib.
 */
export function stepScript(step: URL): string {
	const own = script(step);
	if (!own) throw new Error(`no step ${step.pathname}`);
	const used = [...COMMON_FILES, ...own.uses].map((file) => {
		const found = script(new URL(`./lib/${file}`, step)) ?? script(new URL(`./steps/lib/${file}`, import.meta.url));
		if (!found) throw new Error(`${step.pathname} uses ${file}, which is neither in lib/ beside it nor in cluster/steps/lib`);
		return found;
	});
	return [...used, own].map(({ text }) => text).join("");
}
/** The whole text for a host that keeps no script: settings, and the script behind them. */
export function stepText(step: URL, settings: Record<string, Setting>): string {
	return settingsText(stepName(step), settings) + stepScript(step);
}
/** The steps of a folder. */
export function stepsIn(folder: URL): URL[] {
	return readdirSync(folder)
		.filter((file) => file.endsWith(".sh"))
		.sort()
		.map((file) => new URL(file, folder));
}
