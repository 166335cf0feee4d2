// Property values as they travel: plain JSON, with an envelope around a secret and one fixed string for what is not known yet.
import { isDeepStrictEqual } from "node:util";
import structs from "google-protobuf/google/protobuf/struct_pb.js";

export type Value = null | boolean | number | string | Value[] | Properties;
export interface Properties {
	[key: string]: Value;
}

// sdk/go/common/resource/sig/sig.go and sdk/go/common/resource/plugin/rpc.go, pulumi v3.274.1
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function fromStruct(struct: structs.Struct | undefined): Properties {
	return (struct?.toJavaScript() ?? {}) as Properties;
}

export function toStruct(properties: Properties): structs.Struct {
	return structs.Struct.fromJavaScript(properties);
}

export function isObject(value: Value | undefined): value is Properties {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSecret(value: Value | undefined): value is Properties {
	return isObject(value) && value[SIGNATURE] === SECRET;
}

/** The value in a secret's envelope; a value that has one keeps it. */
export function asSecret(value: Value): Value {
	return isSecret(value) ? value : { [SIGNATURE]: SECRET, value };
}

/** What is inside the outer envelope, or the value itself. */
export function open(value: Value): Value {
	return isSecret(value) ? open(value.value ?? null) : value;
}

/** The value without any envelope, however deep. */
export function reveal(value: Value): Value {
	const opened = open(value);
	if (Array.isArray(opened)) return opened.map(reveal);
	if (!isObject(opened)) return opened;
	return Object.fromEntries(Object.entries(opened).map(([key, inner]) => [key, reveal(inner)]));
}

export function isUnknown(value: Value | undefined): boolean {
	return value === UNKNOWN;
}

/** Whether anything in it is not known yet. */
export function containsUnknown(value: Value): boolean {
	const opened = open(value);
	if (isUnknown(opened)) return true;
	return typeof opened === "object" && opened !== null && Object.values(opened).some(containsUnknown);
}

export function containsSecret(value: Value): boolean {
	return isSecret(value) || (typeof value === "object" && value !== null && Object.values(value).some(containsSecret));
}

export function isEqual(one: Value | undefined, other: Value | undefined): boolean {
	return isDeepStrictEqual(one, other);
}
