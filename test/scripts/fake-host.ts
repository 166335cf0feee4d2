// A folder that plays a host's file system, with stand-ins for the commands that would change a real one: what a script does can be seen without root.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { COMMON_FILES, stepText, stripComments } from "../../cluster/step-text.ts";
import { scriptCommand, scriptInput, scriptOutput } from "../../provider/shell.ts";
import { shellFile, stepFile } from "./shell-files.ts";
import { SAMPLE_HOSTS, type SampleHost, sampleSettings } from "./verbs.ts";

type Settings = ReturnType<typeof sampleSettings>;
export interface Answer {
	status: number | null;
	stdout: string;
	stderr: string;
}

/** A systemctl: every unit it is asked about exists but for `units/<unit>.missing`, at which is-enabled ends; `.enabled` and `.active` hold its state, `calls` what was asked. */
export const SYSTEMCTL = `units="\${KUBEADM_LAB_ROOT}/units"
verb="" names=()
for word in "$@"; do case "\${word}" in -*) ;; *) if [[ -z "\${verb}" ]]; then verb="\${word}"; else names+=("\${word%.service}"); fi ;; esac; done
mkdir -p "\${units}"
status=0
for name in "\${names[@]}"; do
  case "\${verb}" in
  is-enabled)
    [[ ! -e "\${units}/\${name}.missing" ]] || exit 1
    cat "\${units}/\${name}.enabled" 2>/dev/null || { echo disabled; status=1; }
    ;;
  is-active) cat "\${units}/\${name}.active" 2>/dev/null || { echo inactive; status=3; } ;;
  enable) echo enabled >"\${units}/\${name}.enabled" ;;
  disable) echo disabled >"\${units}/\${name}.enabled" ;;
  start | restart) echo active >"\${units}/\${name}.active" ;;
  stop) echo inactive >"\${units}/\${name}.active" ;;
  cat) [[ ! -e "\${units}/\${name}.missing" ]] || exit 1 ;;
  esac
done
exit "\${status}"`;

export class FakeHost {
	readonly root: string;
	/** Removes its folder when the test is over. */
	constructor(test: Pick<TestContext, "after">) {
		this.root = mkdtempSync(join(tmpdir(), "kubeadm-lab-test-"));
		test.after(() => rmSync(this.root, { recursive: true, force: true }));
		for (const folder of ["run/lock", "units"]) mkdirSync(join(this.root, folder), { recursive: true });
		this.command("systemctl", SYSTEMCTL);
		// Looks that would otherwise see the machine that the test runs on.
		this.command("ip", `cat "\${KUBEADM_LAB_ROOT}/addresses" 2>/dev/null || true`);
		this.command(
			"df",
			`case "$*" in *itotal*) printf '%s\\n' size '100 50 100 50' '100 50 100 50' ;; *-B1*) printf '%s\\n' Avail 20000000000 ;; *) printf '%s\\n' Avail 20G ;; esac`,
		);
		for (const name of ["iptables-save", "iptables-nft-save", "iptables-legacy-save", "nft"]) this.command(name);
		if (process.getuid?.() === 0) return;
		this.write("/bin/unshare", '#!/bin/bash\nexec /usr/bin/unshare --map-root-user "$@"\n'); // which a host's root need not ask for
		chmodSync(join(this.root, "bin/unshare"), 0o755);
	}

	/** Makes a command that notes its call in `calls` and then does `body`, a piece of bash. */
	command(name: string, body = ""): void {
		this.write(`/bin/${name}`, `#!/bin/bash\nprintf '%s\\n' "${name} $*" >>"\${KUBEADM_LAB_ROOT}/calls"\n${body}\n`);
		chmodSync(join(this.root, "bin", name), 0o755);
	}
	/** Calls to stand-ins that change something, in order. */
	calls(): string[] {
		const looks = /^(systemctl (is-enabled|is-active|cat|show)|ip(?! (link|netns|address) delete)|df|nft|iptables\S*-save) /;
		return this.exists("/calls")
			? this.read("/calls")
					.replace(/\n$/, "")
					.split("\n")
					.filter((line) => !looks.test(line))
			: [];
	}
	forgetCalls(): void {
		rmSync(join(this.root, "calls"), { force: true });
	}

