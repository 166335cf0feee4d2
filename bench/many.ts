// npm run bench:many [COUNT...]: how the cost of a run grows with the hosts. Played hosts, as in drift.ts, on this machine's cores, so what the hosts themselves work is taken out.
// Writes docs/scale.md. 20 to 400 hosts take half an hour.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PLAYED, PlayedHosts, STEPS } from "../test/contract/support/played-hosts.ts";
import { Project } from "../test/contract/support/project.ts";
import { SAMPLE_HOSTS, type SampleHost, sampleSettings } from "../test/scripts/verbs.ts";
import { PROGRAM, withoutLooking } from "./drift.ts";
import { measure, project as root } from "./measure.ts";

const COUNTS = [20, 50, 100, 200, 400];
const KINDS = ["first up", "preview", "preview that looks at nothing", "check", "repair of one item", "one more host", "destroy"] as const;
/** What grows with the hosts in the table of ratios: all but this, which should not. */
const ONE_MORE = "one more host";
type Kind = (typeof KINDS)[number];
interface Run {
	seconds: number;
	/** CPU seconds of the hosts meanwhile. */
	hosts: number;
	trafficKiB: number;
	memoryMiB: number;
	watchedMiB: number;
}
interface Costs {
	count: number;
	runs: Map<Kind, Run>;
	stateKiB: number;
}
const ENDING_MS = 1000; // the last sessions end

async function costsOf(count: number): Promise<Costs> {
	const played = await PlayedHosts.start(count + 1, { settings: "LogLevel VERBOSE" });
	const project = new Project(PROGRAM, { host: join(root, "provider") });
	const runs = new Map<Kind, Run>();
	const run = async (kind: Kind, args: string[]): Promise<void> => {
		await sleep(ENDING_MS);
		const before = { cpu: played.cpuSeconds(), traffic: played.trafficKiB() };
		const all = [...args, "--stack", "test", "--non-interactive", "--color", "never"];
		const { seconds, memoryMiB, watchedMiB } = await measure(project.cli, all, { cwd: project.folder, env: project.env, watch: join(root, "provider") });
		await sleep(ENDING_MS);
		runs.set(kind, { seconds, hosts: played.cpuSeconds() - before.cpu, trafficKiB: played.trafficKiB() - before.traffic, memoryMiB, watchedMiB });
		console.log(`${count} hosts: ${kind} ${seconds.toFixed(1)} s`);
	};
	const file = join(project.folder, "state.json");
	const stack = async (verb: "export" | "import"): Promise<void> => {
		const { code, output } = await project.pulumi("stack", verb, "--file", file, "--stack", "test");
		if (code !== 0) throw new Error(output);
	};
	try {
		const sample = SAMPLE_HOSTS.find(({ name }) => name === PLAYED) as SampleHost;
		const settings = Object.fromEntries(STEPS.map((step) => [step, sampleSettings(step, sample)]));
		const hosts = Object.entries(played.hosts);
		const use = (some: number) => project.settings({ hosts: Object.fromEntries(hosts.slice(0, some)), privateKey: played.privateKey, settings } as never);
		use(count);
		await project.init();
		await run("first up", ["up", "--yes", "--skip-preview"]);
		await stack("export");
		const whole = readFileSync(file, "utf8");
		const stateKiB = Buffer.byteLength(JSON.stringify(JSON.parse(whole))) / 1024;
		writeFileSync(file, withoutLooking(whole));
		await stack("import");
		await run("preview that looks at nothing", ["preview", "--expect-no-changes"]);
		writeFileSync(file, whole);
		await stack("import");
		await run("preview", ["preview", "--expect-no-changes"]);
		await run("check", ["refresh", "--preview-only", "--expect-no-changes"]);
		played.change("host1");
		await run("repair of one item", ["up", "--yes", "--skip-preview", "--refresh"]);
		use(count + 1);
		await run(ONE_MORE, ["up", "--yes", "--skip-preview"]);
		await run("destroy", ["destroy", "--yes", "--skip-preview"]);
		return { count, runs, stateKiB };
	} finally {
		project.remove();
		await played.stop();
	}
}

