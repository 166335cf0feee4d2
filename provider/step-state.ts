// What is kept of a step, in a state and on its host: its inputs, what it printed, and what a host was found to differ in.
import { createHash } from "node:crypto";
import type { Answer } from "./answer.ts";
import { type Inputs, isHidden } from "./inputs.ts";
import { asSecret, isEqual, open, type Properties, reveal, UNKNOWN } from "./plugin/values.ts";

/** What the step that brings the scripts has found. Its `apply` will print another value then, on which the host's join depends. */
export function isInstalledAnew(state: Properties): boolean {
	return state.bringsScripts === true && foundIn(state).host === "installed anew"; // the words of cluster/steps/scripts.sh
}
/**
 * What is found of a step whose `apply` has begun and not ended, beside what its `check` finds. It stays until one ends: that nothing else differs does not bring what `apply`
 * would have printed, such as a kubeconfig.
 */
export const CUT_OFF = { "apply ended": "no" };
export function isCutOff(state: Properties): boolean {
	return foundIn(state)["apply ended"] === CUT_OFF["apply ended"];
}
function foundIn({ found }: Properties): Record<string, string> {
	return (reveal(found ?? null) ?? {}) as Record<string, string>;
}
/** For a check of what `apply` has read on the host: whether that is still what is there. */
export function printedBefore({ printed }: Properties): string {
	const text = reveal(printed ?? null);
	return typeof text !== "string" || text === "" || text === UNKNOWN ? "" : `readonly PRINTED_SHA256='${createHash("sha256").update(text).digest("hex")}'\n`;
}

/** In front of an apply: the host keeps the settings beside its records, for an undo that no state will ask for. Secrets it must not keep. */
export function keeping({ undo, looksOnly, bringsScripts }: Inputs, inputs: Properties): string {
	return undo === false || looksOnly || bringsScripts || isHidden(inputs) ? "" : "KEEPS_SETTINGS=yes\n";
}

/**
 * What `apply` ran with last. Of an update that ended half-way the engine (3.274.1) keeps the new outputs and the old inputs; the host, held against these, would be
 * as wanted, and the next `up` would pass the rest of the update over.
 */
export function lastTried(state: Properties, inputs: Properties, currentScript?: string): Properties {
	const isOther = (name: string) => !isEqual(reveal(state[name] ?? null), reveal(inputs[name] ?? null));
	// The other way round, inputs of this version beside a script of before, nothing was to be done (`isAsWanted`).
	const isNewScript = state.script !== undefined && state.script === currentScript && isOther("script");
	if (state.settings === undefined || !(isOther("settings") || isOther("shared") || isNewScript)) return inputs;
	const { text: _, ...rest } = inputs;
	const tried = ["settings", "shared", "script", "text"].flatMap((name) => (state[name] === undefined ? [] : [[name, state[name]]]));
	return { ...rest, ...Object.fromEntries(tried) };
}

/** What is kept of a step beside its inputs. */
export function keptState(inputs: Properties, printed: Properties[string]): Properties {
	return { ...inputs, printed };
}

export function sideOf(answer: Answer, side: "wanted" | "found"): Record<string, string> {
	return Object.fromEntries([...answer].map(([item, difference]) => [item, difference[side]]));
}

export function hidden(text: string | Properties[string], inputs: Properties): Properties[string] {
	return isHidden(inputs) ? asSecret(text) : open(text);
}
export function wrapped(found: Record<string, string>, inputs: Properties): Properties[string] {
	return isHidden(inputs) ? asSecret(found) : found;
}
