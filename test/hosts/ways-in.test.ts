// A key with a passphrase, a bastion that is the only way to the hosts and to the API server, and a user whose sudo asks: a whole cluster up and destroyed by the
// three together, with npm run trust before and npm run lifecycle after.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unexplained } from "../bare/stays.ts";
import { controlPlane, hosts, lab, labFolder, messageFile, onHost, project, pulumiArgs, read, run, succeed } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { Needles } from "../security/needles.ts";
import { keptFiles, secretsOn, setMark } from "../security/secrets.ts";

const STACK = "ways";
const FILE = `${project}Pulumi.${STACK}.yaml`;
const BASTION = "k8s-node02";
const BASTION_ADDRESS = "172.16.1.112";
const API = ["172.16.1.110", "6443"] as const;
const [PASSPHRASE, PASSWORD] = ["open sesame, and stay open", `s'es"ame $HOME \`id\` \\ !`];
const UP_SECONDS = 900;

describe("the ways in", { concurrency: false }, () => {
	const folder = mkdtempSync(join(tmpdir(), "ways-in-"));
	const bare = new Map<string, Set<string>>();
	let tunnel: ChildProcess | undefined;
	const exec = (...args: string[]) => run(`${project}lab/lab`, ["exec", "--", ...args]);
	const pulumi = (command: string, ...args: string[]) => run(`${project}lab/lab`, pulumiArgs(command, STACK, ...args), { timeoutSeconds: UP_SECONDS });
	const secret = (key: string, value: string) =>
		succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "config", "set", "--secret", key, "-s", STACK], { input: value });
	/** The lab's machine has no iptables, its hosts have. */
	const iptables = (...args: string[]) => exec("chroot", readFileSync(`${labFolder}/rootfs`, "utf8").trim(), "iptables", ...args);
	const redirect = (how: "-A" | "-D") =>
		iptables("-t", "nat", how, "OUTPUT", "-d", API[0], "-p", "tcp", "--dport", API[1], "-j", "REDIRECT", "--to-ports", API[1]);
	const cut = (how: "add" | "del") => exec("ip", "rule", how, "to", API[0], "ipproto", "tcp", "dport", API[1], "unreachable");
	const journal = async (host: string, pattern: string) =>
		(await read(host, `journalctl -o cat --no-pager | grep -E ${JSON.stringify(pattern)} || true`)).split("\n").filter(Boolean);

	const comesUp = async () => {
		const up = await pulumi("up");
		assert.equal(up.code, 0, up.output.slice(-5000));
		assert.doesNotMatch(up.output, /carries SSH only|was not looked at/);
		const { stdout } = await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "output", "message", "-s", STACK]);
		assert.match(stdout, /^Hello initContainers\nHello from the postStart handler$/m);
	};
	const destroys = async () => {
		const destroy = await pulumi("destroy");
		assert.equal(destroy.code, 0, destroy.output.slice(-5000));
		assert.match(destroy.output, /Hello from the preStop handler/);
		assert.equal((await onHost(controlPlane, "test -e /etc/kubernetes/admin.conf")).code, 1);
		for (const host of hosts) {
			const left = unexplained(differences(bare.get(host) ?? new Set(), await snapshot(host)));
			const own = left.filter((line) => !/run[-/]user\b/.test(line)); // a folder in memory of whoever is logged in: the tunnel is
			assert.deepEqual(own, [], host);
		}
	};

	before(async () => {
		await lab("up");
		await lab("reset");
		execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, "plain")]);
		cpSync(join(folder, "plain"), join(folder, "key"), { mode: 0 });
		execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", join(folder, "key")]);
		const key = readFileSync(join(folder, "plain.pub"), "utf8").trim();
		const user = (name: string, shell: string, options: string) =>
			`useradd -m -s ${shell} ${name} && install -d -m 0700 -o ${name} /home/${name}/.ssh && printf '%s\\n' '${options} ${key}' >/home/${name}/.ssh/authorized_keys`;
		for (const host of hosts) {
			await read(host, user("centos", "/bin/bash", `from="${BASTION_ADDRESS}"`));
			await succeed(`${project}lab/lab`, ["ssh", host, "chpasswd"], { input: `centos:${PASSWORD}\n` });
			await read(host, "printf 'centos ALL=(ALL) ALL\\n' >/etc/sudoers.d/asks && chmod 0440 /etc/sudoers.d/asks && visudo -cq");
		}
		await read(BASTION, user("jump", "/usr/sbin/nologin", 'from="172.16.1.1",restrict,port-forwarding'));
		await setMark(hosts);
		for (const host of hosts) bare.set(host, await snapshot(host));
		const settings = readFileSync(`${project}Pulumi.lab.yaml`, "utf8")
			.replace(/^.*knownHostsFile.*\n/m, "")
			.replace(/^encryptionsalt:.*\n/m, "")
			.replace(/(sshPrivateKeyFile: ).*/, `$1${folder}/key`)
			.replace(/^config:\n/m, `config:\n  kubeadm-lab:sshUser: centos\n  kubeadm-lab:bastion:\n    address: ${BASTION_ADDRESS}\n    user: jump\n`);
		writeFileSync(FILE, settings);
		await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "init", STACK]);
	});
	after(async () => {
		tunnel?.kill();
		await redirect("-D");
		await cut("del");
		await pulumi("destroy");
		rmSync(FILE, { force: true });
		rmSync(folder, { recursive: true });
		await lab("reset");
	});

	test("without its passphrase the key is refused before any host is contacted", async () => {
		const { code, output } = await pulumi("preview");
		assert.notEqual(code, 0);
		assert.match(output, /Pulumi\.ways\.yaml: sshPrivateKeyFile: found a key with a passphrase, and none is set\. Run: pulumi config set/);
		await secret("sshPrivateKeyPassphrase", PASSPHRASE);
		await secret("sudoPassword", "wrong");
	});

	test("trust pins the bastion's key, then those of the hosts behind it", async () => {
		const { code, output } = await exec("node", "commands/trust.ts", STACK, "--yes");
		assert.equal(code, 0, output);
		const known = readFileSync(`${labFolder}/known_hosts`, "utf8").trim().split("\n");
		const keys = [...readFileSync(FILE, "utf8").matchAll(/hostKey: (.*)/g)].map(([, key]) => key);
		assert.deepEqual(
			keys,
			[known[2], ...known].map((line) => line?.split(" ").slice(1).join(" ")),
			output,
		);
	});

	test("a wrong sudo password, and an API server that this machine does not reach, show in a preview; the password was tried once on each host", async () => {
		await cut("add");
		const { output } = await pulumi("preview");
		await cut("del");
		for (const host of hosts) {
			assert.match(output, new RegExp(`${host} was not looked at: sudo did not take sudoPassword, which was tried once\\. Correct it: pulumi config set`));
			assert.equal((await journal(host, "centos : 1 incorrect password attempt")).length, 1, host);
		}
		assert.match(output, /k8s-master: dial tcp 172\.16\.1\.110:6443: .*; expected an answer: the bastion 172\.16\.1\.112 carries SSH only,/);
		await secret("sudoPassword", PASSWORD);
	});

	test("the cluster comes up, and every login was the user's, from the bastion", async () => {
		await redirect("-A");
		const way = ["-L", `127.0.0.1:${API[1]}:${API.join(":")}`, `jump@${BASTION_ADDRESS}`];
		const options = ["-i", join(folder, "plain"), "-o", `UserKnownHostsFile=${labFolder}/known_hosts`, "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"];
		tunnel = spawn(`${project}lab/lab`, ["exec", "--", "ssh", "-N", ...options, ...way], { stdio: ["ignore", "ignore", "inherit"] });
		await comesUp();
		for (const host of hosts) {
			const logins = await journal(host, "Accepted publickey for centos");
			assert.ok(logins.length > 3, host);
			for (const line of logins) assert.match(line, /Accepted publickey for centos from 172\.16\.1\.112 /);
		}
		assert.ok((await journal(BASTION, "Accepted publickey for jump from 172\\.16\\.1\\.1 ")).length > 3);
		const again = await pulumi("preview", "--expect-no-changes");
		assert.equal(again.code, 0, again.output);
	});

	test("neither password, passphrase nor key is in the clear: not in the state, not on a host", async () => {
		const needles = new Needles();
		needles.add("key of the login", readFileSync(join(folder, "plain"), "utf8"));
		needles.add("passphrase", PASSPHRASE);
		for (const [name, form] of [
			["sudo password", PASSWORD],
			["sudo password in JSON", JSON.stringify(PASSWORD).slice(1, -1)],
		] as const)
			needles.add(name, form);
		const files = keptFiles();
		assert.ok(
			files.some((file) => file.includes("/state/.pulumi/history/")),
			"the state was looked at",
		);
		writeFileSync(join(folder, "sample"), JSON.stringify({ it: PASSWORD }));
		assert.deepEqual(await needles.inFiles([join(folder, "sample")], folder), { [join(folder, "sample")]: ["sudo password in JSON"] }, "it would be found");
		assert.deepEqual(await needles.inFiles(files, folder), {});
		for (const host of hosts) {
			const { home, wrong } = await secretsOn(host, needles);
			assert.deepEqual([...home, ...wrong], [], host);
		}
	});

	test("npm run lifecycle goes the same way", async () => {
		const { code, output } = await exec("node", "commands/lifecycle.ts", "report", STACK, "--to", join(folder, "report"));
		assert.equal(code, 0, output);
		assert.match(readFileSync(join(folder, "report/story.txt"), "utf8"), /^PASS +init containers one after another/m);
		assert.doesNotMatch(output, /no recording from/);
	});

	test("destroy shows the three lines and gives the hosts back", async () => {
		await destroys();
	});

	test("a user whose sudo does not ask takes a cluster up and destroys it without a password in the stack", async () => {
		for (const host of hosts) {
			await read(host, `printf 'centos ALL=(ALL) NOPASSWD: ALL\\n' >/etc/sudoers.d/asks; rm -f ${messageFile}`); // the next up empties the one of before
			bare.set(host, await snapshot(host));
		}
		await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "config", "rm", "sudoPassword", "-s", STACK]);
		await comesUp();
		await destroys();
	});
});
