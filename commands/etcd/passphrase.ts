// The passphrase of fetched snapshots: from a file that the environment names, or from the terminal, where it is not shown. Never from the command line.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

export class PassphraseError extends Error {}
const VARIABLE = "KUBEADM_LAB_ETCD_PASSPHRASE_FILE";
const LEAST = 8; // letters; whoever has the file can try as many as their machines can

/** `isNew`: one to encrypt with, so it must have a length, and is asked for twice. @throws PassphraseError */
export async function passphrase(isNew: boolean): Promise<string> {
	const file = process.env[VARIABLE];
	const found = file ? fromFile(file) : await fromTerminal(isNew);
	if (isNew && found.length < LEAST) throw new PassphraseError(`the passphrase has ${found.length} letters, expected ${LEAST} or more. Nothing was written.`);
	return found;
}
function fromFile(file: string): string {
	try {
		return readFileSync(file, "utf8").split(/\r?\n/)[0] ?? "";
	} catch (error) {
		throw new PassphraseError(`${VARIABLE}: cannot read ${file}: ${(error as NodeJS.ErrnoException).code}. Correct the path or the file's permissions.`);
	}
}
async function fromTerminal(isNew: boolean): Promise<string> {
	if (!process.stdin.isTTY)
		throw new PassphraseError(`no terminal to ask for the passphrase on. Put it into a file that only you read, and name that in ${VARIABLE}.`);
	const found = await hidden("Passphrase of the file: ");
	if (isNew && (await hidden("Once more: ")) !== found) throw new PassphraseError("the two are not the same. Nothing was written.");
	return found;
}
async function hidden(question: string): Promise<string> {
	process.stderr.write(question);
	const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
	const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
	lines.once("SIGINT", () => {
		lines.close(); // the terminal shows what is typed again
		process.exit(130);
	});
	try {
		return await lines.question("");
	} finally {
		lines.close();
		process.stderr.write("\n");
	}
}
