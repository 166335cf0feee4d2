// The provider's own configuration: where the hosts are, how to log in, whose work the steps are, and their scripts. No resource holds any of it.
import { randomBytes } from "node:crypto";
import type { Host, Settings } from "./hosts.ts";
import type { Failure } from "./inputs.ts";
import { asSecret, isEqual, isObject, isUnknown, open, type Properties, reveal, type Value } from "./plugin/values.ts";
import { packScripts, unpackScripts } from "./scripts.ts";
import { SETTING_NAME } from "./shell.ts";

// runTimeoutSeconds: a step may wait an hour for another run, and then have three yum transactions of half an hour each.
const NUMBERS = { dialErrorLimit: 3, perDialTimeoutSeconds: 10, lookTimeoutSeconds: 60, runTimeoutSeconds: 10_800 };

/** `hosts` and `bastion` travel as JSON: an SDK sends whatever is no text that way. */
function objectOf<T>(value: Value | undefined): T | undefined {
	try {
		const opened = reveal(value ?? null);
		const object = typeof opened === "string" ? JSON.parse(opened) : opened;
		return isObject(object) ? (object as unknown as T) : undefined;
	} catch {
		return undefined;
	}
}
const hasAgent = (value: Value | undefined) => String(reveal(value ?? null)) === "true";
/** JSON too. */
function listOf(value: Value | undefined): string[] {
	const opened = reveal(value ?? null);
	try {
		const list: unknown = typeof opened === "string" ? JSON.parse(opened) : opened;
		return Array.isArray(list) ? list.filter((one) => typeof one === "string") : [];
	} catch {
		return [];
	}
}
const hostsOf = (value: Value | undefined) => objectOf<Record<string, Host>>(value);

function checkHost(host: Host | undefined, path: string, failures: Failure[]): void {
	for (const field of ["address", "user", "hostKey"] as const) {
		if (typeof host?.[field] !== "string" || host[field] === "") failures.push({ property: `${path}.${field}`, reason: "must be a text that is not empty" });
	}
	const port = host?.port ?? 0;
	if (!Number.isInteger(port) || port < 1 || port > 65535) failures.push({ property: `${path}.port`, reason: "must be a port, 1 to 65535" });
}

/**
 * Whose work all steps are: `<id> <project>/<stack>`. The id is made once, with the provider's first configuration, so it is known in a first preview too,
 * where that of a Stash would not be, and no host could be read; the one of a preview is thrown away.
 * A stack that was renamed since is a failure: its cluster has the old name, and so has all that is in the state.
 */
function ownerOf(urn: string, olds: Properties, failures: Failure[]): string {
	const [stack, project] = urn.replace("urn:pulumi:", "").split("::");
	const old = reveal(olds.owner ?? null);
	if (typeof old !== "string") return `${randomBytes(ID_BYTES).toString("hex")} ${project}/${stack}`;
	const [, was = ""] = old.split(" ");
	const name = was.slice(was.indexOf("/") + 1);
	if (was !== `${project}/${stack}`)
		failures.push({
			property: "",
			reason: `this stack is called ${stack}, and was ${name} when it set up its hosts; its cluster has that name. Nothing was changed. Give it back: pulumi stack rename ${name}`,
		});
	return old;
}
const ID_BYTES = 8;

function textsOf(value: Value | undefined): Record<string, string> | undefined {
	try {
		const opened = reveal(value ?? null);
		const scripts = typeof opened === "string" ? unpackScripts(opened) : opened;
		return isObject(scripts) && Object.values(scripts).every((text) => typeof text === "string" && !text.includes("\0"))
			? (scripts as unknown as Record<string, string>)
			: undefined;
	} catch {
		return undefined;
	}
}
function sharedOf(value: Value | undefined): Record<string, string> | undefined {
	const shared = value === undefined || isUnknown(open(value)) ? {} : textsOf(value);
	return shared && Object.keys(shared).every((name) => SETTING_NAME.test(name)) ? shared : undefined;
}
/** As the state keeps them: packed, in an envelope, since they are no secret but thousands of lines; the old value where they are the same. */
function keptScripts(old: Value | undefined, scripts: Record<string, string>): Value {
	return old !== undefined && isEqual(textsOf(old), scripts) ? old : asSecret(packScripts(scripts));
}

/**
 * Names what is wrong, by property. Hosts that the old configuration had and the new one has not stay in it:
 * steps of a host that was taken out are undone through the new configuration. So do API servers: the run that leaves one behind still has a kubeconfig that leads there.
 */
