// node commands/runs-table.ts COMMAND COMMIT PASSED FAILED: notes in docs/runs.json what came out of a run of tests, and writes the README's table of what was run.
// On stdin: what test/seen.sh printed in that run; where no cluster came up nothing, and the versions stay as they were. Without arguments it only writes the table.
import { readFileSync, writeFileSync } from "node:fs";
import { RELEASE_VERSIONS } from "../config/releases.ts";
import { withTable } from "./config-table.ts";

export interface Run {
	/** As one types it. */
	command: string;
	/** Such as 1.29.15. */
	kubernetes: string;
	/** Such as `containerd 1.6.20`: what the host really ran, whatever its package was called. */
	runtime: string;
	cgroup: "v1" | "v2";
	/** The day that it ended, in UTC. */
	date: string;
	commit: string;
	passed: number;
	failed: number;
}
export const BEGIN = "<!-- runs: begin; made from docs/runs.json and config/releases.ts by commands/runs-table.ts -->";
export const END = "<!-- runs: end -->";

/** What test/seen.sh printed, or undefined where it printed nothing. */
export function seen(text: string): Pick<Run, "kubernetes" | "runtime" | "cgroup"> | undefined {
	if (text.trim() === "") return undefined;
	const [, kubernetes, kind, version, groups] = text.trim().match(/^v(\S+) (\w+):\/\/(\S+) (\S+)$/) ?? [];
	if (kubernetes === undefined || kind === undefined)
		throw new Error(`expected a kubelet's version, a runtime's and a file system, found ${JSON.stringify(text)}`);
	return { kubernetes, runtime: `${kind === "docker" ? "Docker" : kind} ${version}`, cgroup: groups === "cgroup2fs" ? "v2" : "v1" };
}
/** A row for each run, in the order of `versions`, and one for those in between that none was made with. Throws for a run of a release that is not among them. */
export function runsTable(runs: Run[], versions: string[]): string {
	const strange = runs.find(({ kubernetes }) => !versions.includes(kubernetes));
	if (strange) throw new Error(`docs/runs.json: ${strange.command} ran Kubernetes ${strange.kubernetes}, which is not in config/releases.ts`);
	const rows: string[][] = [];
	let others: string[] = [];
	for (const version of versions) {
		const own = runs.filter(({ kubernetes }) => kubernetes === version);
		if (own.length === 0) {
			if (others.length === 0) rows.push([]);
			others.push(version);
			rows[rows.length - 1] = [others.join(", "), "", "", "not run", ""];
			continue;
		}
		others = [];
		for (const { command, runtime, cgroup, date, commit, passed, failed } of own)
			rows.push([version, runtime, cgroup, `\`${command}\``, `${date}, commit ${commit}: ${passed} passed, ${failed} failed`]);
	}
	const head = ["Kubernetes", "runtime", "control groups", "run by", "last run"];
	return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
/** The runs with a new one in the place of the one before it. */
export function noted(runs: Run[], run: Pick<Run, "command" | "date" | "commit" | "passed" | "failed">, found: ReturnType<typeof seen>): Run[] {
	const before = runs.find(({ command }) => command === run.command);
	const on = found ?? before;
	if (on === undefined) throw new Error(`${run.command}: no cluster came up, and none did before. Nothing was noted`);
	const { kubernetes, runtime, cgroup } = on;
	const now = { command: run.command, kubernetes, runtime, cgroup, date: run.date, commit: run.commit, passed: run.passed, failed: run.failed };
	return before ? runs.map((one) => (one === before ? now : one)) : [...runs, now];
}

if (import.meta.main) {
	const file = (name: string) => new URL(`../${name}`, import.meta.url);
	let runs = JSON.parse(readFileSync(file("docs/runs.json"), "utf8")) as Run[];
	const [command, commit, passed, failed] = process.argv.slice(2);
	if (command !== undefined && commit !== undefined) {
		const run = { command, date: new Date().toISOString().slice(0, 10), commit, passed: Number(passed), failed: Number(failed) };
		runs = noted(runs, run, seen(readFileSync(0, "utf8")));
		writeFileSync(file("docs/runs.json"), `${JSON.stringify(runs, undefined, "\t")}\n`);
	}
	writeFileSync(file("README.md"), withTable(readFileSync(file("README.md"), "utf8"), runsTable(runs, RELEASE_VERSIONS), BEGIN, END));
}
