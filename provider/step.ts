// The resource `host:index:Step`: the converged state of one step on one host, read, previewed, applied and undone.
import { Alone, withoutAlone } from "./alone.ts";
import { type Answer, notesIn, parseAnswer } from "./answer.ts";
import { type Hosts, NotReached, type Verb, type Work } from "./hosts.ts";
import { type Inputs, isHidden, stepInputs } from "./inputs.ts";
import { HalfDone } from "./plugin/serve.ts";
import { containsUnknown, isEqual, type Properties, reveal, UNKNOWN } from "./plugin/values.ts";
import { changes, changesJson, facts, factsJson, type Report, type Say } from "./report.ts";
import { Scripts } from "./scripts.ts";
import { KEPT_SCRIPT, NOT_KEPT, settingsText } from "./shell.ts";
import { type Ended, endOf } from "./ssh/script.ts";
import { failure, notGivenBack, told } from "./step-errors.ts";
import { CUT_OFF, hidden, isCutOff, isInstalledAnew, keeping, keptState, lastTried, printedBefore, sideOf, wrapped } from "./step-state.ts";

export interface Shown {
	/** A line beside the resource while it is worked on. */
	status: (line: string) => void;
	/** A line that stays. */
	info: (line: string) => void;
	warn: (line: string) => void;
	error: (line: string) => void;
}

export class Steps {
	readonly #hosts: Hosts;
	readonly #report: Report;
	readonly #warned = new Set<string>();
	readonly #alone = new Alone();
	/** Hosts that lacked a script: their probes send the whole text until it is brought. */
	readonly #bare = new Set<string>();
	readonly scripts: Scripts;

	constructor(hosts: Hosts, report: Report) {
		this.#hosts = hosts;
		this.#report = report;
		this.scripts = new Scripts(hosts.settings.scripts);
	}

	/** What a host was when it was looked at last: others that are looked at now are compared with it. */
	known(state: Properties): void {
		const printed = reveal(state.printed ?? null);
		if (state.looksOnly === true && typeof printed === "string") this.#alone.keep(String(state.host), printed);
	}

	/** Probes the host. What differs is in both answers: as found in the outputs, as wanted in the inputs. */
	async read(state: Properties, known: Properties, shown: Shown): Promise<{ state: Properties; inputs: Properties }> {
		const inputs = lastTried(state, known, this.scripts.current(String(known.step)));
		const step = stepInputs(inputs);
		if (step.looksOnly || step.apply === false) return { state, inputs: known };
		const answer = await this.#probe(step, shown, printedBefore(state));
		if (!answer) return { state, inputs: known };
		const wanted = { ...step.found, ...sideOf(answer, "wanted") };
		const found = { ...wanted, ...sideOf(answer, "found"), ...(isCutOff(state) ? CUT_OFF : {}) };
		return { state: { ...state, found: wrapped(found, inputs) }, inputs: { ...inputs, found: wrapped(wanted, inputs) } };
	}

	/** Whether a host is as this version's script wants it too, so that nothing is to be done for its sake. Where `apply` would do nothing that lasts, nobody is asked. */
	async isAsWanted(state: Properties, inputs: Properties): Promise<boolean> {
		const step = stepInputs(inputs);
		if (step.looksOnly || step.apply === false) return true;
		return (await this.#probe(step, undefined, printedBefore(state)))?.size === 0;
	}

	/** Says what `create` would change, or what the host is where the step changes nothing. */
	async previewCreate(inputs: Properties, shown: Shown): Promise<Properties> {
		if (!containsUnknown(inputs)) {
			const step = stepInputs(inputs);
			if (step.apply === false) return keptState(inputs, "");
			await this.#report.during((say) => (step.looksOnly ? this.#sayFacts(step, shown, say) : this.#sayChanges(step, inputs, shown, say)));
		}
		return keptState(inputs, UNKNOWN);
	}

	/** Says what a changed script or setting would change on the host; what was found in `read` is in the difference already. */
	async previewUpdate(olds: Properties, inputs: Properties, shown: Shown): Promise<Properties> {
		const isSame = ["settings", "shared", "script"].every((name) => isEqual(reveal(olds[name] ?? null), reveal(inputs[name] ?? null)));
		if (isInstalledAnew(olds)) return keptState(inputs, UNKNOWN);
		if (isSame) return keptState(inputs, olds.printed || (inputs.bringsScripts === true || isCutOff(olds) ? UNKNOWN : ""));
		const next = await this.previewCreate(inputs, shown);
		return inputs.bringsScripts === true ? { ...next, printed: olds.printed || UNKNOWN } : next; // other scripts, and the same host
	}

	async create(inputs: Properties, shown: Shown): Promise<{ id: string; state: Properties }> {
		const { host, step, apply } = stepInputs(inputs);
		const id = `${host}/${step}`;
		return { id, state: apply === false ? keptState(inputs, "") : await this.#apply(id, inputs, shown, this.scripts.names) };
	}

	async update(id: string, inputs: Properties, shown: Shown): Promise<Properties> {
		return stepInputs(inputs).apply === false ? keptState(inputs, "") : this.#apply(id, inputs, shown);
	}

	async remove(state: Properties, shown: Shown): Promise<void> {
		const step = stepInputs(state);
		if (step.undo === false) return;
		if (step.looksOnly) return this.#leaveNothing(step, state);
		const ended = await this.#run(step, "undo", state, shown).catch((error: Error) => {
			throw new Error(error instanceof NotReached ? notGivenBack(step, error) : told(step, error, "undo"));
		});
		if (ended.code !== 0) throw new Error(failure(step, "undo", ended, state));
		if (!isHidden(state)) for (const line of ended.stdout.trimEnd().split("\n")) if (line !== "") shown.info(line);
	}

