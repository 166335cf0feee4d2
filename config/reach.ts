// The way to each host: user, port, bastion, private key and host keys; from the stack's file, and with sshConfig what that leaves out from OpenSSH's configuration.
import { isIP } from "node:net";
import { findKnownHost } from "./host-keys.ts";
import { KeyError, parseHostKey, readKeyFile } from "./keys.ts";
import type { Report } from "./problems.ts";
import { type Read, readFields } from "./read.ts";
import { BASTION_FIELDS, type KEYS } from "./schema.ts";
import { askSsh, isFile, type SshAnswer, SshConfigError, type SshLogin } from "./ssh-config.ts";

type Top = Pick<Read<typeof KEYS>, "sshConfig" | "sshUser" | "sshPort" | "knownHostsFile" | "sshPrivateKey" | "sshPrivateKeyFile" | "sshAgent">;
type Bastion = Read<typeof BASTION_FIELDS>;
interface End extends SshLogin {
	name?: string | undefined;
	address?: string | undefined;
	hostKey?: string | undefined;
}
type Reached<E> = E & { user: string; port: number };
/** The private key's file, or why there is none. */
export type Identity = { file: string } | { problem: string };
export interface Reach<H> {
	hosts: Reached<H>[];
	bastion?: Reached<Bastion>;
	/** Whether the bastion is a ProxyJump, and not in the stack's file. Its host key is known then. */
	isJump: boolean;
	/** Where the stack's file says nothing of a private key. */
	identity?: Identity;
}
/** A host, what people call it, and what ssh says of it. */
interface Asked<E> {
	label: string;
	end: E;
	answer: SshAnswer;
}
type Ask = (host: string, login?: SshLogin) => SshAnswer;

/** What was read of a stack's file, completed. Undefined where a problem was reported that leaves the way open. Contacts no host. */
export function reachOf<H extends End>({ top, hosts, bastion }: { top: Top; hosts: H[]; bastion: Bastion | undefined }, report: Report): Reach<H> | undefined {
	const given = ({ user, port }: SshLogin): SshLogin => ({ user: user ?? (top.sshUser || undefined), port: port ?? (top.sshPort || undefined) });
	if (!top.sshConfig) {
		const plain = <E extends SshLogin>(end: E): Reached<E> => ({ ...end, user: given(end).user ?? "root", port: given(end).port ?? 22 });
		return { hosts: hosts.map(plain), ...(bastion ? { bastion: plain(bastion) } : {}), isJump: false };
	}
	const ends: End[] = bastion ? [...hosts, bastion] : hosts;
	if (ends.some(({ address }) => address === undefined)) return undefined; // reported already
	try {
		const ask = oncePerQuestion();
		const asked = hosts.map((end) => ({ label: labelOf(end), end, answer: askForHost(end, given(end), ask) }));
		const hop = bastion ? { label: labelOf(bastion), end: bastion, answer: ask(labelOf(bastion), given(bastion)) } : jumpOf(asked, ask, report);
		if (hop) refuseSecondHop(hop, report);
		const keyOf = knownKeys(top.knownHostsFile ?? "");
		const whole = <E extends End>({ label, end, answer }: Asked<E>): Reached<E> => {
			const { user, port } = answer;
			readFields({ user: BASTION_FIELDS.user, port: BASTION_FIELDS.port }, { user, port }, ["sshConfig", label], report);
			const hostKey = end.hostKey ?? keyOf(String(end.address), answer);
			return { ...end, user, port, ...(hostKey === undefined ? {} : { hostKey }) };
		};
		const reached = hop && whole(hop);
		if (hop && !bastion && reached?.hostKey === undefined) {
			report("sshConfig", unknownKeyText(hop, top.knownHostsFile ?? ""));
			return undefined;
		}
		const isJump = !bastion && hop !== undefined;
		const isStated = top.sshPrivateKey || top.sshPrivateKeyFile || top.sshAgent;
		return {
			hosts: asked.map(whole),
			...(reached ? { bastion: reached } : {}),
			isJump,
			...(isStated ? {} : { identity: identityOf(isJump ? [...asked, hop] : asked) }),
		};
	} catch (error) {
		if (!(error instanceof SshConfigError)) throw error;
		report("sshConfig", error.message);
		return undefined;
	}
}
const labelOf = ({ name, address }: End): string => name ?? address ?? "?";

