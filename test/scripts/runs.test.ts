// How a run of a step begins and ends, and that there is one at a time (cluster/steps/lib/common.sh, verbs.sh, units.sh).
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeHost, withFiles } from "./fake-host.ts";

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
