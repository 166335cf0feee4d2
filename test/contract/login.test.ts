// What a login brings and does to scripts, with a real SSH server: nothing of it may reach one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { scriptCommand, scriptInput, scriptOutput } from "../../provider/shell.ts";
import { withFiles } from "../scripts/fake-host.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
import { temporaryFolder } from "./support/executable.ts";
import { HostPlugin } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

const PROXIES = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "ftp_proxy"];
const VARIABLES: Record<string, string> = {
	...Object.fromEntries(PROXIES.map((name) => [name, "http://127.0.0.1:9"])),
	GREP_OPTIONS: "--color=always",
	GREP_COLORS: "mt=01;31",
	GREP_COLOR: "1;31",
	POSIXLY_CORRECT: "1",
	CDPATH: "/tmp",
	IFS: "e/",
	TMPDIR: "/is/not/there",
	BASH_ENV: "/is/there",
	ENV: "/is/there",
	SHELLOPTS: "noglob:noclobber:pipefail:xtrace",
	BASHOPTS: "nullglob:nocasematch",
	GLOBIGNORE: "*",
	LANG: "xx_XX.UTF-8",
	LC_ALL: "tr_TR.UTF-8",
	LANGUAGE: "de",
	TZ: "Asia/Shanghai",
	PYTHONPATH: "/tmp",
	PYTHONHOME: "/tmp",
	PERL5LIB: "/tmp",
	KUBECONFIG: "/tmp/config",
	CONTAINER_RUNTIME_ENDPOINT: "unix:///tmp/x",
	DOCKER_HOST: "tcp://127.0.0.1:9",
	DOCKER_CONFIG: "/tmp",
	CURL_HOME: "/tmp",
	SSL_CERT_FILE: "/is/not/there",
	CURL_CA_BUNDLE: "/is/not/there",
	OPENSSL_CONF: "/is/not/there",
	SYSTEMD_PAGER: "less",
	SYSTEMD_COLORS: "1",
	PAGER: "less",
	XDG_CONFIG_HOME: "/tmp",
	XDG_CACHE_HOME: "/tmp",
	LESS: "-R",
	AWKPATH: "/tmp",
	LD_LIBRARY_PATH: "/tmp",
	COLUMNS: "10",
	DF_BLOCK_SIZE: "1M",
	BLOCK_SIZE: "1M",
	GODEBUG: "x=1",
	PS4: "+",
	PROMPT_COMMAND: "echo hello",
	TIME_STYLE: "full-iso",
	QUOTING_STYLE: "c",
	STEP: "other",
	ROOT: "/tmp",
	RECORDS: "/tmp",
};
const QUESTIONS = 12;
/** Of a person who made himself at home: it asks, greets, sets and leaves a trap. */
const PROFILE = `set +o posix; echo Welcome; echo 'Last login: never' >&2; printf 'no end of line'
${"read -r -p 'Which environment? ' answer\n".repeat(QUESTIONS)}
export SECRET_OF_MINE=1 PATH=/is/not/there:"$PATH"
for name in grep sed cat cd unset echo printf awk curl; do eval "$name() { builtin printf 'not $name\\n'; }"; export -f "$name"; done
shopt -s expand_aliases nullglob failglob nocasematch xpg_echo; alias grep='grep --color=always' ls='ls -l' 2>/dev/null
set -o noglob -o noclobber -o physical -o posix
readonly HOST_NAME=other
export HOST_NAME
trap 'builtin printf "goodbye\\n"' EXIT
umask 077; ulimit -S -f 8; ulimit -S -c unlimited
builtin cd /tmp
`;
/** A step's script, as the provider knows it: without the name in front, which comes with the settings. */
const ofStep = (body: string) => withFiles(body).replace(/^readonly STEP=.*\n/, "");
/** It tells what it has to live with. */
const SCRIPT = ofStep(`takes_no_lock() { :; }
check() { :; }
apply() {
  /usr/bin/env | sort
  printf 'umask %s, folder %s, files %s, core dumps %s, options %s, functions of others %s\\n' "$(umask)" "$PWD" "$(ulimit -f)" "$(ulimit -c)" "$-" "$(declare -F | grep -c ' -fx ' || true)"
  shopt | sed -n 's/^\\(nullglob\\|failglob\\|nocasematch\\|expand_aliases\\|xpg_echo\\)[[:space:]]*//p' | sort -u
  shopt -o | sed -n 's/^\\(noglob\\|noclobber\\|physical\\|posix\\|xtrace\\)[[:space:]]*//p' | sort -u
  grep -o b <<<abc
  bash -c 'declare -F; set -o | grep -c "^\\(errexit\\|nounset\\) *on"' || true
}`);
const EXPECTED = [
	"HOME=/nonexistent",
	"LC_ALL=C",
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"_=/usr/bin/env",
	"umask 0022, folder /, files unlimited, core dumps 0, options ehuBEc, functions of others 0",
	"off",
	"off",
	"b",
	"0",
];
const printedLines = (printed: unknown) => String(printed).trim().split("\n");

