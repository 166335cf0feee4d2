// `npm run lifecycle` with a stack, against a pulumi and an ssh of this test's own.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { pack } from "../../lifecycle/recording/packed.ts";
import { fixture } from "./lifecycle-fixture.ts";

const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGXOwmdoRTmvYlGqJmJnBYfY8FKvkZWWRHQDP8UaALhd";
const URN = "urn:pulumi:lab::kubeadm-lab::kubernetes:core/v1:Pod::lifecycle-demo-pod";
const SSH = `#!/bin/sh
cat >/dev/null
for word in "$@"; do case "$word" in root@*) host="\${word#root@}" ;; esac; done
exec sh "\${0%/*}/$host-\${word##* }"
`;
const PULUMI = `#!/bin/sh
case "$1" in
  config) echo a private key ;;
  stack) printf 'NAME\\n  |  URN: %s\\n' '${URN}' ;;
  up) echo "$@" >>"\${0%/*}/ups"; [ "$(wc -l <"\${0%/*}/ups")" -lt "\${FAILS:-9}" ] || { echo 'error: the update failed' >&2; exit 255; } ;;
esac
`;
/** A project's folder with a stack of two hosts, each with what it answers to each verb. */
function project(t: TestContext, answers: Record<string, string>) {
	const folder = mkdtempSync(join(tmpdir(), "kubeadm-lab-fetch-"));
	t.after(() => rmSync(folder, { recursive: true }));
	const hosts = [1, 2].map((place) => `    - { name: node-${place}, address: 192.0.2.${place}, hostKey: ${HOST_KEY} }\n`);
	writeFileSync(join(folder, "Pulumi.lab.yaml"), `config:\n  kubeadm-lab:hosts:\n${hosts.join("")}`);
	for (const [name, content] of Object.entries({ ssh: SSH, pulumi: PULUMI, ...answers })) {
		writeFileSync(join(folder, name), content);
		chmodSync(join(folder, name), 0o755);
	}
	const lifecycle = (words: string[], env: NodeJS.ProcessEnv = {}) => {
		const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "../../commands/lifecycle.ts"), ...words], {
			...{ encoding: "utf8", cwd: folder },
			env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}`, ...env },
		});
		return { status, stdout, stderr };
	};
	return { folder, lifecycle };
}
const printing = (name: string) => `echo ${pack(fixture(name))}\n`;
const FAILS = "echo 'error: no recording in /var/log' >&2; exit 1\n";

test("a host that gave no recording is named in all that is written", (t) => {
	const { folder, lifecycle } = project(t, { "192.0.2.1-apply": printing("destroyed"), "192.0.2.1-undo": "", "192.0.2.2-apply": FAILS });
	const { status, stdout, stderr } = lifecycle(["report", "lab", "--to", "out"]);
	assert.equal(status, 0, stderr);
	const problem = "no recording from node-2: error: no recording in /var/log";
	assert.ok(stdout.includes(`note: ${problem}\n`), stdout);
	for (const file of ["page.html", "story.txt", "story.json"]) assert.ok(readFileSync(join(folder, "out", file), "utf8").includes(problem), file);
	assert.equal(lifecycle(["fetch", "lab", "--to", "out/kept.jsonl"]).stderr, `${problem}\n`);
});
test("a host that keeps its recording is named, and the report is there all the same", (t) => {
	const { folder, lifecycle } = project(t, {
		...{ "192.0.2.1-apply": printing("destroyed"), "192.0.2.1-undo": "echo 'error: disk' >&2; exit 1\n" },
		...{ "192.0.2.2-apply": FAILS },
	});
	const { status, stderr } = lifecycle(["report", "lab", "--to", "out"]);
	assert.equal(status, 0);
	assert.equal(stderr, "the recording was not removed from node-1: error: disk\n");
	assert.match(readFileSync(join(folder, "out/page.html"), "utf8"), /lifecycle-demo-pod/);
});
test("repeat makes the Pod anew so many times, then puts the lives side by side", (t) => {
	const { folder, lifecycle } = project(t, { "192.0.2.1-apply": printing("destroyed"), "192.0.2.2-apply": printing("pause") });
	const { status, stdout, stderr } = lifecycle(["repeat", "2", "lab"]);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /^round 1 of 2: \d+ s\nround 2 of 2: \d+ s\n/);
	assert.match(stdout, /^lifecycle-demo-pod: \d+ lives\n/);
	const ups = readFileSync(join(folder, "ups"), "utf8").trim().split("\n");
	assert.equal(ups.length, 2);
	for (const up of ups) assert.match(up, new RegExp(`^up -s lab --replace ${URN} --yes `));
});
test("repeat ends at the first round that fails, with pulumi's words, and without the Pod before any", (t) => {
	const { folder, lifecycle } = project(t, {});
	const failed = lifecycle(["repeat", "3", "lab"], { FAILS: "2" });
	assert.equal(failed.status, 1);
	assert.match(failed.stderr, /^round 1 of 3: \d+ s\nround 2 of 3: pulumi up ended with 255:\nerror: the update failed\n$/);
	writeFileSync(join(folder, "pulumi"), "#!/bin/sh\necho NAME\n");
	const none = lifecycle(["repeat", "3", "lab"]);
	assert.deepEqual([none.status, none.stderr], [1, "stack lab has no lifecycle-demo-pod. First: pulumi up -s lab.\n"]);
});
