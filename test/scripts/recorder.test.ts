import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { unpack } from "../../lifecycle/packed.ts";
import { readRecording } from "../../lifecycle/recording.ts";
import { FakeHost } from "./fake-host.ts";

const MESSAGE = "/data/volumes/nginx/log/message";
const LIST = '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","remainingItemCount":3},"items":[]}';
const ADDED =
	'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a-pod","namespace":"default","uid":"u1","resourceVersion":"8","managedFields":[{"manager":"m","fieldsV1":{"f:x":{}}}]},"spec":{"containers":[]},"status":{"phase":"Pending"}}}';

/** Starts the unit's program for real; what it left running ends with the test, before the host's folder goes. */
function hostWith(t: TestContext): FakeHost {
	const pids = () => (host.exists("/pids") ? host.read("/pids").trim().split("\n").map(Number) : []);
	t.after(() => {
		for (const pid of pids()) {
			try {
				process.kill(-pid, "SIGKILL");
			} catch {} // has ended
		}
	});
	const host = new FakeHost(t);
	host.command(
		"systemd-run",
		`while [[ "$1" != -- ]]; do shift; done; shift; systemctl start kubeadm-lab-recorder.service; setsid "$@" >/dev/null 2>&1 </dev/null 9>&- & echo "$!" >>"\${KUBEADM_LAB_ROOT}/pids"`,
	);
	host.command(
		"kubectl",
		`case "$*" in *watch=1*pods*|*pods*watch=1*) printf '%s\\n' '${ADDED}'; sleep 20 ;; *watch=1*) sleep 20 ;; *) echo '${LIST}' ;; esac`,
	);
	host.command("ctr", `printf '2026-11-24 18:21:16.569453746 +0000 UTC k8s.io /tasks/start {"container_id":"c1","pid":7}\\n'; sleep 20`);
	host.command("journalctl", `printf 'time="2026-11-24T18:21:16.5Z" level=info msg="StopContainer for \\\\"c1\\\\" with timeout 30 (s)"\\n'; sleep 20`);
	host.command("curl", `printf 'Date: %s\\r\\n' "$(date -u '+%a, %d %b %Y %H:%M:%S GMT')"`);
	return host;
}
const settings = { BOUND_SECONDS: 4 };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("the recorder on a control plane follows Pods without their managed fields, each stamped with its arrival", async (t) => {
	const host = hostWith(t);
	const { status, stdout, stderr } = host.run("recorder", "apply", settings, "k8s-master");
	assert.equal(status, 0, stderr);
	assert.equal(stdout, "/var/log/kubeadm-lab/recording\n");
	await pause(500);
	const { headers, lines } = readRecording(unpack(host.run("recording", "apply", {}, "k8s-master").stdout));
	assert.deepEqual([headers[0]?.host, headers[0]?.role], ["k8s-master", "control-plane"]);
	const pod = lines.find(({ from }) => from === "pods");
	assert.deepEqual((pod?.data as { object: { metadata: object } }).object.metadata, { name: "a-pod", namespace: "default", uid: "u1", resourceVersion: "8" });
	assert.ok(Math.abs((pod?.at ?? 0) - Date.now()) < 10_000);
	assert.ok(lines.some(({ data }) => data === "following pods from version 7"));
	const asked = host.calls().filter((call) => call.startsWith("kubectl"));
	assert.ok(asked.some((call) => call.endsWith("/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=3600&resourceVersion=7")));
});
test("the recorder on a worker hears the runtime, the message file and how far its clock is off", async (t) => {
	const host = hostWith(t);
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	host.write(MESSAGE, 'with "quotes", a \\ and a\ttab\n');
	await pause(1800);
	const { lines } = readRecording(unpack(host.run("recording", "apply", {}, "k8s-node01").stdout));
	const found = (from: string) => lines.filter((line) => line.from === from).map(({ data }) => data);
	assert.deepEqual(found("file"), ['with "quotes", a \\ and a\ttab']);
	assert.match(String(found("runtime")[0]), /\/tasks\/start \{"container_id":"c1","pid":7\}$/);
	assert.match(String(found("journal")[0]), /msg="StopContainer for \\"c1\\" with timeout 30 \(s\)"$/);
	const [clock] = found("clock") as { reference: string; offsetMs: number; errorMs: number }[];
	assert.equal(clock?.reference, "k8s-master");
	assert.ok(Math.abs(clock?.offsetMs ?? 1e9) <= (clock?.errorMs ?? 0) + 5, JSON.stringify(clock)); // the stand-in tells the same clock
});
test("what a server logged of the kubelet's requests is recorded when its container is about to stop, and nothing else of its log", async (t) => {
	const host = hostWith(t);
	const log = '2026-11-24T18:21:16.4Z stdout F 10.244.1.1 "GET /bye HTTP/1.1" 200 "kube-lifecycle/1.29"';
	host.write("/var/log/containers/a-pod_default_main-c1.log", `2026-11-24T18:21:15.1Z stdout F a visitor's password\n${log}\n`);
	host.write("/var/log/containers/b-pod_kube-system_main-c1.log", log);
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	await pause(900);
	const { lines } = readRecording(unpack(host.run("recording", "apply", {}, "k8s-node01").stdout));
	assert.deepEqual(
		lines.filter(({ from }) => from === "request").map(({ data }) => data),
		[`c1 ${log}`],
	);
});
test("a second apply leaves a recorder that runs alone", (t) => {
	const host = hostWith(t);
	host.run("recorder", "apply", settings);
	host.forgetCalls();
	assert.equal(host.run("recorder", "apply", settings).status, 0);
	assert.deepEqual(
		host.calls().filter((call) => call.startsWith("systemd-run")),
		[],
	);
	host.run("recorder", "apply", { ...settings, NAMESPACE: "other" });
	assert.equal(host.calls().filter((call) => call.startsWith("systemd-run")).length, 1, "a changed program starts it again");
});
test("undo stops it, keeps the recording until it is fetched, and leaves nothing else", async (t) => {
	const host = hostWith(t);
	host.run("recorder", "apply", settings, "k8s-master");
	await pause(500);
	assert.match(host.run("recording", "undo", {}, "k8s-master").stderr, /the recorder still writes: its recording stays/);
	const { status, stdout } = host.run("recorder", "undo", settings, "k8s-master");
	assert.equal(status, 0);
	assert.equal(stdout, "recording kept on k8s-master in /var/log/kubeadm-lab/recording until: npm run lifecycle -- fetch\n");
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	assert.deepEqual(readRecording(unpack(host.run("recording", "apply", {}, "k8s-master").stdout)).problems, []);
	assert.equal(host.run("recorder", "check", settings, "k8s-master").status, 3);
	host.run("recording", "undo", {}, "k8s-master");
	assert.equal(host.exists("/var/log/kubeadm-lab"), false);
	const gone = host.run("recording", "apply", {}, "k8s-master");
	assert.equal(gone.status, 1);
	assert.match(gone.stderr, /error: no recording in \/var\/log\/kubeadm-lab\/recording: none was made \(demoRecordHours\), or it was fetched before/);
	assert.equal(host.run("recorder", "undo", settings, "k8s-master").status, 0);
});
