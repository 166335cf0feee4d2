// Folders that are given back: what was in them before stays, mounts in them too, and all else goes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FakeHost, withFiles } from "./fake-host.ts";

const FOLDERS = ["/etc/kept", "/etc/new", "/etc/new/inner", "/etc/linked", "/etc/empty", "/etc/never"];
const SCRIPT = withFiles(
	`FOLDERS=(${FOLDERS.join(" ")})
check() { :; }
apply() { mkdir -p -- "\${ROOT}/lists" && remember_folders "\${ROOT}/lists" "\${FOLDERS[@]}"; }
undo() { clear_folders "\${ROOT}/lists" "\${FOLDERS[@]}"; }`,
	["folders.sh"],
);

test("what a folder has had since before stays, and all else goes, whatever its name is", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/kept/a file", "1");
	host.write("/etc/kept/.hidden", "1");
	host.write("/etc/kept/-n", "1");
	host.write("/etc/kept/inner/file", "1");
	host.write("/etc/empty/.keep", "1");
	host.write("/elsewhere/file", "1");
	const before = host.snapshot("/etc");
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	for (const name of ["a", "file", "present", "*", ".more", "..odd", "-rf", "b c/d"]) host.write(`/etc/kept/${name}`, "2");
	symlinkSync("/nowhere", join(host.root, "etc/kept/broken"));
	host.write("/etc/empty/new", "2");
	host.write("/etc/new/inner/file", "2");
	symlinkSync("../elsewhere", join(host.root, "etc/linked"));
	assert.deepEqual(host.bash(SCRIPT, "undo"), { status: 0, stdout: "", stderr: "" });
	const after = host.snapshot("/etc");
	for (const path of Object.keys(after)) if (path.startsWith("/etc/linked")) delete after[path];
	assert.deepEqual(after, before);
	assert.equal(readlinkSync(join(host.root, "etc/linked")), "../elsewhere");
	assert.deepEqual(host.bash(SCRIPT, "undo"), { status: 0, stdout: "", stderr: "" });
});

test("a folder without a list stays as it is", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/new/file", "1");
	assert.equal(host.bash(SCRIPT, "undo").status, 0);
	assert.equal(host.read("/etc/new/file"), "1");
});

test("a folder whose list is damaged stays as it is, and is told", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/kept/file", "1");
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	for (const damaged of ["", "present", "present\n\0"]) {
		host.write("/lists/%2Fetc%2Fkept", damaged);
		const { status, stderr } = host.bash(SCRIPT, "undo");
		assert.equal(status, 0);
		assert.match(stderr, /test: \/etc\/kept stays as it is: the list of what it had before is damaged \(.*%2Fetc%2Fkept\)/);
		assert.equal(host.read("/etc/kept/file"), "1");
	}
});

/** Runs `commands` in a mount namespace of its own, which ends with it. */
const withMounts = (host: FakeHost, commands: string) =>
	spawnSync("unshare", [...(process.getuid?.() === 0 ? [] : ["--map-root-user"]), "--mount", "bash", "-euc", commands], {
		input: SCRIPT,
		encoding: "utf8",
		env: { ...process.env, KUBEADM_LAB_ROOT: host.root },
	});

