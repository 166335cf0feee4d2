// Hosts for a provider to probe: a real sshd each, on a loopback address of its own, over a folder that plays a prepared host's file system.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { appendFileSync, cpSync, globSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "../../../provider/hosts.ts";
import { bareHost } from "../../scripts/bare-host.ts";
import type { FakeHost } from "../../scripts/fake-host.ts";

/** In the order in which they are applied. */
export const STEPS = ["identity", "packages", "system", "runtime"];
/** Whose settings they all have. */
export const PLAYED = "k8s-node02";
const PORT = 2286;
const TICKS_A_SECOND = 100; // USER_HZ, the same on every Linux that Node runs on
const START_LIMIT_MS = 20_000;

/** rpm that has every package: what `check` asks of it. */
const RPM = `case "$*" in
-q\\ --qf*) shift 3; for p in "$@"; do echo "0:$p-1.*"; done ;;
-q\\ *) shift; printf '%s\\n' "$@" ;;
esac`;
/** What `check` asks of systemctl, and a start, with no process of its own: the real one is quicker than FakeHost's. */
const SYSTEMCTL = `verb="$1"
shift 2
for name in "$@"; do
  unit="\${KUBEADM_LAB_ROOT}/units/\${name%.service}" now=inactive
  case "\${verb}" in
  is-enabled) read -r now <"\${unit}.enabled" ;;
  is-active) [[ ! -e "\${unit}.active" ]] || read -r now <"\${unit}.active" ;;
  start) echo active >"\${unit}.active" ;;
  esac
  [[ "\${verb}" == start ]] || echo "\${now}"
done`;

/** A host on which every step is in place: each was applied once. */
function preparedHost(test: Parameters<typeof bareHost>[0]): FakeHost {
	const host = bareHost(test);
	host.write("/etc/hosts", "127.0.0.1 localhost\n");
	host.write("/etc/hostname", "localhost\n");
	host.write("/proc/sys/kernel/hostname", "localhost\n");
	host.write("/etc/yum/pluginconf.d/versionlock.conf", "[main]\nlocklist = /etc/yum/pluginconf.d/versionlock.list\n");
	host.write("/etc/yum/pluginconf.d/versionlock.list", "");
	host.command("rpm", RPM);
	for (const name of ["yum", "crictl", "pgrep"]) host.command(name);
	const run = (step: string, verb: string) => {
		const { status, stdout, stderr } = host.run(step, verb, {}, PLAYED);
		if (status !== 0) throw new Error(`${step} ${verb} on the played host: exit status ${status}\n${stdout}${stderr}`);
	};
	for (const step of STEPS) run(step, "apply");
	host.command("systemctl", SYSTEMCTL);
	for (const step of STEPS) run(step, "check");
	return host;
}

/** What is added to each server's settings, and to the variables of a session: NAME=value, with a space between. */
export interface Login {
	settings?: string;
	environment?: string;
}

export class PlayedHosts {
	readonly hosts: Record<string, Host> = {};
	readonly privateKey: string;
	readonly #folder: string;
	readonly #servers = new Map<string, ChildProcess>();

