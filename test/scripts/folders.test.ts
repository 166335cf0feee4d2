import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FakeHost, withFiles } from "./fake-host.ts";

const FOLDERS = ["/etc/kept", "/etc/new", "/etc/new/inner", "/etc/linked", "/etc/empty", "/etc/never"];
const SCRIPT = withFiles(
	`FOLDERS=(${FOLDERS.join(" ")})
check() { :; }
apply() { mkdir -p -- "\${ROOT}/lists" && for folder in "\${FOLDERS[@]}"; do remember_folder "\${ROOT}/lists" "\${folder}"; done; }
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

test("a foreign disk that was mounted in a folder is let go, not emptied", (t) => {
	const host = new FakeHost(t);
	assert.equal(host.bash(SCRIPT, "apply").status, 0);
	host.write("/disk/file", "1");
	host.write("/etc/new/inner/on top/file", "2");
	// in a mount namespace of its own, which ends with it: over each other, one inside the other, and one that is in use
	const answer = spawnSync(
		"unshare",
		[
			...(process.getuid?.() === 0 ? [] : ["--map-root-user"]),
			...["--mount", "bash", "-euc"],
			`cd "$KUBEADM_LAB_ROOT"
mount --bind disk etc/new/inner
mkdir "etc/new/inner/a b"
for place in "etc/new/inner/a b" "etc/new/inner/a b" etc/new/inner; do mount --bind disk "$place"; done
exec 8<"etc/new/inner/file"
bash -s -- undo
! grep -F "$KUBEADM_LAB_ROOT" /proc/self/mounts`,
		],
		{ input: SCRIPT, encoding: "utf8", env: { ...process.env, KUBEADM_LAB_ROOT: host.root } },
	);
	assert.equal(answer.status, 0, answer.stderr + answer.stdout);
	assert.equal(host.read("/disk/file"), "1");
	assert.equal(host.exists("/disk/a b"), true);
	assert.equal(host.exists("/etc/new"), false);
});
