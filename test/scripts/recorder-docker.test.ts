// What the recorder of a worker hears where the kubelet speaks to Docker.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostWith, recordingOf, settings, until } from "./recorder-host.ts";

test("on Docker the same line is recorded as containerd would have logged it", async (t) => {
	const host = hostWith(t);
	const line = '10.244.1.1 - - "GET /bye HTTP/1.1" 200 "kube-lifecycle/1.18"';
	const logged = { log: `${line}\n`, stream: "stdout", time: "2020-05-23T14:08:04.123456789Z" };
	host.write("/var/log/containers/a-pod_default_main-c1.log", `${JSON.stringify({ ...logged, log: "a password\n" })}\n${JSON.stringify(logged)}\n`);
	host.command("docker", `printf '%s\\n' '{"nano":"1","action":"kill","id":"c1","uid":"u1","name":"main","execID":"","exitCode":"","signal":"15"}'; sleep 20`);
	assert.equal(host.run("recorder", "apply", { ...settings, RUNTIME_KIND: "docker" }, "k8s-node01").status, 0);
	await until(() => host.exists("/var/log/kubeadm-lab/recording/request.jsonl"));
	const { lines } = recordingOf(host, "k8s-node01");
	assert.deepEqual(
		lines.filter(({ from }) => from === "request").map(({ data }) => data),
		[`c1 2020-05-23T14:08:04.123456789Z stdout F ${line}`],
	);
});
test("with Docker its own events are heard, of the Pods' namespace alone", async (t) => {
	const host = hostWith(t);
	const event = '{"nano":"1795850795000000001","action":"start","id":"c1","uid":"u1","name":"main","execID":"","exitCode":"","signal":""}';
	host.command("docker", `printf '%s\\n' '${event}'; sleep 20`);
	host.run("recorder", "apply", { ...settings, RUNTIME_KIND: "docker" });
	await until(() => host.exists("/var/log/kubeadm-lab/recording/runtime.jsonl"));
	const { lines } = recordingOf(host, "k8s-node02");
	assert.deepEqual(
		lines.filter(({ from }) => from === "runtime").map(({ data }) => data),
		[event],
	);
	assert.match(
		host.calls().find((call) => call.startsWith("docker")) ?? "",
		/^docker events --filter type=container --filter label=io\.kubernetes\.pod\.namespace=default --format /,
	);
	assert.deepEqual(
		host.calls().filter((call) => /^(ctr|journalctl) /.test(call)),
		[],
	);
});
