// Reads a stack's configuration: text to values, each field by its own rule, so that one wrong field hides no other problem.
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { nearestWord, pathText, type Report } from "./problems.ts";
import { BASTION_FIELDS, ENDPOINT_FIELDS, HOST_FIELDS, KEYS, type Key, PROXY_FIELDS, pulumiType, REPOSITORY_FIELDS, SNAPSHOT_FIELDS } from "./schema.ts";

type Fields = Record<string, z.ZodType>;
/** What could be read: fields with a problem are missing. */
export type Read<F extends Fields> = { [K in keyof F]?: z.infer<F[K]> };
export interface Values {
	top: Read<typeof KEYS>;
	hosts: Read<typeof HOST_FIELDS>[];
	/** Undefined where the stack has none. */
	bastion: Read<typeof BASTION_FIELDS> | undefined;
	repositories: Read<typeof REPOSITORY_FIELDS>[];
	proxy: Read<typeof PROXY_FIELDS>;
	/** Undefined where the stack sets none. */
	snapshots: Read<typeof SNAPSHOT_FIELDS> | undefined;
	/** Undefined where the stack sets none. */
	endpoint: Read<typeof ENDPOINT_FIELDS> | undefined;
}

/** An example for each field that must be there. */
const EXAMPLES: Record<string, string> = {
	name: "k8s-node01",
	address: "172.16.1.111",
	role: "worker",
	id: "base",
	baseUrl: "http://vault.centos.org/7.9.2009/os/$basearch/",
	every: "6h",
	keep: "28",
};

/** zod's names of types -> Pulumi's; every number here is an integer. */
const TYPE_NAMES: Record<string, string> = { int: "integer", number: "integer", record: "object" };

export function readValues(config: pulumi.Config, report: Report): Values {
	const prefix = `${config.name}:`;
	const texts = Object.entries(pulumi.runtime.allConfig()).filter(([fullKey]) => fullKey.startsWith(prefix));
	const raw = rawValues(Object.fromEntries(texts.map(([fullKey, text]) => [fullKey.slice(prefix.length), text])), report);
	const top = readFields(KEYS, raw, [], report);
	return {
		top,
		hosts: (top.hosts ?? []).map((host, i) => readFields(HOST_FIELDS, host, ["hosts", i], report)),
		bastion: readBastion(top.bastion, report),
		repositories: (top.repositories ?? []).map((repository, i) => readFields(REPOSITORY_FIELDS, repository, ["repositories", i], report)),
		proxy: readFields(PROXY_FIELDS, top.proxy ?? {}, ["proxy"], report),
		snapshots: readOptional(SNAPSHOT_FIELDS, top.etcdSnapshots, "etcdSnapshots", report),
		endpoint: readOptional(ENDPOINT_FIELDS, top.apiEndpoint, "apiEndpoint", report),
	};
}

function readOptional<F extends Fields>(fields: F, raw: Record<string, unknown> = {}, key: string, report: Report): Read<F> | undefined {
	return Object.keys(raw).length === 0 ? undefined : readFields(fields, raw, [key], report);
}

/** One hop: the plugin's `connection.proxy` has no proxy of its own (pulumi-command 1.2.1), and what not every login can do none does. */
export function readBastion(raw: Record<string, unknown> = {}, report: Report): Read<typeof BASTION_FIELDS> | undefined {
	if (Object.keys(raw).length === 0) return undefined;
	const { bastion: second, ...own } = raw;
	if (second !== undefined)
		report(
			"bastion.bastion",
			"found a second bastion; expected one: Pulumi's command plugin goes through no more. Forward a port of this machine to the second (ssh -L), and name that port here.",
		);
	return readFields(BASTION_FIELDS, own, ["bastion"], report);
}

