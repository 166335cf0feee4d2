// Measures the program beside its baselines, interleaved on the same hosts in one run, and writes docs/benchmarks.md.
// usage: npm run bench [-- ROUNDS]   default 3 rounds, about 30 minutes; an otherwise idle machine, or the ratios are noise

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dockerSection } from "./docker.ts";
import { driftSection, withoutLooking } from "./drift.ts";
import { lab, type Measured, measure, median, Notes, project, pulumi, sectionOf, spread } from "./measure.ts";
import { recordingSection } from "./recording.ts";
import { reportSection } from "./report.ts";
import { TITLE as UPGRADE } from "./upgrade.ts";

const rounds = Number(process.argv[2] ?? 3);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20) throw new Error(`rounds: found "${process.argv[2]}", expected a whole number from 1 to 20`);

const notes = new Notes();
/** When the steps of one kind began and ended, in seconds since the command: from the first host's begin to the last one's end. */
type Spans = Map<string, { from: number; to: number }>;
const spansOfRounds: { up: Spans[]; destroy: Spans[] } = { up: [], destroy: [] };
function spansOf({ lines }: Measured): Spans {
	const spans: Spans = new Map();
	for (const { at, text } of lines) {
		const [, name, act] = text.match(/^ [+~-] +\S+ (\S+) (creating|created|deleting|deleted|refreshing|refresh) \(/) ?? [];
		if (name === undefined || act === undefined) continue;
		const kind = act.startsWith("refresh")
			? "looking at what is there"
			: name.replace(/^(lab|lifecycle-demo(-life)?)-/, "").replace(/^k8s-(master|node\d+)-(worker-)?/, "");
		const known = spans.get(kind);
		spans.set(kind, { from: known?.from ?? at, to: at });
	}
	return spans;
}
function spanTable(rounds: Spans[]): string {
	const kinds = [...new Set(rounds.flatMap((spans) => [...spans.keys()]))];
	const rows = kinds.map((kind) => {
		const known = rounds.flatMap((spans) => spans.get(kind) ?? []);
		return { kind, from: median(known.map(({ from }) => from)), to: median(known.map(({ to }) => to)), takes: known.map(({ from, to }) => to - from) };
	});
	return rows
		.filter(({ kind, takes }) => median(takes) >= 0.2 && kind !== "kubeadm-lab-lab")
		.sort((a, b) => a.from - b.from)
		.map(({ kind, from, to, takes }) => `| ${kind} | ${from.toFixed(1)} | ${to.toFixed(1)} | ${spread(takes)} |`)
		.join("\n");
}
const byHand = (verb: string, kind: string) => measure("bash", ["bench/by-hand.sh", verb, kind]);

const folder = await mkdtemp(`${process.env.TMPDIR ?? "/tmp"}/bench-`);
/** Hosts and Nodes alone, with looking and without. */
async function looks(): Promise<void> {
	const state = `${folder}/state.json`;
	const stack = (...args: string[]) => measure(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", ...args, "-s", "lab", "--file", state]);
	await stack("export");
	const whole = await readFile(state, "utf8");
	await writeFile(state, withoutLooking(whole));
	await stack("import");
	notes.note(NOT_LOOKING, await pulumi("preview", "lab", ["--refresh=false"]));
	await writeFile(state, whole);
	await stack("import");
	notes.note(LOOKING, await pulumi("preview", "lab", ["--refresh=false"]));
}
const BLIND_DESTROY = "destroy --refresh=false: nothing is looked at first";
const LOOKING = "preview --refresh=false: hosts and Nodes are looked at";
const NOT_LOOKING = "the same, and nothing is looked at";

const RECORDED_RUNS = 10;
let recording = "";

await lab("up");
for (let round = 1; round <= rounds; round++) {
	console.log(`round ${round} of ${rounds}`);
	for (const kind of ["plain", "tuned"]) {
		await lab("reset");
		notes.note(`up by hand, ${kind}`, await byHand("up", kind));
		notes.note(`down by hand, ${kind}`, await byHand("down", kind));
	}
	await lab("reset");
	const up = await pulumi("up");
	notes.note("up", up);
	spansOfRounds.up.push(spansOf(up));
	for (const command of ["up", "preview", "refresh"]) notes.note(`no-change ${command}`, await pulumi(command));
	await looks();
	if (round === rounds) recording = await recordingSection(RECORDED_RUNS);
	await lab("ssh", "k8s-node01", "sysctl -qw net.ipv4.ip_forward=0");
	notes.note("repair of one item", await pulumi("up"));
	const destroy = await pulumi("destroy");
	notes.note("destroy", destroy);
	spansOfRounds.destroy.push(spansOf(destroy));
	await lab("reset");
	notes.note("up", await pulumi("up"));
	notes.note(BLIND_DESTROY, await pulumi("destroy", "lab", ["--refresh=false"]));
}

const empty = `${project}bench/empty`;
await measure(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "init", "empty", "--non-interactive"], { cwd: empty }).catch(() => undefined); // made by an earlier run
await pulumi("up", "empty", [], empty);
for (let round = 1; round <= rounds; round++)
	for (const command of ["up", "preview", "refresh"]) notes.note(`empty program: ${command}`, await pulumi(command, "empty", [], empty));
await rm(`${empty}/Pulumi.empty.yaml`, { force: true });

// How up grows: the first workers of the stack's file, and up to five.
const file = `${folder}/Pulumi.lab.yaml`;
const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
for (const workers of [1, 3, 5]) {
	await lab("down");
	await lab("up", "--workers", String(workers));
	const hosts = Array.from(
		{ length: workers },
		(_, i) => `    - name: k8s-node0${i + 1}\n      address: 172.16.1.${111 + i}\n      externalAddress: 10.0.0.${111 + i}\n      role: worker\n`,
	).join("");
	await writeFile(file, text.replace(/ {4}- name: k8s-node01[\s\S]*?(?= {2}kubeadm-lab:nodeNetwork)/, hosts));
	notes.note(`up, ${workers} worker${workers > 1 ? "s" : ""}`, await pulumi("up", "lab", ["--config-file", file]));
}
await lab("down");
await rm(folder, { recursive: true });

const docker = await dockerSection(rounds);
const drift = await driftSection(rounds);

const row = (name: string): string => `| ${name} | ${spread(notes.secondsOf(name))} | ${median(notes.memoryOf(name)).toFixed(0)} |`;
const cpu = cpus()[0]?.model ?? "unknown";
await writeFile(
	`${project}docs/benchmarks.md`,
	`# Benchmarks

Made by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores (${cpu}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB, three lab hosts, ${rounds} round${rounds > 1 ? "s" : ""} interleaved.
Seconds are medians (and extremes) of wall time: compare them within this page, not with another machine's.
By hand: \`bench/by-hand.sh\`, the same work over SSH with the same parallelism; tuned: without Kubernetes' own avoidable waits.

| what | seconds | peak MiB |
|---|---|---|
${["up", "up by hand, plain", "up by hand, tuned", "destroy", BLIND_DESTROY, "down by hand, plain", "no-change up", "no-change preview", "no-change refresh", LOOKING, NOT_LOOKING, "repair of one item", "empty program: up", "empty program: preview", "empty program: refresh"].map(row).join("\n")}

| ratio | measured | aim |
|---|---|---|
| up to plain by hand | ${notes.ratio("up", "up by hand, plain")} | at most 0.75 |
| up to tuned by hand | ${notes.ratio("up", "up by hand, tuned")} | at most 1.15 |
| destroy to plain by hand | ${notes.ratio("destroy", "down by hand, plain")} | at most 1.25 |
| the same, and nothing is looked at first | ${notes.ratio(BLIND_DESTROY, "down by hand, plain")} | |
| no-change up to an empty program | ${notes.ratio("no-change up", "empty program: up")} | at most 1.3 |
| preview to an empty program | ${notes.ratio("no-change preview", "empty program: preview")} | at most 1.3 |
| refresh to an empty program | ${notes.ratio("no-change refresh", "empty program: refresh")} | at most 1.3 |
| preview to the same program that looks at nothing | ${notes.ratio("no-change preview", NOT_LOOKING)} | |
| looking at three hosts and their Nodes, seconds more | ${(median(notes.secondsOf(LOOKING)) - median(notes.secondsOf(NOT_LOOKING))).toFixed(1)} | at most 0.8 |
| repair of one item to up | ${notes.ratio("repair of one item", "up")} | |

## What the seconds are made of

- up: 0.75 of plain is ${(0.75 * median(notes.secondsOf("up by hand, plain"))).toFixed(1)} s, and even tuned, which keeps no record of what was there, takes ${median(notes.secondsOf("up by hand, tuned")).toFixed(1)} s: the rest is yum, kubeadm and Kubernetes' own start, on two cores that are busy most of the time.
- destroy: the engine looks at everything before it deletes, then come the recordings and the message files; by hand does neither. The table below has what each takes; \`--refresh=false\` leaves the look out.
- no change: an empty program loads no provider, no resource and no SSH connection. A preview that looks at nothing takes ${median(notes.secondsOf(NOT_LOOKING)).toFixed(1)} s, which is the engine, Node, three providers and some sixty resources: the aim is below that. The rest are the looks, and the providers again, since the engine starts each once to look and once for the program.
- looking at 50 hosts: the cores are full, and more than half of their work is the hosts' own, which real hosts do themselves, side by side. The last table has what is left without it.

## Where the time of up goes

Seconds since the command. Steps of one kind run on several hosts at once, and steps of different kinds side by side: from the begin of the first to the end of the last.

| step | begins | ends | takes |
|---|---|---|---|
${spanTable(spansOfRounds.up)}

## Where the time of destroy goes

| step | begins | ends | takes |
|---|---|---|---|
${spanTable(spansOfRounds.destroy)}

## How up grows with the workers

| workers | seconds |
|---|---|
${[1, 3, 5].map((n) => `| ${n} | ${notes.secondsOf(`up, ${n} worker${n > 1 ? "s" : ""}`)[0]?.toFixed(1)} |`).join("\n")}

${recording}
${docker}
${sectionOf(UPGRADE)}
${reportSection()}
${drift}`,
);