const own = ({ seconds, hosts }: Run): number => seconds - hosts / cpus().length;
function ratioRow(kind: Kind, all: Costs[]): string {
	const at = (count: number) => {
		const found = all.find((costs) => costs.count === count)?.runs.get(kind);
		return found ? own(found) / count : Number.NaN;
	};
	return `| ${kind} | ${[20, 200].map((count) => (at(count) * 1000).toFixed(0)).join(" | ")} | ${(at(200) / at(20)).toFixed(2)} |`;
}
function document(all: Costs[]): string {
	const of = (costs: Costs, kind: Kind) => costs.runs.get(kind) as Run;
	const rows = all.map((costs) => `| ${costs.count} | ${KINDS.map((kind) => of(costs, kind).seconds.toFixed(1)).join(" | ")} |`);
	const bare = all.map((costs) => `| ${costs.count} | ${KINDS.map((kind) => own(of(costs, kind)).toFixed(1)).join(" | ")} |`);
	const sizes = all.map((costs) => {
		const runs = [...costs.runs.values()];
		const most = (field: "memoryMiB" | "watchedMiB") => Math.max(...runs.map((run) => run[field])).toFixed(0);
		return `| ${costs.count} | ${costs.stateKiB.toFixed(0)} | ${(costs.stateKiB / costs.count).toFixed(1)} | ${most("memoryMiB")} | ${most("watchedMiB")} |`;
	});
	const traffic = all.map((costs) => `| ${costs.count} | ${KINDS.map((kind) => (of(costs, kind).trafficKiB / costs.count).toFixed(1)).join(" | ")} |`);
	const most = Math.max(...all.map((costs) => costs.stateKiB / costs.count)).toFixed(0);
	const at200 = all.find(({ count }) => count === 200);
	const written = (((at200?.stateKiB ?? Number.NaN) / 2) * 2 * 6 * 200) / 1024 ** 2;
	const table = (heads: readonly string[], lines: string[]) => [`| ${heads.join(" | ")} |`, `|${heads.map(() => "---").join("|")}|`, ...lines].join("\n");
	return `# Many hosts

Made by \`npm run bench:many\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores (${cpus()[0]?.model.trim()}), one run each. Played hosts: a real sshd each on a loopback address, ${STEPS.length} steps and their scripts, all in place; this machine does the hosts' work too.

## Seconds

${table(["hosts", ...KINDS], rows)}

The same without what the hosts themselves work, which real hosts do side by side (their CPU seconds, spread over the cores, taken out):

${table(["hosts", ...KINDS], bare)}

One more host is a whole \`up\` for it, which looks at all others too, as each does; \`destroy\` is of all of them.

Milliseconds a host, without the hosts' own work; a straight line has a ratio of 1:

${table(
	["", "20 hosts", "200 hosts", "ratio"],
	KINDS.filter((kind) => kind !== ONE_MORE).map((kind) => ratioRow(kind, all)),
)}

First up and destroy are no straight line, and what is above one is the engine's: it writes the whole state before and after each change of each resource (six a host here), with half of the final size on average. That is ${written.toFixed(1)} GiB in one first up of 200 hosts, and four times that of 400. \`PULUMI_SKIP_CHECKPOINTS\` would leave it out, and with it what makes a killed run recoverable; a journal instead of whole states is a draft for such backends (pulumi#22075). Tried: smaller states (scripts are named by their hash, lists that all hosts share by their digest), which is where the rest of the square was; merged states would hide what a preview shows per item.

## State and memory

The most that the engine with all its plugins held at once, and the provider alone.

${table(["hosts", "state, KiB", "KiB a host", "all, MiB", "provider, MiB"], sizes)}

## Traffic

KiB over SSH a host, both ways, as its sshd counts them.

${table(["hosts", ...KINDS], traffic)}

Real hosts, in the lab (2 cores for all of them, 2026-11-28): a first \`up\` with five workers took 54 s, the sixth came in 19 s, two more at once in 25 s; a first \`up\` with eight took 66 s, and their \`destroy\` 20 s.

## On the way to 5,000 Nodes

On paper, not run. 5,000 Nodes are Kubernetes' own limit for a cluster.

- The Pod network ends first: a Node takes a /24, and \`podCidr\` is a /16 by default, which has 256 of them. A /11 has 8,192. The stack's file says so before any host is contacted.
- Then the state: the engine writes all of it before and after each change of each resource, ${most} KiB a host here. At 1,000 hosts a first \`up\` with ten resources a host writes some 20,000 times several MiB. A backend that is far away (S3) makes hours of it.
- Then the control plane, with etcd beside it; three of them (\`apiEndpoint\`) share the reading, and write no faster. A join costs it at most 2 s of CPU (23.5 s for the whole \`up\` of one worker, 31.5 s for that of five, in the lab, 2026-11-28), so ten at once keep its two CPUs busy for some 10 s, well within the 40 s after which a Node that is not heard of counts as lost: \`joinsAtOnce\` is 10. More than eight workers were not run.

From some hundreds of hosts on, several stacks of one cluster each serve better: each is looked at, changed and destroyed by itself. Where one cluster must have thousands of Nodes, machines come and go by themselves, and Cluster API or a provider's own autoscaling is made for that.
`;
}

const counts = process.argv.slice(2).map(Number);
const all: Costs[] = [];
for (const count of counts.length > 0 ? counts : COUNTS) all.push(await costsOf(count));
writeFileSync(join(root, "docs/scale.md"), document(all));
