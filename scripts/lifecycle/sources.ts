// Where recordings come from: files, or a stack's hosts.
import { existsSync, readFileSync } from "node:fs";
import { trimmed } from "../../lifecycle/recording.ts";
import { FetchError, fetchRecordings, run } from "./fetch.ts";
import { type Request, UsageError } from "./request.ts";

export interface Source {
	text: string;
	/** For messages. */
	name: string;
	/** Takes it off the hosts. */
	remove?: () => Promise<void>;
}

/** @throws UsageError, FetchError */
export async function sourcesOf({ stack, from }: Pick<Request, "stack" | "from">): Promise<Source[]> {
	if (stack !== undefined) return [await fromHosts(stack)];
	return from.map((file) => {
		if (!existsSync(file)) throw new UsageError(`${file}: no such file. Give one that npm run lifecycle -- fetch wrote.`);
		return { text: readFileSync(file, "utf8"), name: file };
	});
}
async function fromHosts(stack: string): Promise<Source> {
	const file = `Pulumi.${stack}.yaml`;
	if (!existsSync(file)) throw new UsageError(`${file}: no such file. Run this in the project's folder, with the name of a stack.`);
	const { text, problems, remove } = await fetchRecordings(readFileSync(file, "utf8"), async () => {
		const { code, stdout, stderr } = await run("pulumi", ["config", "get", "sshPrivateKey", "-s", stack]);
		if (code !== 0) throw new FetchError(`the private key of stack ${stack}: ${stderr.trim()}`);
		return stdout;
	});
	for (const problem of problems) console.error(problem);
	return { text: trimmed(text), name: stack, remove };
}
