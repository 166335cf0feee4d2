// How files are changed so that they can be given back (cluster/steps/lib/files.sh), and what is recorded for that.
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, lstatSync, readlinkSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FakeHost, WRITER, withFiles } from "./fake-host.ts";

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
