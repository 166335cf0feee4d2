// What ssh makes of its user's configuration, asked of the real ssh: the answers, what keeps it from answering, and hostile names.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { askSsh, SshConfigError } from "../../config/ssh-config.ts";
import { userSsh } from "../user-ssh.ts";

test("Include, wildcards, Match and the order of entries are OpenSSH's own, and the stack's user and port go before", (t) => {
	const { folder } = userSsh(t, "Include FOLDER/more\nMatch user centos\n  Port 2222\nHost k8s-*\n  User admin\nHost *\n  User late\n  Port 23\n");
	writeFileSync(join(folder, "more"), "Host k8s-master\n  HostName 192.0.2.1\n");
	const told = (host: string, login = {}) => {
		const { hostName, user, port } = askSsh(host, login);
		return `${user}@${hostName}:${port}`;
	};
	assert.equal(told("k8s-master"), "admin@192.0.2.1:23");
	assert.equal(told("other"), "late@other:23");
	assert.equal(told("k8s-master", { user: "centos" }), "centos@192.0.2.1:2222");
	assert.equal(told("k8s-master", { user: "centos", port: 24 }), "centos@192.0.2.1:24");
});
test("nothing in the configuration is nothing in the answer, and `none` is nothing too", (t) => {
	const none = ["ProxyJump", "IdentityFile", "IdentityAgent", "UserKnownHostsFile", "GlobalKnownHostsFile"].map((key) => `  ${key} none\n`).join("");
	userSsh(t, `Host none\n${none}Host none2\n  ProxyCommand none\n  IdentityAgent SSH_AUTH_SOCK\n`);
	const { text: _, ...answer } = askSsh("none");
	assert.deepEqual(answer, {
		hostName: "none",
		user: userInfo().username,
		port: 22,
		proxyJump: undefined,
		hasProxyCommand: false,
		identityFiles: [],
		hasCertificate: false,
		identityAgent: undefined,
		knownHostsFiles: [],
		hostKeyAlias: undefined,
	});
	const { hasProxyCommand, identityAgent } = askSsh("none2");
	assert.deepEqual([hasProxyCommand, identityAgent], [false, undefined]);
});
test("tokens, variables and ~ in paths are put in as ssh does, with the home folder of the passwd file, and what is not known stays", (t) => {
	const { HOME } = process.env;
	t.after(() => {
		process.env.HOME = HOME;
		delete process.env.SSH_CONFIG_TEST;
	});
	Object.assign(process.env, { HOME: "/nowhere", SSH_CONFIG_TEST: "/keys" });
	const variable = ["$", "{SSH_CONFIG_TEST}"].join("");
	const files = ["~/.ssh/%n_%r", "%d/%h-%p-%k", `${variable}/%%h`, "/x/%C", "/y/$SSH_CONFIG_TEST"];
	userSsh(
		t,
		`Host a\n  HostName %h.example\n  User centos\n  HostKeyAlias Alias\n  ProxyJump jump-%n\n${files.map((file) => `  IdentityFile ${file}\n`).join("")}  UserKnownHostsFile ~/known_%k\n`,
	);
	const { homedir } = userInfo();
	const { identityFiles, knownHostsFiles, proxyJump } = askSsh("a");
	assert.deepEqual(identityFiles, [`${homedir}/.ssh/a_centos`, `${homedir}/a.example-22-alias`, "/keys/%h", "/x/%C", "/y/$SSH_CONFIG_TEST"]);
	assert.equal(knownHostsFiles[0], `${homedir}/known_alias`);
	assert.equal(proxyJump, "jump-a");
});
test("a known_hosts file with a space in its name is one file where it is there", (t) => {
	const { folder } = userSsh(t, 'Host *\n  UserKnownHostsFile "FOLDER/my hosts"\n  GlobalKnownHostsFile /a /b\n');
	assert.equal(askSsh("x").knownHostsFiles.length, 4);
	writeFileSync(join(folder, "my hosts"), "");
	assert.deepEqual(askSsh("x").knownHostsFiles, [join(folder, "my hosts"), "/a", "/b"]);
});

const failure = (ask: () => unknown): string => {
	try {
		ask();
	} catch (error) {
		assert.ok(error instanceof SshConfigError, String(error));
		return error.message;
	}
	return assert.fail("it was answered");
};
test("a machine without ssh, a configuration that ssh refuses and one that never ends are told with what to do", (t) => {
	const { folder, PATH } = userSsh(t, "Host a\n  Sprache deutsch\nHost *\n");
	assert.equal(
		failure(() => askSsh("a")),
		`ssh -G a failed: ${folder}/config: line 2: Bad configuration option: sprache; ${folder}/config: terminating, 1 bad configuration options. Correct ssh's configuration, or set sshConfig: false.`,
	);
	writeFileSync(join(folder, "config"), 'Match host slow exec "sleep 20"\n  User x\n');
	const started = performance.now();
	assert.equal(
		failure(() => askSsh("slow", {}, 1)),
		"ssh -G slow was not done after 1 s. Look for a Match exec in ssh's configuration, and at the DNS.",
	);
	assert.ok(performance.now() - started < 15_000, "it does not wait for what ssh has started");
	process.env.PATH = "/nowhere";
	assert.equal(
		failure(() => askSsh("a")),
		"found no ssh on PATH. Install OpenSSH's client, or set sshConfig: false and say in this file how the hosts are reached.",
	);
	process.env.PATH = PATH;
});
test("a name or a user is never an option of ssh's, whatever it begins with", (t) => {
	const { folder } = userSsh(t, "");
	const harm = `touch ${folder}/harm`;
	writeFileSync(join(folder, "other"), `Match exec "${harm}"\n  User evil\n`);
	// As options the first two end with 0, and the others read a file or run something.
	for (const name of ["-V", "-Qkex", `-F${folder}/other`, `-oProxyCommand=${harm}`, "--", "-"]) {
		assert.match(
			failure(() => askSsh(name)),
			/ failed: hostname contains invalid characters\. Correct/,
		);
		assert.match(
			failure(() => askSsh("a", { user: name })),
			/ failed: remote username contains invalid characters\. Correct/,
		);
	}
	const option = fc
		.tuple(fc.constantFrom("-", "--", "-F", "-o", "-E", "-oUser=", "-oMatch=", "-J", "-W"), fc.string())
		.map((parts) => parts.join("").replaceAll("\0", ""));
	fc.assert(
		fc.property(option, (name) => {
			try {
				const { user, port } = askSsh(name);
				assert.deepEqual([user, port], [userInfo().username, 22], name);
			} catch (error) {
				assert.ok(error instanceof SshConfigError, String(error));
			}
		}),
		{ numRuns: 60 },
	);
	assert.ok(!existsSync(join(folder, "harm")));
});
test("lines that are none of ssh's are passed over, as those of a wrapper that greets", (t) => {
	userSsh(
		t,
		"Host a\n  User centos\n  LocalCommand user evil\n  RemoteCommand printf 'port 1'\n",
		"printf 'Welcome\\n\\n  user evil\\nuser\\n\\tport 9\\r\\n'",
	);
	const { user, port, hostName } = askSsh("a");
	assert.deepEqual([user, port, hostName], ["centos", 22, "a"]);
});
