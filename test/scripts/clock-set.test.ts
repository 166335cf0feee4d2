// A clock that is set while a script waits. A small library stands between bash and the kernel's clock, which no test may set; libfaketime can't, since bash has a getenv of its own.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { stripComments } from "../../cluster/step-text.ts";
import { FakeHost, withFiles } from "./fake-host.ts";
import { shellFiles } from "./shell-files.ts";

/** The seconds in the file OFFSET are added to what the clock says. */
const LIBRARY = `#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int gettimeofday(struct timeval *now, void *zone) {
	long offset = 0;
	FILE *file = fopen(OFFSET, "r");
	if (file) {
		if (fscanf(file, "%ld", &offset) != 1) offset = 0;
		fclose(file);
	}
	syscall(SYS_gettimeofday, now, zone);
	now->tv_sec += offset;
	return 0;
}
time_t time(time_t *at) {
	struct timeval now;
	gettimeofday(&now, NULL);
	if (at) *at = now.tv_sec;
	return now.tv_sec;
}
`;

/** Runs `apply`, in which `set_clock` sets the clock that many seconds ahead; it must see that. Its output, and the seconds it took. */
function run(t: TestContext, apply: string): { output: string; seconds: number } {
	const host = new FakeHost(t);
	const library = join(host.root, "clock.so");
	const offset = join(host.root, "offset");
	const built = spawnSync("gcc", ["-shared", "-fPIC", "-o", library, "-D", `OFFSET="${offset}"`, "-x", "c", "-"], { input: LIBRARY, encoding: "utf8" });
	assert.equal(built.status, 0, built.stderr);
	host.write("/offset", "0\n");
	const text = withFiles(`set_clock() { printf '%s\\n' "$1" >'${offset}.new' && mv -f '${offset}.new' '${offset}'; }
check() { :; }
undo() { :; }
apply() {
  local early="\${SECONDS}" late
${apply}
  late="\${SECONDS}"
  ((late - early > 3000 || early - late > 3000)) || die 'the clock was not set'
}`);
	const start = performance.now();
	const { stdout, stderr } = spawnSync("bash", ["-s", "--", "apply"], {
		input: text,
		encoding: "utf8",
		timeout: 20_000,
		env: { PATH: process.env.PATH, LD_PRELOAD: library, KUBEADM_LAB_ROOT: host.root, KUBEADM_LAB_LOCK_SECONDS: "10" },
	});
	return { output: stdout + stderr, seconds: (performance.now() - start) / 1000 };
}

test("a clock that is set ahead ends no wait before its time", (t) => {
	const { output } = run(
		t,
		`is_there() { [[ -e "\${ROOT}/there" ]]; }
(sleep 1; set_clock 3600; sleep 1; : >"\${ROOT}/there") &
wait_for 10 is_there || die 'given up'`,
	);
	assert.equal(output, "");
});
test("a clock that is set back draws out no wait", (t) => {
	const { output, seconds } = run(
		t,
		`(sleep 1; set_clock -3600) &
wait_for 3 false || echo 'given up'`,
	);
	assert.equal(output, "given up\n");
	assert.ok(seconds < 15, `it took ${seconds} s`);
});
test("no script of a host goes by bash's SECONDS, which the clock changes", () => {
	const named = shellFiles.filter(({ text }) => /(?<![A-Z_])SECONDS(?![A-Z_])/.test(stripComments(text).replace(/ # .*$/gm, ""))).map(({ name }) => name);
	assert.deepEqual(named, []);
});