	private constructor() {
		this.#folder = mkdtempSync(join(tmpdir(), "played-hosts-"));
		this.#key("user");
		this.privateKey = readFileSync(join(this.#folder, "user"), "utf8");
	}

	/** Throws where a server does not answer within 20 s. */
	static async start(count: number, login: Login = {}): Promise<PlayedHosts> {
		const played = new PlayedHosts();
		try {
			mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
			const ends: (() => void)[] = [];
			const model = preparedHost({ after: (end: () => void) => void ends.push(end) });
			for (let i = 1; i <= count; i++) played.#make(`host${i}`, `127.86.${i >> 8}.${i & 255}`, model.root, login);
			for (const end of ends) end();
			await Promise.all(Object.keys(played.hosts).map((name) => played.startServer(name)));
			return played;
		} catch (error) {
			await played.stop();
			throw error;
		}
	}

	/** A file of one host's, by its path there. */
	file(name: string, path: string): string {
		return join(this.#folder, name, "root", path);
	}
	write(name: string, path: string, text: string): void {
		writeFileSync(this.file(name, path), text);
	}
	/** One more public key that may log in everywhere. */
	authorize(publicKey: string): void {
		appendFileSync(join(this.#folder, "user.pub"), publicKey);
	}
	async startServer(name: string): Promise<void> {
		// It ends with this process, however that ends.
		const sshd = ["--pdeathsig", "KILL", "/usr/sbin/sshd", "-D", "-f", join(this.#folder, name, "sshd_config"), "-E", join(this.#folder, name, "log")];
		const server = spawn("setpriv", sshd, { stdio: "ignore" });
		this.#servers.set(name, server);
		await untilItAnswers(this.hosts[name]?.address ?? "", server);
	}
	/** Sessions that run go on. */
	async stopServer(name: string): Promise<void> {
		const server = this.#servers.get(name);
		if (!server || server.exitCode !== null || server.signalCode !== null) return;
		server.kill();
		await new Promise((resolve) => server.once("exit", resolve));
	}
	/** A sysctl of one host is no longer what it should be. */
	change(name: string): void {
		writeFileSync(this.file(name, "proc/sys/net/ipv4/ip_forward"), "0\n");
	}
	/** What a host is: each file with its content and the moment it was written. What is locked, what was called and whose records are is left out. */
	audit(name: string): string[] {
		const files = globSync("**", { cwd: this.file(name, "") }).filter((path) => !/^(calls|run\/lock.*|.*\/owner)$/.test(path));
		return files.sort().map((path) => {
			const found = lstatSync(this.file(name, path));
			return `${path} ${found.mode.toString(8)} ${found.isFile() ? `${found.mtimeMs} ${readFileSync(this.file(name, path))}` : ""}`;
		});
	}
	/** Calls to commands that would change a host, since the last time. */
	calls(name: string): string[] {
		const text = readFileSync(this.file(name, "calls"), "utf8");
		writeFileSync(this.file(name, "calls"), "");
		const looks = /^(systemctl (is-enabled|is-active|cat) |rpm -q|getenforce|crictl version|ip(?! (link|netns) delete)|df |nft|iptables\S*-save)/;
		return text.split("\n").filter((line) => line !== "" && !looks.test(line));
	}

	/** What the hosts have worked so far, without sessions that still run. */
	cpuSeconds(): number {
		const ticks = [...this.#servers.values()].flatMap(({ pid }) => {
			const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") "); // proc(5): fields from the third on
			return fields.split(" ").slice(11, 15).map(Number); // utime, stime, and those of ended children
		});
		return ticks.reduce((sum, value) => sum + value, 0) / TICKS_A_SECOND;
	}

	/** What the hosts have sent and received over SSH so far, in KiB, on connections that have ended. Needs the server setting `LogLevel VERBOSE`. */
	trafficKiB(): number {
		let bytes = 0;
		for (const name of Object.keys(this.hosts)) {
			const log = readFileSync(join(this.#folder, name, "log"), "utf8");
			for (const [, sent, received] of log.matchAll(/Transferred: sent (\d+), received (\d+) bytes/g)) bytes += Number(sent) + Number(received);
		}
		return bytes / 1024;
	}

	async stop(): Promise<void> {
		await Promise.all([...this.#servers.keys()].map((name) => this.stopServer(name)));
		rmSync(this.#folder, { recursive: true, force: true });
	}

	#make(name: string, address: string, model: string, { settings = "", environment = "" }: Login): void {
		const folder = join(this.#folder, name);
		cpSync(model, join(folder, "root"), { recursive: true, verbatimSymlinks: true });
		const hostKey = this.#key(`${name}/key`);
		writeFileSync(
			join(folder, "sshd_config"),
			`ListenAddress ${address}:${PORT}
HostKey ${folder}/key
AuthorizedKeysFile ${this.#folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
SetEnv KUBEADM_LAB_ROOT=${folder}/root HOME=${folder}/root ${environment}
${settings}
`,
		);
		this.hosts[name] = { address, port: PORT, user: "root", hostKey };
	}

	#key(name: string): string {
		execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(this.#folder, name)]);
		return readFileSync(join(this.#folder, `${name}.pub`), "utf8")
			.split(" ")
			.slice(0, 2)
			.join(" ");
	}
}

async function untilItAnswers(address: string, server: ChildProcess): Promise<void> {
	for (const end = performance.now() + START_LIMIT_MS; ; await sleep(50)) {
		if (server.exitCode !== null || performance.now() > end)
			throw new Error(`sshd on ${address}:${PORT} did not answer within ${START_LIMIT_MS / 1000} s; is the port taken?`);
		const isUp = await new Promise<boolean>((resolve) => {
			const socket = connect(PORT, address);
			socket.once("error", () => resolve(false)).once("data", () => resolve(socket.destroy() !== undefined));
		});
		if (isUp) return;
	}
}