let sshd: Sshd;
const home = temporaryFolder();
before(async () => {
	for (const file of [".bashrc", ".bash_profile", ".profile"]) writeFileSync(join(home.path, file), PROFILE);
	writeFileSync(join(home.path, "env"), "echo from BASH_ENV; GREP_OPTIONS=--color=always; export GREP_OPTIONS\n");
	writeFileSync(join(home.path, ".curlrc"), "proxy = http://127.0.0.1:9\n");
	const environment = { ...VARIABLES, BASH_ENV: join(home.path, "env"), ENV: join(home.path, "env"), HOME: home.path };
	const set = Object.entries(environment).map(([name, value]) => `${name}="${value}"`);
	sshd = await Sshd.start(`SetEnv ${set.join(" ")} "BASH_FUNC_sed%%=() { echo not sed; }"`);
});
after(async () => {
	await sshd.remove();
	home.remove();
});

test("a script of the provider meets nothing of the login: variables, functions, options, limits, folder, what a profile says and asks", async () => {
	const plugin = await HostPlugin.start(sshd);
	try {
		const { state } = await plugin.create("it", { host: "one", step: "it", text: SCRIPT });
		assert.deepEqual(printedLines(state.printed), EXPECTED);
		assert.deepEqual(plugin.engine.messages(plugin.urn("it")), [], "what a profile says on stderr is nobody's business");
	} finally {
		await plugin.stop();
	}
});
test("a remote.Command's script meets nothing of it either, and what the login prints is told from what it prints", async () => {
	const plugin = await CommandPlugin.start();
	try {
		const connection = sshd.connection();
		const { state } = await plugin.create("it", {
			connection,
			create: scriptCommand("root", "apply"),
			stdin: scriptInput(`readonly STEP='it'\n${SCRIPT}`),
			addPreviousOutputInEnv: false,
		});
		const stdout = (state.stdout as { value?: string }).value ?? String(state.stdout);
		assert.match(stdout, /^Welcome\n/);
		assert.deepEqual(printedLines(scriptOutput(stdout)), EXPECTED);
	} finally {
		await plugin.stop();
	}
});
test("a profile that takes all of the script for its answers fails the step, and nothing ran", async () => {
	const greedy = await Sshd.start(`SetEnv HOME=${home.path}/greedy`);
	const plugin = await HostPlugin.start(greedy);
	try {
		mkdirSync(join(home.path, "greedy"));
		const ran = join(home.path, "ran");
		const text = ofStep(`takes_no_lock() { :; }\ncheck() { :; }\napply() { : >${ran}; }`);
		for (const [profile, said] of [
			["echo 'Your name?'; cat >/dev/null", /the script did not start: .*Your name\?/],
			["for ((i = 0; i < 22; i++)); do read -r line; done", /the first lines of the script are gone: does a profile of this login read stdin\?/],
			["exec cat", /the script did not start/],
			[
				"echo 'This account is currently not available.'; exit 1",
				/the script did not start: exit status 1; the host said: This account is currently not available/,
			],
		] as const) {
			writeFileSync(join(home.path, "greedy/.bashrc"), `${profile}\n`);
			await assert.rejects(plugin.create("it", { host: "one", step: "it", text }), said);
			assert.equal(existsSync(ran), false, profile);
		}
	} finally {
		await plugin.stop();
		await greedy.remove();
	}
});

// Whatever the login shell is, it gets the command line as `shell -c LINE`.
for (const shell of ["sh", "bash", "dash", "busybox sh", "zsh", "tcsh", "csh", "fish", "ksh"].filter(
	(name) => spawnSync("which", name.split(" ").slice(0, 1)).status === 0,
))
	test(`${shell} as login shell runs the script, and a test's own folder is handed on`, () => {
		const [command = "", ...args] = shell.split(" ");
		const run = (env: Record<string, string>) =>
			spawnSync(command, [...args, "-c", scriptCommand("root", "check")], {
				input: scriptInput(`echo "$1" "\${KUBEADM_LAB_ROOT-none}" "$(cat /dev/stdin)"\n`),
				encoding: "utf8",
				env,
			});
		assert.equal(scriptOutput(run({ PATH: process.env.PATH ?? "" }).stdout), "check none \n");
		assert.equal(scriptOutput(run({ PATH: process.env.PATH ?? "", KUBEADM_LAB_ROOT: "/a b" }).stdout), "check /a b \n");
	});
