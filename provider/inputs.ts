// Checks the inputs of `host:index:Step`, and fills in what is computed.
import type { Verb } from "./hosts.ts";
import { containsSecret, isEqual, isObject, isUnknown, open, type Properties, reveal, type Value } from "./plugin/values.ts";
import { type Scripts, unpackScript } from "./scripts.ts";
import { SETTING_NAME, type Setting } from "./shell.ts";

/** A step's inputs without envelopes. */
export interface Inputs {
	/** One of the provider's hosts. */
	host: string;
	/** Its name, on the host too. */
	step: string;
	/** Shell name -> value: what its script gets. */
	settings: Record<string, Setting>;
	/** Name -> digest of those of the provider's shared settings that its script gets too. */
	shared: Record<string, string>;
	/** Computed: the name of the script (scripts.ts). In the outputs: of the one that `apply` ran. Undefined in a state of the version before, and where the provider has none. */
	script?: string;
	/** In a state of the version before: the script with its settings, packed. */
	text?: string;
	/** `apply` changes nothing on the host: a preview runs it too, and nothing is kept of one that failed. Default false. */
	looksOnly?: boolean;
	/** `apply` has work to do. Default true; without it the host is neither read nor changed before `undo`. */
	apply?: boolean;
	/** `undo` has work to do on delete. Default true. */
	undo?: boolean;
	/** Its `apply` gets the scripts that its `check` names as absent or damaged. Default false. */
	bringsScripts?: boolean;
	/** Computed: for each item that was ever found different, what is wanted. In the outputs: what was found. */
	found: Record<string, string>;
}
export interface Failure {
	property: string;
	reason: string;
}

export const FLAGS = ["looksOnly", "apply", "undo", "bringsScripts"] as const;
const FIELDS = ["host", "step", "settings", "shared", ...FLAGS];

/**
 * Fills in `script` and `found`, and names everything that is wrong by property. A value is never part of a reason: it may be a secret.
 * `scripts` is undefined while the provider's configuration is not known yet.
 */
export function checkStep(olds: Properties, news: Properties, hosts: string[], scripts?: Scripts): { inputs: Properties; failures: Failure[] } {
	const failures: Failure[] = [];
	const fail = (property: string, reason: string) => failures.push({ property, reason });
	const text = (name: string): string | undefined => {
		const value = open(news[name] ?? null);
		if (isUnknown(value)) return undefined;
		if (typeof value === "string" && value !== "") return value;
		fail(name, value === null ? "is missing" : "must be a text that is not empty");
		return undefined;
	};
	for (const name of Object.keys(news)) if (!FIELDS.includes(name)) fail(name, `is none of ${FIELDS.join(", ")}`);
	const host = text("host");
	if (host !== undefined && hosts.length > 0 && !hosts.includes(host)) fail("host", `is none of the provider's hosts: ${hosts.join(", ")}`);
	const step = text("step");
	if (step !== undefined && !/^[a-z][a-z0-9-]*$/.test(step)) fail("step", "must be lower-case letters, digits and dashes");
	const script = step === undefined ? undefined : scripts?.current(step);
	if (step !== undefined && scripts && script === undefined) fail("step", "is none of the provider's scripts");
	for (const name of FLAGS) {
		const value = open(news[name] ?? null);
		if (value !== null && typeof value !== "boolean" && !isUnknown(value)) fail(name, "must be true or false");
	}
	checkSettings(open(news.settings ?? null), fail);
	const shared = open(news.shared ?? null);
	if (shared !== null && !(isObject(shared) && Object.entries(shared).every(([name, value]) => SETTING_NAME.test(name) && typeof value === "string")))
		fail("shared", "must be an object: names of settings to texts");
	// With other settings, what was wanted of an item may be another too.
	const isSame = ["settings", "shared"].every((name) => isEqual(reveal(olds[name] ?? null), reveal(news[name] ?? null)));
	return { inputs: { ...news, ...(script === undefined ? {} : { script }), found: isSame ? (olds.found ?? {}) : {} }, failures };
}

function checkSettings(settings: Value, fail: (property: string, reason: string) => void): void {
	if (settings === null || isUnknown(settings)) return;
	if (!isObject(settings)) {
		fail("settings", "must be an object");
		return;
	}
	for (const [name, value] of Object.entries(settings)) {
		const path = /^\w+$/.test(name) ? `settings.${name}` : `settings[${JSON.stringify(name)}]`;
		if (!SETTING_NAME.test(name)) fail(path, "is no setting's name: use capitals, digits and underscores");
		if (hasNul(value)) fail(path, "holds a NUL character, which no shell can read");
		const plain = open(value);
		if (Array.isArray(plain)) {
			plain.forEach((item, index) => {
				if (typeof open(item) !== "string") fail(`${path}[${index}]`, "must be a text");
			});
		} else if (typeof plain === "object") fail(path, "must be a text, a number, true, false or a list of texts");
	}
}

function hasNul(value: Value): boolean {
	const plain = reveal(value);
	return Array.isArray(plain) ? plain.some(hasNul) : typeof plain === "string" && plain.includes("\0");
}

/** Nothing that comes of a step with a secret among its settings may be shown. */
export function isHidden(inputs: Properties): boolean {
	return containsSecret(inputs.settings ?? null);
}

/** What the function `host:index:run` is asked for. Throws, without a value in its words, where that is no call. */
export function callIn(args: Properties): { inputs: Properties; verb: Verb } {
	const { verb, ...inputs } = args;
	const { host, step } = inputs;
	if (typeof host !== "string" || typeof step !== "string") throw new Error("expected the names of a host and a step");
	if (verb !== "apply" && verb !== "check" && verb !== "undo") throw new Error(`${host} ${step}: expected apply, check or undo`);
	checkSettings(open(inputs.settings ?? null), (path, reason) => {
		throw new Error(`${host} ${step}: ${path} ${reason}`);
	});
	return { inputs, verb };
}

export function stepInputs(properties: Properties): Inputs {
	const inputs = reveal(properties) as unknown as Inputs;
	return {
		...inputs,
		settings: inputs.settings ?? {},
		shared: inputs.shared ?? {},
		found: inputs.found ?? {},
		...(inputs.text === undefined ? {} : { text: unpackScript(inputs.text) }),
	};
}
