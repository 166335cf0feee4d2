// The scripts of all steps: kept once in the provider's configuration, packed, and on each host (cluster/steps/scripts.sh). A step's state names the one that it ran.
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from "node:zlib";
import { scriptName, shellQuote } from "./shell.ts";

const MARK = "brotli:";

/** Brotli, for its window: the scripts have most of their lines in common, 40 kB apart. A higher quality takes a tenth less, and 40 times as long. */
const QUALITY = 5;
export function packScripts(scripts: Readonly<Record<string, string>>): string {
	const text = JSON.stringify(scripts);
	return MARK + brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY } }).toString("base64");
}
/** Step's name -> script; of a text that is not packed too. Throws where it is neither. */
export function unpackScripts(kept: string): Record<string, string> {
	return JSON.parse(kept.startsWith(MARK) ? brotliDecompressSync(Buffer.from(kept.slice(MARK.length), "base64")).toString("utf8") : kept);
}

export class Scripts {
	readonly #current = new Map<string, string>();
	readonly #texts = new Map<string, string>();
	readonly #brought = new Map<string, string>();

	constructor(scripts: Readonly<Record<string, string>> = {}) {
		for (const [step, text] of Object.entries(scripts)) {
			const name = scriptName(step, text);
			this.#current.set(step, name);
			this.#texts.set(name, text);
		}
	}
	get names(): string[] {
		return [...this.#texts.keys()];
	}
	/** The name of this version's script for a step. */
	current(step: string): string | undefined {
		return this.#current.get(step);
	}
	/** Undefined for a script of another version. */
	text(name: string): string | undefined {
		return this.#texts.get(name);
	}
	/** For bash: the array BROUGHT, of names and texts in turn. Names of other versions are left out. */
	brought(names: string[]): string {
		const key = names.join(" ");
		const known = this.#brought.get(key);
		if (known !== undefined) return known;
		const words = names.flatMap((name) => (this.#texts.has(name) ? [name, this.#texts.get(name) ?? ""] : []));
		const packed = gzipSync(`BROUGHT=(${words.map(shellQuote).join("\n")})\n`, { level: 9 }).toString("base64");
		const text = `eval "$(printf %s '${packed}' | base64 -d | gzip -dc)"\n`;
		this.#brought.set(key, text);
		return text;
	}
}

/** The script that the state of the version before had in each step. */
export function unpackScript(kept: string): string {
	return kept.startsWith("gzip:") ? gunzipSync(Buffer.from(kept.slice("gzip:".length), "base64")).toString("utf8") : kept;
}
