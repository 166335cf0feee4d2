// The recorders of the control plane and of the workers: what they hear, how exactly, and that they end.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { unpackRecording } from "../../lifecycle/recording/packed.ts";
import { readRecording } from "../../lifecycle/recording/recording.ts";
import type { FakeHost } from "./fake-host.ts";
import { ADDED, hostWith, LIST, pause, recordingOf, settings, until } from "./recorder-host.ts";

const MESSAGE = "/data/volumes/nginx/log/message";
const systemctl = (host: FakeHost, verb: string) => host.bash(`PATH="\${KUBEADM_LAB_ROOT}/bin:\${PATH}"; systemctl ${verb} kubeadm-lab-recorder.service`);

test("the recorder on a control plane follows Pods without their managed fields, each stamped with its arrival", async (t) => {
	const host = hostWith(t);
	const { status, stdout, stderr } = host.run("recorder", "apply", settings, "k8s-master");
	assert.equal(status, 0, stderr);
	assert.equal(stdout, "/var/log/kubeadm-lab/recording\n");
	await pause(500);
	const { headers, lines } = recordingOf(host, "k8s-master");
	assert.deepEqual([headers[0]?.host, headers[0]?.role], ["k8s-master", "control-plane"]);
	const pod = lines.find(({ from }) => from === "pods");
	assert.deepEqual((pod?.data as { object: { metadata: object } }).object.metadata, { name: "a-pod", namespace: "default", uid: "u1", resourceVersion: "8" });
	assert.ok(Math.abs((pod?.at ?? 0) - Date.now()) < 10_000);
	assert.ok(lines.some(({ data }) => data === "following pods from version 7"));
	const asked = host.calls().filter((call) => call.startsWith("kubectl"));
	assert.ok(asked.some((call) => call.endsWith("/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=3600&resourceVersion=7")));
});
test("a Pod's recording waits until its Ready is heard, and not for ever", async (t) => {
	const host = hostWith(t);
	host.run("recorder", "apply", settings, "k8s-master");
	const pods = join(host.root, "/var/log/kubeadm-lab/recording/pods.jsonl");
	const ready = '{"type":"MODIFIED","object":{"metadata":{"uid":"u1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}}';
	const line = `{"at":1,"host":"k8s-master","from":"pods","data":${ready}}\n`;
	spawn("bash", ["-c", `sleep 1; printf '%s' '${line}' >>'${pods}'`], { stdio: "ignore" });
	const { stdout, stderr } = host.run("recording", "apply", { READY_UID: "u1" }, "k8s-master");
	assert.ok(unpackRecording(stdout).includes(line), "read before");
	assert.equal(stderr, "");
	const begun = Date.now();
	const without = host.run("recording", "apply", { READY_UID: "u2" }, "k8s-master");
	assert.deepEqual([without.status, Date.now() - begun < 15_000], [0, true]);
	assert.match(without.stderr, /Pod u2 is not Ready in the recording/);
});
test("the recorder on a worker hears the runtime, the message file and how far its clock is off", async (t) => {
	const host = hostWith(t);
	host.write("/etc/kubernetes/kubelet.conf", "joined");
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	host.write(MESSAGE, 'with "quotes", a \\ and a\ttab\n');
	await until(() => host.exists("/var/log/kubeadm-lab/recording/clock.jsonl"));
	const { lines } = recordingOf(host, "k8s-node01");
	const found = (from: string) => lines.filter((line) => line.from === from).map(({ data }) => data);
	assert.deepEqual(found("file"), ['with "quotes", a \\ and a\ttab']);
	assert.match(String(found("runtime")[0]), /\/tasks\/start \{"container_id":"c1","pid":7\}$/);
	assert.match(String(found("journal")[0]), /msg="StopContainer for \\"c1\\" with timeout 30 \(s\)"$/);
	const [clock] = found("clock") as { reference: string; offsetMs: number; errorMs: number }[];
	assert.equal(clock?.reference, "k8s-master");
	assert.ok(Math.abs(clock?.offsetMs ?? 1e9) <= (clock?.errorMs ?? 0), JSON.stringify(clock)); // the stand-in tells the same clock
});
test("a message file that becomes a link is not followed by a recorder that listens, and one that is a link is told", async (t) => {
	const host = hostWith(t);
	host.write("/etc/shadow", "a secret\n");
	host.write(MESSAGE, "before\n");
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	appendFileSync(join(host.root, MESSAGE), "heard\n");
	const file = () => (host.exists("/var/log/kubeadm-lab/recording/file.jsonl") ? host.read("/var/log/kubeadm-lab/recording/file.jsonl") : "");
	await until(() => file().includes("heard"));
	rmSync(join(host.root, MESSAGE));
	symlinkSync(join(host.root, "etc/shadow"), join(host.root, MESSAGE));
	await pause(500);
	assert.doesNotMatch(file(), /secret/);
	assert.equal(host.run("recorder", "undo", settings, "k8s-node01").status, 0);
	assert.equal(host.exists("/var/log/kubeadm-lab/recording/file-end.jsonl"), false);
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	await until(() => host.read("/var/log/kubeadm-lab/recording/note.jsonl").includes("is not recorded: /data/volumes/nginx/log/message is a link"));
	assert.doesNotMatch(JSON.stringify(host.snapshot("/var/log/kubeadm-lab/recording")), /secret/);
});
test("a clock that is off is measured with a few requests, also where it is set meanwhile and where an answer fails", async (t) => {
	const host = hostWith(t);
	host.write("/etc/kubernetes/kubelet.conf", "joined");
	// Behind by 90 s at first, and by 2.345 s from the fourth request on; the second fails.
	host.command(
		"curl",
		`n="$(wc -l <"\${KUBEADM_LAB_ROOT}/asked" 2>/dev/null)"; printf 'x\n' >>"\${KUBEADM_LAB_ROOT}/asked"; ((n != 1)) || exit 7
ms=2345; ((n > 2)) || ms=90000; printf 'HTTP/2 200 \r\ndate: %s\r\n' "$(date -u -d "@$((($(date +%s%3N) - ms) / 1000))" '+%a, %d %b %Y %H:%M:%S GMT')"`,
	);
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	await until(() => host.exists("/var/log/kubeadm-lab/recording/clock.jsonl"));
	const { offsetMs, errorMs } = JSON.parse(host.read("/var/log/kubeadm-lab/recording/clock.jsonl")).data as { offsetMs: number; errorMs: number };
	assert.ok(errorMs <= 40, String(errorMs));
	assert.ok(Math.abs(offsetMs - 2345) <= errorMs, `${offsetMs} to within ${errorMs}`);
	const asked = host.read("/asked").trim().split("\n").length;
	assert.ok(asked <= 20, `${asked} requests`);
});
test("what a server logged of the kubelet's requests is recorded when its container is about to stop, and nothing else of its log", async (t) => {
	const host = hostWith(t);
	const log = '2026-11-24T18:21:16.4Z stdout F 10.244.1.1 "GET /bye HTTP/1.1" 200 "kube-lifecycle/1.29"';
	host.write("/var/log/containers/a-pod_default_main-c1.log", `2026-11-24T18:21:15.1Z stdout F a visitor's password\n${log}\n`);
	host.write("/var/log/containers/b-pod_kube-system_main-c1.log", log);
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	await pause(900);
	const { lines } = readRecording(unpackRecording(host.run("recording", "apply", {}, "k8s-node01").stdout));
	assert.deepEqual(
		lines.filter(({ from }) => from === "request").map(({ data }) => data),
		[`c1 ${log}`],
	);
});
test("many containers that stop at once lose none of these lines, although a log goes with its Pod", async (t) => {
	const host = hostWith(t);
	const ids = Array.from({ length: 12 }, (_, i) => `c${i + 10}`);
	const logs = ids.map((id) => join(host.root, `/var/log/containers/${id}-pod_default_main-${id}.log`));
	for (const [i, id] of ids.entries())
		host.write(`/var/log/containers/${id}-pod_default_main-${id}.log`, `${i} "GET /bye HTTP/1.1" 200 "kube-lifecycle/1.29"\n`);
	const stop = ids.map((id) => `time="2026-11-24T18:21:16.5Z" level=info msg="StopContainer for \\\\"${id}\\\\" with timeout 30 (s)"\\n`).join("");
	host.command("journalctl", `printf '${stop}'; sleep 0.6; rm ${logs.join(" ")}; sleep 20`);
	assert.equal(host.run("recorder", "apply", settings, "k8s-node01").status, 0);
	await pause(1500);
	const { lines } = readRecording(unpackRecording(host.run("recording", "apply", {}, "k8s-node01").stdout));
	const heard = lines.filter(({ from }) => from === "request").map(({ data }) => String(data).split(" ", 1)[0]);
	assert.deepEqual(heard.sort(), ids);
});
test("a second apply leaves a recorder that runs alone", (t) => {
	const host = hostWith(t);
	host.run("recorder", "apply", settings);
	const starts = () => host.calls().filter((call) => /^systemctl start .*recorder\.service/.test(call)).length;
	assert.equal(starts(), 1);
	assert.equal(host.run("recorder", "apply", settings).status, 0);
	assert.equal(starts(), 1);
	host.run("recorder", "apply", { ...settings, NAMESPACE: "other" });
	assert.equal(starts(), 2, "a changed program starts it again");
});
test("a recorder whose bound is changed after Pods were recorded goes on listening", async (t) => {
	const host = hostWith(t);
	assert.equal(host.run("recorder", "apply", { BOUND_SECONDS: 600 }, "k8s-master").status, 0);
	await until(() => host.exists("/var/log/kubeadm-lab/recording/pods.jsonl"));
	const { status, stderr } = host.run("recorder", "apply", { BOUND_SECONDS: 700 }, "k8s-master");
	assert.equal(status, 0, stderr);
});
test("after a boot the unit goes on where it was: with the next line of the file, from the last version of the API", async (t) => {
	const boot = (host: FakeHost) => {
		systemctl(host, "stop");
		host.write("/var/log/kubeadm-lab/recording/.boot", "another");
	};
	const worker = hostWith(t);
	const heard = (from: string) => recordingOf(worker, "k8s-node01").lines.flatMap((line) => (line.from === from ? [line.data] : []));
	worker.write(MESSAGE, "of an earlier Pod\n");
	worker.run("recorder", "apply", settings, "k8s-node01");
	const append = (line: string) => appendFileSync(join(worker.root, MESSAGE), line); // as hooks do: a file written anew is read anew
	append("heard\n");
	await until(() => heard("file").length === 1);
	worker.command("journalctl", "sleep 20");
	boot(worker);
	append("written while nobody heard\n");
	systemctl(worker, "start");
	await until(() => heard("file").length === 2);
	assert.deepEqual([heard("file-start"), heard("file")], [["of an earlier Pod"], ["heard", "written while nobody heard"]]);
	assert.deepEqual(heard("note"), [
		"the recorder was stopped",
		"the host was started again, and the recorder with it: what happened here meanwhile is not recorded",
	]);

	const controlPlane = hostWith(t);
	controlPlane.run("recorder", "apply", settings, "k8s-master");
	await until(() => controlPlane.exists("/var/log/kubeadm-lab/recording/pods.jsonl"));
	boot(controlPlane);
	controlPlane.forgetCalls();
	systemctl(controlPlane, "start");
	await until(() => controlPlane.calls().some((call) => call.endsWith("/pods?watch=1&timeoutSeconds=3600&resourceVersion=8")));
});
test("a server that no longer knows the version sends every Pod as it is now", async (t) => {
	const host = hostWith(t);
	host.command(
		"kubectl",
		`case "$*" in *resourceVersion=7*) printf '%s\\n' '{"type":"ERROR","object":{"kind":"Status","metadata":{},"code":410}}' ;; *pods*watch=1*) printf '%s\\n' '${ADDED}'; sleep 20 ;; *watch=1*) sleep 20 ;; *) echo '${LIST}' ;; esac`,
	);
	host.run("recorder", "apply", { ...settings, BOUND_SECONDS: 20 }, "k8s-master");
	await pause(1800);
	const { lines } = recordingOf(host, "k8s-master");
	assert.deepEqual(
		lines.filter(({ from }) => from === "pods").map(({ data }) => (data as { type: string }).type),
		["ERROR", "ADDED"],
	);
	assert.ok(lines.some(({ data }) => String(data).startsWith("the watch of pods broke")));
});
test("at its bound it ends, and what nobody fetches is gone a week later, the units with it", async (t) => {
	const host = hostWith(t);
	host.write(MESSAGE, "a line\n");
	host.run("recorder", "apply", { ...settings, BOUND_SECONDS: 3 }, "k8s-node01");
	await until(() => recordingOf(host, "k8s-node01").lines.some(({ from }) => from === "file-end"));
	const { lines, problems } = recordingOf(host, "k8s-node01");
	assert.deepEqual(problems, []);
	assert.equal(lines.find(({ from }) => from === "end")?.data, "its time was over");
	assert.equal(lines.find(({ from }) => from === "file-end")?.data, "a line");
	// The timer starts the unit every day: before the week is over that changes nothing.
	const end = join(host.root, "/var/log/kubeadm-lab/recording/end.jsonl");
	const daysLater = (days: number) => {
		const then = Date.now() / 1000 - days * 86_400;
		utimesSync(end, then, then);
		const [, bash = "", program = ""] = host.read("/etc/systemd/system/kubeadm-lab-recorder.service").match(/^ExecStart=(\S+) (\S+)$/m) ?? [];
		return spawnSync(bash, [program], { env: { PATH: `${host.root}/bin:${process.env.PATH}`, KUBEADM_LAB_ROOT: host.root } }).status;
	};
	assert.equal(daysLater(6.9), 0);
	assert.ok(host.exists("/var/log/kubeadm-lab/recording/header.jsonl"));
	assert.equal(daysLater(7.1), 0);
	assert.deepEqual([host.exists("/var/log/kubeadm-lab"), Object.keys(host.snapshot("/etc/systemd/system"))], [false, []]);
});
test("undo stops it, keeps the recording until it is fetched, and leaves nothing else", async (t) => {
	const host = hostWith(t);
	host.run("recorder", "apply", settings, "k8s-master");
	await pause(500);
	assert.match(host.run("recording", "undo", {}, "k8s-master").stderr, /the recorder still writes: its recording stays/);
	const { status, stdout } = host.run("recorder", "undo", settings, "k8s-master");
	assert.equal(status, 0);
	assert.equal(stdout, "recording kept on k8s-master in /var/log/kubeadm-lab/recording for 7 days, or until: npm run lifecycle -- fetch\n");
	assert.equal(host.exists("/var/lib/kubeadm-lab"), false);
	const units = () =>
		["service", "timer"].map((kind) => [
			kind,
			host.bash(`"\${KUBEADM_LAB_ROOT}/bin/systemctl" is-enabled kubeadm-lab-recorder${kind === "timer" ? ".timer" : ""}`).stdout.trim(),
		]);
	assert.deepEqual(units(), [
		["service", "disabled"],
		["timer", "enabled"],
	]);
	assert.deepEqual(recordingOf(host, "k8s-master").problems, []);
	assert.equal(host.run("recorder", "check", settings, "k8s-master").status, 3);
	host.run("recording", "undo", {}, "k8s-master");
	assert.deepEqual([host.exists("/var/log/kubeadm-lab"), Object.keys(host.snapshot("/etc/systemd/system"))], [false, []]);
	const gone = host.run("recording", "apply", {}, "k8s-master");
	assert.equal(gone.status, 1);
	assert.match(
		gone.stderr,
		/error: no recording in \/var\/log\/kubeadm-lab\/recording: none was made \(demoRecordHours\), it was fetched before, or it ended more than 7 days ago/,
	);
	assert.equal(host.run("recorder", "undo", settings, "k8s-master").status, 0);
});
