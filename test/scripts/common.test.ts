import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chmodSync, lstatSync, readlinkSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeHost, withFiles } from "./fake-host.ts";

const WRITER = withFiles(`
check() { compare_file /etc/app/app.conf - $'new\\n'; }
apply() { write_file /etc/app/app.conf "\${MODE:-0640}" $'new\\n' 'restart app'; }
undo() { restore_file /etc/app/app.conf; finish_undo; }`);

test("check prints item, wanted and found with tabs, and exits 3", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/app/app.conf", "old\n");
	const { status, stdout } = host.bash(WRITER, "check");
	assert.equal(status, 3);
	assert.match(stdout, /^file \/etc\/app\/app\.conf\tsha256 [0-9a-f]{12}\tsha256 [0-9a-f]{12}\n$/);
});

for (const [what, text] of [
	["no newline at its end", "new"],
	["one newline more", "new\n\n"],
	["a NUL after what is wanted", "new\n\0"],
	["a NUL within", "ne\0w\n"],
	["nothing in it", ""],
] as const)
	test(`check tells a file with ${what} from what is wanted`, (t) => {
		const host = new FakeHost(t);
		host.write("/etc/app/app.conf", text);
		assert.equal(host.bash(WRITER, "check").status, 3);
		host.write("/etc/app/app.conf", "new\n");
		assert.deepEqual(host.bash(WRITER, "check"), { status: 0, stdout: "", stderr: "" });
	});

test("check changes nothing", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/app/app.conf", "old\n");
	const before = host.snapshot("/");
	host.bash(WRITER, "check");
	assert.deepEqual(host.snapshot("/"), before);
});

test("write_file makes missing folders, and undo removes them again", (t) => {
	const host = new FakeHost(t);
	const before = host.snapshot("/");
	assert.equal(host.bash(WRITER, "apply").status, 0);
	assert.equal(host.read("/etc/app/app.conf"), "new\n");
	assert.equal(statSync(join(host.root, "etc/app/app.conf")).mode & 0o777, 0o640);
	assert.equal(host.bash(WRITER, "check").status, 0);
	assert.equal(host.bash(WRITER, "undo").status, 0);
	assert.deepEqual(host.snapshot("/"), { ...before, "/var": "folder", "/var/lib": "folder" });
});

test("a folder that somebody else uses by then stays", (t) => {
	const host = new FakeHost(t);
	host.bash(WRITER, "apply");
	host.write("/etc/app/theirs", "theirs\n");
	assert.equal(host.bash(WRITER, "undo").status, 0);
	assert.deepEqual(host.snapshot("/etc"), { "/etc/app": "folder", "/etc/app/theirs": "theirs\n" });
});

test("undo brings back content, mode and time of the first original, however often apply ran", (t) => {
	const host = new FakeHost(t);
	const path = join(host.root, "etc/app/app.conf");
	host.write("/etc/app/app.conf", "old\n");
	chmodSync(path, 0o600);
	utimesSync(path, 1_500_000_000, 1_500_000_000);
	for (const mode of ["0640", "0644"]) host.bash(`MODE=${mode}\n${WRITER}`, "apply");
	assert.equal(statSync(path).mode & 0o777, 0o644);
	assert.equal(host.bash(WRITER, "undo").status, 0);
	assert.equal(host.read("/etc/app/app.conf"), "old\n");
	assert.equal(statSync(path).mode & 0o777, 0o600);
	assert.equal(statSync(path).mtimeMs, 1_500_000_000_000);
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
});

test("undo brings a link back as a link", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/app/real.conf", "old\n");
	symlinkSync("real.conf", join(host.root, "etc/app/app.conf"));
	host.bash(WRITER, "apply");
	assert.equal(host.read("/etc/app/real.conf"), "old\n");
	assert.equal(lstatSync(join(host.root, "etc/app/app.conf")).isSymbolicLink(), false);
	host.bash(WRITER, "undo");
	assert.equal(readlinkSync(join(host.root, "etc/app/app.conf")), "real.conf");
});

test("a file is as it should be only to its last byte", (t) => {
	for (const text of ["new", "new\n\n", "new\n\0rest", ""]) {
		const host = new FakeHost(t);
		host.write("/etc/app/app.conf", text);
		assert.equal(host.bash(WRITER, "check").status, 3, JSON.stringify(text));
		assert.equal(host.bash(WRITER, "apply").status, 0);
		assert.equal(host.read("/etc/app/app.conf"), "new\n");
	}
});

