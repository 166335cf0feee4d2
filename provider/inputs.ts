// Checks the inputs of `host:index:Step`, and fills in what is computed.
import { packScript, unpackScript } from "./packed-script.ts";
import { asSecret, containsSecret, isObject, isSecret, isUnknown, open, type Properties, reveal, type Value } from "./plugin/values.ts";

/** A step's inputs without envelopes. */
export interface Inputs {
	/** One of the provider's hosts. */
	host: string;
	/** What the step is called where a person reads it. */
	step: string;
	/** The script that is sent, with everything it needs. It knows the verbs apply, check and undo. The state keeps it packed. */
	text: string;
	/** What is in the text, for a person: shown when it changes. */
	settings?: Properties;
	/** `apply` changes nothing on the host: a preview runs it too, and nothing is kept of one that failed. Default false. */
	looksOnly?: boolean;
	/** `apply` has work to do. Default true; without it the host is neither read nor changed before `undo`. */
	apply?: boolean;
	/** `undo` has work to do on delete. Default true. */
	undo?: boolean;
	/** Computed: for each item that was ever found different, what is wanted. In the outputs: what was found. */
	found: Record<string, string>;
}
export interface Failure {
	property: string;
	reason: string;
}

const FIELDS = ["host", "step", "text", "settings", "looksOnly", "apply", "undo"];

/** Fills in `found`, and names everything that is wrong by property. A value is never part of a reason: it may be a secret. */
export function checkStep(olds: Properties, news: Properties, hosts: string[]): { inputs: Properties; failures: Failure[] } {
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
	if (text("text")?.includes("\0")) fail("text", "holds a NUL character, which no shell can read");
	for (const name of ["looksOnly", "apply", "undo"]) {
		const value = open(news[name] ?? null);
		if (value !== null && typeof value !== "boolean" && !isUnknown(value)) fail(name, "must be true or false");
	}
	checkSettings(open(news.settings ?? null), fail);
	const kept = packed(olds.text, news.text);
	const isSame = kept !== undefined && kept === olds.text;
	return { inputs: { ...news, ...(kept === undefined ? {} : { text: kept }), found: isSame ? (olds.found ?? {}) : {} }, failures };
}

/** A script's value as the state keeps it, in its envelope: the old one where it is the same script, however that is packed. */
export function packed(old: Value | undefined, wanted: Value | undefined): Value | undefined {
	const [one, other] = [open(old ?? null), open(wanted ?? null)];
	if (typeof other !== "string" || isUnknown(other)) return wanted;
	if (typeof one === "string" && unpackScript(one) === unpackScript(other) && isSecret(old) === isSecret(wanted)) return old;
	return isSecret(wanted) ? asSecret(packScript(other)) : packScript(other);
}

function checkSettings(settings: Value, fail: (property: string, reason: string) => void): void {
	if (settings === null || isUnknown(settings)) return;
	if (!isObject(settings)) {
		fail("settings", "must be an object");
		return;
	}
	for (const [name, value] of Object.entries(settings)) {
		const path = /^\w+$/.test(name) ? `settings.${name}` : `settings[${JSON.stringify(name)}]`;
		const plain = open(value);
		if (Array.isArray(plain)) {
			plain.forEach((item, index) => {
				if (typeof open(item) !== "string") fail(`${path}[${index}]`, "must be a text");
			});
		} else if (typeof plain === "object") fail(path, "must be a text, a number, true, false or a list of texts");
	}
}

/** Nothing that comes of a step with a secret among its settings may be shown. */
export function isHidden(inputs: Properties): boolean {
	return containsSecret(inputs.settings ?? null);
}

export function stepInputs(properties: Properties): Inputs {
	const inputs = reveal(properties) as unknown as Inputs;
	return { ...inputs, text: unpackScript(inputs.text ?? ""), found: inputs.found ?? {} };
}
