// What the pause container holds together, looked at row by row on a played host.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { type TestContext, test } from "node:test";
import { pauseRows } from "../../lifecycle/verdicts/pause.ts";
import { FakeHost } from "./fake-host.ts";

/** Processes that may be ended, one for each container that its crictl knows. */
const CONTAINERS = ["s1", "one1", "two1", "two2", "s2", "one3", "two3"];

/** One Pod with containers one and two. Its crictl starts two again when that has ended, and all of it in a new sandbox when pause has. */
function hostWith(t: TestContext): FakeHost {
	const host = new FakeHost(t);
	const processes = CONTAINERS.map(() => spawn("sleep", ["60"], { stdio: "ignore" }));
	t.after(() => {
		for (const child of processes) child.kill("SIGKILL");
	});
	for (const [index, id] of CONTAINERS.entries()) host.write(`/pids/${id}`, String(processes[index]?.pid));
	host.command(
		"crictl",
		`r="\${KUBEADM_LAB_ROOT}"
runs() { [[ "$(cat "/proc/$(cat "$r/pids/$1")/stat" 2>/dev/null)" =~ \\)\\ [^Z] ]]; }
case "$*" in
pods*) if runs s1; then echo s1; else echo s2; fi ;;
*"--pod s2"*one*) echo one3 ;;
*"--pod s2"*two*) echo two3 ;;
ps*one*) echo one1 ;;
ps*two*) if runs two1; then echo two1; else echo two2; fi ;;
*info.pid*) cat "$r/pids/\${@: -1}" ;;
*network.ip*s1) echo 10.244.1.4 ;;
*network.ip*s2) echo 10.244.1.6 ;;
exec*wget*) echo 'hello from one' ;;
exec*"cat /shared/hello"*) echo 'hello "from" one' ;;
exec*hostname*) echo pause-private ;;
exec*sysvipc*) echo 1 ;;
exec*/dev/shm*) printf 'written\\tby one\\n' ;;
exec*one1*/proc/1/comm*) echo httpd ;;
exec*/proc/1/comm*) echo sleep ;;
exec*cmdline*) echo 0 ;;
esac`,
	);
	host.command("nsenter", `case "$*" in *ipcmk*) echo 'Message queue id: 3' ;; esac`);
	return host;
}
const apply = (host: FakeHost) => host.run("pause", "apply", { PODS: ["pause-private"] }, "k8s-node01");

test("pause prints a row for each thing that is looked at, and the Pod's IP before and after", (t) => {
	const host = hostWith(t);
	const { status, stdout, stderr } = apply(host);
	assert.equal(status, 0, stderr);
	const rows = pauseRows(stdout);
	assert.equal(rows.length, 14);
	const values = Object.fromEntries(rows.map(({ what, pause, one, two }) => [what, [pause, one, two]]));
	assert.deepEqual(values["process 1"], ["sleep", "httpd", "sleep"]);
	assert.deepEqual(values.localhost, ["-", "serves on port 8080", "hello from one"]);
	assert.deepEqual(values["SysV queues"], ["made number 3 in one", "1", "1"]);
	assert.deepEqual(values["shared memory"], ["-", "written by one", "written by one"], "a tab inside a value would be another field");
	assert.deepEqual(values["IP when a container restarts"], ["10.244.1.4", "10.244.1.4", "-"]);
	assert.deepEqual(values["IP when pause dies"], ["10.244.1.4", "10.244.1.6", "-"]);
	for (const { what, verdict } of rows.filter(({ what }) => what.startsWith("IP"))) assert.equal(verdict, "PASS", what);
	// All of them are this machine's processes: one namespace, whatever it is.
	assert.equal(new Set(values["namespace net"]).size, 1);
	assert.match(values["namespace net"]?.[0] ?? "", /^\d+$/);
	assert.ok(host.calls().includes(`nsenter --target ${host.read("/pids/one1")} --ipc -- ipcrm --queue-id 3`), "the queue is removed");
});
test("where the host records, each row is in the recording", (t) => {
	const host = hostWith(t);
	const header = { schema: "kubeadm-lab/recording", version: 1, at: 1, host: "k8s-node01", role: "worker", namespace: "default", messageFile: "/m" };
	host.write("/var/log/kubeadm-lab/recording/header.jsonl", `${JSON.stringify(header)}\n`);
	const { stdout } = apply(host);
	const lines = host.read("/var/log/kubeadm-lab/recording/pause.jsonl").trimEnd().split("\n");
	const parsed = lines.map((line) => JSON.parse(line) as { host: string; from: string; data: string });
	assert.deepEqual(
		parsed.map(({ data }) => data),
		stdout.trimEnd().split("\n"),
	);
	assert.deepEqual([parsed[0]?.host, parsed[0]?.from], ["k8s-node01", "pause"]);
});
test("a look leaves nothing on the host, and undo has nothing to do", (t) => {
	const host = hostWith(t);
	assert.equal(host.run("pause", "check", {}, "k8s-node01").status, 0);
	apply(host);
	assert.equal(host.run("pause", "undo", {}, "k8s-node01").status, 0);
	for (const folder of ["/var/lib/kubeadm-lab", "/var/log/kubeadm-lab"]) assert.equal(host.exists(folder), false, folder);
});
