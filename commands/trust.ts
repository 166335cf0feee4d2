// npm run trust -- STACK [--yes]: asks each host of a stack for its SSH host key, shows its fingerprint, and after your yes writes it into the stack's file.
// A bastion comes first: the others are asked through it, once its key is trusted.
// Changes nothing else in that file. A key that differs from the one you trust is never replaced without a question of its own, not even with --yes.
// Exit status: 0 every host's key is in the file, 1 some is not, 2 wrong usage.
import { createHash, createPublicKey } from "node:crypto";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import ssh2, { type Client } from "ssh2";
import { isMap, isNode, isScalar, isSeq, type Pair } from "yaml";
import { KeyError, parseHostKey } from "../config/keys.ts";
import { StackFileError, type StackHost, stackDocument, stackReach } from "../config/stack-file.ts";
import { printable } from "../printable.ts";
import { shownKeys } from "../provider/ssh/shown-keys.ts";
import { connect, LoginError, loginOf, type Secret, secretsOf } from "./login.ts";
import { RunError } from "./run.ts";
import { type Terminal, terminal } from "./terminal.ts";

/** Whose key it is: a place in the file's list of hosts, or the bastion. */
export type Place = number | "bastion";
export interface Target extends Omit<StackHost, "user"> {
	place: Place;
}
/** The user's mistake, or a file that can't be used as it is. */
export class TrustError extends Error {}

const SCAN_SECONDS = 5;

/** The hosts of a stack's file. Throws StackFileError with everything that keeps one from being asked. */
export function targetsIn(text: string): Target[] {
	return stackReach(text).hosts.map(({ name, address, port, trusted }, place) => ({ place, name, address, port, trusted }));
}
/** A ProxyJump of OpenSSH's configuration is none: it is no part of the file, and its key is known already. */
function bastionIn(text: string): Target | undefined {
	const { bastion, isJump } = stackReach(text);
	return bastion && !isJump ? { place: "bastion", name: bastion.name, address: bastion.address, port: bastion.port, trusted: bastion.trusted } : undefined;
}

/** As `ssh-keygen -lf` prints it, without comment: `256 SHA256:... (ED25519)`. */
export function fingerprint(key: string): string {
	const [type = "", data = ""] = key.split(" ");
	const digest = createHash("sha256").update(data, "base64").digest("base64").replace(/=+$/, "");
	if (type === "ssh-rsa") return `${rsaBits(key)} SHA256:${digest} (RSA)`;
	return type === "ssh-ed25519" ? `256 SHA256:${digest} (ED25519)` : `${type.slice(-3)} SHA256:${digest} (ECDSA)`;
}
function rsaBits(key: string): number | undefined {
	const parsed = ssh2.utils.parseKey(key);
	return parsed instanceof Error ? undefined : createPublicKey(parsed.getPublicPEM()).asymmetricKeyDetails?.modulusLength;
}

/**
 * The file's text with these keys. Every other byte stays as it is.
 * @throws TrustError where the text read again would say anything else: with the lines to add by hand.
 */
