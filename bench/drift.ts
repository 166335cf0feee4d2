// Measures what reading hosts costs: previews with and without it, drift checks of more and more hosts, their memory. Played hosts (test/contract/support/played-hosts.ts), so
// that the work on the hosts is done by this machine too. Alone: node bench/drift.ts [ROUNDS]
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PLAYED, PlayedHosts, STEPS } from "../test/contract/support/played-hosts.ts";
import { Project } from "../test/contract/support/project.ts";
import { goodHost } from "../test/scripts/good-host.ts";
import { SAMPLE_HOSTS, type SampleHost, sampleSettings } from "../test/scripts/verbs.ts";
import { measure, median, project as root, spread } from "./measure.ts";

/** Each host with the steps of a worker, in the order of cluster/host.ts. */
export const PROGRAM = `
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { HostConnections } from ${JSON.stringify(join(root, "cluster/host-provider.ts"))};
import { hostState } from ${JSON.stringify(join(root, "cluster/step.ts"))};
import { stepScript } from ${JSON.stringify(join(root, "cluster/step-text.ts"))};
import { scriptName } from ${JSON.stringify(join(root, "provider/shell.ts"))};
import { stepFile } from ${JSON.stringify(join(root, "test/scripts/shell-files.ts"))};
const { hosts, privateKey, settings } = JSON.parse(readFileSync("settings.json", "utf8"));
const specs = Object.entries<any>(hosts).map(([name, host]) => ({ name, role: "worker" as const, ...host }));
const provider = new HostConnections("hosts", { hosts: specs, steps: ["scripts", ...Object.keys(settings)].map(stepFile), ssh: { privateKey: pulumi.secret(privateKey), dialErrorLimit: 3, perDialTimeoutSeconds: 10 } });
const SCRIPTS = ["scripts", ...Object.keys(settings)].map((step) => scriptName(step, stepScript(stepFile(step))));
class Host extends pulumi.ComponentResource {
	constructor(name: string) {
		super("bench:index:Host", name);
		const state = (step: string, dependsOn: pulumi.Resource[], { set = settings[step], ...flags }: any = {}) =>
			hostState(\`\${name}-\${step}\`, { host: name, step: stepFile(step), settings: set, ...flags }, { parent: this, provider, dependsOn });
		const scripts = state("scripts", [], { set: { SCRIPTS }, bringsScripts: true });
		state("identity", [scripts]);
		const packages = state("packages", [scripts]);
		state("system", [packages]);
		state("runtime", [packages]);
	}
}
for (const { name } of specs) new Host(name);
`;

const DRIFT_FOUND = 7; // exit code of --expect-no-changes
const looks = ["seen", "blind"] as const;

/** Seconds of previews with (`seen`) and without (`blind`) looking, of a check, a repair of one item and a whole apply; MiB of the provider. */
export interface DriftCosts extends Record<(typeof looks)[number] | "check" | "repair" | "apply", number[]> {
	providerMiB: number;
	/** Of all cores, in one check. */
	busyPercent: number;
	/** CPU seconds that the hosts spend on one check. */
	hostsCpu: number;
}

/** `parallel`: how many resources the engine works on at once. */
export async function driftCosts(count: number, rounds: number, parallel: number): Promise<DriftCosts> {
	const played = await PlayedHosts.start(count);
	const project = new Project(PROGRAM, { host: join(root, "provider") });
	const env = { ...project.env, PULUMI_PARALLEL: String(parallel) };
	const costs: DriftCosts = { seen: [], blind: [], check: [], repair: [], apply: [], providerMiB: 0, busyPercent: 0, hostsCpu: 0 };
	const run = (name: Exclude<keyof DriftCosts, "providerMiB" | "busyPercent" | "hostsCpu">, args: string[], codes = [0]) =>
		measure(project.cli, [...args, "--stack", "test", "--non-interactive", "--color", "never"], {
			cwd: project.folder,
			env,
			codes,
			samples: false,
		}).then(({ seconds }) => costs[name].push(seconds));
	const check = ["refresh", "--preview-only", "--expect-no-changes"];
	try {
		const sample = SAMPLE_HOSTS.find(({ name }) => name === PLAYED) as SampleHost;
		const settings = Object.fromEntries(STEPS.map((step) => [step, sampleSettings(step, sample)]));
		project.settings({ hosts: played.hosts, privateKey: played.privateKey, settings } as never);
		await project.init();
		await run("apply", ["up", "--yes", "--skip-preview"]);
		const whole = await exported(project);
		const blind = withoutLooking(whole);
		for (let round = 0; round < rounds; round++) {
			await imported(project, blind);
			await run("blind", ["preview", "--expect-no-changes"]);
			await imported(project, whole);
			await run("seen", ["preview", "--expect-no-changes"]);
			await run("check", check);
			played.change("host1");
			await run("check", check, [DRIFT_FOUND]);
			costs.check.pop(); // it was to fail
			await run("repair", ["up", "--yes", "--skip-preview"]);
		}
		const before = played.cpuSeconds();
		const { watchedMiB, busyPercent } = await measure(project.cli, [...check, "--stack", "test", "--non-interactive"], {
			cwd: project.folder,
			env,
			watch: join(root, "provider"),
		});
		costs.providerMiB = watchedMiB;
		costs.busyPercent = busyPercent;
		await sleep(1000); // the last sessions end
		costs.hostsCpu = played.cpuSeconds() - before;
		return costs;
	} finally {
		project.remove();
		await played.stop();
	}
}