test("a mount that hangs, as of a server that is gone, ends an undo within a bound and is named", (t) => {
	const host = new FakeHost(t);
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	host.write("/disk/file", "1");
	host.write("/etc/new/inner/file", "2");
	host.command("umount", "exec /bin/sleep 300");
	host.command("timeout", `[[ "$1" != -k ]] || shift 2\nexec /usr/bin/timeout -k 1 1 "\${@:2}"`); // its bounds, but shorter
	const answer = withMounts(host, `cd "$KUBEADM_LAB_ROOT"; mount --bind disk etc/new/inner; bash -s -- undo`);
	assert.equal(answer.status, 1, answer.stderr + answer.stdout);
	assert.match(answer.stderr, /can't unmount \S+\/etc\/new\/inner; .*Nothing in it was deleted\. .*if its server is gone: umount -f -l /);
	assert.equal(host.read("/disk/file"), "1");
});

test("a foreign disk that was mounted in a folder is let go, not emptied", (t) => {
	const host = new FakeHost(t);
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	host.write("/disk/file", "1");
	host.write("/etc/new/inner/on top/file", "2");
	const answer = withMounts(
		host, // over each other, and one inside the other
		`cd "$KUBEADM_LAB_ROOT"
mount --bind disk etc/new/inner
mkdir "etc/new/inner/a b"
for place in "etc/new/inner/a b" "etc/new/inner/a b" etc/new/inner; do mount --bind disk "$place"; done
bash -s -- undo
! grep -F "$KUBEADM_LAB_ROOT" /proc/self/mounts`,
	);
	assert.equal(answer.status, 0, answer.stderr + answer.stdout);
	assert.equal(host.read("/disk/file"), "1");
	assert.equal(host.exists("/disk/a b"), true);
	assert.equal(host.exists("/etc/new"), false);
});

test("a disk that was mounted on a folder itself since is let go, not emptied; one that was there before stays", (t) => {
	const host = new FakeHost(t);
	for (const path of ["/kept/a", "/empty/a"]) host.write(`/etc${path}`, "1");
	for (const name of ["disk", "old"]) host.write(`/${name}/file`, "1");
	const answer = withMounts(
		host,
		`cd "$KUBEADM_LAB_ROOT"; text="$(cat)"
mount --bind old etc/empty
bash -s -- apply <<<"$text"
echo 2 >etc/empty/new; echo 2 >etc/kept/new
mount --bind disk etc/kept
bash -s -- undo <<<"$text"
cmp -s etc/empty/file old/file; ls etc/kept etc/empty`,
	);
	assert.equal(answer.status, 0, answer.stderr + answer.stdout);
	assert.equal(answer.stdout, "etc/empty:\nfile\n\netc/kept:\na\n");
	assert.equal(host.read("/disk/file"), "1");
});

test("a disk in use stops it before anything is deleted, with who uses it and what to do; afterwards it goes on", (t) => {
	const host = new FakeHost(t);
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	host.write("/disk/file", "1");
	host.write("/etc/new/inner/below/file", "2");
	host.write("/etc/kept/new", "2");
	const answer = withMounts(
		host,
		`cd "$KUBEADM_LAB_ROOT"; text="$(cat)"
mount --bind disk etc/new/inner
sleep 300 <etc/new/inner/file >/dev/null 2>&1 & holder=$!
if bash -s -- undo <<<"$text"; then exit 9; fi
[[ -e etc/new/inner/file && -e etc/kept/new ]]
kill $holder; wait $holder || true
bash -s -- undo <<<"$text"`,
	);
	assert.equal(answer.status, 0, answer.stderr + answer.stdout);
	assert.match(
		answer.stderr,
		/error: can't unmount (\S+\/etc\/new\/inner); in use by sleep \(pid \d+\)\. Nothing in it was deleted\. End what uses it and unmount it \(umount \1; if its server is gone: umount -f -l \1\), then run this again/,
	);
	assert.equal(host.read("/disk/file"), "1");
	assert.equal(host.exists("/etc/new"), false);
	assert.equal(host.exists("/etc/kept/new"), false);
});

test("what is only in memory is detached from under its users", (t) => {
	const host = new FakeHost(t);
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	host.write("/etc/new/inner/file", "2");
	const answer = withMounts(host, `cd "$KUBEADM_LAB_ROOT"; mount -t tmpfs none etc/new/inner; exec 8>etc/new/inner/file; bash -s -- undo`);
	assert.equal(answer.status, 0, answer.stderr + answer.stdout);
	assert.equal(host.exists("/etc/new"), false);
});

for (const [where, isLetGo] of [
	["x/rootfs", true],
	["x/volume", false],
] as const)
	test(`an overlay in use ${isLetGo ? "that is a container's is detached" : "that may be the host's own root stops it"}`, (t) => {
		const host = new FakeHost(t);
		assert.equal(host.bash(SCRIPT, "apply").status, 0);
		for (const name of ["lower/file", "upper/.keep"]) host.write(`/${name}`, "1");
		for (const name of ["work", `etc/new/inner/${where}`]) mkdirSync(join(host.root, name), { recursive: true });
		const answer = withMounts(
			host,
			`cd "$KUBEADM_LAB_ROOT"; mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work etc/new/inner/${where}
sleep 300 <etc/new/inner/${where}/file >/dev/null 2>&1 & trap "kill $!" EXIT
bash -s -- undo`,
		);
		assert.equal(answer.status === 0, isLetGo, answer.stderr);
		if (!isLetGo) assert.match(answer.stderr, /can't unmount \S+\/x\/volume; in use by sleep/);
		assert.equal(host.read("/lower/file"), "1");
	});

test("a folder that is a link to another disk, or lies below one, is cleared there of what came since, and keeps its mode", (t) => {
	const host = new FakeHost(t);
	host.write("/disk/etcd/lost+found/1", "1");
	host.write("/disk/new/theirs", "1");
	chmodSync(join(host.root, "disk/etcd"), 0o750);
	mkdirSync(join(host.root, "etc"), { recursive: true });
	symlinkSync("../disk/etcd", join(host.root, "etc/kept"));
	symlinkSync("../disk/new", join(host.root, "etc/new"));
	const before = [host.snapshot("/etc"), host.snapshot("/disk")];
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	host.write("/etc/kept/member/db", "2");
	host.write("/etc/new/inner/file", "2");
	chmodSync(join(host.root, "disk/etcd"), 0o700);
	assert.deepEqual(host.bash(SCRIPT, "undo"), { status: 0, stdout: "", stderr: "" });
	assert.deepEqual([host.snapshot("/etc"), host.snapshot("/disk")], before);
	assert.equal(statSync(join(host.root, "disk/etcd")).mode & 0o777, 0o750);
	assert.equal(readlinkSync(join(host.root, "etc/kept")), "../disk/etcd");
});

test("a folder that leads elsewhere by now stays as it is, and is told", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/kept/file", "1");
	host.write("/precious/file", "1");
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	rmSync(join(host.root, "etc/kept"), { recursive: true });
	symlinkSync("../precious", join(host.root, "etc/kept"));
	const { status, stderr } = host.bash(SCRIPT, "undo");
	assert.equal(status, 0);
	assert.match(stderr, /test: \/etc\/kept stays as it is: it leads to \S+\/precious by now, and led elsewhere before/);
	assert.equal(host.read("/precious/file"), "1");
});

test("a list of an earlier release, which has no place, is still read", (t) => {
	const host = new FakeHost(t);
	host.write("/etc/kept/file", "1");
	host.write("/etc/kept/new", "1");
	host.write("/lists/%2Fetc%2Fkept", "present\nfile\n");
	assert.deepEqual(host.bash(SCRIPT, "undo"), { status: 0, stdout: "", stderr: "" });
	assert.deepEqual(host.snapshot("/etc/kept"), { "/etc/kept/file": "1" });
});
