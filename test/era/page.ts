// The page that the demo is from, command by command, beside what a run prints: which lines must be equal, and which differ and why.

export interface Command {
	/** The host that the page's prompt names. */
	host: string;
	command: string;
	/** What it printed on the page, a line each; the page's text has lost its indentation. */
	lines: string[];
}
/** Blocks between empty lines, each begun by a prompt. */
export function commandsIn(text: string): Command[] {
	return text
		.trimEnd()
		.split("\n\n")
		.map((block) => {
			const [prompt = "", ...lines] = block.split("\n");
			const [, host = "", command = ""] = prompt.match(/^\[root@(\S+) \S+\]# (.*)$/) ?? [];
			if (command === "") throw new Error(`no prompt: ${prompt}`);
			return { host, command, lines };
		});
}

/** What may differ from run to run, each with the word that stands for it. */
export const MAY_DIFFER: [string, RegExp, string][] = [
	["ids of containers", /docker:\/\/[0-9a-f]{64}/g, "docker://ID"],
	["images' digests, and the repository that Docker first had one from", /registry\S+@sha256:[0-9a-f]{64}/g, "IMAGE@DIGEST"],
	["times, not their zone", /\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d/g, "TIME"],
	["ages, of which the page has none for Scheduled", /(?<=^(Normal|Warning) \w+ )(\S+|\d+s \(x\d+ over \S+\))(?= )|(?<=Running 0 )\S+/g, "AGE"],
	["the Pod's address, and the worker that it landed on", /10\.244\.\d+\.\d+|k8s-node0[12]|172\.16\.1\.11[12]/g, "THERE"],
	["the name of the token's Secret", /default-token-\w{5}/g, "default-token-XXXXX"],
];
/** What differs, each with the reason; `ours` are lines that only the run has, `page` those that only the page has. */
export const DIFFERS: { why: string; ours?: RegExp; page?: RegExp }[] = [
	{
		why: "Pulumi makes the Pod, and says so in its own words.",
		page: /^pod\/lifecycle-demo-pod created$/,
		ours: /^\+ kubernetes:core\/v1:Pod lifecycle-demo-pod created/,
	},
	{ why: "The page leaves these lines out.", page: /^…+$/, ours: /^(Annotations:|Status: Running|IPs?: ?(THERE)?$)/ },
	{ why: "Pulumi marks what it made.", ours: /^(Labels: app\.kubernetes\.io\/managed-by=pulumi|test=lifecycle)$/, page: /^Labels: test=lifecycle$/ },
	{ why: "A kubelet that has just joined may not have the Secret yet, and says so once; on the page it had run for days.", ours: /^Warning FailedMount / },
];

/** A line as it is compared. */
export function comparable(line: string): string {
	return MAY_DIFFER.reduce((text, [, pattern, word]) => text.replaceAll(pattern, word), line.trim().replaceAll(/\s+/g, " "));
}
const without = (lines: string[], side: "ours" | "page"): string[] =>
	lines.map(comparable).filter((line) => line !== "" && !DIFFERS.some((one) => one[side]?.test(line)));
/** Both as lists that must be equal. */
export function compared(command: Command, printed: string): { page: string[]; ours: string[] } {
	return { page: without(command.lines, "page"), ours: without(printed.split("\n"), "ours") };
}