test("a file that is as it should be is neither written nor counted as ours", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/app/app.conf", "new\n");
	chmodSync(join(host.root, "etc/app/app.conf"), 0o640);
	const { stderr } = host.bash(WRITER, "apply");
	assert.equal(stderr, "");
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	host.bash(WRITER, "undo");
	assert.equal(host.read("/etc/app/app.conf"), "new\n");
});

test("undo without apply, and undo twice, change nothing", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/app/app.conf", "old\n");
	const before = host.snapshot("/etc");
	assert.equal(host.bash(WRITER, "undo").status, 0);
	host.bash(WRITER, "apply");
	for (let i = 0; i < 2; i++) assert.equal(host.bash(WRITER, "undo").status, 0);
	assert.deepEqual(host.snapshot("/etc"), before);
});

test("the first recorded value wins, and a name may hold any character", (t) => {
	const host = new FakeHost(t);
	const { stdout } = host.bash(
		withFiles(`check() { :; }
apply() { record 'a/b%2F c' first; record 'a/b%2F c' second; recorded 'a/b%2F c'; printf '\\n'; recorded_names values 'a/'; recorded nothing || printf 'none\\n'; }`),
		"apply",
	);
	assert.equal(stdout, "first\na/b%2F c\nnone\n");
});

test("what is due after a change stays due when the run dies before it is done", (t) => {
	const host = new FakeHost(t);
	const dies = withFiles(`check() { :; }\napply() { write_file /etc/app.conf 0644 $'new\\n' 'restart app'; kill -9 $$; }`);
	assert.equal(host.bash(dies, "apply").status, null);
	const again = withFiles(`check() { :; }
apply() { write_file /etc/app.conf 0644 $'new\\n' 'restart app'; is_due 'restart app' && printf 'due\\n'; paid 'restart app'; is_due 'restart app' || printf 'done\\n'; }`);
	assert.equal(host.bash(again, "apply").stdout, "due\ndone\n");
});

test("apply fails when its own check still finds a difference, and says which", (t) => {
	const { status, stdout, stderr } = new FakeHost(t).bash(withFiles("check() { differs thing up down; }\napply() { printf 'output\\n'; }"), "apply");
	assert.equal(status, 1);
	assert.equal(stdout, "output\n");
	assert.match(stderr, /^thing\tup\tdown\n.* test: error: not in place after apply: the lines above say what \(item, wanted, found\)\n$/);
});

for (const form of ["bash", "sent"] as const) {
	for (const failing of ["false", "grep -qs x /nowhere", 'text="$(exit 3)"'])
		test(`an unforeseen failure of ${failing} ends the run and names the command, as an act or through the provider (${form})`, (t) => {
			const text = withFiles(`check() { :; }\napply() { ${failing}; printf 'went on\\n'; }`);
			const { status, stdout, stderr } = new FakeHost(t)[form](text, "apply");
			assert.notEqual(status, 0);
			assert.equal(stdout, "");
			assert.equal(stderr.replace(/^\S+ /, ""), `test: error: exit status ${status} at: ${failing}\n`);
		});

	test(`a failure inside check is no clean bill, and is told once with its command (${form})`, (t) => {
		const { status, stdout, stderr } = new FakeHost(t)[form](
			withFiles("inner() { grep -qs x /nowhere; }\ncheck() { differs a b c; inner; printf ''; }"),
			"check",
		);
		assert.equal(stdout, "");
		assert.equal(status, 2);
		assert.match(stderr, /^\S+ test: error: exit status 2 at: grep -qs x \/nowhere\n$/);
	});

	test(`a missing setting is told by bash's own line and an exit status (${form})`, (t) => {
		const { status, stderr } = new FakeHost(t)[form](withFiles('check() { :; }\napply() { printf "%s" "$NOT_THERE"; }'), "apply");
		assert.notEqual(status, 0);
		assert.match(stderr, /NOT_THERE: unbound variable/);
	});
}

