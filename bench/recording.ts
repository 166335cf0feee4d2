// Measures what recording costs a Pod, how far its times are from the Pod's own, and what the recorder takes of a node. In the lab, on a stack that is up.
// usage: node bench/recording.ts [RUNS]   default 10 of each kind, about 2 minutes; prints the section that bench/run.ts puts into docs/benchmarks.md

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { hookIn } from "../lifecycle/history/pod-history.ts";
import { type Story, storyOf } from "../lifecycle/render/story.ts";
import { lab, measure, median, project, pulumi } from "./measure.ts";
import { CONTROL_PLANE, HOSTS, live, onLabHost, type Times, WORKER } from "./recorded-pod.ts";

const UNIT = "kubeadm-lab-recorder";
const IDLE_SECONDS = 30;
const recorders = async (verb: "start" | "stop") => {
	await Promise.all(HOSTS.map((host) => onLabHost(host, `systemctl ${verb} ${UNIT}`)));
	await new Promise((resolve) => setTimeout(resolve, 2000)); // until it listens
};
const withMillis = (ms: number): string => (ms / 1000).toFixed(3);
const spreadMs = (values: number[], digits = 0): string =>
	`${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;

const SPANS: [string, (times: Times) => number][] = [
	["creation to the process's first line", ({ asked, own }) => (own.get("main") ?? Number.NaN) - asked],
	["creation to Ready", ({ asked, ready }) => ready - asked],
	["deletion to preStop's first line", ({ deleted, own }) => (own.get("preStop-begin") ?? Number.NaN) - deleted],
	["deletion to SIGTERM in the process", ({ deleted, own }) => (own.get("term") ?? Number.NaN) - deleted],
	["deletion to gone", ({ deleted, gone }) => gone - deleted],
];
function overhead(off: Times[], on: Times[]): string[] {
	return SPANS.map(([what, of]) => {
		const [without, recorded] = [off.map(of), on.map(of)];
		const cell = (values: number[]) => `${withMillis(median(values))} (${withMillis(Math.min(...values))} to ${withMillis(Math.max(...values))})`;
		return `| ${what} | ${cell(without)} | ${cell(recorded)} | ${(median(recorded) - median(without)).toFixed(0)} |`;
	});
}

/** ms between what the recording says and what the hook itself says. */
function errors(on: Times[], { pods, timeline }: Story): string[] {
	const rows = new Map<string, number[]>();
	const add = (row: string, recorded: number | undefined, own: number | undefined) => {
		if (recorded === undefined || own === undefined) throw new Error(`no "${row}" of a Pod: was it recorded?`);
		rows.set(row, [...(rows.get(row) ?? []), recorded - own]);
	};
	for (const { name, own } of on) {
		const run = pods.find(({ history }) => history.name === name)?.history.containers[0]?.runs[0];
		if (!run) throw new Error(`${name} is not in the recording`);
		add("SIGTERM sent, and the process's line", run.term?.at, own.get("term"));
		for (const what of ["postStart", "preStop"] as const) {
			const hook = hookIn(run, what);
			add(`${what}: asked for, and its first line`, hook?.requested?.at, own.get(`${what}-begin`));
			add(`${what}: ended, and its last line`, hook?.exited?.at, own.get(`${what}-end`));
		}
		for (const [what, at] of own)
			add(
				"a line of the message file: heard, and written",
				timeline.entries.find(({ kind, text }) => kind === "line" && text.startsWith(`${name} ${what} `))?.at,
				at,
			);
	}
	return [...rows].map(([what, values]) => `| ${what} | ${spreadMs(values, 1)} |`);
}

/** CPU ms of the recorder's processes and of those that they waited for, and their memory. */
async function load(host: string): Promise<{ cpuMs: number; memoryMiB: number }> {
	const text = await onLabHost(
		host,
		`for p in $(grep -l ${UNIT} /proc/[0-9]*/cgroup | cut -d/ -f3); do echo "$(cut -d' ' -f14-17 /proc/$p/stat) $(awk '/^Pss:/ {print $2}' /proc/$p/smaps_rollup)"; done 2>/dev/null`,
	);
	const rows = text
		.trim()
		.split("\n")
		.map((line) => line.split(" ").map(Number));
	const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
	return { cpuMs: sum(rows.map((row) => sum(row.slice(0, 4)))) * 10, memoryMiB: sum(rows.map((row) => row[4] ?? 0)) / 1024 };
}
async function loads(): Promise<string[]> {
	const hosts = [CONTROL_PLANE, WORKER];
	const looks = () => Promise.all(hosts.map(load));
	const begin = await looks();
	await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
	const idle = await looks();
	const names = ["load-1", "load-2", "load-3"];
	for (const name of names) await live(name);
	const end = await looks();
	return hosts.map((host, i) => {
		const [a, b, c] = [begin[i], idle[i], end[i]].map((one) => one ?? { cpuMs: 0, memoryMiB: 0 });
		const percent = ((b?.cpuMs ?? 0) - (a?.cpuMs ?? 0)) / (IDLE_SECONDS * 10);
		return `| ${host} | ${percent.toFixed(2)} | ${(((c?.cpuMs ?? 0) - (b?.cpuMs ?? 0)) / names.length).toFixed(0)} | ${(c?.memoryMiB ?? 0).toFixed(0)} |`;
	});
}

/** The stack is up, with its recorders. Pods with and without a recorder take turns. */
export async function recordingSection(runs: number): Promise<string> {
	const [on, off]: [Times[], Times[]] = [[], []];
	await live("warm-up");
	for (let run = 1; run <= runs; run++) {
		await recorders("stop");
		off.push(await live(`off-${run}`));
		await recorders("start");
		on.push(await live(`on-${run}`));
		console.log(`recording: run ${run} of ${runs}`);
	}
	const load = await loads();
	const folder = await mkdtemp(`${process.env.TMPDIR ?? "/tmp"}/bench-`);
	await measure(`${project}lab/lab`, ["exec", "--", "npm", "run", "lifecycle", "--", "fetch", "lab", "--to", `${folder}/recording.jsonl`]);
	const story = storyOf(await readFile(`${folder}/recording.jsonl`, "utf8"));
	await rm(folder, { recursive: true });
	return `## What recording costs, and how exact it is

${runs} Pods with a recorder and ${runs} without took turns on ${WORKER}. Their process and hooks print the time by themselves. Ready and gone move in steps of about a second, which is how often the kubelet looks: compare their extremes.

| seconds | without | with | difference of medians, ms |
|---|---|---|---|
${overhead(off, on).join("\n")}

Medians and extremes of what the recording says less what the Pod says, in ms:

| moment | ms |
|---|---|
${errors(on, story).join("\n")}

The recorder itself (its unit may take half a CPU at most):

| host | % of a CPU while nothing happens | CPU ms for a Pod's life | MiB |
|---|---|---|---|
${load.join("\n")}
`;
}

if (import.meta.main) {
	await lab("up");
	await pulumi("up");
	console.log(await recordingSection(Number(process.argv[2] ?? 10)));
}
