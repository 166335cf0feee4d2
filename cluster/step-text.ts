// Puts together the text that a host runs, from a step's file and its settings. Pure, but for reading the files.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";

/** What a script may be given: booleans reach it as yes or no, lists as bash arrays. */
export type Setting = string | number | boolean | string[];

/** Quotes any text as one word for bash; throws on NUL, which no shell can hold. */
export function shellQuote(text: string): string {
	if (text.includes("\0")) throw new Error(`a shell value can't hold a NUL character: ${JSON.stringify(text.slice(0, 40))}`);
	return `'${text.replaceAll("'", "'\\''")}'`;
}

function assignment(name: string, value: Setting): string {
	if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new Error(`${name} is not a setting's name: use capitals, digits and underscores`);
	if (Array.isArray(value)) return `readonly ${name}=(${value.map(shellQuote).join(" ")})`;
	return `readonly ${name}=${shellQuote(typeof value === "boolean" ? (value ? "yes" : "no") : String(value))}`;
}

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
 * The text that a host runs: settings in order of their names, then the common files, those that the script uses, and the script.
 * What it uses is found in lib/ beside it, then in cluster/steps/lib.
 */
export function stepText(step: URL, settings: Record<string, Setting>): string {
	const assignments = Object.keys(settings)
		.sort()
		.map((name) => assignment(name, settings[name] as Setting));
	const own = script(step);
	if (!own) throw new Error(`no step ${step.pathname}`);
	const used = [...COMMON_FILES, ...own.uses].map((file) => {
		const found = script(new URL(`./lib/${file}`, step)) ?? script(new URL(`./steps/lib/${file}`, import.meta.url));
		if (!found) throw new Error(`${step.pathname} uses ${file}, which is neither in lib/ beside it nor in cluster/steps/lib`);
		return found;
	});
	return `${[`readonly STEP=${shellQuote(stepName(step))}`, ...assignments].join("\n")}\n${[...used, own].map(({ text }) => text).join("")}`;
}
