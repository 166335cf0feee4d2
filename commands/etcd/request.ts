// What somebody asks of `npm run etcd`.

export const USAGE = `usage: npm run etcd -- COMMAND STACK [...] [--yes]
  snapshot STACK          takes a snapshot of etcd on the control plane, verified, and kept there
  list STACK              the snapshots that are there
  fetch STACK NAME FILE   brings one here, encrypted with a passphrase: it holds every Secret of the cluster
  restore STACK NAME      goes back to it: shows what will be lost, and asks
  restore STACK FILE      the same with one that was fetched; a file's name has a slash or a dot, such as ./FILE
The passphrase is asked for, or is the first line of the file that KUBEADM_LAB_ETCD_PASSPHRASE_FILE names.
In the lab: lab/lab exec -- npm run etcd -- list lab`;
export class UsageError extends Error {}

export type Request = { stack: string; isYes: boolean } & (
	| { command: "snapshot" | "list" }
	| { command: "fetch"; name: string; file: string }
	| { command: "restore"; name: string }
	| { command: "restore"; file: string }
);
const WORDS = { snapshot: 0, list: 0, fetch: 2, restore: 1 } as const;
type Command = keyof typeof WORDS;

/** @throws UsageError */
export function requestIn(words: string[]): Request {
	const isYes = words.includes("--yes");
	const [command = "", stack = "", ...rest] = words.filter((word) => word !== "--yes");
	const option = words.find((word) => word.startsWith("-") && word !== "--yes");
	if (option !== undefined) throw new UsageError(`found ${option}, expected --yes or no option`);
	if (!Object.hasOwn(WORDS, command)) throw new UsageError(`found ${JSON.stringify(command)}, expected one of: ${Object.keys(WORDS).join(", ")}`);
	if (stack === "") throw new UsageError("expected the name of a stack, as in Pulumi.STACK.yaml");
	const wanted = WORDS[command as Command];
	if (rest.length !== wanted) throw new UsageError(`${command}: found ${rest.length} words after the stack, expected ${wanted}`);
	if (isYes && command !== "restore") throw new UsageError(`${command} asks nothing: leave --yes out`);
	const [first = "", second = ""] = rest;
	if (command === "fetch") return { command, stack, isYes, name: first, file: second };
	if (command === "restore") return { command, stack, isYes, ...(/[./]/.test(first) ? { file: first } : { name: first }) } as Request;
	return { command: command as "snapshot" | "list", stack, isYes };
}
