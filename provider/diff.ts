// Diffs a step: which properties make it be applied again. Pure: the host itself was read before, in `read`.
import { FLAGS } from "./inputs.ts";
import { isEqual, isObject, open, type Properties, reveal, type Value } from "./plugin/values.ts";

export type Kind = "add" | "delete" | "update";
export interface Change {
	kind: Kind;
	/** The step is undone and made anew: it is on another host. */
	replaces: boolean;
}

/** `olds` is the state's outputs: their `found` is what the host had; that of `news` is what is wanted. */
export function diffStep(olds: Properties, news: Properties): Map<string, Change> {
	const changes = new Map<string, Change>();
	const add = (path: string, kind: Kind | undefined, replaces = false) => kind && changes.set(path, { kind, replaces });
	for (const name of ["host", "step"]) add(name, changeKind(olds[name], news[name]), olds[name] !== undefined);
	for (const name of FLAGS) add(name, changeKind(olds[name], news[name]));
	for (const [path, kind] of members("settings", olds.settings, news.settings)) add(path, kind);
	for (const [path, kind] of members("shared", olds.shared ?? {}, news.shared ?? {})) add(path, kind);
	for (const [path, kind] of members("found", olds.found ?? {}, news.found ?? {})) add(path, kind);
	// The settings say it better; where they are the same, the script itself is another.
	const script = changeKind(olds.script, news.script);
	if (script && ![...changes.keys()].some((path) => /^(settings|shared)/.test(path))) add("script", script);
	return changes;
}

function changeKind(old: Value | undefined, wanted: Value | undefined): Kind | undefined {
	const [one, other] = [reveal(old ?? null), reveal(wanted ?? null)];
	if (isEqual(one, other)) return undefined;
	return one === null ? "add" : other === null ? "delete" : "update";
}

function* members(name: string, old: Value | undefined, wanted: Value | undefined): Generator<[string, Kind]> {
	const [one, other] = [open(old ?? null), open(wanted ?? null)];
	if (!isObject(one) || !isObject(other)) {
		const kind = changeKind(old, wanted);
		if (kind) yield [name, kind];
		return;
	}
	for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
		const kind = changeKind(one[key], other[key]);
		if (kind) yield [`${name}[${JSON.stringify(key)}]`, kind];
	}
}

/**
 * Of a host that is as wanted, only the script is another one: a new version of this program. Whoever asks may then run the new one's `check`.
 * Not where it was asked before: the engine keeps the inputs of what did not change, and the outputs still name the script that `apply` ran.
 */
export function isOtherScriptOnly(changes: ReadonlyMap<string, Change>): boolean {
	return changes.size === 1 && changes.get("script")?.kind === "update";
}
