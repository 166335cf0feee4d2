// Compares the inputs in the state with the wanted ones, and names what changed path by path, as pulumi-go-provider v1.3.0 does.
import { isEqual, isObject, isSecret, type Properties, type Value } from "../../../provider/plugin/values.ts";

export type Kind = "add" | "delete" | "update";
export interface Change {
	kind: Kind;
	replace: boolean;
}

/**
 * Changes by property path, such as `connection`, `environment.FOO`, `triggers[0]`.
 * A secret is one value: what changed inside is not told, so any change of a connection is `connection`.
 * `replace` is set only where `triggers` appears or goes as a whole; for a path inside, the SDK's option `replaceOnChanges: ["triggers[*]"]` does it.
 */
export function diffCommand(old: Properties, wanted: Properties): Map<string, Change> {
	return new Map([...compareObjects("", old, wanted)].map(([path, kind]) => [path, { kind, replace: path === "triggers" }]));
}

type Found = Generator<[path: string, kind: Kind]>;

function* compareObjects(prefix: string, old: Properties, wanted: Properties): Found {
	for (const key of new Set([...Object.keys(old), ...Object.keys(wanted)])) {
		yield* compare(prefix + pathStep(key, prefix === ""), old[key], wanted[key]);
	}
}

function* compare(path: string, old: Value | undefined, wanted: Value | undefined): Found {
	if (isAbsent(old) || isAbsent(wanted)) {
		if (!isAbsent(wanted)) yield [path, "add"];
		if (!isAbsent(old)) yield [path, "delete"];
	} else if (Array.isArray(old) && Array.isArray(wanted)) {
		for (let i = 0; i < Math.max(old.length, wanted.length); i++) yield* compare(`${path}[${i}]`, old[i], wanted[i]);
	} else if (isObject(old) && isObject(wanted) && !isSecret(old) && !isSecret(wanted)) {
		yield* compareObjects(path, old, wanted);
	} else if (!isEqual(old, wanted)) {
		yield [path, "update"];
	}
}

function isAbsent(value: Value | undefined): value is null | undefined {
	return value === undefined || value === null;
}

/** A key as a part of a path: `.name`, or `["na.me"]` where it holds more than letters, digits and `_`. */
function pathStep(key: string, first: boolean): string {
	if (/^\w+$/.test(key)) return first ? key : `.${key}`;
	return `["${key.replaceAll('"', '\\"')}"]`;
}
