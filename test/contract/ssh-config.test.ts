// A way to the hosts that is written in nothing but ssh's configuration, gone by the commands and by a whole `pulumi up`: real SSH servers, the real ssh, the real engine.
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { loginOf, onHost, pinnedHosts } from "../../commands/login.ts";
import { trust } from "../../commands/trust.ts";
import { type StackHost, stackReach } from "../../config/stack-file.ts";
import { noSecret, scriptedTerminal } from "../unit/key-servers.ts";
import { base } from "../unit/settings.ts";
import { userSsh } from "../user-ssh.ts";
import { Project } from "./support/project.ts";
import { Sshd } from "./support/sshd.ts";

const root = join(import.meta.dirname, "../..");
const userOf = (name: string, shell: string) => `install -d -m 0755 FOLDER/home; useradd -M -d FOLDER/home -s ${shell} ${name}; echo ${name}:x | chpasswd\n`;

/** The host, where centos may use sudo; and the way there, where jump may do nothing but go on. */
let [sshd, gate]: Sshd[] = [];
before(async () => {
	const sudoers = "cp FOLDER/sudoers /etc/sudoers.d/contract; chmod 0440 /etc/sudoers.d/contract\n";
	sshd = await Sshd.startIn(userOf("centos", "/bin/bash") + sudoers, { sudoers: "centos ALL=(ALL) NOPASSWD: ALL\n" });
	gate = await Sshd.startIn(userOf("jump", "/usr/sbin/nologin"), {}, "AllowUsers jump");
	writeFileSync(join(gate.folder, "authorized_keys"), `${sshd.publicKey("user")}\n`);
});
after(async () => {
	await gate?.remove();
	await sshd?.remove();
});
const logins = (server: Sshd | undefined, user: string): number => server?.log.match(new RegExp(`Accepted publickey for ${user} `, "g"))?.length ?? 0;

/** The configuration of somebody who types `ssh one`, with what its servers' keys are known by: known_hosts lines. */
function sshOf(t: TestContext, jump = "gate", known = `[127.0.0.1]:${gate?.port} ${gate?.publicKey("host")}\n`) {
	const ssh = userSsh(
		t,
		`Host one
  HostName 127.0.0.1
  Port ${sshd?.port}
  User centos
  ProxyJump ${jump}
Host ${jump}
  HostName 127.0.0.1
  Port ${gate?.port}
  User jump
Host *
  IdentityFile FOLDER/key
  UserKnownHostsFile FOLDER/known
  StrictHostKeyChecking no
`,
	);
	writeFileSync(join(ssh.folder, "key"), sshd?.privateKey("user") ?? "");
	writeFileSync(join(ssh.folder, "known"), known);
	const file = join(ssh.folder, "Pulumi.x.yaml");
	writeFileSync(file, "config:\n  kubeadm-lab:sshConfig: true\n  kubeadm-lab:hosts:\n    - { name: one, address: 127.0.0.1, role: worker }\n");
	return { ...ssh, file };
}
const hostKnown = () => `[127.0.0.1]:${sshd?.port} ${sshd?.publicKey("host")}\n`;

test("npm run trust asks the host through the ProxyJump, writes its key, and the commands log in that way", async (t) => {
	const { file, folder } = sshOf(t);
	const before = readFileSync(file, "utf8");
	const terminal = scriptedTerminal(true);
	assert.equal(await trust(file, terminal, false, noSecret), true);
	assert.match(terminal.lines[0] ?? "", new RegExp(`^one \\(127\\.0\\.0\\.1 port ${sshd?.port}\\): new: 256 SHA256:`));
	const text = readFileSync(file, "utf8");
	assert.equal(text, before.replace("role: worker }", `role: worker, hostKey: ${sshd?.publicKey("host")} }`));
	assert.deepEqual([logins(gate, "jump"), logins(sshd, "centos")], [1, 0]);

	const [host] = pinnedHosts(text);
	writeFileSync(join(folder, "step.sh"), 'printf "%s\\n" "$1 $(id -un)"\n');
	const { stdout } = await onHost(host as StackHost, await loginOf(text, noSecret), (runStep) =>
		runStep({ step: pathToFileURL(join(folder, "step.sh")), verb: "check" }),
	);
	assert.equal(stdout, "check root\n");
	assert.deepEqual([logins(gate, "jump"), logins(sshd, "centos")], [2, 1]);
});
test("a host that ssh knows is trusted already, and one that shows another key than ssh knows is asked about", async (t) => {
	const { file, folder } = sshOf(t);
	appendFileSync(join(folder, "known"), hostKnown());
	const [known, other] = [scriptedTerminal(), scriptedTerminal(false)];
	assert.equal(await trust(file, known, false, noSecret), true);
	assert.match(known.lines.join("\n"), /trusted already: .*\n.* is unchanged\.$/);
	appendFileSync(join(folder, "known"), `@revoked * ${sshd?.publicKey("host")}\n[127.0.0.1]:${sshd?.port} ${sshd?.publicKey("other")}\n`);
	assert.equal(await trust(file, other, false, noSecret), false);
	assert.match(other.lines.join("\n"), /ITS KEY IS ANOTHER ONE/);
});
test("a jump host that shows another key than ssh knows gets no login, although StrictHostKeyChecking is off", async (t) => {
	const was = logins(gate, "jump");
	const { file } = sshOf(t, "gate", `[127.0.0.1]:${gate?.port} ${gate?.publicKey("other")}\n`);
	await assert.rejects(trust(file, scriptedTerminal(), false, noSecret), /^Error: the bastion 127\.0\.0\.1 did not let in: .*host key mismatch/);
	assert.equal(logins(gate, "jump"), was);
});