	write(path: string, text: string): void {
		mkdirSync(dirname(join(this.root, path)), { recursive: true });
		writeFileSync(join(this.root, path), text);
	}
	read(path: string): string {
		return readFileSync(join(this.root, path), "utf8");
	}
	exists(path: string): boolean {
		return existsSync(join(this.root, path));
	}
	/** Every file below `folder` with its content: equal before and after means nothing was lost or left. */
	snapshot(folder: string): Record<string, string> {
		const start = join(this.root, folder);
		const paths = existsSync(start) ? readdirSync(start, { recursive: true, withFileTypes: true }) : [];
		const entries = paths.map((entry): [string, string] => {
			const path = join(entry.parentPath, entry.name);
			return [path.slice(this.root.length), entry.isFile() ? readFileSync(path, "utf8") : entry.isDirectory() ? "folder" : "other"];
		});
		return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
	}

	/** Runs a script as it would be sent to `name`, with sample settings and `changes` over them. */
	run(step: string, verb: string, changes: Settings = {}, name = "k8s-node02"): Answer {
		return this.sent(this.text(step, changes, name), verb);
	}
	text(step: string, changes: Settings = {}, name = "k8s-node02"): string {
		return stepText(stepFile(step), { ...sampleSettings(step, hostNamed(name)), ...changes });
	}
	/** In a bash of the test's own environment. */
	bash(text: string, ...args: string[]): Answer {
		return this.#shell("bash", ["-s", "--", ...args], text);
	}
	/** As every script is sent, through the host's login shell. */
	sent(text: string, verb: string): Answer {
		const answer = this.#shell("sh", ["-c", scriptCommand("root", verb)], scriptInput(text));
		return { ...answer, stdout: scriptOutput(answer.stdout) ?? answer.stdout };
	}
	#shell(command: string, args: string[], input: string): Answer {
		const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: "utf8", env: this.#environment() });
		return { status, stdout, stderr };
	}
	/** Runs it in a process group of its own, which a stand-in may end as a whole. Returns bash's exit status. */
	runInGroup(text: string, verb: string): number | null {
		return spawnSync("setsid", ["--wait", "bash", "-s", "--", verb], { input: text, env: this.#environment() }).status;
	}
	/** Starts it and lets it run. */
	start(text: string, ...args: string[]) {
		const child = spawn("bash", ["-s", "--", ...args], { stdio: ["pipe", "ignore", "ignore"], env: this.#environment(), detached: true });
		child.stdin.end(text);
		return child;
	}
	#environment() {
		return { PATH: process.env.PATH, KUBEADM_LAB_ROOT: this.root, KUBEADM_LAB_LOCK_SECONDS: "10" };
	}
}

function hostNamed(name: string): SampleHost {
	const host = SAMPLE_HOSTS.find((candidate) => candidate.name === name);
	if (!host) throw new Error(`no sample host ${name}`);
	return host;
}

/** A script of a test's own around the common files and those of `files`, for functions that no step shows from outside. */
export function withFiles(body: string, files: string[] = []): string {
	const sources = [...COMMON_FILES, ...files].map((file) => stripComments(shellFile(file.replace(/\.sh$/, "")).text));
	return `readonly STEP='test'\n${sources.join("")}${body}\nmain "$@" </dev/null\n`;
}

/** A step of a test's own that writes one file. */
export const WRITER = withFiles(`
check() { compare_file /etc/app/app.conf - $'new\\n'; }
apply() { write_file /etc/app/app.conf "\${MODE:-0640}" $'new\\n' 'restart app'; }
undo() { restore_file /etc/app/app.conf; finish_undo; }`);