export function withHostKeys(text: string, keys: ReadonlyMap<Place, string>): string {
	const [hosts, bastion] = [settingOf(text, "hosts"), settingOf(text, "bastion")];
	const nodeOf = (place: Place) => (place === "bastion" ? bastion : isSeq(hosts) ? hosts.items[place] : undefined);
	const edits = [...keys].map(([place, key]) => ({ place, key, edit: edit(text, nodeOf(place), key) }));
	const refused = edits.filter(({ place, key, edit }) => !edit || !saysOnly(text, applied(text, [edit]), new Map([[place, key]])));
	const written = applied(
		text,
		edits.flatMap(({ edit }) => edit ?? []),
	);
	if (refused.length === 0 && saysOnly(text, written, keys)) return written;
	const pathOf = (place: Place) => (place === "bastion" ? place : `hosts[${place}] ${stackReach(text).hosts[place]?.name}`);
	const lines = (refused.length > 0 ? refused : edits).map(({ place, key }) => `${pathOf(place)}: hostKey: ${key}`);
	throw new TrustError(
		`it is written in a way that can't be changed line by line, and stays as it is. Add by hand, once the fingerprints are right:\n${lines.join("\n")}`,
	);
}
interface Edit {
	start: number;
	end: number;
	insert: string;
}
function applied(text: string, edits: Edit[]): string {
	return edits.toSorted((a, b) => b.start - a.start).reduce((result, { start, end, insert }) => result.slice(0, start) + insert + result.slice(end), text);
}
const isNamed = (key: unknown, setting: string) => new RegExp(`^(kubeadm-lab:(config:)?)?${setting}$`).test(String(key));
function settingOf(text: string, setting: string): unknown {
	const config = stackDocument(text).get("config");
	return isMap(config) ? config.items.find(({ key }) => isScalar(key) && isNamed(key.value, setting))?.value : undefined;
}
/** Whether `written` says what `text` says in every value, and these keys. */
function saysOnly(text: string, written: string, keys: ReadonlyMap<Place, string>): boolean {
	try {
		const [old, fresh] = [text, written].map((one) => stackDocument(one).toJS() as Record<string, Record<string, unknown>>);
		const withKey = (place: Place, host: object) => (keys.has(place) ? { ...host, hostKey: keys.get(place) } : host);
		const entries = Object.entries(old?.config ?? {}).map(([key, value]) => {
			if (isNamed(key, "hosts")) return [key, (value as object[]).map((host, i) => withKey(i, host))];
			return [key, isNamed(key, "bastion") ? withKey("bastion", value as object) : value];
		});
		return isDeepStrictEqual({ ...old, config: Object.fromEntries(entries) }, fresh);
	} catch {
		return false; // it can't even be read any more
	}
}
/** What is tried; whether it says the right thing is seen by reading it. */
function edit(text: string, host: unknown, key: string): Edit | undefined {
	if (!isMap(host)) return undefined;
	const own = host.items.find((item) => isScalar(item.key) && item.key.value === "hostKey");
	if (own) return replaced(text, own, key);
	const isOnOneLine = ({ key, value }: Pair) =>
		isNode(key) && isNode(value) && key.range && value.range && !/\n/.test(text.slice(key.range[0], value.range[1]))
			? [{ key: key.range, value: value.range }]
			: [];
	const last = host.items.flatMap(isOnOneLine).at(-1);
	if (!last) return undefined;
	if (host.flow) return { start: last.value[1], end: last.value[1], insert: `, hostKey: ${key}` };
	const indent = " ".repeat(last.key[0] - (text.lastIndexOf("\n", last.key[0]) + 1));
	const lineEnd = text.indexOf("\n", last.value[1]);
	if (lineEnd < 0) return { start: text.length, end: text.length, insert: `\n${indent}hostKey: ${key}` };
	const start = lineEnd + 1;
	return { start, end: start, insert: `${indent}hostKey: ${key}${text[lineEnd - 1] === "\r" ? "\r\n" : "\n"}` };
}
function replaced(text: string, { key: name, value }: Pair, key: string): Edit | undefined {
	if (!isScalar(name) || !name.range || (value !== null && !isScalar(value))) return undefined;
	const colon = text.indexOf(":", name.range[1]) + 1;
	if (value === null || value.source === "" || !value.range) return { start: colon, end: colon, insert: ` ${key}` };
	if (value.type === "BLOCK_FOLDED" || value.type === "BLOCK_LITERAL") return undefined;
	return { start: value.range[0], end: value.range[1], insert: key };
}

/** Asks one host for its keys. Throws TrustError where it does not answer in time. */
async function scan({ address, port }: Pick<Target, "address" | "port">, bastion?: Client): Promise<string[]> {
	let reason = "";
	const keys = await shownKeys(address, port, SCAN_SECONDS, bastion).catch((error: Error) => {
		reason = bastion ? ` by the bastion (${error.message})` : "";
		return [];
	});
	if (keys.length === 0)
		throw new TrustError(
			`no SSH host key from ${address} port ${port}${reason} within ${SCAN_SECONDS} s. Check that the host is up and its address and port are right.`,
		);
	return keys.map(parseHostKey);
}

