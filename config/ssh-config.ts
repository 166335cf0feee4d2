// What OpenSSH makes of its user's configuration (ssh_config(5)) for one host: `ssh -G` is asked, which connects nowhere. That file is not read here.
import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { printable } from "../printable.ts";

/** ssh can't be asked, or does not take its configuration. */
export class SshConfigError extends Error {}

/** What goes before the configuration, as on ssh's command line. */
export interface SshLogin {
	user?: string | undefined;
	port?: number | undefined;
}
export interface SshAnswer {
	/** Where ssh would connect to: HostName, or else the name that was asked for, in lower case. */
	hostName: string;
	user: string;
	port: number;
	/** `[user@]host[:port]`, several with commas between. Undefined: none. */
	proxyJump: string | undefined;
	hasProxyCommand: boolean;
	/** In the order in which ssh tries them; some may not be there. */
	identityFiles: string[];
	hasCertificate: boolean;
	/** The agent's socket where it is not that of SSH_AUTH_SOCK. */
	identityAgent: string | undefined;
	/** The user's files, then the machine's. */
	knownHostsFiles: string[];
	hostKeyAlias: string | undefined;
	/** All that ssh says, but for where the host is: the same for two hosts of which the configuration says the same. */
	text: string;
}

const ANSWER_SECONDS = 10; // 7 ms on two cores; but `Match exec` runs what it likes, and CanonicalizeHostname asks the DNS

/**
 * `host` may be any text: it reaches ssh as a host's name, never as an option.
 * @throws SshConfigError
 */
export function askSsh(host: string, { user, port }: SshLogin = {}, seconds = ANSWER_SECONDS): SshAnswer {
	const login = [...(user === undefined ? [] : ["-l", user]), ...(port === undefined ? [] : ["-p", String(port)])];
	const options = { encoding: "utf8", timeout: seconds * 1000, killSignal: "SIGKILL" } as const;
	const { error, status, stdout, stderr } = spawnSync("ssh", ["-T", "-G", ...login, "--", host], options);
	const asked = `ssh -G ${printable(host)}`;
	const { code } = (error ?? {}) as NodeJS.ErrnoException;
	if (code === "ENOENT")
		throw new SshConfigError("found no ssh on PATH. Install OpenSSH's client, or set sshConfig: false and say in this file how the hosts are reached.");
	if (code === "ETIMEDOUT") throw new SshConfigError(`${asked} was not done after ${seconds} s. Look for a Match exec in ssh's configuration, and at the DNS.`);
	if (error || status !== 0) {
		const said = error?.message ?? stderr.trim().split(/\r?\n/).slice(0, 3).join("; ").slice(0, 400);
		throw new SshConfigError(`${asked} failed: ${said}. Correct ssh's configuration, or set sshConfig: false.`);
	}
	return answerIn(stdout, host);
}

function answerIn(stdout: string, name: string): SshAnswer {
	const values = new Map<string, string[]>();
	for (const [, key = "", value = ""] of stdout.matchAll(/^(\S+) (.*)$/gm)) values.set(key, [...(values.get(key) ?? []), value]);
	const all = (key: string) => (values.get(key) ?? []).filter((value) => value !== "none");
	const one = (key: string) => all(key)[0];
	const [hostName = name, user = "", hostKeyAlias] = [one("hostname"), one("user"), one("hostkeyalias")];
	const port = Number(one("port"));
	const text = (given: string) => withTokens(given, { name, hostName, user, port, hostKeyAlias });
	const jump = one("proxyjump");
	const agent = one("identityagent");
	return {
		hostName,
		user,
		port,
		proxyJump: jump === undefined ? undefined : text(jump),
		hasProxyCommand: one("proxycommand") !== undefined,
		identityFiles: all("identityfile").map((file) => withHome(text(file))),
		hasCertificate: one("certificatefile") !== undefined,
		identityAgent: agent === "SSH_AUTH_SOCK" ? undefined : agent,
		knownHostsFiles: ["userknownhostsfile", "globalknownhostsfile"].flatMap((key) => all(key).flatMap(pathsIn)).map((file) => withHome(text(file))),
		hostKeyAlias,
		text: stdout.replaceAll(/^(host|hostname) .*\n/gm, ""),
	};
}
/** ssh prints paths of one line with a space between, and no quotes: a path that has spaces is told by its file. */
const pathsIn = (line: string): string[] => (isFile(line) ? [line] : line.split(" "));

/** OpenSSH 9.2 puts the TOKENS of ssh_config(5) into known_hosts files itself, into nothing else. What is not known here stays as it is. */
function withTokens(given: string, { name, hostName, user, port, hostKeyAlias = name }: Partial<SshAnswer> & { name: string }): string {
	if (!/[%$]/.test(given)) return given;
	const { uid, username, homedir } = userInfo();
	const own = {
		"%": "%",
		d: homedir,
		h: hostName,
		i: uid,
		k: hostKeyAlias,
		L: hostname().split(".")[0],
		l: hostname(),
		n: name,
		p: port,
		r: user,
		u: username,
	};
	const tokens = new Map(Object.entries(own));
	return given.replaceAll(/%(.)|\$\{(\w+)\}/g, (as, token, variable) => String(tokens.get(token) ?? process.env[variable ?? ""] ?? as));
}
/** ssh takes the home folder of the user's entry in passwd, whatever HOME says. */
const withHome = (path: string): string => (path.startsWith("~/") ? userInfo().homedir + path.slice(1) : path);

/** Whether it is a file that can be read. */
export function isFile(path: string): boolean {
	try {
		accessSync(path, constants.R_OK);
		return statSync(path).isFile();
	} catch {
		return false;
	}
}
