// Cases put together to ways from bare hosts to a cluster and back: each way costs one cluster, and is hit on its way up, in a change and on its way down.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { unexplained } from "../bare/stays.ts";
import { controlPlane, hosts, kubectl, lab, labFolder, messageFile, onHost, project, pulumi, pulumiRun, read, workers } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { LabHost, signalled } from "./host.ts";
import type { Case, Fault, Verb } from "./matrix.ts";
import { type Result, tell } from "./results.ts";
import { PulumiRun, processes } from "./run.ts";

const VERBS: Verb[] = ["up", "change", "fewer", "destroy"];
const COMMAND = { up: "up", change: "up", fewer: "up", destroy: "destroy" } as const;
const DONE = { up: "created", change: "updated", fewer: "deleted", destroy: "deleted" };
/** Whom a stack with one worker less is without. */
const LEAVING = "k8s-node02";
/** How often a moment is waited for that has passed by the time the fault comes. */
const TRIES = 3;
const seconds = (from: number) => (performance.now() - from) / 1000;

/** Declares a test for each case. Whatever came before, a way begins on bare hosts and ends on them. */
export function tryAll(cases: Case[]): void {
	const of = Object.fromEntries(VERBS.map((verb) => [verb, cases.filter(({ moment }) => moment.verb === verb)])) as Record<Verb, Case[]>;
	const count = Math.max(...VERBS.map((verb) => of[verb].length));
	const state = new Ways(cases.length);
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
	readonly #began = performance.now();
	#done = 0;
	#isUp = false;
	#isLost = true;
	#folder = "";
	#isChanged = false;
	#isFewer = false;
	readonly #bare = new Map<string, Set<string>>();
	readonly #written = new Map<string, string>();

	constructor(count: number) {
		this.#count = count;
	}

	async begin(): Promise<void> {
		this.#folder = mkdtempSync(join(tmpdir(), "faults-"));
		const text = readFileSync(join(project, "Pulumi.lab.yaml"), "utf8");
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
			const { host } = one.moment;
			if (host && ["script killed", "cable out", "power off"].includes(fault))
				assert.match(run.output, new RegExp(`${host.name}[^]*error: |error: [^]*${host.name}`), "the error names the host");

			const next = performance.now();
			await this.#converge(one);
			result.convergeSeconds = seconds(next);
			this.#isUp = wholeBy === "up";
			await (wholeBy === "up" ? this.#isWhole() : this.#isGivenBack());
			// As README says: the engine keeps what was being created when it died, until it is told that this has been seen to.
			if (fault === "engine killed") await pulumi("refresh", "--clear-pending-creates", ...this.#settings());
			await this.#leftNothing();
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
	async #meet({ moment, fault }: Case) {
		const { verb, resource, what, host } = moment;
		await this.#ready(verb);
		if (verb === "change") this.#isChanged = !this.#isChanged;
		if (verb === "fewer") this.#isFewer = true;
		const run = new PulumiRun(COMMAND[verb], ...this.#settings());
		const isDue = () => fault !== "script killed" || (host?.scripts().length ?? 0) > 0; // a moment may be the engine's, before the script's first
		await run.until(what, () => moment.isReached(run.output) && isDue());
		const from = performance.now();
		await this.#happen(fault, host?.name ?? "", run);
		const isHalfWay = !run.output.includes(`${resource} ${DONE[verb]}`);
		const code = await run.end();
		const endSeconds = seconds(from);
		await this.#mend(fault, host?.name ?? "");
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
		if (verb !== "fewer" || (await this.#podsNode()) !== LEAVING) return;
		await kubectl(`cordon ${LEAVING}`);
		await pulumi("up", "--replace", "**lifecycle-demo-pod", ...this.#settings());
		assert.notEqual(await this.#podsNode(), LEAVING);
	}
	#podsNode = async () => (await kubectl("get pod lifecycle-demo-pod -o jsonpath='{.spec.nodeName}'")).trim();
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

	async #happen(fault: Fault, host: string, run: PulumiRun): Promise<void> {
		if (fault === "engine killed") run.signal("SIGKILL", "engine");
		else if (fault === "Ctrl-C") run.signal("SIGINT", "group");
		else if (fault === "provider killed") run.signal("SIGKILL", /provider\/main\.ts/);
		else if (fault === "program killed") run.signal("SIGKILL", /language-nodejs|language\/|language-host|index\.ts/);
		else if (fault === "cable out") await new LabHost(host).still(() => lab("cable", host, "out"));
		else if (fault === "power off") await new LabHost(host).still(() => lab("power", host, "off"));
		else {
			const scripts = new LabHost(host).scripts();
			assert.ok(scripts.length > 0, `no script runs on ${host}`);
			assert.ok(scripts.filter((pid) => signalled(pid)).length > 0, `the scripts on ${host} ended just before they were killed`);
		}
	}
	async #mend(fault: Fault, host: string): Promise<void> {
		if (fault === "engine killed") await pulumi("cancel", "--yes"); // it left its lock, as README says
		if (fault === "cable out") await lab("cable", host, "in");
		if (fault === "power off") await lab("power", host, "on");
	}

	async #isWhole(): Promise<void> {
		const nodes = await kubectl("get nodes --no-headers -o custom-columns=N:.metadata.name,R:'.status.conditions[?(@.type==\"Ready\")].status'");
		assert.deepEqual(
			nodes
				.trim()
				.split("\n")
				.map((line) => line.split(/ +/))
				.sort(),
			hosts
				.filter((host) => !(this.#isFewer && host === LEAVING))
				.map((host) => [host, "True"])
				.sort(),
		);
		if (this.#isFewer) await this.#isAsBefore(LEAVING);
		await kubectl("wait pod lifecycle-demo-pod --for=condition=Ready --timeout=60s");
		await pulumi("preview", "--expect-no-changes", "--diff", ...this.#settings());
		const node = await this.#podsNode();
		await this.#onlyGrew();
		assert.match(this.#written.get(node) ?? "", /Hello initContainers\nHello from the postStart handler\n$/, `the message file on ${node}`);
	}
	async #isAsBefore(host: string): Promise<void> {
		assert.deepEqual(unexplained(differences(this.#bare.get(host) ?? new Set(), await snapshot(host))), [], `${host}, given back`);
	}
	async #isGivenBack(): Promise<void> {
		for (const host of hosts) await this.#isAsBefore(host);
		const { stdout } = await pulumi("stack export");
		assert.deepEqual(JSON.parse(stdout).deployment.resources ?? [], []);
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
	async #leftNothing(): Promise<void> {
		for (const host of hosts) assert.deepEqual(new LabHost(host).scripts(), [], `scripts that run on ${host}`);
		const { stdout } = await pulumiRun("stack export");
		const pending = (JSON.parse(stdout).deployment.pending_operations ?? []) as { resource: { urn: string } }[];
		assert.deepEqual(
			pending.map(({ resource }) => resource.urn),
			[],
			"pending operations",
		);
		assert.deepEqual(
			readdirSync(join(labFolder, "tmp")).filter((name) => name.startsWith("kubeconfig")),
			[],
			"kubeconfigs in TMPDIR",
		);
		// As README says: official plugins may outlive an engine that was killed, and are ended by whoever sees them.
		for (const { pid, command } of startedByLab().filter(({ parent }) => parent === 1)) {
			assert.match(command, /pulumi-resource-(kubernetes|command) |stand-ins\/command-plugin\.ts /, "a process of a run whose engine was killed");
			signalled(pid, "SIGTERM");
		}
		for (let i = 0; i < 50 && startedByLab().length > 0; i++) await sleep(100);
		assert.deepEqual(
			startedByLab().map(({ command }) => command),
			[],
			"processes of a run that is over",
		);
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

/** What `lab exec` started and what of it runs on, by its environment (lab/README.md). */
const startedByLab = () => processes().filter(({ environment }) => environment.split("\0").includes(`KUBEADM_LAB=${labFolder}`));
