// Cases put together to ways from bare hosts to a cluster and back: each way costs one cluster, and is hit on its way up, in a change and on its way down.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { controlPlane, hosts, kubectl, lab, messageFile, onHost, project, pulumi, pulumiRun, read, workers } from "../e2e/lab.ts";
import { snapshot } from "../e2e/snapshot.ts";
import { LabHost, signalled } from "./host.ts";
import { type Case, providerOf, type Verb } from "./matrix.ts";
import { type Result, tell } from "./results.ts";
import { errorsIn, PulumiRun } from "./run.ts";
import { areAsBefore, isCluster, isStateEmpty, leftNothing, podsNode, RUNNING_MESSAGE, startedByLab } from "./whole.ts";

const VERBS: Verb[] = ["up", "change", "fewer", "destroy"];
const COMMAND = { up: "up", change: "up", fewer: "up", destroy: "destroy" } as const;
const DONE = { up: "created", change: "updated", fewer: "deleted", destroy: "deleted" };
/** Whom a stack with one worker less is without. */
const LEAVING = "k8s-node02";
/** How often a moment is waited for that has passed by the time the fault comes. */
const TRIES = 3;
const seconds = (from: number) => (performance.now() - from) / 1000;

export interface Stack {
	/** Settings that the lab's stack has beside its own, as its file says them. */
	more?: string;
	/** What stays on hosts beside what README lists, as `snapshot` says it. */
	stays?: RegExp[];
}

/** Declares a test for each case. Whatever came before, a way begins on bare hosts and ends on them. */
export function tryAll(cases: Case[], stack: Stack = {}): void {
	const of = Object.fromEntries(VERBS.map((verb) => [verb, cases.filter(({ moment }) => moment.verb === verb)])) as Record<Verb, Case[]>;
	const count = Math.max(...VERBS.map((verb) => of[verb].length));
	const state = new Ways(cases.length, stack);
	before(() => state.begin());
	after(() => state.end());
	for (let i = 0; i < count; i++)
		for (const one of VERBS.flatMap((verb) => of[verb][i] ?? [])) {
			const { moment, fault, wholeBy } = one;
			test(`${fault}, ${moment.verb}, ${moment.resource}: ${moment.what}; then ${wholeBy}`, () => state.hit(one));
		}
}

class Ways {
	readonly #count: number;
	readonly #stack: Stack;
	readonly #began = performance.now();
	#done = 0;
	#isUp = false;
	#isLost = true;
	#folder = "";
	#isChanged = false;
	#isFewer = false;
	readonly #bare = new Map<string, Set<string>>();
	readonly #written = new Map<string, string>();

	constructor(count: number, stack: Stack) {
		this.#count = count;
		this.#stack = stack;
	}

