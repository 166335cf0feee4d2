// How the commands run other programs: what they tell of one that fails, hangs, is missing or leaves something behind.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { type TestContext, test } from "node:test";
import { RunError, run } from "../../commands/run.ts";

const sh = (script: string, options?: Parameters<typeof run>[2]) => run("sh", ["-c", script], options);

test("a program's exit code and what it printed are told, whatever they are", async () => {
	const { code, stdout, stderr, output } = await sh("echo one; echo two >&2; cat; echo $MINE $HOME; exit 3", {
		input: "three\n",
		env: { MINE: "four", HOME: undefined },
	});
	assert.deepEqual({ code, stdout, stderr }, { code: 3, stdout: "one\nthree\nfour\n", stderr: "two\n" });
	assert.deepEqual(output.split("\n").sort(), ["", "four", "one", "three", "two"]); // as they came: two pipes may change places on a busy machine
	assert.equal((await sh("kill -9 $$")).code, -1);
});
test("a program that reads none of its input ends as it would", async () => {
	assert.equal((await sh("exit 0", { input: "x".repeat(1 << 20) })).code, 0);
});
test("a program that is not there is named", async () => {
	await assert.rejects(
		run("no-such-program", []),
		(error: Error) => error instanceof RunError && /^no-such-program: not found\. Install it/.test(error.message),
	);
});
test("a program that is not done in time is ended, and told with what it said last", async () => {
	const late = /^Error: sh -c .*: not done after 1 s; last output:\nworking$/s;
	await assert.rejects(sh("echo working; exec sleep 30", { timeoutSeconds: 1 }), late);
	const begin = performance.now();
	let pid = 0;
	const onStart = (child: ChildProcess) => {
		pid = child.pid ?? 0;
	};
	await assert.rejects(sh("trap '' TERM; echo working; while :; do sleep 0.05; done", { timeoutSeconds: 1, graceSeconds: 0.2, onStart }), late);
	assert.throws(() => process.kill(pid, 0), /ESRCH/);
	assert.ok(performance.now() - begin < 20_000);
});
test("a program that left another one behind, which holds its output, is not waited for beyond the bound", async (t: TestContext) => {
	let left = 0;
	t.after(() => process.kill(left));
	const begin = performance.now();
	const onStart = (child: ChildProcess) =>
		child.stdout?.on("data", (text: string) => {
			left = Number(text);
		});
	await assert.rejects(sh("sleep 30 & echo $!", { timeoutSeconds: 1, graceSeconds: 0.2, onStart }), /not done after 1 s/);
	assert.ok(left > 0 && performance.now() - begin < 20_000);
});