	/** Runs a step once, of which no state is kept: by this version's script. Returns the items that a `check` found different. */
	async call({ inputs, verb }: { inputs: Properties; verb: Verb }): Promise<string[]> {
		const script = this.scripts.current(String(inputs.step));
		if (script === undefined) throw new Error(`${inputs.step}: none of the provider's scripts`);
		const step = stepInputs({ ...inputs, script });
		const ended = await this.#send(step, { verb, isProbe: verb === "check" }).catch((error: Error) => {
			throw new Error(told(step, error, verb));
		});
		if (verb === "check") return [...parseAnswer(ended).keys()];
		if (ended.code !== 0) throw new Error(failure(step, verb, ended, inputs));
		return [];
	}

	/** The last word on a host, of what only looked: whether a run that was killed has left something that no state knows. One that is not reached is not waited for. */
	async #leaveNothing(step: Inputs, state: Properties): Promise<void> {
		const ended = await this.#send(step, { verb: "undo", isProbe: true }).catch((error: Error) => {
			if (!(error instanceof NotReached)) throw error;
		});
		if (ended && ended.code !== 0) throw new Error(failure(step, "undo", ended, state));
	}

	/** `missing`: names of the scripts that the host lacks, where it need not be asked. */
	async #apply(id: string, inputs: Properties, shown: Shown, missing?: string[]): Promise<Properties> {
		const step = stepInputs(inputs);
		let reason: string;
		try {
			const brought = step.bringsScripts ? this.scripts.brought(missing ?? (await this.#missingOn(step))) : "";
			const ended = await this.#run(step, "apply", inputs, shown, brought + keeping(step, inputs));
			if (step.bringsScripts) this.#bare.delete(step.host);
			const refused = ended.code === 0 && step.looksOnly ? this.#compare(step, ended.stdout, shown) : [];
			if (ended.code === 0 && refused.length === 0) return keptState(inputs, hidden(ended.stdout.replace(/\n$/, ""), inputs));
			reason = ended.code === 0 ? refused.join("\n") : failure(step, "apply", ended, inputs);
		} catch (error) {
			reason = told(step, error as Error);
			if (error instanceof NotReached) throw new NotReached(reason); // nothing was done
		}
		if (step.looksOnly) throw new Error(reason);
		const left = await this.#probe(step);
		const found = { ...step.found, ...(left ? sideOf(left, "found") : {}), ...CUT_OFF };
		throw new HalfDone(reason, { id, properties: keptState({ ...inputs, found: wrapped(found, inputs) }, ""), inputs });
	}

	/** Says what other hosts have too. Returns what can't stay so. */
	#compare({ host }: Inputs, printed: string, shown: Shown): string[] {
		const { refused, noted } = this.#alone.compare(host, printed);
		for (const line of noted) shown.warn(line);
		return refused;
	}

	/** Those that its `check` names, each in an item of its own; all of them where it names none. */
	async #missingOn(step: Inputs): Promise<string[]> {
		const answer = parseAnswer(await this.#send(step, { verb: "check", isProbe: true }));
		const named = [...answer.keys()].flatMap((item) => item.match(/^script (\S+)$/)?.[1] ?? []);
		return answer.size > 0 && named.length === 0 ? this.scripts.names : named;
	}

	#run(step: Inputs, verb: Verb, properties: Properties, shown: Shown, front = "") {
		const onLine = isHidden(properties) ? () => {} : shown.status;
		return this.#send(step, { verb, onLine }, front, shown.warn);
	}

	/**
	 * By the script that the host keeps; where it keeps none, by the whole text. An undo without either is done by the script of this version, and says so:
	 * somebody has taken the script away, and mostly the records with it.
	 */
	async #send(step: Inputs, work: Omit<Work, "text">, front = "", warn: (line: string) => void = () => {}): Promise<Ended> {
		const { host, script, text } = step;
		if (text !== undefined) return this.#hosts.run(host, { ...work, text: front + text });
		const isBringing = step.bringsScripts && work.verb !== "undo";
		const settings = front + (script === undefined ? "" : `SCRIPT='${script}'\n`) + settingsText(step.step, { ...this.#sharedOf(step), ...step.settings });
		if (script !== undefined && !step.looksOnly && !isBringing && !(work.isProbe && this.#bare.has(host))) {
			const ended = await this.#hosts.run(host, { ...work, text: settings + KEPT_SCRIPT });
			if (ended.code !== NOT_KEPT || ended.stdout !== "" || ended.stderr !== "") return ended;
			if (work.isProbe) this.#bare.add(host);
		}
		const own = script === undefined ? undefined : this.scripts.text(script);
		const other = this.scripts.text(this.scripts.current(step.step) ?? "");
		if (own === undefined && other === undefined) throw new Error(`its script ${script ?? ""} is not on the host, and this version has none for ${step.step}`);
		if (own === undefined && work.verb === "undo" && step.apply !== false)
			warn(`${host} does not have ${script} any more, which ${step.step} ran there: ${this.scripts.current(step.step)} undoes what its records say`);
		return this.#hosts.run(host, { ...work, text: settings + (own ?? other) });
	}

	#sharedOf({ shared }: Inputs): Record<string, string> {
		return Object.fromEntries(Object.keys(shared).map((name) => [name, this.#hosts.settings.shared[name] ?? ""]));
	}

	/** Undefined where the host could not be probed, which is a warning, and fails a strict run; nothing of that where there is nobody to show it to. */
	async #probe(step: Inputs, shown?: Shown, front = ""): Promise<Answer | undefined> {
		try {
			const ended = await this.#send(step, { verb: "check", isProbe: true }, front);
			const answer = parseAnswer(ended);
			for (const note of notesIn(ended).map((text) => `${step.host}: ${text}`)) {
				if (!this.#warned.has(note)) shown?.warn(note);
				this.#warned.add(note);
			}
			return answer;
		} catch (error) {
			if (shown) this.#warnOnce(step, error as Error, (message) => shown.warn(`${message.replace(/\.$/, "")}. What is shown of it is the last known state.`));
			return undefined;
		}
	}

	/** A host that can't be reached is said once, not for each of its steps; and so is what several steps of a host say in the same words. */
	#warnOnce(step: Inputs, error: Error, warn: (message: string) => void): void {
		const isHost = error instanceof NotReached;
		const who = isHost ? step.host : `${step.host} ${step.step}`;
		const message = `${who} was not looked at: ${error.message}`;
		if (this.#hosts.settings.strict) throw new Error(message);
		const once = isHost ? who : message;
		if (!this.#warned.has(once)) warn(message);
		this.#warned.add(once);
	}

	async #sayChanges(step: Inputs, inputs: Properties, shown: Shown, say: Say): Promise<void> {
		const answer = await this.#probe(step, shown);
		if (!answer) return;
		const { detailed, json } = this.#hosts.settings;
		if (json) say(step.host, changesJson(step.host, step.step, isHidden(inputs) ? undefined : answer));
		else if (isHidden(inputs)) say(step.host, `${step.step}: looked at; what was found is a secret`);
		else for (const line of changes(step.step, answer, detailed)) say(step.host, line);
	}

	/** Facts also of a host that is refused: its problems are errors beside them. */
	async #sayFacts(step: Inputs, shown: Shown, say: Say): Promise<void> {
		try {
			const ended = await this.#send(step, { verb: "apply", isProbe: true });
			const { code, stdout, stderr } = ended;
			if (typeof code !== "number") throw new Error(endOf(ended)); // half of the facts would pass for all of them
			const lines = withoutAlone(stdout).trim().split("\n");
			if (stdout.trim() !== "") say(step.host, this.#hosts.settings.json ? factsJson(step.host, lines) : facts(lines));
			const problems = stderr.trim() || `${step.host} ${step.step}: ${endOf(ended)}`;
			for (const line of this.#compare(step, stdout, shown)) shown.error(line);
			if (code !== 0) for (const line of problems.split("\n")) shown.error(line);
		} catch (error) {
			this.#warnOnce(step, error as Error, shown.warn);
		}
	}
}