export function checkConfiguration(urn: string, olds: Properties, wanted: Properties): { inputs: Properties; failures: Failure[] } {
	const failures: Failure[] = [];
	const scripts = textsOf(wanted.scripts);
	if (!scripts && wanted.scripts !== undefined && !isUnknown(open(wanted.scripts)))
		failures.push({ property: "scripts", reason: "must be an object: name of a step to its script, a text without NUL" });
	if (!sharedOf(wanted.shared)) failures.push({ property: "shared", reason: "must be an object: names of settings to texts without NUL" });
	const apiServers = [...new Set([...listOf(olds.apiServers), ...listOf(wanted.apiServers)])];
	const news: Properties = {
		...wanted,
		owner: ownerOf(urn, olds, failures),
		...(scripts ? { scripts: keptScripts(olds.scripts, scripts) } : {}),
		...(apiServers.length > 0 ? { apiServers: JSON.stringify(apiServers) } : {}),
	};
	if (isUnknown(open(news.hosts ?? null))) return { inputs: news, failures };
	const hosts = hostsOf(news.hosts);
	if (!hosts) failures.push({ property: "hosts", reason: "must be an object: name of a host to address, port, user and hostKey" });
	for (const [name, host] of Object.entries(hosts ?? {})) checkHost(host, `hosts[${JSON.stringify(name)}]`, failures);
	if (news.bastion !== undefined && !isUnknown(open(news.bastion))) checkHost(objectOf<Host>(news.bastion), "bastion", failures);
	const key = reveal(news.privateKey ?? null);
	if (!isUnknown(key) && !hasAgent(news.sshAgent) && (typeof key !== "string" || key === ""))
		failures.push({ property: "privateKey", reason: "must be a private key in PEM" });
	const password = reveal(news.sudoPassword ?? "x");
	if (!isUnknown(password) && (typeof password !== "string" || !/^[^\n\0]+$/.test(password)))
		failures.push({ property: "sudoPassword", reason: "must be one line that is not empty" });
	for (const name of Object.keys(NUMBERS)) {
		const value = wanted[name];
		if (value !== undefined && !isUnknown(value) && !Number.isInteger(Number(open(value)))) failures.push({ property: name, reason: "must be a whole number" });
	}
	if (failures.length > 0 || !hosts) return { inputs: news, failures };
	const gone = Object.entries(hostsOf(olds.hosts) ?? {}).filter(([name]) => !(name in hosts));
	return { inputs: gone.length === 0 ? news : { ...news, hosts: JSON.stringify({ ...hosts, ...Object.fromEntries(gone) }) }, failures };
}

/** Keys whose values differ. None of them makes a host another host: nothing is replaced. */
export function changedKeys(olds: Properties, news: Properties): string[] {
	const keys = new Set([...Object.keys(olds), ...Object.keys(news)]);
	keys.delete("version");
	return [...keys].filter((key) => JSON.stringify(reveal(olds[key] ?? null)) !== JSON.stringify(reveal(news[key] ?? null)));
}

/** Undefined while something in it is not known yet. */
export function settingsOf(configuration: Properties): Settings | undefined {
	const { hosts, bastion, privateKey, sshAgent, sudoPassword, owner, strict, scripts, shared, apiServers, ...rest } = reveal(configuration) as Properties;
	const known = hostsOf(hosts);
	const isOpen = hasAgent(sshAgent) || (typeof privateKey === "string" && !isUnknown(privateKey));
	if (!known || !isOpen || (sudoPassword !== undefined && isUnknown(sudoPassword))) return undefined;
	const number = (name: keyof typeof NUMBERS) => (rest[name] === undefined ? NUMBERS[name] : Number(rest[name]));
	return {
		hosts: known,
		...(bastion === undefined ? {} : { bastion: objectOf<Host>(bastion) as Host }), // checked before
		privateKey: typeof privateKey === "string" ? privateKey : undefined,
		...(typeof sudoPassword === "string" ? { sudoPassword } : {}),
		apiServers: listOf(apiServers),
		owner: typeof owner === "string" ? owner : "",
		scripts: textsOf(scripts) ?? {},
		shared: sharedOf(shared) ?? {},
		dialErrorLimit: number("dialErrorLimit"),
		perDialTimeoutSeconds: number("perDialTimeoutSeconds"),
		lookTimeoutSeconds: number("lookTimeoutSeconds"),
		runTimeoutSeconds: number("runTimeoutSeconds"),
		strict: String(strict) === "true" || process.env.KUBEADM_LAB_STRICT === "true",
		detailed: process.env.KUBEADM_LAB_DETAILS === "true",
		json: process.env.KUBEADM_LAB_DETAILS === "json",
	};
}