/** Asks ssh the same thing once. */
function oncePerQuestion(): Ask {
	const answers = new Map<string, SshAnswer>();
	return (host, login = {}) => {
		const question = JSON.stringify([host, login]);
		const answer = answers.get(question) ?? askSsh(host, login);
		answers.set(question, answer);
		return answer;
	};
}
/** Of an address that is nobody's (RFC 5737) ssh says what it says of any host. */
const NOBODY = "198.51.100.255";
const NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/;
/**
 * By its name, where HostName there is its address: else the entry may be another machine's, and the address is asked for. Of names that only a DNS knows (`Host k8s-*`
 * without HostName) ssh can't tell the address: they count where its configuration has nothing on the address.
 */
function askForHost({ name = "", address = "" }: End, login: SshLogin, ask: Ask): SshAnswer {
	const named = NAME.test(name) ? ask(name, login) : undefined; // a command may have read any text
	if (named?.hostName === address) return named;
	const addressed = ask(address, login);
	const isSilent = addressed.text === ask(NOBODY, login).text;
	return named && isSilent && isIP(named.hostName) === 0 ? named : addressed;
}

const FORWARD = "Pulumi's command plugin goes through no more than one. Forward a port of this machine to the last (ssh -L), and set bastion to that port.";
const JUMP = /^(?:([^,]+)@)?(?:\[([^\]]+)\]|([^@:[\],]+))(?::(\d+))?$/;
/** The one ProxyJump of all these hosts. Undefined: none, or a problem was reported. */
function jumpOf(hosts: Asked<End>[], ask: Ask, report: Report): Asked<Bastion> | undefined {
	const commands = hosts.filter(({ answer }) => answer.hasProxyCommand);
	if (commands.length > 0)
		report(
			"sshConfig",
			`found a ProxyCommand for ${labels(commands)}; expected ProxyJump with one host, or neither: Pulumi's command plugin runs no command to reach a host. Use ProxyJump there, or set bastion.`,
		);
	const ways = new Map<string, { hosts: Asked<End>[]; hop: Asked<Bastion> | undefined }>();
	for (const host of hosts) {
		const { proxyJump } = host.answer;
		const [isOne, user, numeric, name = numeric, port] = proxyJump?.match(JUMP) ?? [];
		if (proxyJump !== undefined && !isOne) {
			report("sshConfig", `found ProxyJump ${proxyJump} for ${host.label}; expected one host: ${FORWARD}`);
			return undefined;
		}
		const answer = name === undefined ? undefined : ask(name, { user, port: port === undefined ? undefined : Number(port) });
		const way = answer ? `by ${answer.user}@${answer.hostName} port ${answer.port}` : "directly";
		const hop = name !== undefined && answer ? { label: name, end: { address: answer.hostName }, answer } : undefined;
		ways.set(way, { hosts: [...(ways.get(way)?.hosts ?? []), host], hop });
	}
	const [hop, ...more] = [...ways.values()].flatMap((way) => way.hop ?? []);
	const direct = ways.get("directly")?.hosts.filter(({ end }) => end.address !== hop?.end.address) ?? []; // the jump host may be one of the hosts
	if (more.length > 0 || (hop && direct.length > 0)) {
		const found = [...ways].map(([way, own]) => `${labels(own.hosts)} ${way}`).join(", ");
		report("sshConfig", `found ${found}; expected one way to all hosts: the program has one bastion. Set bastion, or give all the same ProxyJump.`);
		return undefined;
	}
	const { address } = hop ? readFields({ address: BASTION_FIELDS.address }, hop.end, ["sshConfig", hop.label], report) : {};
	return address === undefined ? undefined : hop;
}
function refuseSecondHop({ label, answer: { proxyJump, hasProxyCommand } }: Asked<End>, report: Report): void {
	const way = proxyJump === undefined ? "a ProxyCommand" : `ProxyJump ${proxyJump}`;
	if (proxyJump !== undefined || hasProxyCommand) report("sshConfig", `found ${way} for the bastion ${label}; expected none: ${FORWARD}`);
}
const labels = (asked: Asked<End>[]): string => asked.map(({ label }) => label).join(", ");

