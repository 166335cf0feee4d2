// npm run trust -- STACK [--yes]: asks each host of a stack for its SSH host key, shows its fingerprint, and after your yes writes it into the stack's file.
// Changes nothing else in that file. A key that differs from the one you trust is never replaced without a question of its own, not even with --yes.
// Exit status: 0 every host's key is in the file, 1 some is not, 2 wrong usage.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from "yaml";
import { findKnownHost, parseKnownHosts } from "../config/host-keys.ts";
import { HOST_KEY_TYPES, KeyError, parseHostKey, readKeyFile } from "../config/keys.ts";
import { parseAddress } from "../config/network.ts";

export interface Target {
	/** Place in the file's list of hosts. */
	index: number;
	name: string;
	address: string;
	port: number;
	/** `type base64` that the file, or its known_hosts file, already trusts. */
	trusted: string | undefined;
}
/** The user's mistake, or a file that can't be used as it is. */
export class TrustError extends Error {}

const CONFIG_PREFIX = "kubeadm-lab:";
const SCAN_SECONDS = 5;

/** The hosts of a stack's file. Throws TrustError with every host that can't be asked. */
export function targetsIn(text: string): Target[] {
	const config = (parseDocument(text).toJS() as { config?: Record<string, unknown> } | null)?.config ?? {};
	const setting = (key: string) => config[`${CONFIG_PREFIX}${key}`] ?? config[key];
	const known = setting("knownHostsFile") ? parseKnownHosts(readKeyFile(String(setting("knownHostsFile")))) : undefined;
	const hosts = setting("hosts");
	if (!Array.isArray(hosts) || hosts.length === 0) throw new TrustError("hosts: not set. List the hosts first, each with name, address and role.");
	const wrong = hosts.flatMap((host, i) =>
		parseAddress(String(host?.address)) === undefined ? [`hosts[${i}].address: ${JSON.stringify(host?.address)} is not an IPv4 address.`] : [],
	);
	if (wrong.length > 0) throw new TrustError(wrong.join("\n"));
	return hosts.map(({ name, address, port = setting("sshPort") ?? 22, hostKey }, index) => {
		const trusted = hostKey ? parseHostKey(String(hostKey)) : known && findKnownHost(known, address, Number(port));
		return { index, name: String(name ?? address), address, port: Number(port), trusted };
	});
}

/** Keys in what ssh-keyscan prints, best first. Lines of other types, comments and damaged keys are passed over. */
export function keysIn(output: string): string[] {
	const keys = output.split("\n").flatMap((line) => {
		const [host = "", ...key] = line.trim().split(" ");
		try {
			return host === "" || host.startsWith("#") ? [] : [parseHostKey(key.join(" "))];
		} catch {
			return [];
		}
	});
	const rank = (key: string) => HOST_KEY_TYPES.indexOf(key.split(" ")[0] ?? "");
	return keys.sort((a, b) => rank(a) - rank(b));
}

/** As `ssh-keygen -lf` prints it, without comment: `256 SHA256:... (ED25519)`. */
export function fingerprint(key: string): string {
	const [type = "", data = ""] = key.split(" ");
	const blob = Buffer.from(data, "base64");
	const digest = createHash("sha256").update(blob).digest("base64").replace(/=+$/, "");
	if (type === "ssh-rsa") return `${rsaBits(blob)} SHA256:${digest} (RSA)`;
	return type === "ssh-ed25519" ? `256 SHA256:${digest} (ED25519)` : `${type.replace(/\D*2\D*/, "")} SHA256:${digest} (ECDSA)`;
}
/** Bits of the modulus, the third string of the key (RFC 4253, 6.6). */
function rsaBits(blob: Buffer): number {
	let offset = 0;
	for (const _ of ["type", "exponent"]) offset += 4 + blob.readUInt32BE(offset);
	const modulus = blob.subarray(offset + 4, offset + 4 + blob.readUInt32BE(offset));
	return BigInt(`0x${modulus.toString("hex")}`).toString(2).length;
}

/** The file's text with these keys, by place in the list of hosts. Every other byte stays as it is. */
export function withHostKeys(text: string, keys: ReadonlyMap<number, string>): string {
	const config = parseDocument(text).get("config");
	const hosts = isMap(config) ? (config.get(`${CONFIG_PREFIX}hosts`) ?? config.get("hosts")) : undefined;
	if (!isSeq(hosts)) throw new TrustError("hosts: not a list.");
	const edits = [...keys].map(([index, key]) => edit(text, hosts.items[index], key));
	return edits.sort((a, b) => b.start - a.start).reduce((result, { start, end, insert }) => result.slice(0, start) + insert + result.slice(end), text);
}
function edit(text: string, host: unknown, key: string): { start: number; end: number; insert: string } {
	const last = isMap(host) ? host.items.at(-1) : undefined;
	const [first, value, lastKey] = [(host as YAMLMap | undefined)?.get("hostKey", true), last?.value, last?.key] as unknown[];
	if (isScalar(first) && first.range) return { start: first.range[0], end: first.range[1], insert: first.value === null ? ` ${key}` : key };
	if (!isMap(host) || !isScalar(lastKey) || !lastKey.range || !isScalar(value) || !value.range)
		throw new TrustError("a host is not written as plain keys and values; add hostKey to it by hand.");
	if (host.flow) return { start: value.range[1], end: value.range[1], insert: `, hostKey: ${key}` };
	const lineStart = text.lastIndexOf("\n", lastKey.range[0]) + 1;
	const indent = " ".repeat(lastKey.range[0] - lineStart);
	const lineEnd = text.indexOf("\n", value.range[1]);
	const end = lineEnd < 0 ? text.length : lineEnd;
	return { start: end, end, insert: `\n${indent}hostKey: ${key}` };
}

