// What each command of `npm run lifecycle` needs, writes and refuses.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { requestIn } from "../../commands/lifecycle/request.ts";
import { fixture } from "./lifecycle-fixture.ts";

test("a stack, or recordings, is what each command needs", () => {
	assert.deepEqual(requestIn(["report", "lab", "--pod", "a"]), { command: "report", stack: "lab", from: [], pod: "a" });
	assert.deepEqual(requestIn(["runs", "--from", "a", "--from", "b"]), { command: "runs", from: ["a", "b"] });
	assert.deepEqual(requestIn(["repeat", "10", "lab"]), { command: "repeat", stack: "lab", from: [], times: 10 });
	for (const [words, message] of [
		[[], 'found "", expected report, show, runs, repeat or fetch'],
		[["story"], 'found "story", expected report, show, runs, repeat or fetch'],
		[["report"], "expected a stack, or --from FILE"],
		[["report", "lab", "--from", "x"], "expected a stack, or --from FILE"],
		[["report", "lab", "dev"], "found dev after the stack"],
		[["fetch", "--from", "x"], "fetch needs a stack"],
		[["repeat", "3", "--from", "x"], "repeat needs a stack"],
		[["show", "--from", "x", "--from", "y"], "show takes one --from; runs takes several"],
		[["repeat", "lab"], 'repeat: found "lab", expected a number from 1 to 1000'],
		[["repeat", "0", "lab"], 'repeat: found "0", expected a number from 1 to 1000'],
	] as [string[], string][])
		assert.throws(() => requestIn(words), { message });
	assert.throws(() => requestIn(["report", "--frm", "x"]), /Unknown option '--frm'/);
});

function folder(t: TestContext): string {
	const path = mkdtempSync(join(tmpdir(), "kubeadm-lab-lifecycle-"));
	t.after(() => rmSync(path, { recursive: true }));
	return path;
}
const lifecycle = (...words: string[]) => {
	const { status, stdout, stderr } = spawnSync(process.execPath, ["commands/lifecycle.ts", ...words], {
		encoding: "utf8",
		cwd: join(import.meta.dirname, "../.."),
	});
	return { status, stdout, stderr };
};
test("a report from a recording that was cut short is written all the same, and says where", (t) => {
	const to = folder(t);
	const from = join(to, "cut.jsonl");
	const whole = fixture("destroyed");
	writeFileSync(from, whole.slice(0, Math.floor(whole.length * 0.9)));
	const { status, stdout, stderr } = lifecycle("report", "--from", from, "--to", join(to, "report"));
	assert.equal(status, 0, stderr);
	assert.match(stdout, /cut short in the middle of this line/);
	assert.match(readFileSync(join(to, "report/page.html"), "utf8"), /class="problem">[^<]*cut short in the middle of this line/);
	assert.match(readFileSync(join(to, "report/story.txt"), "utf8"), /^PASS +init containers one after another/m);
});
test("what can't be told ends with a word and without a trace of the program", (t) => {
	const from = join(folder(t), "other.jsonl");
	writeFileSync(from, fixture("destroyed").replaceAll('"version":1', '"version":2'));
	const other = lifecycle("show", "--from", from);
	assert.equal(other.status, 1);
	assert.match(other.stderr, /a recording of version 2; this program reads version 1\. Use the program that recorded it\.\n$/);
	assert.doesNotMatch(other.stderr, /^ {4}at /m);
	const missing = lifecycle("show", "--from", "nowhere.jsonl");
	assert.equal(missing.status, 2);
	assert.match(missing.stderr, /^nowhere\.jsonl: no such file\. Give one that npm run lifecycle -- fetch wrote\.\n\nusage: /);
	writeFileSync(from, fixture("destroyed"));
	const alone = lifecycle("runs", "--from", from);
	assert.equal(alone.status, 1);
	assert.match(alone.stderr, /^No Pod has two lives in what was given\. Make some: npm run lifecycle -- repeat 10 STACK\n$/);
	const absent = lifecycle("show", "--from", from, "--pod", "nobody");
	assert.equal(absent.status, 0, "the rest is still told");
	assert.match(absent.stdout, /note: Pod nobody never appeared while this was recorded; these did: lifecycle-demo-pod\./);
});
test("a recording is read packed too, and of one that was cut short what is there", (t) => {
	const from = join(folder(t), "kept.jsonl.gz");
	const packed = gzipSync(fixture("destroyed"));
	writeFileSync(from, packed);
	const whole = lifecycle("show", "--from", from);
	assert.equal(whole.status, 0, whole.stderr);
	assert.match(whole.stdout, /^PASS +hooks run at least once$/m);
	assert.doesNotMatch(whole.stdout, /^note: /m);
	writeFileSync(from, packed.subarray(0, packed.length - 2000));
	const cut = lifecycle("show", "--from", from);
	assert.equal(cut.status, 0, cut.stderr);
	assert.match(cut.stdout, /^note: .*kept\.jsonl\.gz:\d+: cut short in the middle of this line/m);
	writeFileSync(from, Buffer.concat([packed.subarray(0, 10), Buffer.alloc(100, 7)]));
	const damaged = lifecycle("show", "--from", from);
	assert.deepEqual([damaged.status, /^\S+kept\.jsonl\.gz: damaged gzip \(.*\)\. Give a file that/.test(damaged.stderr)], [1, true], damaged.stderr);
	const page = lifecycle("show", "--from", "README.md");
	assert.deepEqual(
		[page.status, page.stderr],
		[1, "README.md:1: the first line is no recording's header. Give a file that npm run lifecycle -- fetch wrote.\n"],
	);
});
