// Finds secrets in what was written, printed or seen: as they are, in base64 (once or twice, at any place of a longer text), and packed with gzip.
import { closeSync, createWriteStream, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import { run } from "../e2e/lab.ts";

/** Shorter pieces would be found by chance. */
const SHORTEST = 16;
const LONGEST = 64;
const FILES_AT_ONCE = 200;
const GZIP = Buffer.from([0x1f, 0x8b]);
/** What gzip's first three bytes are in base64. */
const PACKED_BEGIN = "H4sI";
const PACKED = /H4sI[A-Za-z0-9+/]{20,}={0,2}/g;

/** Pieces of a secret that are in no public text: of a key in PEM the lines behind the public part. */
export function piecesOf(secret: string): string[] {
	const lines = secret.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
	// RSA: n and e are in the first 270 of 1190 bytes. OpenSSH: names and twice the public key, then the private one. EC: the private key comes first.
	const own = secret.includes("OPENSSH")
		? lines.slice(3, 4)
		: secret.includes("RSA") || lines.length > 10
			? lines.slice(7)
			: secret.includes("-----")
				? lines.slice(0, 1)
				: lines;
	return own.flatMap((line) => line.match(new RegExp(`.{${SHORTEST},${LONGEST}}`, "g")) ?? []);
}
/** A text in base64, wherever it stands in a longer one: what of it depends on no neighbour. */
export function inBase64(text: string): string[] {
	return [0, 1, 2].map((before) => {
		const whole = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
		return whole.toString("base64").slice([0, 2, 3][before], Math.floor((whole.length * 8) / 6));
	});
}

export class Needles {
	/** Piece in any form -> the secret's name. */
	readonly #names = new Map<string, string>();
	/** What is known already keeps its name: control planes have the same CAs. */
	add(name: string, secret: string): void {
		const pieces = piecesOf(secret);
		if (pieces.length === 0) throw new Error(`${name}: no piece of ${secret.length} characters is long enough to be searched for`);
		for (const piece of pieces) for (const form of [piece, ...inBase64(piece)]) if (!this.#names.has(form)) this.#names.set(form, name);
	}
	get names(): string[] {
		return [...new Set(this.#names.values())];
	}
	/** For grep -F -f. */
	get lines(): string {
		return `${[...this.#names.keys()].join("\n")}\n`;
	}
	/** Names of the secrets among what grep -o found. */
	named(found: string): string[] {
		return [...new Set(found.split("\n").flatMap((piece) => this.#names.get(piece) ?? []))].sort();
	}
	/** Names of the secrets in files; what is packed in them is unpacked first. `scratch` is a folder of the test's own. */
	async inFiles(files: string[], scratch: string): Promise<Record<string, string[]>> {
		const list = join(scratch, "needles");
		writeFileSync(list, this.lines, { mode: 0o600 });
		const found: Record<string, string[]> = {};
		const note = (file: string, pieces = "") => {
			const names = this.named(pieces);
			if (names.length > 0) found[file] = [...new Set([...(found[file] ?? []), ...names])].sort();
		};
		for (let i = 0; i < files.length; i += FILES_AT_ONCE) {
			const some = files.slice(i, i + FILES_AT_ONCE);
			// -Z: a NUL behind the file's name, whatever is in it.
			for (const line of (await grep("-aoHZF", "-f", list, "--", ...some)).split("\n")) note(...(line.split("\0") as [string, string]));
			const withPacked = (await grep("-alZF", "-e", PACKED_BEGIN, "--", ...some)).split("\0").filter((name) => name !== "");
			for (const file of new Set([...withPacked, ...some.filter(isGzip)])) {
				const unpacked = join(scratch, "unpacked");
				await unpack(file, unpacked);
				note(file, await grep("-aohF", "-f", list, "--", unpacked));
			}
		}
		return found;
	}
}
function isGzip(file: string): boolean {
	const [begin, opened] = [Buffer.alloc(2), openSync(file, "r")];
	readSync(opened, begin);
	closeSync(opened);
	return begin.equals(GZIP);
}
async function grep(...args: string[]): Promise<string> {
	const { code, stdout, stderr } = await run("grep", args, { env: { LC_ALL: "C" } });
	if (code > 1) throw new Error(`grep: ${stderr}`);
	return stdout;
}
/** Writes what is packed in a file, or in a line of it, in the clear; of what is packed in that too. */
async function unpack(file: string, to: string): Promise<void> {
	const out = createWriteStream(to, { mode: 0o600 });
	const seen = new Set<string>();
	const each = (text: string) => {
		for (const [packed] of text.matchAll(PACKED)) {
			if (seen.has(packed)) continue;
			seen.add(packed);
			try {
				const inner = gunzipSync(Buffer.from(packed, "base64")).toString("latin1");
				out.write(inner);
				each(inner);
			} catch {} // no gzip after all, or cut off
		}
	};
	const bytes = readFileSync(file);
	if (bytes.subarray(0, 2).equals(GZIP)) {
		try {
			const inner = gunzipSync(bytes).toString("latin1");
			out.write(inner);
			each(inner);
		} catch {}
	}
	each(bytes.toString("latin1"));
	out.end();
	await finished(out);
}