/** Keys without their namespace, each with the text that Pulumi has of its value; text that stands for a number, list or object is turned into it. */
export function rawValues(texts: Record<string, string>, report: Report): Record<string, unknown> {
	const raw: Record<string, unknown> = {};
	for (const [key, text] of Object.entries(texts)) {
		if (text === "null") continue; // a key without a value
		try {
			raw[key] = Object.hasOwn(KEYS, key) && pulumiType(key as Key) !== "string" ? JSON.parse(text, exactNumber) : text;
		} catch {
			report(key, `found ${shown(text)}, expected type ${pulumiType(key as Key)}. Write a value of that type.`);
		}
	}
	return raw;
}
/** A whole number that a double can't hold stays exact, as a bigint. `source` is the number's own text. */
function exactNumber(_key: string, value: unknown, { source = "" }: { source?: string } = {}): unknown {
	return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

export function readFields<F extends Fields>(fields: F, raw: Record<string, unknown>, path: PropertyKey[], report: Report): Read<F> {
	for (const key of Object.keys(raw).filter((name) => !Object.hasOwn(fields, name))) report(pathText([...path, key]), unknownKeyText(key, Object.keys(fields)));
	const read: Read<F> = {};
	for (const [key, field] of Object.entries(fields)) {
		const value = raw[key] ?? undefined; // a key without a value is none
		const parsed = field.safeParse(value);
		if (parsed.success) Object.assign(read, { [key]: parsed.data });
		else for (const issue of parsed.error.issues) report(pathText([...path, key, ...issue.path]), issueText(issue, valueAt(value, issue.path), key));
	}
	return read;
}
function unknownKeyText(key: string, known: string[]): string {
	const nearest = nearestWord(key, known);
	if (nearest !== undefined) return `unknown key. Did you mean ${nearest}?`;
	return known.length > 10 ? "unknown key. Remove it; Pulumi.yaml lists every key." : `unknown key. Use ${known.join(", ")}.`;
}
const valueAt = (value: unknown, path: PropertyKey[]): unknown =>
	path.reduce<unknown>((inner, part) => (inner as Record<PropertyKey, unknown> | undefined)?.[part], value);

function issueText(issue: z.core.$ZodIssue, value: unknown, key: string): string {
	if (value === undefined && issue.code !== "invalid_key") return `not set. Add it, such as ${key}: ${EXAMPLES[key] ?? "..."}`;
	if (issue.code === "invalid_type")
		return `found ${shown(value)}, expected type ${TYPE_NAMES[issue.expected] ?? issue.expected}. ${quotesText(value, issue.expected)}`;
	const message = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
	const wrong = issue.code === "invalid_key" ? issue.path.at(-1) : value;
	return `${shown(wrong)} ${message}${DATE.test(String(wrong)) ? " YAML reads 2024-01-31 as a date: put it in quotes." : ""}`;
}
/** What Pulumi makes of a date without quotes. */
const DATE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/;
/** YAML takes 1.30 for the number 1.3, 0123 for 83 and true for no text. */
function quotesText(value: unknown, expected: string): string {
	if (expected === "string" && ["number", "bigint", "boolean"].includes(typeof value))
		return "Put what you wrote in quotes: without them YAML reads it as another type.";
	const isQuoted = typeof value === "string" && (["int", "number"].includes(expected) ? /^\d+$/ : /^(true|false)$/).test(value);
	return isQuoted && ["int", "number", "boolean"].includes(expected) ? "Write it without quotes." : "Write a value of that type.";
}
/** Values as people wrote them, cut to a readable length. Secrets never come here: their rule accepts any text; but a URL may have a password in it. */
function shown(value: unknown): string {
	const text =
		typeof value === "bigint" ? String(value) : (JSON.stringify(value, (_key, inner) => (typeof inner === "bigint" ? String(inner) : inner)) ?? String(value));
	const open = text.replaceAll(/:\/\/[^/"]*@/g, "://…@");
	return open.length > 100 ? `${open.slice(0, 99)}…` : open;
}
