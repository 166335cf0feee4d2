// What `npm run etcd` asks for, prints and writes into files.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { passphrase } from "../../commands/etcd/passphrase.ts";
import { requestIn } from "../../commands/etcd/request.ts";
import { seal, unseal } from "../../commands/etcd/sealed.ts";
import { lossText, tableOf } from "../../commands/etcd/text.ts";

const snapshot = { name: "20261128T114751Z-624", about: "cluster=lab\nby=hand", data: Buffer.from([0, 10, 255, 10, 0]) };

test("a sealed snapshot opens with its passphrase, byte by byte, and shows nothing of what is in it", () => {
	const sealed = seal({ ...snapshot, data: Buffer.from("a Secret of etcd") }, "correct horse");
	assert.ok(!sealed.includes("Secret") && !sealed.includes("by=hand"));
	assert.deepEqual(unseal(seal(snapshot, "correct horse"), "correct horse"), snapshot);
	assert.notDeepEqual(seal(snapshot, "correct horse"), seal(snapshot, "correct horse"), "the same twice: salt and nonce are not random");
});
test("with another passphrase, changed in any part, cut short, or none at all: it does not open", () => {
	const sealed = seal(snapshot, "correct horse");
	assert.throws(() => unseal(sealed, "wrong horse"), /can't be opened: another passphrase, or the file is damaged or cut short/);
	for (const at of [30, 45, 60, sealed.length - 20, sealed.length - 1]) {
		const damaged = Buffer.from(sealed);
		damaged[at] = (damaged[at] ?? 0) ^ 1;
		assert.throws(() => unseal(damaged, "correct horse"), /can't be opened/, `byte ${at}`);
	}
	assert.throws(() => unseal(sealed.subarray(0, -1), "correct horse"), /can't be opened/);
	for (const other of [Buffer.alloc(0), Buffer.from("SQLite format 3"), sealed.subarray(0, 40)])
		assert.throws(() => unseal(other, "correct horse"), /is not a snapshot that npm run etcd -- fetch wrote/);
});
test("the passphrase is the first line of the file that the environment names, never a short one for a new file, and is not waited for without a terminal", async (t) => {
	const folder = mkdtempSync(join(tmpdir(), "kubeadm-lab-passphrase-"));
	t.after(() => {
		rmSync(folder, { recursive: true });
		delete process.env.KUBEADM_LAB_ETCD_PASSPHRASE_FILE;
	});
	const file = join(folder, "file");
	process.env.KUBEADM_LAB_ETCD_PASSPHRASE_FILE = file;
	await assert.rejects(passphrase(true), /cannot read .*: ENOENT\. Correct the path/);
	writeFileSync(file, "correct horse\r\nmore\n");
	chmodSync(file, 0o600);
	assert.equal(await passphrase(true), "correct horse");
	writeFileSync(file, "short\n");
	await assert.rejects(passphrase(true), /the passphrase has 5 letters, expected 8 or more\. Nothing was written/);
	assert.equal(await passphrase(false), "short", "one that somebody else chose opens what it closed");
	delete process.env.KUBEADM_LAB_ETCD_PASSPHRASE_FILE;
	if (!process.stdin.isTTY) await assert.rejects(passphrase(false), /no terminal to ask for the passphrase on/);
});
test("words are commands with a stack, and what is wrong with them is told", () => {
	assert.deepEqual(requestIn(["snapshot", "lab"]), { command: "snapshot", stack: "lab", isYes: false });
	assert.deepEqual(requestIn(["restore", "lab", snapshot.name, "--yes"]), { command: "restore", stack: "lab", isYes: true, name: snapshot.name });
	assert.deepEqual(requestIn(["restore", "lab", "./x"]), { command: "restore", stack: "lab", isYes: false, file: "./x" });
	assert.deepEqual(requestIn(["fetch", "lab", "a", "b"]), { command: "fetch", stack: "lab", isYes: false, name: "a", file: "b" });
	const wrong: [string[], RegExp][] = [
		[[], /found "", expected one of: snapshot, list, fetch, restore/],
		[["toString", "lab"], /found "toString", expected one of/],
		[["list"], /expected the name of a stack/],
		[["fetch", "lab", "a"], /fetch: found 1 words after the stack, expected 2/],
		[["list", "lab", "--yes"], /list asks nothing/],
		[["restore", "lab", "a", "--force"], /found --force, expected --yes or no option/],
	];
	for (const [words, text] of wrong) assert.throws(() => requestIn(words), text);
});
test("snapshots are a table, and none is said with what to do", () => {
	const line = "20261128T114751Z-624\t2026-11-28T11:47:51Z\t624\t632\t1421344\tb7a82de1\thand\t3.5.16\n";
	assert.deepEqual(tableOf(line), [
		"NAME                  TAKEN                 REVISION  KEYS  SIZE    HASH      BY    ETCD",
		"20261128T114751Z-624  2026-11-28T11:47:51Z  624       632   1.4 MB  b7a82de1  hand  3.5.16",
	]);
	assert.deepEqual(tableOf(""), ["no snapshots. To take one: npm run etcd -- snapshot STACK"]);
});
test("before a restore stands what will be lost: the revisions, what was made since, Nodes that have to join again", () => {
	const look = (more: string) => lossText(snapshot.name, `taken\t2026-11-28T11:47:51Z\nrevision\t624\n${more}`).join("\n");
	const text = look("now\t644\ncreated\tNode k8s-node03\ncreated\tConfigMap default/after\n");
	for (const part of ["revision 624.", "etcd is at revision 644: 20 changes since are lost.", "(2):", "  ConfigMap default/after", "has to join again"])
		assert.ok(text.includes(part), part);
	assert.ok(!look("now\t644\n").includes("Made since"));
	assert.match(look("now\t644\nunknown\tsecrets\nunknown\tpods\n"), /The API server did not list its secrets, pods: what was made of them since is not known/);
	assert.match(look("now\t1795870671168\n"), /and was restored since: all changes since the snapshot are lost/);
	assert.match(look("now\tunknown\n"), /etcd does not answer, so what is newer than the snapshot is not known/);
	assert.match(look(`now\t644\n${"created\tPod default/x\n".repeat(31)}`), /\(31\):[\s\S]*and 1 more/);
	assert.match(look(`now\t1\ncut off\t${snapshot.name}\n`), new RegExp(`^A restore of ${snapshot.name} was cut off: it goes on`));
	assert.match(look("now\t1\ncut off\tother\n"), /^A restore of other was cut off: it is taken back first/);
});