/** The key by which ssh knows a host: in the stack's knownHostsFile, else in ssh's own files. */
function knownKeys(knownHostsFile: string): (address: string, answer: SshAnswer) => string | undefined {
	const texts = new Map<string, string>();
	const textOf = (file: string) => {
		const text = texts.get(file) ?? quietly(() => readKeyFile(file)) ?? "";
		texts.set(file, text);
		return text;
	};
	return (address, { hostName, port, hostKeyAlias, knownHostsFiles }) => {
		const text = (knownHostsFile === "" ? knownHostsFiles : [knownHostsFile]).map(textOf).join("\n");
		const names: [string, number][] = hostKeyAlias === undefined ? [hostName, address].map((name) => [name, port]) : [[hostKeyAlias, 22]]; // an alias has no port
		const key = names.map(([name, at]) => findKnownHost(text, name, at)).find((found) => found !== undefined);
		return key && quietly(() => parseHostKey(key));
	};
}
/** Undefined where there is no such file or key: the host's key is then missing, which is reported. */
function quietly<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch (error) {
		if (!(error instanceof KeyError)) throw error;
		return undefined;
	}
}
function unknownKeyText({ label, answer: { hostName, port, knownHostsFiles } }: Asked<End>, knownHostsFile: string): string {
	const files = knownHostsFile === "" ? knownHostsFiles.join(", ") || "no known_hosts file" : knownHostsFile;
	return `found no host key of ${hostName} port ${port} (ProxyJump ${label}) in ${files}; expected one. Log in there once by hand (ssh ${label}), or set bastion, and run: npm run trust -- <stack>`;
}

/** One private key for all of them: the first file of each that is there. */
function identityOf(ends: Asked<End>[]): Identity {
	const byFile = Map.groupBy(ends, ({ answer }) => answer.identityFiles.find((file) => isFile(file) && !file.endsWith(".pub")));
	const [[file] = [], ...more] = [...byFile.keys()].map((one) => [one]);
	if (more.length > 0) {
		const found = [...byFile].map(([one, own]) => `${one ?? "no file that is there"} for ${labels(own)}`).join(", ");
		return {
			problem: `found IdentityFile ${found}; expected one for all. Set sshPrivateKeyFile, or load them into an SSH agent (ssh-add), and set sshAgent: true.`,
		};
	}
	return file === undefined ? { problem: noFileText(ends) } : { file };
}
function noFileText(ends: Asked<End>[]): string {
	const [{ identityFiles, identityAgent, hasCertificate } = { identityFiles: [], identityAgent: undefined, hasCertificate: false }] = ends.map(
		({ answer }) => answer,
	);
	const files = identityFiles.length === 0 ? "no IdentityFile" : `no file of IdentityFile ${identityFiles.join(", ")}`;
	const agent = identityAgent === undefined ? "set sshAgent: true" : `run: export SSH_AUTH_SOCK=${identityAgent}, and set sshAgent: true`;
	const certificate = hasCertificate ? " A CertificateFile can't be used: README.md, Ways in." : "";
	return `found ${files}; expected one with the private key. Does an SSH agent have it, ${agent}; else set sshPrivateKeyFile.${certificate}`;
}
