// How every script of this project runs on a host: one command line, in an environment of its own making. Pure, for all who send scripts.

/** The first line that such a run prints on stdout. What a profile or a login shell printed comes before it. */
export const BEGIN = "kubeadm-lab: begin";

// A login brings whatever sshd, PAM, sudo and profiles put there: proxies, GREP_OPTIONS, BASH_ENV, exported functions, shell options, a HOME with a .curlrc or
// a .rpmmacros. Nothing of it stays: -p keeps the first bash from reading any of it, env -i drops it. HOME is a folder that is nowhere.
// The names of its own are for tests, which play a host with them (cluster/steps/lib/common.sh); env is where coreutils put it in every CentOS and Debian.
// Words that sh, bash, zsh, csh and fish read alike, as the login shell may be any: single quotes, without a quote, a backslash or an exclamation mark inside.
// exec: or a trap in a profile could print behind the script. --norc: bash reads ~/.bashrc with -c too where its stdin is a socket, as rshd's was.
const OWN = ["KUBEADM_LAB_ROOT", "KUBEADM_LAB_LOCK_SECONDS"].map((name) => `\${${name}+"${name}=$${name}"}`).join(" ");
const CLEAN = `exec /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent ${OWN} /bin/bash --norc -c "$0" kubeadm-lab "$1"`;
// Reads the whole script, then runs it: `bash -s` takes it from the channel byte by byte, which costs a host 10 ms for each probe.
const READ = `echo ${BEGIN}; eval "$(cat)"`;

/** The command that runs the script in its stdin with a verb. `user` is root, or one who may run `sudo -n`. */
export function scriptCommand(user: string, verb: string): string {
	return `exec ${user === "root" ? "" : "sudo -n "}/bin/bash --norc -p -c '${CLEAN}' '${READ}' ${verb}`;
}

/** What is sent: a profile that asks something, and so takes a line of stdin for each question, gets empty ones. */
export function scriptInput(text: string): string {
	return "\n".repeat(20) + text;
}

/** Of a run's stdout, what the script itself printed; undefined where none began. */
export function scriptOutput(stdout: string): string | undefined {
	const start = stdout.indexOf(`${BEGIN}\n`);
	return start < 0 ? undefined : stdout.slice(start + BEGIN.length + 1);
}
