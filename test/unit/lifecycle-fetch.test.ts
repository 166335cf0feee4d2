// `npm run lifecycle` with a stack, against a pulumi and SSH servers of this test's own.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import ssh2 from "ssh2";
import { run } from "../../commands/run.ts";
import { packRecording } from "../../lifecycle/recording/packed.ts";
import { BEGIN } from "../../provider/shell.ts";
import { keyPair } from "../key-pair.ts";
import { fixture } from "./lifecycle-fixture.ts";

const URN = "urn:pulumi:lab::kubeadm-lab::kubernetes:core/v1:Pod::lifecycle-demo-pod";
const PULUMI = `#!/bin/sh
case "$1" in
  config) cat "\${0%/*}/secret-$3" ;;
  stack) printf 'NAME\\n  |  URN: %s\\n' '${URN}' ;;
  up) echo "$@" >>"\${0%/*}/ups"; [ "$(wc -l <"\${0%/*}/ups")" -lt "\${FAILS:-9}" ] || { echo 'error: the update failed' >&2; exit 255; } ;;
esac
`;
const [HOST_KEY, USER_KEY] = [keyPair(), keyPair()];
/** A host that takes the user's key and answers each verb with a script of the folder. Returns its port. */
async function host(t: TestContext, folder: string, name: string): Promise<number> {
	const user = ssh2.utils.parseKey(USER_KEY.public) as ssh2.ParsedKey;
	const server = new ssh2.Server({ hostKeys: [HOST_KEY.private] }, (client) => {
		client.on("error", () => {});
		client.on("authentication", (context) => {
			if (context.method === "publickey" && context.key.data.equals(user.getPublicSSH())) context.accept();
			else context.reject(["publickey"]);
		});
		client.on("session", (accept) => {
			accept().on("exec", (accept, _reject, { command }) => {
				const channel = accept();
				const shell = spawn("sh", ["-c", `echo Welcome; echo "${BEGIN}"; echo "${BEGIN}" >&2; cat >/dev/null; . ./${name}-${command.split(" ").at(-1)}`], {
					cwd: folder,
				});
				channel.pipe(shell.stdin);
				shell.stdout.pipe(channel, { end: false });
				shell.stderr.pipe(channel.stderr, { end: false });
				shell.on("close", (code) => channel.exit(code ?? 1) ?? channel.end());
			});
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	t.after(() => void server.close());
	return (server.address() as AddressInfo).port;
}
/** A project's folder with a stack of two hosts, each with what it answers to each verb. */
async function project(t: TestContext, answers: Record<string, string>) {
	const folder = mkdtempSync(join(tmpdir(), "kubeadm-lab-fetch-"));
	t.after(() => rmSync(folder, { recursive: true }));
	const ports = await Promise.all(["node-1", "node-2"].map((name) => host(t, folder, name)));
	const hosts = ports.map((port, i) => `    - { name: node-${i + 1}, address: 127.0.0.1, port: ${port}, hostKey: ${HOST_KEY.public.trim()} }\n`);
	writeFileSync(join(folder, "Pulumi.lab.yaml"), `config:\n  kubeadm-lab:hosts:\n${hosts.join("")}`);
	for (const [name, content] of Object.entries({ pulumi: PULUMI, "secret-sshPrivateKey": USER_KEY.private, ...answers })) {
		writeFileSync(join(folder, name), content);
		chmodSync(join(folder, name), 0o755);
	}
	mkdirSync(join(folder, "tmp"));
	const lifecycle = async (words: string[], env: NodeJS.ProcessEnv = {}) => {
		const { code, stdout, stderr } = await run(process.execPath, [join(import.meta.dirname, "../../commands/lifecycle.ts"), ...words], {
			cwd: folder,
			env: { PATH: `${folder}${delimiter}${process.env.PATH}`, TMPDIR: join(folder, "tmp"), ...env },
		});
		return { status: code, stdout, stderr };
	};
	return { folder, lifecycle };
}
const printing = (name: string) => `echo ${packRecording(fixture(name))}\n`;
const FAILS = "echo 'error: no recording in /var/log' >&2; exit 1\n";

test("a host that gave no recording is named in all that is written", async (t) => {
	const { folder, lifecycle } = await project(t, { "node-1-apply": printing("destroyed"), "node-1-undo": "", "node-2-apply": FAILS });
	const { status, stdout, stderr } = await lifecycle(["report", "lab", "--to", "out"]);
	assert.equal(status, 0, stderr);
	const problem = "no recording from node-2: error: no recording in /var/log";
	assert.ok(stdout.includes(`note: ${problem}\n`), stdout);
	for (const file of ["page.html", "story.txt", "story.json"]) assert.ok(readFileSync(join(folder, "out", file), "utf8").includes(problem), file);
	assert.equal((await lifecycle(["fetch", "lab", "--to", "out/kept.jsonl"])).stderr, `${problem}\n`);
});
test("a host that keeps its recording is named, and the report is there all the same", async (t) => {
	const { folder, lifecycle } = await project(t, {
		"node-1-apply": printing("destroyed"),
		"node-1-undo": "echo 'error: disk' >&2; exit 1\n",
		"node-2-apply": FAILS,
	});
	const { status, stderr } = await lifecycle(["report", "lab", "--to", "out"]);
	assert.equal(status, 0);
	assert.equal(stderr, "the recording was not removed from node-1: error: disk\n");
	assert.match(readFileSync(join(folder, "out/page.html"), "utf8"), /lifecycle-demo-pod/);
});
test("the private key is on no disk while a host is asked, so that nothing stays after a Ctrl-C", async (t) => {
	const { folder, lifecycle } = await project(t, { "node-1-apply": `ls tmp >seen\n${FAILS}`, "node-2-apply": FAILS });
	const { status, stderr } = await lifecycle(["fetch", "lab", "--to", "kept.jsonl"]);
	assert.equal(status, 1);
	assert.equal(stderr, "no host gave a recording:\nnode-1: error: no recording in /var/log\nnode-2: error: no recording in /var/log\n");
	assert.equal(readFileSync(join(folder, "seen"), "utf8"), "");
	assert.deepEqual(readdirSync(join(folder, "tmp")), []);
});
test("a private key with a passphrase is opened by the stack's, and a wrong one is told before any host is asked", async (t) => {
	const { folder, lifecycle } = await project(t, { "node-1-apply": printing("destroyed"), "node-1-undo": "", "node-2-apply": FAILS });
	const key = join(folder, "secret-sshPrivateKey");
	chmodSync(key, 0o600);
	execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "open sesame", "-a", "1", "-f", key]);
	appendFileSync(join(folder, "Pulumi.lab.yaml"), "  kubeadm-lab:sshPrivateKeyPassphrase: { secure: v1:AAAA }\n");
	writeFileSync(join(folder, "secret-sshPrivateKeyPassphrase"), "sesame\n");
	assert.match(
		(await lifecycle(["fetch", "lab", "--to", "kept.jsonl"])).stderr,
		/^sshPrivateKey: found a key that the passphrase in sshPrivateKeyPassphrase does not open\. Correct it: /,
	);
	writeFileSync(join(folder, "secret-sshPrivateKeyPassphrase"), "open sesame\n");
	assert.equal((await lifecycle(["fetch", "lab", "--to", "kept.jsonl"])).status, 0);
});
test("a host that shows another key than the pinned one is told, and gets nothing", async (t) => {
	const { folder, lifecycle } = await project(t, { "node-1-apply": printing("destroyed"), "node-1-undo": "", "node-2-apply": printing("pause") });
	const [, , first = "", second = ""] = readFileSync(join(folder, "Pulumi.lab.yaml"), "utf8").split("\n");
	writeFileSync(
		join(folder, "Pulumi.lab.yaml"),
		`config:\n  kubeadm-lab:hosts:\n${first}\n${second.replace(HOST_KEY.public.trim(), USER_KEY.public.trim())}\n`,
	);
	const { status, stderr } = await lifecycle(["fetch", "lab", "--to", "kept.jsonl"]);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /^no recording from node-2: .*ssh: host key mismatch\n$/);
});
test("repeat makes the Pod anew so many times, then puts the lives side by side", async (t) => {
	const { folder, lifecycle } = await project(t, { "node-1-apply": printing("destroyed"), "node-2-apply": printing("pause") });
	const { status, stdout, stderr } = await lifecycle(["repeat", "2", "lab"]);
	assert.equal(status, 0, stderr);
	assert.match(stderr, /^round 1 of 2: \d+ s\nround 2 of 2: \d+ s\n/);
	assert.match(stdout, /^lifecycle-demo-pod: \d+ lives\n/);
	const ups = readFileSync(join(folder, "ups"), "utf8").trim().split("\n");
	assert.equal(ups.length, 2);
	for (const up of ups) assert.match(up, new RegExp(`^up -s lab --replace ${URN} --yes `));
});
test("repeat ends at the first round that fails, with pulumi's words, and without the Pod before any", async (t) => {
	const { folder, lifecycle } = await project(t, {});
	const failed = await lifecycle(["repeat", "3", "lab"], { FAILS: "2" });
	assert.equal(failed.status, 1);
	assert.match(failed.stderr, /^round 1 of 3: \d+ s\nround 2 of 3: pulumi up ended with 255:\nerror: the update failed\n$/);
	writeFileSync(join(folder, "pulumi"), "#!/bin/sh\necho NAME\n");
	const none = await lifecycle(["repeat", "3", "lab"]);
	assert.deepEqual([none.status, none.stderr], [1, "stack lab has no lifecycle-demo-pod. First: pulumi up -s lab.\n"]);
	const without = await lifecycle(["repeat", "3", "lab"], { PATH: join(folder, "tmp") });
	assert.deepEqual([without.status, without.stderr], [1, "pulumi: not found. Install it, or put its folder on PATH.\n"]);
});
