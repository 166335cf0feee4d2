// Users whose sudo asks for a password, with the real sudo behind a real SSH server: what reaches whom, and what becomes of a wrong one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { loginOf, onHost, pinnedHosts } from "../../commands/login.ts";
import { run } from "../../commands/run.ts";
import type { Properties } from "../../provider/plugin/values.ts";
import { scriptCommand, scriptInput, scriptOutput } from "../../provider/shell.ts";
import { CommandPlugin } from "./support/command-plugin.ts";
import { HostPlugin, rejection, scriptText } from "./support/host-plugin.ts";
import { Sshd } from "./support/sshd.ts";

/** What shells and bash itself would read as something else; and a command, should it ever be run. */
const PASSWORD = `touch FOLDER/ran; o'pen "$HOME" \`se\\same !#%&*~ ü`;
/** Users, by what their sudoers say. Each has the password. */
const USERS = {
	asked: "ALL=(ALL) ALL",
	free: "ALL=(ALL) NOPASSWD: ALL",
	kept: "ALL=(ALL) ALL\nDefaults:kept timestamp_type=global, timestamp_timeout=60",
	needstty: "ALL=(ALL) ALL\nDefaults:needstty requiretty",
	root2: "ALL=(ALL) ALL\nDefaults:root2 rootpw",
	lectured: "ALL=(ALL) ALL\nDefaults:lectured lecture=always",
};
const WORLD = `
install -d -m 0755 FOLDER/home
for user in ${Object.keys(USERS).join(" ")} nobody2; do useradd -M -d FOLDER/home -s /bin/bash "$user"; { printf '%s:' "$user"; cat FOLDER/password; } | chpasswd; done
echo root:roots | chpasswd
cp FOLDER/sudoers /etc/sudoers.d/contract; chmod 0440 /etc/sudoers.d/contract; visudo -cq
`;

let sshd: Sshd;
let command: CommandPlugin;
let password = "";
before(async () => {
	const rules = Object.entries(USERS).map(([user, rule]) => `${user} ${rule}\n`);
	sshd = await Sshd.startIn(WORLD, { password: `${PASSWORD}\n`, sudoers: `Defaults logfile=FOLDER/sudo.log\n${rules.join("")}` });
	password = readFileSync(join(sshd.folder, "password"), "utf8").trimEnd();
	command = await CommandPlugin.start();
});
after(async () => {
	await command?.stop();
	await sshd?.remove();
});
async function withPlugin<T>(user: string, changes: Properties, act: (plugin: HostPlugin) => Promise<T>): Promise<T> {
	const { one } = JSON.parse(String(HostPlugin.configuration(sshd).hosts)) as { one: object };
	const plugin = await HostPlugin.start(sshd, { hosts: JSON.stringify({ one: { ...one, user } }), sudoPassword: password, ...changes });
	try {
		return await act(plugin);
	} finally {
		await plugin.stop();
	}
}
const step = (name: string, apply = 'echo "$(id -un)"') => ({ host: "one", step: name, text: scriptText({ apply }) });
const create = (user: string, changes: Properties = {}) => withPlugin(user, changes, async (plugin) => (await plugin.create("it", step("it"))).state.printed);
/** What sudo logged of a user since the last time: how often a password was wrong, and how often something was run. */
const seen = new Map<string, number>();
function tried(user: string): { wrong: number; run: number } {
	const log = existsSync(join(sshd.folder, "sudo.log")) ? readFileSync(join(sshd.folder, "sudo.log"), "utf8").replaceAll(/\n +/g, " ") : "";
	const lines = log.split("\n").filter((line) => line.includes(` : ${user} : `));
	const fresh = lines.slice(seen.get(user) ?? 0);
	seen.set(user, lines.length);
	return {
		wrong: fresh.filter((line) => line.includes("incorrect password")).length,
		run: fresh.filter((line) => line.includes("COMMAND=") && !line.includes("incorrect")).length,
	};
}
const ran = () => existsSync(join(sshd.folder, "ran"));

test("scripts of a user whose sudo asks run as root, by the provider and by the command plugin", async () => {
	assert.equal(await create("asked"), "root");
	const { state } = await command.create("it", {
		connection: sshd.connection({ user: "asked" }),
		create: scriptCommand("asked", "apply", true),
		stdin: scriptInput('echo "$1 $(id -un)"\n', password),
		addPreviousOutputInEnv: false,
	});
	assert.equal(scriptOutput(`${state.stdout}\n`), "apply root\n");
	assert.ok(!ran());
});
test("the password is in no command line and no environment while the script runs, and not in what the script reads", async () => {
	const look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c [s]e.same ; cat | grep -c . ; ls /proc/self/fd | wc -l";
	const input = scriptInput(`main() { ${look}; }; main\n`, password);
	const { state } = await command.create("ps", {
		connection: sshd.connection({ user: "asked" }),
		create: scriptCommand("asked", "apply", true),
		stdin: input,
		addPreviousOutputInEnv: false,
	});
	assert.equal(scriptOutput(`${state.stdout}\n`), "0\n0\n4\n", "0 to 2, and the folder that ls reads");
});
for (const [user, why] of [
	["free", "NOPASSWD"],
	["kept", "a login that sudo remembers"],
	["lectured", "a lecture before the question"],
] as const)
	test(`the password reaches no script where sudo does not ask or says more: ${why}`, async () => {
		for (let run = 0; run < 2; run++) assert.equal(await create(user), "root");
		assert.ok(!ran());
	});