/** As the program hands the way to the provider and to the command plugin. */
const PROGRAM = `
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { Command } from "@pulumi/command/remote/command.js";
import { HostConnections } from ${JSON.stringify(join(root, "cluster/host-provider.ts"))};
import { hostState } from ${JSON.stringify(join(root, "cluster/step.ts"))};
import { loginOf } from ${JSON.stringify(join(root, "commands/login.ts"))};
import { stackReach } from ${JSON.stringify(join(root, "config/stack-file.ts"))};
const { text, step } = JSON.parse(readFileSync("settings.json", "utf8"));
const { hosts, bastion } = stackReach(text);
const end = ({ address, port, user, trusted }: any) => ({ address, port, user, hostKey: trusted });
const login = await loginOf(text, async (key) => { throw new Error(key); });
const privateKey = pulumi.secret(login.privateKey!);
const ssh = { privateKey, dialErrorLimit: 0, perDialTimeoutSeconds: 10, ...(bastion ? { bastion: end(bastion) } : {}) };
const specs = hosts.map((host) => ({ ...end(host), name: host.name, role: "worker" as const, labels: {}, taints: [] }));
const provider = new HostConnections("hosts", { hosts: specs, ssh, steps: [pathToFileURL(step)] });
const connection = ({ address: host, ...to }: any) => ({ host, ...to, privateKey, dialErrorLimit: 0, perDialTimeout: 10 });
for (const host of specs) {
	hostState(host.name, { host: host.name, step: pathToFileURL(step), settings: {} }, { provider });
	const { name, role, labels, taints, ...to } = host;
	new Command(name, { connection: { ...connection(to), proxy: connection(ssh.bastion) }, create: "id -un", addPreviousOutputInEnv: false });
}
`;
test("a whole pulumi up goes that way, and from a machine that has the same way under another name, or in the stack's file, nothing is to be done", async (t) => {
	const { file, folder } = sshOf(t);
	appendFileSync(join(folder, "known"), hostKnown());
	const step = join(folder, "step.sh");
	writeFileSync(step, 'case "$1" in apply) id -un ;; esac\n');
	const project = new Project(PROGRAM, { host: join(root, "provider") });
	t.after(() => project.remove());
	await project.init();
	const up = async (text: string, ...more: string[]) => {
		project.settings({ text, step });
		const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test", ...more);
		assert.equal(code, 0, output);
		return output;
	};
	const was = [logins(gate, "jump"), logins(sshd, "centos")] as const;
	assert.match(await up(readFileSync(file, "utf8")), /\+ \d+ created/);
	const outputs = (await project.resources()).map(({ outputs }) => outputs?.printed ?? outputs?.stdout);
	assert.deepEqual(outputs.toSorted(), ["centos", "root"]);
	assert.deepEqual([logins(gate, "jump") - was[0], logins(sshd, "centos") - was[1]], [2, 2]);

	const { file: renamed, folder: elsewhere } = sshOf(t, "way-in");
	appendFileSync(join(elsewhere, "known"), hostKnown());
	project.env.PATH = project.env.PATH?.replace(folder, elsewhere);
	assert.match(await up(readFileSync(renamed, "utf8"), "--expect-no-changes"), /unchanged/);
	const { bastion } = stackReach(readFileSync(renamed, "utf8"));
	const said = {
		sshUser: "centos",
		sshPort: sshd?.port,
		sshPrivateKeyFile: join(folder, "key"),
		bastion: { address: bastion?.address, port: gate?.port, user: "jump", hostKey: gate?.publicKey("host") },
		hosts: [{ name: "one", address: "127.0.0.1", role: "worker", hostKey: sshd?.publicKey("host") }],
	};
	assert.match(await up(`config: ${JSON.stringify(said)}`, "--expect-no-changes"), /unchanged/);
});

test("by the engine, which hands over every default of Pulumi.yaml, ssh's user and port still count, and before them what the stack's file sets", async (t) => {
	const { folder } = sshOf(t);
	writeFileSync(join(folder, "config"), "Host 172.16.1.*\n  User centos\n  Port 2222\n");
	const project = new Project(`
import * as pulumi from "@pulumi/pulumi";
import { loadSettings } from ${JSON.stringify(join(root, "config.ts"))};
export const ends = loadSettings(new pulumi.Config()).cluster.hosts.map(({ user, port }) => \`\${user} \${port}\`);
`);
	t.after(() => project.remove());
	const file = (name: string) => join(project.folder, name);
	const own = JSON.parse(readFileSync(file("Pulumi.yaml"), "utf8"));
	const { name, config } = parse(readFileSync(join(root, "Pulumi.yaml"), "utf8"));
	writeFileSync(file("Pulumi.yaml"), JSON.stringify({ ...own, name, config }));
	await project.init();
	const kept = readFileSync(file("Pulumi.test.yaml"), "utf8");
	const { sshPrivateKey: _, ...stack } = base();
	const ends = async (more: object) => {
		const settings = Object.entries({ ...stack, sshConfig: true, sshPrivateKeyFile: join(folder, "key"), ...more });
		writeFileSync(
			file("Pulumi.test.yaml"),
			`${kept}config: ${JSON.stringify(Object.fromEntries(settings.map(([key, value]) => [`${name}:${key}`, value])))}\n`,
		);
		const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "test");
		assert.equal(code, 0, output);
		return JSON.parse((await project.pulumi("stack", "output", "ends", "--json", "--stack", "test")).output.replace(/^warning: .*$/gm, ""));
	};
	assert.deepEqual(await ends({}), Array(3).fill("centos 2222"));
	assert.deepEqual(await ends({ sshUser: "root", sshPort: 22 }), Array(3).fill("root 22"));
	assert.deepEqual(await ends({ sshConfig: false }), Array(3).fill("root 22"));
});