test("without_block takes out our block only, and of a block without an end only its first line", (t) => {
	const host = new FakeHost(t);
	const script = withFiles("check() { :; }\napply() { without_block /etc/file; }");
	host.write("/etc/file", "one\n# kubeadm-lab begin\nours\n# kubeadm-lab end\ntwo\n");
	assert.equal(host.bash(script, "apply").stdout, "one\ntwo\n");
	host.write("/etc/file", "one\n# kubeadm-lab begin\ntheirs\ntwo\n");
	assert.equal(host.bash(script, "apply").stdout, "one\ntheirs\ntwo\n");
	host.write(
		"/etc/file",
		"a # kubeadm-lab begin\n\n \\t* \n# kubeadm-lab begin\n  theirs\n# kubeadm-lab begin\nours\n# kubeadm-lab end\n# kubeadm-lab end\nno end",
	);
	assert.equal(host.bash(script, "apply").stdout, "a # kubeadm-lab begin\n\n \\t* \n  theirs\n# kubeadm-lab end\nno end\n");
});

for (const [what, broken] of [
	["fails", `sed 's|(a|b|' -E -- "\${ROOT}/etc/file"`],
	["fails before its end", `sed 's|(a|b|' -E -- "\${ROOT}/etc/file"; printf 'the end\\n'`],
	["can't be read as text", `printf 'a\\0b\\n' >"\${ROOT}/etc/other"; without_block /etc/other`],
	["fails in a pipe", `sed 's|(a|b|' -E -- "\${ROOT}/etc/file" | cat; printf 'the end\\n'`],
] as const)
	for (const verb of ["check", "apply", "undo"])
		test(`${verb} leaves an edited file as it was when the command that makes its new text ${what}`, (t) => {
			const host = new FakeHost(t);
			const script = withFiles(`check() { compare_edited /etc/file broken; }
apply() { edit_file /etc/file '' broken; }
undo() { restore_edited /etc/file broken; finish_undo; }
broken() { ${broken}; }`);
			host.write("/etc/file", "one\n");
			const { status, stderr } = host.bash(script, verb);
			assert.equal(status, 1);
			assert.match(stderr, /can't make the new text of \/etc\/file; it stays as it was/);
			assert.equal(host.read("/etc/file"), "one\n");
		});

test("a unit that is not loaded is inactive, also in the words of systemd 219", (t) => {
	const host = new FakeHost(t);
	for (const [unit, word] of Object.entries({ gone: "unknown", here: "active", "failed-one": "failed" })) host.write(`/units/${unit}.active`, `${word}\n`);
	const look = `for unit in gone here failed-one; do printf '%s %s\\n' "$(unit_active "\${unit}.service")" "\${ACTIVE[\${unit}.service]}"; done`;
	const script = withFiles(`check() { :; }\napply() { look_at_active gone.service here.service failed-one.service; ${look}; }`);
	assert.equal(host.bash(script, "apply").stdout, "inactive inactive\nactive active\nfailed failed\n");
});

test("two runs of a step take turns, and wait for what a killed run left running", async (t) => {
	const host = new FakeHost(t);
	const note = (line: string) => `printf '${line}\\n' >>"\${ROOT}/turns"`;
	const slow = withFiles(`check() { :; }\napply() { ${note("begin")}; sleep 0.3; ${note("end")}; }`);
	const leaves = withFiles(`check() { :; }\napply() { (sleep 1; ${note("child")}) & wait; }`);
	const killed = host.start(leaves, "apply");
	await sleep(400);
	killed.kill("SIGKILL");
	const others = [host.start(slow, "apply"), host.start(slow, "apply")];
	await Promise.all(others.map((child) => once(child, "exit")));
	assert.equal(host.read("/turns"), "child\nbegin\nend\nbegin\nend\n");
});

test("a run that never gets its turn says who to look for", (t) => {
	const host = new FakeHost(t);
	const nested = withFiles(`check() { :; }\napply() { flock -n 9; bash -s -- apply <"\${ROOT}/inner" 9>&-; }`);
	host.write("/inner", `KUBEADM_LAB_LOCK_SECONDS=1\n${withFiles("check() { :; }\napply() { :; }")}`);
	const { status, stderr } = host.bash(nested, "apply");
	assert.equal(status, 1);
	assert.match(stderr, /test: waits for another run of test on this host to end, at most 1 s\n/);
	assert.match(stderr, /test: error: another run of test has held .*kubeadm-lab-test\.lock for 1 s\. See who: fuser -v /);
});

/** In a mount namespace of its own, at the host's root. */
const withMounts = (host: FakeHost, commands: string) =>
	spawnSync(
		"unshare",
		[...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--mount", "bash", "-euc", `text="$(cat)"; step() { bash -s -- "$1" <<<"$text"; }\n${commands}`],
		{
			input: WRITER,
			encoding: "utf8",
			cwd: host.root,
			env: { ...process.env, KUBEADM_LAB_ROOT: host.root },
		},
	);
/** What stands in the way of a change: to make it, to take it away, what is told. chattr is for the real root alone. */
const IN_THE_WAY: [what: string, make: string, end: string, told: RegExp][] = [
	[
		"is a mount of its own",
		"mount --bind etc/app/app.conf etc/app/app.conf",
		"umount etc/app/app.conf",
		/\/etc\/app\/app\.conf is a mount of its own\. To go on: umount/,
	],
	[
		"is on a read-only file system",
		"mount --bind etc/app etc/app; mount -o remount,bind,ro etc/app",
		"umount etc/app",
		/\/etc\/app is on a file system that is mounted read-only\. To go on: mount it read-write/,
	],
	...(process.getuid?.() === 0
		? ([
				[
					"is immutable",
					"chattr +i etc/app/app.conf",
					"chattr -i etc/app/app.conf",
					/app\.conf is immutable \(lsattr shows i\)\. To go on: chattr -i \/etc\/app\/app\.conf, then/,
				],
				[
					"is append-only",
					"chattr +a etc/app/app.conf",
					"chattr -a etc/app/app.conf",
					/app\.conf is append-only \(lsattr shows a\)\. To go on: chattr -a \/etc\/app\/app\.conf, then/,
				],
				[
					"is in an immutable folder",
					"chattr +i etc/app",
					"chattr -i etc/app",
					/\/etc\/app is immutable \(lsattr shows i\)\. To go on: chattr -i \/etc\/app, then/,
				],
			] as [string, string, string, RegExp][])
		: []),
];
for (const [what, make, end, told] of IN_THE_WAY)
	test(`a file that ${what} is left as it was, with what to do and nothing beside it; undo has nothing to do`, (t) => {
		const host = new FakeHost(t);
		host.write("/etc/app/app.conf", "old\n");
		const before = host.snapshot("/etc");
		const { status, stderr } = withMounts(host, `${make}\ntrap '${end}' EXIT\n! step apply; step undo`);
		assert.equal(status, 0, stderr);
		assert.match(stderr, told);
		assert.deepEqual(host.snapshot("/etc"), before);
		assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	});
for (const [what, make, end, told] of IN_THE_WAY)
	test(`undo of a file that by now ${what} says what to do, and can be repeated`, (t) => {
		const host = new FakeHost(t);
		host.write("/etc/app/app.conf", "old\n");
		const before = host.snapshot("/etc");
		const { status, stderr } = withMounts(host, `step apply; ${make}\ntrap '${end}' EXIT\n! step undo; ${end}; trap '' EXIT; step undo`);
		assert.equal(status, 0, stderr);
		assert.match(stderr, told);
		assert.deepEqual(host.snapshot("/etc"), before);
	});

for (const [target, path] of [
	["hosts.ours", "/etc/hosts.ours"],
	["../run/hosts", "/run/hosts"],
] as const)
	test(`a file that was a relative link (${target}) becomes one again, and what others wrote meanwhile stays`, (t) => {
		const host = new FakeHost(t);
		const script = withFiles(`check() { :; }
apply() { edit_file /etc/hosts '' with_block; }
with_block() { printf '%s\\nours\\n%s\\n' "\${BLOCK_BEGIN}" "\${BLOCK_END}"; without_block /etc/hosts; }
undo() { restore_edited /etc/hosts without_block /etc/hosts; finish_undo; }`);
		host.write("/etc/other", "");
		host.write(path, "theirs\n");
		symlinkSync(target, join(host.root, "etc/hosts"));
		assert.equal(host.bash(script, "apply").status, 0);
		assert.equal(host.bash(script, "undo").status, 0);
		assert.equal(readlinkSync(join(host.root, "etc/hosts")), target);
		assert.equal(host.read(path), "theirs\n");
		assert.equal(host.bash(script, "apply").status, 0);
		appendFileSync(join(host.root, "etc/hosts"), "more\n");
		const { status, stderr } = host.bash(script, "undo");
		assert.equal(status, 0, stderr);
		assert.match(stderr, /\/etc\/hosts was a link to \S+, and stays a file: others have changed it since/);
		assert.equal(host.read("/etc/hosts"), "theirs\nmore\n");
	});