test("a login without the setting goes as it did, and says what to do where sudo asks after all", async () => {
	const { hosts } = HostPlugin.configuration(sshd);
	const as = (user: string) => JSON.stringify({ one: { ...JSON.parse(String(hosts)).one, user } });
	for (const user of ["free", "asked"]) {
		const plugin = await HostPlugin.start(sshd, { hosts: as(user) });
		try {
			const created = plugin.create("it", step("it"));
			if (user === "free") assert.equal((await created).state.printed, "root");
			else await assert.rejects(created, /the host said: sudo: a password is required/);
		} finally {
			await plugin.stop();
		}
	}
});
test("a wrong password is told at once and tried once, however many steps there are, while a right one lets them run side by side", async () => {
	tried("asked");
	await withPlugin("asked", { sudoPassword: "wrong" }, async (plugin) => {
		const steps = await plugin.known(step("it"));
		const failures = await Promise.all(Array.from({ length: 6 }, (_, i) => rejection(plugin.create(`it${i}`, steps))));
		for (const { message } of failures)
			assert.match(
				message,
				/sudo did not take sudoPassword, which was tried once\. Correct it: pulumi config set -s <stack> --secret sudoPassword\. With rootpw or targetpw in its sudoers it is root's\./,
			);
		for (const { kept } of failures) assert.equal(kept, undefined, "nothing ran");
	});
	assert.deepEqual(tried("asked"), { wrong: 1, run: 0 });
	await withPlugin("asked", {}, async (plugin) => {
		const meet = `${sshd.folder}/meet`;
		const waits = await plugin.known(
			step("it", `echo >>${meet}; for ((i = 0; i < 100; i++)); do [ "$(wc -l <${meet})" -lt 3 ] || exit 0; sleep 0.1; done; exit 1`),
		);
		await Promise.all(Array.from({ length: 3 }, (_, i) => plugin.create(`it${i}`, waits)));
	});
	assert.equal(tried("asked").wrong, 0);
});
test("a command that needs no engine runs steps with the password, and npm run etcd does not send people to try a wrong one again", async () => {
	const { port, hostKey } = sshd.connection();
	const [key, step] = ["key", "step.sh"].map((name) => join(sshd.folder, name)) as [string, string];
	writeFileSync(key, sshd.privateKey("user"));
	writeFileSync(step, 'printf "%s\\n" "$1 $(id -un)"\n');
	const host = `{ name: one, address: 127.0.0.1, port: ${port}, user: asked, role: control-plane, hostKey: ${hostKey} }`;
	const text = `config:\n  kubeadm-lab:sshPrivateKeyFile: ${key}\n  kubeadm-lab:sudoPassword: { secure: v1:AAAA }\n  kubeadm-lab:hosts: [${host}]\n`;
	const [one] = pinnedHosts(text);
	assert.equal(one?.role, "control-plane");
	const login = await loginOf(text, async () => password);
	assert.equal((await onHost(one, login, (runStep) => runStep({ step: pathToFileURL(step), verb: "check" }))).stdout, "check root\n");

	tried("asked");
	writeFileSync(join(sshd.folder, "Pulumi.x.yaml"), text);
	writeFileSync(join(sshd.folder, "pulumi"), "#!/bin/sh\necho wrong\n", { mode: 0o755 });
	const env = { PATH: `${sshd.folder}${delimiter}${process.env.PATH}` };
	const { code, stderr } = await run(process.execPath, [join(import.meta.dirname, "../../commands/etcd.ts"), "list", "x"], { cwd: sshd.folder, env });
	assert.equal(code, 1);
	assert.match(stderr, /^one \(127\.0\.0\.1\): sudo did not take sudoPassword, which was tried once\..*\)\n$/);
	assert.deepEqual(tried("asked"), { wrong: 1, run: 0 });
});
test("a sudo that wants root's password takes that, and one that wants a terminal or does not know the user is told", async () => {
	await assert.rejects(create("root2"), /sudo did not take sudoPassword/);
	assert.equal(await create("root2", { sudoPassword: "roots" }), "root");
	await assert.rejects(create("needstty"), /the host said: sudo: sorry, you must have a tty to run sudo$/);
	await assert.rejects(create("nobody2"), /the host said: .*nobody2 is not in the sudoers file/);
});
test("a profile that prints and asks takes no line of what sudo or the script needs; one that takes more fails before sudo asks", async () => {
	const profile = join(sshd.folder, "home/.bashrc");
	writeFileSync(profile, "echo Welcome; echo 'Your name?'; read -r name\n");
	assert.equal(await create("asked"), "root");
	tried("asked");
	writeFileSync(profile, "for ((i = 0; i < 40; i++)); do read -r line; done\n");
	await assert.rejects(create("asked"), /the first lines of the script are gone: does a profile of this login read stdin\?/);
	assert.deepEqual(tried("asked"), { wrong: 0, run: 0 });
	writeFileSync(profile, "");
});
for (const shell of ["sh", "bash", "dash", "busybox sh", "zsh", "tcsh", "csh", "fish", "ksh"].filter(
	(name) => spawnSync("which", name.split(" ").slice(0, 1)).status === 0,
))
	test(`${shell} as login shell hands the password to sudo`, async () => {
		// The server's own login shell starts it, as sshd would.
		const line = `exec ${shell} -c "$(base64 -d <<<${Buffer.from(scriptCommand("asked", "check", true)).toString("base64")})"`;
		const { state } = await command.create("shell", {
			connection: sshd.connection({ user: "asked" }),
			create: line,
			stdin: scriptInput('echo "$1 $(id -un)"\n', password),
			addPreviousOutputInEnv: false,
		});
		assert.equal(scriptOutput(`${state.stdout}\n`), "check root\n");
	});