	async begin(): Promise<void> {
		this.#folder = mkdtempSync(join(tmpdir(), "faults-"));
		const text = readFileSync(join(project, "Pulumi.lab.yaml"), "utf8").replace(/^encryptionsalt/m, `${this.#stack.more ?? ""}encryptionsalt`);
		const more = "  kubeadm-lab:extraSysctls: {net.ipv4.tcp_keepalive_time: 7100}\n";
		const changed = text
			.replace("    docker.io:", "    quay.io: ['http://172.16.1.1:5000']\n    docker.io:")
			.replace(/^encryptionsalt/m, `${more}encryptionsalt`);
		for (const [name, all] of [
			["same", text],
			["changed", changed],
		] as const) {
			writeFileSync(join(this.#folder, `${name}.yaml`), all);
			writeFileSync(join(this.#folder, `${name}-fewer.yaml`), all.replace(new RegExp(` {4}- name: ${LEAVING}[^]*?(?= {2}kubeadm-lab:nodeNetwork)`), ""));
		}
		await lab("up");
		await this.#startAfresh();
	}
	async end(): Promise<void> {
		rmSync(this.#folder, { recursive: true });
		await lab("reset");
	}

	async hit(one: Case): Promise<void> {
		const { verb, resource, what } = one.moment;
		const { fault, wholeBy } = one;
		const result: Result = { verb, what, resource, fault, wholeBy, survived: false };
		try {
			let { isHalfWay, run, code, endSeconds } = await this.#meet(one);
			for (let tries = 1; !isHalfWay && tries < TRIES; tries++) {
				this.#isLost = true;
				({ isHalfWay, run, code, endSeconds } = await this.#meet(one));
			}
			result.endSeconds = endSeconds;
			assert.ok(isHalfWay, `${resource} was done before the fault: the half-way state was not met`);
			// After Ctrl-C between two stages of a destroy the engine ends with 0 and says that all was deleted (README, Troubleshooting).
			if (fault === "Ctrl-C") assert.match(run.output, /\^C received; cancelling/);
			else assert.notEqual(code, 0, `the run ended as if nothing had happened:\n${run.output.slice(-3000)}`);
			if (!["engine killed", "Ctrl-C"].includes(fault)) assert.match(run.output, /error: /);
			this.#isNamed(one, run.output);

			const next = performance.now();
			await this.#converge(one);
			result.convergeSeconds = seconds(next);
			this.#isUp = wholeBy === "up";
			await (wholeBy === "up" ? this.#isWhole() : this.#isGivenBack());
			// As README says: the engine keeps what was being created when it died, until it is told that this has been seen to.
			if (fault === "engine killed") await pulumi("refresh", "--clear-pending-creates", ...this.#settings());
			await leftNothing();
			result.survived = true;
		} catch (error) {
			console.log((error as Error).message); // now, and not when all of them are done
			throw error;
		} finally {
			this.#isLost = !result.survived;
			if (this.#isLost) for (const { pid } of startedByLab()) signalled(pid); // the run may be under way, and would go on on the next case's hosts
			this.#tell(result);
		}
	}

	/**
	 * The step that was hit says so in an error of its own, with the host in its resource's name or its lines: by its address where the plugin `command` does not reach it,
	 * which knows nothing else. Where a script is killed as its step has only just begun, it may be that of another step of the host.
	 */
	#isNamed({ moment: { host, resource, what }, fault }: Case, output: string): void {
		if (!host || !["script killed", "cable out", "power off"].includes(fault)) return;
		const errors = errorsIn(output);
		const isAny = fault === "script killed" && what === `${resource} has begun`;
		const names = [host.name, `dial tcp 172.16.1.${110 + hosts.indexOf(host.name)}:22: `];
		const isTold = (one: { resource: string; text: string }) => names.some((name) => `${one.resource} ${one.text}`.includes(name));
		assert.ok(
			errors.some((one) => isTold(one) && (isAny || one.resource === resource)),
			`no error of ${resource} on ${host.name}: ${JSON.stringify(errors, null, 2)}`,
		);
	}
	/** As README says: where the API server of a control plane that has just got its power back does not answer yet, the same again once it does. */
	async #converge({ moment, fault, wholeBy }: Case): Promise<void> {
		const settings = wholeBy === "up" ? this.#settings() : [];
		if (fault === "power off" && moment.host?.name === controlPlane) {
			const { code, output } = await pulumiRun(wholeBy, ...settings);
			if (code === 0) return;
			assert.match(output, /configured Kubernetes cluster is unreachable/, output.slice(-5000));
			await read(controlPlane, "for i in $(seq 120); do kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz && exit 0; sleep 1; done; exit 1");
		}
		await pulumi(wholeBy, ...settings);
	}
	/** A run that is hit, to its end. A step of less than a second may be done before the power is off: then nothing was tried. */
	async #meet(one: Case) {
		const { moment, fault } = one;
		const { verb, resource, what, host } = moment;
		await this.#ready(verb);
		if (verb === "change") this.#isChanged = !this.#isChanged;
		if (verb === "fewer") this.#isFewer = true;
		const run = new PulumiRun(COMMAND[verb], ...this.#settings());
		const sshd = host?.running(/\bsshd\b/) ?? []; // known before, as looking takes longer than the shortest step
		const isDue = () => fault !== "script killed" || (host?.scripts().length ?? 0) > 0; // a moment may be the engine's, before the script's first
		await run.until(what, () => moment.isReached(run.output) && isDue());
		const from = performance.now();
		await this.#happen(one, run, sshd);
		const isDone = () => run.output.includes(`${resource} ${DONE[verb]}`);
		const wasDone = isDone();
		const code = await run.end();
		// A step whose end was on its way to the engine already: nothing was left to be lost. From a host that is cut off nothing comes later.
		const isOver = wasDone || (["cable out", "power off"].includes(fault) && isDone());
		const isHalfWay = !isOver && !(moment.isShort && code === 0);
		const endSeconds = seconds(from);
		await this.#mend(one);
		return { isHalfWay, run, code, endSeconds };
	}
	/** Bare hosts for an `up`, a cluster of all hosts for the others. */
	async #ready(verb: Verb): Promise<void> {
		if (this.#isLost) await this.#startAfresh();
		const hadAll = !this.#isFewer;
		this.#isFewer = false;
		if (verb === "up" && this.#isUp) await pulumi("destroy");
		if (verb !== "up" && !(this.#isUp && hadAll)) await pulumi("up", ...this.#settings());
		this.#isUp = verb !== "up";
		// A worker that Pods run on is drained by hand before it is taken out (README).
		if (verb !== "fewer" || (await podsNode()) !== LEAVING) return;
		await kubectl(`cordon ${LEAVING}`);
		await pulumi("up", "--replace", "**lifecycle-demo-pod", ...this.#settings());
		assert.notEqual(await podsNode(), LEAVING);
	}
	async #startAfresh(): Promise<void> {
		await lab("reset");
		this.#isUp = false;
		this.#isFewer = false;
		this.#isLost = false;
		this.#written.clear();
		for (const host of hosts) this.#bare.set(host, await snapshot(host));
	}
	#settings(): string[] {
		return ["--config-file", join(this.#folder, `${this.#isChanged ? "changed" : "same"}${this.#isFewer ? "-fewer" : ""}.yaml`)];
	}

	async #happen({ moment, fault }: Case, run: PulumiRun, sshd: number[]): Promise<void> {
		const host = moment.host?.name ?? "";
		if (fault === "engine killed") run.signal("SIGKILL", "engine");
		else if (fault === "Ctrl-C") run.signal("SIGINT", "group");
		else if (fault === "provider killed") run.signal("SIGKILL", providerOf(moment));
		else if (fault === "program killed") run.signal("SIGKILL", /language-nodejs|language\/|language-host|index\.ts/);
		else if (fault === "cable out") await new LabHost(host).still(sshd, () => lab("cable", host, "out"));
		else if (fault === "power off") await new LabHost(host).still(sshd, () => lab("power", host, "off"));
		else {
			const scripts = new LabHost(host).scripts();
			assert.ok(scripts.length > 0, `no script runs on ${host}`);
			assert.ok(scripts.filter((pid) => signalled(pid)).length > 0, `the scripts on ${host} ended just before they were killed`);
		}
	}
	async #mend({ moment, fault }: Case): Promise<void> {
		const host = moment.host?.name ?? "";
		if (fault === "engine killed") await pulumi("cancel", "--yes"); // it left its lock, as README says
		if (fault === "cable out") await lab("cable", host, "in");
		if (fault === "power off") await lab("power", host, "on");
	}

	async #isWhole(): Promise<void> {
		const node = await isCluster(
			hosts.filter((host) => !(this.#isFewer && host === LEAVING)),
			...this.#settings(),
		);
		if (this.#isFewer) await areAsBefore(this.#bare, [LEAVING], this.#stack.stays);
		await this.#onlyGrew();
		assert.match(this.#written.get(node) ?? "", RUNNING_MESSAGE, `the message file on ${node}`);
	}
	async #isGivenBack(): Promise<void> {
		await areAsBefore(this.#bare, hosts, this.#stack.stays);
		await isStateEmpty();
		await this.#onlyGrew();
	}
	/** What was once in a message file stays in it. */
	async #onlyGrew(): Promise<void> {
		for (const host of workers) {
			const { stdout } = await onHost(host, `cat ${messageFile} 2>/dev/null`);
			assert.ok(stdout.startsWith(this.#written.get(host) ?? ""), `${host}: lines of the message file are lost: ${stdout}`);
			this.#written.set(host, stdout);
		}
	}
	#tell(result: Result): void {
		this.#done++;
		tell(result);
		const each = seconds(this.#began) / this.#done;
		console.log(
			`${this.#done} of ${this.#count}, about ${Math.ceil((each * (this.#count - this.#done)) / 60)} min left: ${result.survived ? "survived" : "NOT survived"}: ${result.fault}, ${result.resource}, ${result.what}; the run ended after ${result.endSeconds?.toFixed(0) ?? "?"} s, ${result.wholeBy} took ${result.convergeSeconds?.toFixed(0) ?? "?"} s`,
		);
	}
}
