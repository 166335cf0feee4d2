// How every script of this project runs on a host: one command line, in an environment of its own making, with its settings in front. Pure, for all who send scripts.
import { createHash } from "node:crypto";

/** The first line that such a run prints on stdout. What a profile or a login shell printed comes before it. */
export const BEGIN = "kubeadm-lab: begin";

// A login brings whatever sshd, PAM, sudo and profiles put there: proxies, GREP_OPTIONS, BASH_ENV, exported functions, shell options, a HOME with a .curlrc or
// a .rpmmacros. Nothing of it stays: -p keeps the first bash from reading any of it, env -i drops it. HOME is a folder that is nowhere.
// The names of its own are for tests, which play a host with them (cluster/steps/lib/common.sh); env is where coreutils put it in every CentOS and Debian.
// Words that sh, bash, zsh, csh and fish read alike, as the login shell may be any: single quotes, without a quote, a backslash or an exclamation mark inside.
// exec: or a trap in a profile could print behind the script. --norc: bash reads ~/.bashrc with -c too where its stdin is a socket, as rshd's was.
const OWN = ["KUBEADM_LAB_ROOT", "KUBEADM_LAB_LOCK_SECONDS"].map((name) => `\${${name}+"${name}=$${name}"}`).join(" ");
// ulimit: what is read from here on is in a core dump too, and a login may allow one.
const NO_DUMP = "ulimit -c 0";
const CLEAN = `${NO_DUMP}; exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent ${OWN} /bin/bash --norc -c "$0" kubeadm-lab "$1"`;
// Reads the whole script, then runs it: `bash -s` takes it from the channel byte by byte, which costs a host 10 ms for each probe.
const READ = `echo ${BEGIN}; eval "$(cat)"`;

/** What a script says whose settings did not arrive; every script says so too (cluster/steps/lib/common.sh). */
export const LINES_GONE = "the first lines of the script are gone: does a profile of this login read stdin?";
// For a sudo that asks. The password comes as a line of stdin of its own, which this bash takes, so it is in no command line, no environment and no file. sudo gets
// it from a pipe that only the user's own processes can open: as its askpass program it runs cat on what it takes for the prompt, a path. So it is not read
// where sudo does not ask (NOPASSWD) and never reaches the script; and a wrong one is tried once, since the pipe is empty then, which is to sudo as Ctrl-C at
// its prompt. (By sudo -S it would try the script's lines next, and two more tries lock some accounts.) -k: no cached login is made or used.
// LC_ALL: what sudo says is read. IFS ends with a line's end. The exit at the end keeps bash from becoming sudo: the pipe is this process's.
const MARK = "sudo:";
const ASKED = [
	NO_DUMP,
	`line=; while IFS= read -r line; do [[ "$line" == ${MARK}* ]] && break; line=; done`,
	`if [[ -z "$line" ]]; then echo "${LINES_GONE}" >&2; exit 1; fi`,
	`exec 3< <(printf "%s\${IFS:2}" "\${line#${MARK}}"); line=`,
	`LC_ALL=C SUDO_ASKPASS=/bin/cat sudo -k -A -p "/proc/$$/fd/3" /bin/bash --norc -p -c "$0" "$1" "$2"`,
	"exit",
].join("; ");

/** The password that a user's scripts need: none where they run without sudo. */
export function passwordOf<T>(user: string, password: T): T | undefined {
	return user === "root" ? undefined : password;
}
/**
 * The command that runs the script in its stdin with a verb. `user` is root, or one who may run `sudo -n`, or with a password: then that must be in stdin too.
 */
export function scriptCommand(user: string, verb: string, hasPassword = false): string {
	const bash = "/bin/bash --norc -p -c";
	if (user === "root") return `exec ${bash} '${CLEAN}' '${READ}' ${verb}`;
	return hasPassword ? `exec ${bash} '${ASKED}' '${CLEAN}' '${READ}' ${verb}` : `exec sudo -n ${bash} '${CLEAN}' '${READ}' ${verb}`;
}