/** Asks one host for its keys. Throws TrustError where it does not answer in time. */
async function scan({ address, port }: Pick<Target, "address" | "port">): Promise<string[]> {
	const args = ["-T", String(SCAN_SECONDS), "-p", String(port), "-t", "ed25519,ecdsa,rsa", address];
	const result = await promisify(execFile)("ssh-keyscan", args, { timeout: 3 * SCAN_SECONDS * 1000 }).catch(
		(error: NodeJS.ErrnoException & { stdout?: string }) => {
			if (error.code === "ENOENT") throw new TrustError("ssh-keyscan: not found. Install OpenSSH's client programs.");
			return { stdout: error.stdout ?? "" };
		},
	);
	const keys = keysIn(result.stdout);
	if (keys.length === 0)
		throw new TrustError(
			`no SSH host key from ${address} port ${port} within ${SCAN_SECONDS} s. Check that the host is up and its address and port are right.`,
		);
	return keys;
}

export interface Terminal {
	print: (line: string) => void;
	/** True for yes; anything else, and the end of input, is no. */
	ask: (question: string) => Promise<boolean>;
}
/** The whole dialogue for one stack's file. True when every host's key is in it at the end. */
export async function trust(file: string, terminal: Terminal, isYes: boolean): Promise<boolean> {
	const text = readFileSync(file, "utf8");
	const found = await Promise.all(targetsIn(text).map(async (target) => ({ target, keys: await scan(target).catch((error: Error) => error) })));
	const agreed = new Map<number, string>();
	const fresh = new Map<number, string>();
	for (const { target, keys } of found) {
		const label = `${target.name} (${target.address}${target.port === 22 ? "" : ` port ${target.port}`})`;
		const best = keys instanceof Error ? undefined : keys[0];
		if (keys instanceof Error || best === undefined) terminal.print(`${label}: ${(keys as Error).message}`);
		else if (target.trusted === undefined) {
			terminal.print(`${label}: new: ${fingerprint(best)}`);
			fresh.set(target.index, best);
		} else if (keys.includes(target.trusted)) {
			terminal.print(`${label}: trusted already: ${fingerprint(target.trusted)}`);
			agreed.set(target.index, target.trusted);
		} else if (await asksAboutChange(label, target.trusted, best, terminal)) agreed.set(target.index, best);
	}
	if (fresh.size > 0 && (isYes || (await asksAboutNew(file, fresh.size, terminal)))) for (const [index, key] of fresh) agreed.set(index, key);
	const written = new Map([...agreed].filter(([index, key]) => found[index]?.target.trusted !== key));
	if (written.size > 0) replaceFile(file, withHostKeys(text, written));
	terminal.print(written.size === 0 ? `${file} is unchanged.` : `${file}: wrote ${written.size} host ${written.size === 1 ? "key" : "keys"}.`);
	return agreed.size === found.length;
}
function asksAboutNew(file: string, count: number, { print, ask }: Terminal): Promise<boolean> {
	print("Compare with what each host shows on its own console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
	return ask(`Write ${count === 1 ? "this key" : `these ${count} keys`} to ${file}?`);
}
function asksAboutChange(label: string, trusted: string, found: string, { print, ask }: Terminal): Promise<boolean> {
	print(`${label}: ITS KEY IS ANOTHER ONE. The host was installed anew, or somebody is in between.`);
	print(`  trusted: ${fingerprint(trusted)}`);
	print(`  found:   ${fingerprint(found)}`);
	return ask(`Trust the new key of ${label} from now on?`);
}
function replaceFile(file: string, text: string): void {
	const beside = `${file}.new`;
	writeFileSync(beside, text, { mode: statSync(file).mode });
	renameSync(beside, file);
}

/** Asks on the terminal, or takes its answers from a pipe line by line; the end of input is a no. */
function terminal(): Terminal & { close: () => void } {
	const input = createInterface({ input: process.stdin });
	const answers = input[Symbol.asyncIterator]();
	const ask = async (question: string) => {
		process.stdout.write(`${question} [y/N] `);
		const { value, done } = await answers.next();
		if (done || !process.stdin.isTTY) process.stdout.write("\n");
		return /^y(es)?$/i.test(String(value ?? "").trim());
	};
	return { print: (line) => process.stdout.write(`${line}\n`), ask, close: () => input.close() };
}

async function main(args: string[]): Promise<number> {
	const [stack, ...rest] = args.filter((argument) => argument !== "--yes");
	const stacks = readdirSync(".").flatMap((name) => name.match(/^Pulumi\.(.+)\.yaml$/)?.[1] ?? []);
	if (stack === undefined || rest.length > 0 || stack.startsWith("-")) {
		process.stderr.write(`usage: npm run trust -- STACK [--yes]\nstacks here: ${stacks.join(", ")}\n`);
		return 2;
	}
	const file = `Pulumi.${stack}.yaml`;
	if (!existsSync(file)) {
		process.stderr.write(`${file}: no such file. Stacks here: ${stacks.join(", ")}\n`);
		return 2;
	}
	const { close, ...dialogue } = terminal();
	try {
		return (await trust(file, dialogue, args.includes("--yes"))) ? 0 : 1;
	} catch (error) {
		if (!(error instanceof TrustError) && !(error instanceof KeyError)) throw error;
		process.stderr.write(`${error.message.replace(/^/gm, `${file}: `)}\n`);
		return 1;
	} finally {
		close();
	}
}
if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
