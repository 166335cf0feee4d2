// Runs a command and measures it as a process tree: seconds by a monotonic clock, and the most memory that it held at once.
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "../commands/run.ts";

export const project = fileURLToPath(new URL("..", import.meta.url));
export interface Measured {
	seconds: number;
	/** Peak of the sum of the tree's resident memory, sampled each 100 ms. */
	memoryMiB: number;
	/** Of the processes whose command line holds what was watched for; 0 where nothing was. */
	watchedMiB: number;
	/** How busy all cores of the machine were meanwhile, with whatever. */
	busyPercent: number;
	output: string;
	/** Lines of its stdout, each with the seconds at which it came. */
	lines: { at: number; text: string }[];
}

const readIfThere = (path: string): string => {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return ""; // ended meanwhile
	}
};

/** Resident MiB of a process and all that descend from it, or of those among them whose command line holds a text. */
class Memory {
	/** Of each process that the last look saw. Only new ones are asked for it: a lab has hundreds, and to read them all each time takes from what is measured. */
	private parents = new Map<number, number>();

	private readonly root: number;

	constructor(root: number) {
		this.root = root;
	}

	look(): void {
		const now = readdirSync("/proc")
			.filter((name) => /^\d+$/.test(name))
			.map(Number);
		this.parents = new Map(now.map((pid) => [pid, this.parents.get(pid) ?? Number(/^PPid:\s+(\d+)$/m.exec(readIfThere(`/proc/${pid}/status`))?.[1] ?? 0)]));
	}
	residentMiB(text?: string): number {
		const isOurs = (pid: number): boolean => pid === this.root || (this.parents.has(pid) && isOurs(this.parents.get(pid) as number));
		const counts = (pid: number) => isOurs(pid) && (text === undefined || readIfThere(`/proc/${pid}/cmdline`).includes(text));
		let kib = 0;
		for (const pid of this.parents.keys()) if (counts(pid)) kib += Number(/^VmRSS:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/status`))?.[1] ?? 0);
		return kib / 1024;
	}
}

/** All cores, since boot, in ticks. */
function cpuTicks(): { idle: number; all: number } {
	const [, ...ticks] = readIfThere("/proc/stat").split("\n", 1)[0]?.trim().split(/ +/).map(Number) ?? [];
	const [, , , idle = 0, waiting = 0] = ticks; // user, nice, system, idle, iowait, …: proc_stat(5)
	return { idle: idle + waiting, all: ticks.reduce((sum, value) => sum + value, 0) };
}

export interface Options {
	cwd?: string;
	env?: NodeJS.ProcessEnv;
	/** Part of a command line: the memory of such processes is told by itself. */
	watch?: string;
	/** Looks at memory too, which costs the machine about one percent of a core. Default true. */
	samples?: boolean;
	/** Exit codes that are no failure. Default 0. */
	codes?: number[];
	/** Default 600. */
	timeoutSeconds?: number;
}
/** Throws with the end of the output when the command fails or takes longer than its bound. */
export async function measure(
	command: string,
	args: string[],
	{ cwd = project, env, watch, samples = true, codes = [0], timeoutSeconds = 600 }: Options = {},
): Promise<Measured> {
	const started = process.hrtime.bigint();
	const elapsed = () => Number(process.hrtime.bigint() - started) / 1e9;
	const before = cpuTicks();
	const lines: Measured["lines"] = [];
	let [memoryMiB, watchedMiB] = [0, 0];
	let sampler: NodeJS.Timeout | undefined;
	const onStart = (child: ChildProcess) => {
		const memory = new Memory(child.pid ?? 0);
		const sample = () => {
			memory.look();
			memoryMiB = Math.max(memoryMiB, memory.residentMiB());
			if (watch) watchedMiB = Math.max(watchedMiB, memory.residentMiB(watch));
		};
		if (samples) sampler = setInterval(sample, 100);
		let rest = "";
		child.stdout?.on("data", (text: string) => {
			const whole = (rest + text).split("\n");
			rest = whole.pop() ?? "";
			for (const line of whole) lines.push({ at: elapsed(), text: line });
		});
	};
	const { code, output } = await run(command, args, { cwd, env, timeoutSeconds, onStart }).finally(() => clearInterval(sampler));
	if (!codes.includes(code)) throw new Error(`${command} ${args.join(" ")}: exit code ${code}\n${output.slice(-3000)}`);
	const after = cpuTicks();
	const busyPercent = 100 - (100 * (after.idle - before.idle)) / Math.max(1, after.all - before.all);
	return { seconds: elapsed(), memoryMiB, watchedMiB, busyPercent, output, lines };
}

/** `up` builds what is missing, on a new machine for half an hour. */
export const lab = (...args: string[]) => measure(`${project}lab/lab`, args, { timeoutSeconds: 3600 });
export const pulumi = (command: string, stack = "lab", args: string[] = [], cwd = project) =>
	measure(
		`${project}lab/lab`,
		[
			"exec",
			"--",
			"pulumi",
			command,
			"-s",
			stack,
			"--non-interactive",
			"--color",
			"never",
			...(command === "preview" ? [] : ["--yes", "--skip-preview"]),
			...args,
		],
		{ cwd },
	);

export const median = (values: number[]): number => {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = Math.floor(sorted.length / 2);
	return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};
/** `median (min to max)` with one decimal. */
export const spread = (values: number[]): string => `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)})`;

const BENCHMARKS = `${project}docs/benchmarks.md`;
/** A section of docs/benchmarks.md, its title in front; empty where there is none. */
export const sectionOf = (title: string): string =>
	readFileSync(BENCHMARKS, "utf8").match(new RegExp(`^${title}\n[\\s\\S]*?(?=^## |(?![\\s\\S]))`, "m"))?.[0] ?? "";
/** Puts a section into the place of the one before, or before the page's section on reports. */
export function writeSection(title: string, text: string): void {
	const [page, old] = [readFileSync(BENCHMARKS, "utf8"), sectionOf(title)];
	writeFileSync(
		BENCHMARKS,
		old === "" ? page.replace(/^## What a report takes$/m, () => `${text}\n## What a report takes`) : page.replace(old, () => `${text}\n`),
	);
}

/** What was measured under each name. */
export class Notes {
	private readonly taken = new Map<string, Measured[]>();
	private readonly prefix: string;

	/** @param prefix before each line that is printed. */
	constructor(prefix = "") {
		this.prefix = prefix;
	}
	note(name: string, measured: Measured): void {
		this.taken.set(name, [...(this.taken.get(name) ?? []), measured]);
		console.log(`${this.prefix}${name}: ${measured.seconds.toFixed(1)} s, ${measured.memoryMiB.toFixed(0)} MiB`);
	}
	names(): string[] {
		return [...this.taken.keys()];
	}
	secondsOf(name: string): number[] {
		return (this.taken.get(name) ?? []).map(({ seconds }) => seconds);
	}
	memoryOf(name: string): number[] {
		return (this.taken.get(name) ?? []).map(({ memoryMiB }) => memoryMiB);
	}
	/** Of the medians, with two decimals. */
	ratio(a: string, b: string): string {
		return (median(this.secondsOf(a)) / median(this.secondsOf(b))).toFixed(2);
	}
}