/** What is sent: a profile that asks something, and so takes a line of stdin for each question, gets empty ones. */
export function scriptInput(text: string, password?: string): string {
	return "\n".repeat(20) + (password === undefined ? "" : `${MARK}${password}\n`) + text;
}

/** Of a run's stdout, what the script itself printed; undefined where none began. */
export function scriptOutput(stdout: string): string | undefined {
	const start = stdout.indexOf(`${BEGIN}\n`);
	return start < 0 ? undefined : stdout.slice(start + BEGIN.length + 1);
}

/** What a script may be given: booleans reach it as yes or no, lists as bash arrays. */
export type Setting = string | number | boolean | string[];

/** Quotes any text as one word for bash; throws on NUL, which no shell can hold. */
export function shellQuote(text: string): string {
	if (text.includes("\0")) throw new Error(`a shell value can't hold a NUL character: ${JSON.stringify(text.slice(0, 40))}`);
	return `'${text.replaceAll("'", "'\\''")}'`;
}
/** The name of a setting, as bash has it. */
export const SETTING_NAME = /^[A-Z][A-Z0-9_]*$/;

function assignment(name: string, value: Setting): string {
	if (!SETTING_NAME.test(name)) throw new Error(`${name} is not a setting's name: use capitals, digits and underscores`);
	if (Array.isArray(value)) return `readonly ${name}=(${value.map(shellQuote).join(" ")})`;
	return `readonly ${name}=${shellQuote(typeof value === "boolean" ? (value ? "yes" : "no") : String(value))}`;
}
/** What comes in front of a step's script: its name and its settings, in the order of their names. */
export function settingsText(step: string, settings: Readonly<Record<string, Setting>>): string {
	const assignments = Object.keys(settings)
		.sort()
		.map((name) => assignment(name, settings[name] as Setting));
	return `${[`readonly STEP=${shellQuote(step)}`, ...assignments].join("\n")}\n`;
}

const DIGITS = 16;
/** The beginning of a text's SHA-256, in hexadecimal digits. */
export function digest(text: string): string {
	return createHash("sha256").update(text).digest("hex").slice(0, DIGITS);
}
/** What a script is called on hosts and in the state: the step's name and the beginning of the script's SHA-256, such as `system-0123456789abcdef`. */
export function scriptName(step: string, script: string): string {
	return `${step}-${digest(script)}`;
}
/** Where a host keeps scripts (cluster/steps/scripts.sh). A step's settings come before, so it knows its own name, and its Node's where it has one. */
const KEPT = `"\${KUBEADM_LAB_ROOT:-}/var/lib/kubeadm-lab/scripts"`;
/** Runs what SCRIPT names if the host has it whole. */
const RUN_KEPT = `if [[ -n "$SCRIPT" && "$(sha256sum 2>/dev/null <${KEPT}/texts/"$SCRIPT")" == "\${SCRIPT##*-}"* ]] 2>/dev/null; then eval "$(<${KEPT}/texts/"$SCRIPT")"`;
/** Exit status of a host that does not have the script. Nothing ran, and nothing was printed. */
export const NOT_KEPT = 86;
/** Behind the settings, SCRIPT among them: runs the script of this name that the host keeps, or ends with NOT_KEPT. */
export const KEPT_SCRIPT = `${RUN_KEPT}; else exit ${NOT_KEPT}; fi\n`;
/** The same for who knows no script's name: an undo runs what its apply ran, everything else the version that the host was brought last. */
export const CURRENT_SCRIPT = `SCRIPT=; : "\${STEP:?${LINES_GONE}}"
[[ $1 != undo ]] || { read -r SCRIPT <${KEPT}/used/"$STEP\${NODE_NAME:+.$NODE_NAME}"; } 2>/dev/null || true
[[ -n "$SCRIPT" ]] || { read -r SCRIPT <${KEPT}/current/"$STEP"; } 2>/dev/null || true
${RUN_KEPT}
else
  echo "$STEP: this host does not have the script \${SCRIPT:-of this step}, or not whole. To bring it again: pulumi up" >&2
  exit ${NOT_KEPT}
fi
`;