const PREFLIGHTS = 20;
/** Milliseconds of runs of the preflight on one played host, from bash's start to its end. */
export function preflightMs(): number[] {
	const ends: (() => void)[] = [];
	try {
		const host = goodHost({ after: (end) => void ends.push(end as () => void) });
		return Array.from({ length: PREFLIGHTS }, () => {
			const from = performance.now();
			const { status, stderr } = host.run("preflight", "apply");
			if (status !== 0) throw new Error(`the preflight of the played host ended with ${status}: ${stderr}`);
			return performance.now() - from;
		});
	} finally {
		for (const end of ends) end();
	}
}

/** The same state without the wish to be looked at: the same preview, and no host is dialled. */
export function withoutLooking(state: string): string {
	const blind = state.replaceAll('"refreshBeforeUpdate": true', '"refreshBeforeUpdate": false');
	if (blind === state) throw new Error("no resource of the state asks to be looked at first");
	return blind;
}
async function exported(project: Project): Promise<string> {
	const file = join(project.folder, "whole.json");
	await ran(project, "stack", "export", "--file", file);
	return readFileSync(file, "utf8");
}
async function imported(project: Project, text: string): Promise<void> {
	const file = join(project.folder, "next.json");
	writeFileSync(file, text);
	await ran(project, "stack", "import", "--file", file);
}
async function ran(project: Project, ...args: string[]): Promise<void> {
	const { code, output } = await project.pulumi(...args, "--stack", "test");
	if (code !== 0) throw new Error(output);
}

const COUNTS = [3, 5, 20, 50];
const MANY = 20;
const AIMS: Record<number, number> = { 3: 0.8, 50: 3 };
/** The engine's own. */
const PARALLEL = 4 * cpus().length;
const MORE_PARALLEL = 64;

/** The part of docs/benchmarks.md on looking at hosts. */
export async function driftSection(rounds: number): Promise<string> {
	const rows: string[] = [];
	for (const [count, parallel] of COUNTS.flatMap((many) => (many < MANY ? [PARALLEL] : [PARALLEL, MORE_PARALLEL]).map((at) => [many, at] as const))) {
		const { seen, blind, check, repair, apply, providerMiB, busyPercent, hostsCpu } = await driftCosts(count, rounds, parallel);
		const more = median(seen) - median(blind);
		const elsewhere = more - hostsCpu / cpus().length;
		const aim = AIMS[count] === undefined ? "" : `at most ${AIMS[count]}`;
		console.log(
			`${count} hosts, ${parallel} at once: ${more.toFixed(1)} s more in a preview, check ${median(check).toFixed(1)} s, ${providerMiB.toFixed(0)} MiB`,
		);
		rows.push(
			`| ${count} | ${parallel} | ${spread(blind)} | ${spread(seen)} | ${more.toFixed(1)} | ${aim} | ${elsewhere.toFixed(1)} | ${hostsCpu.toFixed(1)} | ${spread(check)} | ${busyPercent.toFixed(0)} | ${spread(repair)} | ${apply[0]?.toFixed(1)} | ${providerMiB.toFixed(0)} | ${(providerMiB / count).toFixed(1)} |`,
		);
	}
	return `## What looking at hosts costs

Played hosts, medians of ${rounds} rounds: a real sshd each on a loopback address, ${STEPS.length} steps with their real \`check\` over a folder that plays the host's files; the ${cpus().length} cores do the hosts' work too (hosts' CPU: seconds of one check; real hosts do it themselves, side by side; cores busy: of this machine, in a check; without the hosts: more, less their CPU spread over the cores). At once: how many resources the engine works on, \`PULUMI_PARALLEL\`, by itself four a core. Without looking: the same
state without \`refreshBeforeUpdate\`. The check is \`pulumi refresh --preview-only --expect-no-changes\`; the repair is \`up\` after one sysctl of one host was changed; the apply is the first \`up\` on hosts where all is in place.

| hosts | at once | preview without looking, s | preview, s | more, s | aim | without the hosts, s | hosts' CPU, s | check, s | cores busy, % | repair, s | apply, s | provider, MiB | a host, MiB |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
${rows.join("\n")}

| of a preview of new hosts, on a played host | ms, medians of ${PREFLIGHTS} runs |
|---|---|
| preflight: one host | ${spread(preflightMs())} |
`;
}

if (process.argv[1] === import.meta.filename) console.log(await driftSection(Number(process.argv[2] ?? 3)));
