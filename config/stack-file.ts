// Pulumi.<stack>.yaml as the program gets it, for commands that run without Pulumi: the same values by the same rules.
import { type Document, parseDocument, type ScalarTag } from "yaml";
import { attempt, findKnownHost } from "./host-keys.ts";
import { parseHostKey, readKeyFile } from "./keys.ts";
import { type Identity, reachOf } from "./reach.ts";
import { rawValues, readBastion, readFields } from "./read.ts";
import { KEYS, REACH_FIELDS } from "./schema.ts";

/** The file can't be used as it is; a line for each problem. */
export class StackFileError extends Error {}

/** As much of a host as is needed to reach it. */
export interface StackHost {
	/** Its address where it has no name. */
	name: string;
	address: string;
	port: number;
	user: string;
	/** As the file has it. Not a bastion's. */
	role?: string;
	/** `type base64` that the file, or its known_hosts file, already trusts. */
	trusted: string | undefined;
}

const PREFIX = /^kubeadm-lab:(config:)?/;
/** Pulumi's reader (gopkg.in/yaml.v3) takes 0644 for 420, as YAML 1.1 did. */
const OCTAL: ScalarTag = {
	tag: "tag:yaml.org,2002:int",
	default: true,
	test: /^[-+]?0[0-7]+$/,
	resolve: (text) => Number.parseInt(text, 8),
};

/** Reads anchors, `<<` and numbers as Pulumi does. Throws StackFileError where it is no YAML. */
export function stackDocument(text: string): Document {
	const document = parseDocument(text, { merge: true, customTags: (tags) => [OCTAL, ...tags] });
	if (document.errors.length > 0) throw new StackFileError(document.errors.map(({ message }) => message.trimEnd()).join("\n"));
	return document;
}
/** Each key of the file without its namespace, with the text that Pulumi hands over: JSON where it is no text. */
export function stackTexts(text: string): Record<string, string> {
	const config = (stackDocument(text).toJS() as { config?: Record<string, unknown> } | null)?.config ?? {};
	const own = Object.entries(config).filter(([key]) => PREFIX.test(key) || !key.includes(":"));
	return Object.fromEntries(own.map(([key, value]) => [key.replace(PREFIX, ""), typeof value === "string" ? value : JSON.stringify(value)]));
}

const { hosts, bastion, sshPort, sshUser, knownHostsFile, sshConfig, sshPrivateKey, sshPrivateKeyFile, sshAgent } = KEYS;
const TOP = { hosts, bastion, sshPort, sshUser, knownHostsFile, sshConfig, sshPrivateKey, sshPrivateKeyFile, sshAgent };
type Fields = Record<string, unknown>;
const pick = (from: Fields, names: readonly string[]): Fields => Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));

/** How a stack's hosts are reached. */
export interface StackReach {
	/** In the file's order. */
	hosts: StackHost[];
	bastion?: StackHost;
	/** Whether the bastion is a ProxyJump of OpenSSH's configuration, and not in the file. */
	isJump: boolean;
	/** Where the file says nothing of a private key, and has sshConfig. */
	identity?: Identity;
}
/** What is not needed to reach the hosts may be wrong or missing. Throws StackFileError with every problem, each with its path. */
export function stackReach(text: string): StackReach {
	const problems: string[] = [];
	const report = (path: string, problem: string) => problems.push(`${path}: ${problem}`);
	const raw = rawValues(pick(stackTexts(text), Object.keys(TOP)) as Record<string, string>, report);
	const { hosts = [], bastion, ...top } = readFields(TOP, raw, [], report);
	const known = top.knownHostsFile ? readKeyFile(top.knownHostsFile) : "";
	if (hosts.length === 0 && problems.length === 0) report("hosts", "not set. List the hosts first, each with name, address and role.");
	const read = hosts.map((host, i) => {
		const fields = readFields(REACH_FIELDS, pick(host, Object.keys(REACH_FIELDS)), ["hosts", i], report);
		return { ...fields, name: String(host.name ?? fields.address), ...(host.role === undefined ? {} : { role: String(host.role) }) };
	});
	const reach = reachOf({ top, hosts: read, bastion: readBastion(bastion, report) }, report);
	const pinned = <E extends { hostKey?: string; address?: string; port: number }>({ hostKey, address = "", ...rest }: E, path: string) => {
		const trusted = hostKey === undefined ? findKnownHost(known, address, rest.port) : attempt(() => parseHostKey(hostKey), `${path}.hostKey`, report);
		return { ...rest, address, trusted };
	};
	const found = (reach?.hosts ?? []).map((host, i) => pinned(host, `hosts[${i}]`));
	const way = reach?.bastion ? { bastion: pinned({ name: "bastion", ...reach.bastion }, "bastion") } : {};
	if (!reach || problems.length > 0) throw new StackFileError(problems.join("\n"));
	return { hosts: found, ...way, isJump: reach.isJump, ...(reach.identity ? { identity: reach.identity } : {}) };
}