/** The whole dialogue for one stack's file. True when every host's key is in it at the end. `secret` is asked where hosts are behind a bastion, which lets in who has the key. */
export async function trust(file: string, terminal: Terminal, isYes: boolean, secret: Secret): Promise<boolean> {
	const text = readFileSync(file, "utf8");
	if (!stackReach(text).bastion) return settle(file, targetsIn(text), terminal, isYes);
	const own = bastionIn(text);
	if (own && !(await settle(file, [own], terminal, isYes))) {
		terminal.print("The hosts are behind the bastion, and were not asked: its key is not trusted.");
		return false;
	}
	const fresh = readFileSync(file, "utf8"); // with the bastion's key
	const { bastion, ...login } = await loginOf(fresh, secret);
	const client = await connect(bastion as StackHost, login).catch((error: Error) => {
		throw new TrustError(`the bastion ${bastion?.address} did not let in: ${error.message}. Its key is trusted; no other host was asked.`);
	});
	try {
		return await settle(file, targetsIn(fresh), terminal, isYes, client);
	} finally {
		client.end();
	}
}

async function settle(file: string, targets: Target[], terminal: Terminal, isYes: boolean, bastion?: Client): Promise<boolean> {
	const text = readFileSync(file, "utf8");
	const found = await Promise.all(targets.map(async (target) => ({ target, keys: await scan(target, bastion).catch((error: Error) => error) })));
	const agreed = new Map<Place, string>();
	const fresh = new Map<Place, string>();
	const changes = new Map<Place, { label: string; trusted: string; best: string }>();
	for (const { target, keys } of found) {
		const label = `${target.name} (${target.address}${target.port === 22 ? "" : ` port ${target.port}`})`;
		const best = keys instanceof Error ? undefined : keys[0];
		if (keys instanceof Error || best === undefined) terminal.print(`${label}: ${(keys as Error).message}`);
		else if (target.trusted === undefined) {
			terminal.print(`${label}: new: ${fingerprint(best)}`);
			fresh.set(target.place, best);
		} else if (keys.includes(target.trusted)) {
			terminal.print(`${label}: trusted already: ${fingerprint(target.trusted)}`);
			agreed.set(target.place, target.trusted);
		} else changes.set(target.place, { label, trusted: target.trusted, best });
	}
	const changed = [...changes].map(([place, { best }]): [Place, string] => [place, best]);
	if (fresh.size + changed.length > 0) withHostKeys(text, new Map([...fresh, ...changed])); // refused before anything is asked
	for (const [place, { label, trusted, best }] of changes) if (await asksAboutChange(label, trusted, best, terminal)) agreed.set(place, best);
	if (fresh.size > 0 && (isYes || (await asksAboutNew(file, fresh.size, terminal)))) for (const [place, key] of fresh) agreed.set(place, key);
	const written = new Map([...agreed].filter(([place, key]) => targets.find((target) => target.place === place)?.trusted !== key));
	if (written.size > 0) replaceFile(file, text, withHostKeys(text, written));
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
/** Whole or not at all, with the old one's mode and owner. A link stays a link. */
function replaceFile(file: string, old: string, text: string): void {
	if (readFileSync(file, "utf8") !== old) throw new TrustError("somebody changed it meanwhile, and nothing was written. Run this again.");
	const target = realpathSync(file);
	const { mode, uid, gid } = statSync(target);
	const beside = `${target}.${process.pid}.new`;
	try {
		writeFileSync(beside, text, { flag: "wx", mode: 0o600, flush: true });
		if (process.getuid?.() === 0) chownSync(beside, uid, gid);
		chmodSync(beside, mode & 0o7777);
		renameSync(beside, target);
	} catch (error) {
		rmSync(beside, { force: true });
		throw new TrustError(`can't write beside ${target}: ${(error as Error).message}. It stays as it was.`);
	}
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
		return (await trust(file, dialogue, args.includes("--yes"), secretsOf(stack))) ? 0 : 1;
	} catch (error) {
		if (![TrustError, KeyError, StackFileError, LoginError, RunError].some((kind) => error instanceof kind)) throw error;
		process.stderr.write(`${printable((error as Error).message.replace(/^/gm, `${file}: `))}\n`);
		return 1;
	} finally {
		close();
	}
}
if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
