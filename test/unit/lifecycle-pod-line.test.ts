// A Pod as `kubectl get pod -o wide` prints it, in each of its states.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../lifecycle/recording/entry.ts";
import { age, podLine } from "../../lifecycle/render/pod-line.ts";

// biome-ignore lint/suspicious/noExplicitAny: parts of a status
type Parts = any;
function pod({ metadata = {}, spec = {}, status = {} }: Parts = {}): Pod {
	const conditions = [
		{ type: "Initialized", status: "True", lastTransitionTime: "2020-05-23T14:08:07Z" },
		{ type: "Ready", status: "True", lastTransitionTime: "2020-05-23T14:08:09Z" },
	];
	return {
		metadata: { name: "lifecycle-demo-pod", creationTimestamp: "2020-05-23T14:08:04Z", ...metadata },
		spec: { containers: [{ name: "lifecycle-demo" }], initContainers: [{ name: "init-myservice" }], nodeName: "k8s-node02", ...spec },
		status: {
			phase: "Running",
			podIP: "10.244.2.30",
			conditions,
			initContainerStatuses: [{ ready: true, restartCount: 0, state: { terminated: { exitCode: 0, reason: "Completed" } } }],
			containerStatuses: [{ ready: true, restartCount: 0, state: { running: {} } }],
			...status,
		},
	} as Pod;
}
const cells = (state: Pod) => podLine(state).split("\n")[1]?.split(/ {2,}/);

test("podLine prints the seed's Pod as kubectl does", () => {
	assert.equal(
		podLine(pod()),
		"NAME                 READY   STATUS    RESTARTS   AGE   IP            NODE         NOMINATED NODE   READINESS GATES\n" +
			"lifecycle-demo-pod   1/1     Running   0          5s    10.244.2.30   k8s-node02   <none>           <none>",
	);
});
test("podLine counts only containers that are ready and run", () => {
	const containerStatuses = [
		{ ready: true, restartCount: 0, state: { running: {} } },
		{ ready: false, restartCount: 2, state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: { finishedAt: "2020-05-23T14:07:39Z" } } },
	];
	const line = cells(pod({ spec: { containers: [{}, {}] }, status: { containerStatuses } }));
	assert.deepEqual(line?.slice(1, 4), ["1/2", "CrashLoopBackOff", "2 (30s ago)"]);
});
const statusOf = (parts: Parts) => cells(pod(parts))?.[2];
test("podLine names what an init container is at", () => {
	const init = (state: object) => ({
		status: { phase: "Pending", conditions: [], containerStatuses: [], initContainerStatuses: [{ ready: false, restartCount: 0, state }] },
	});
	assert.equal(statusOf(init({ running: {} })), "Init:0/1");
	assert.equal(statusOf(init({ waiting: { reason: "PodInitializing" } })), "Init:0/1");
	assert.equal(statusOf(init({ waiting: { reason: "ImagePullBackOff" } })), "Init:ImagePullBackOff");
	assert.equal(statusOf(init({ terminated: { exitCode: 1, reason: "Error" } })), "Init:Error");
	assert.equal(statusOf(init({ terminated: { exitCode: 3 } })), "Init:ExitCode:3");
	assert.equal(statusOf(init({ terminated: { exitCode: 137, signal: 9 } })), "Init:Signal:9");
});
test("podLine names the state of a Pod that does not run", () => {
	assert.equal(statusOf({ status: { phase: "Pending", conditions: [], containerStatuses: undefined, initContainerStatuses: undefined } }), "Pending");
	assert.equal(statusOf({ status: { phase: "Failed", reason: "Evicted", containerStatuses: [] } }), "Evicted");
	assert.equal(
		statusOf({ status: { phase: "Succeeded", containerStatuses: [{ restartCount: 0, state: { terminated: { exitCode: 0, reason: "Completed" } } }] } }),
		"Completed",
	);
	assert.equal(statusOf({ metadata: { deletionTimestamp: "2020-05-23T15:00:00Z" } }), "Terminating");
});
test("podLine leaves no column empty", () => {
	const line = cells(pod({ spec: { nodeName: undefined }, status: { podIP: undefined, conditions: [] } }));
	assert.deepEqual(line?.slice(4), ["<unknown>", "<none>", "<none>", "<none>", "<none>"]);
});
test("podLine counts readiness gates that are open", () => {
	const conditions = [{ type: "example.com/a", status: "True" }];
	const line = cells(pod({ spec: { readinessGates: [{ conditionType: "example.com/a" }, { conditionType: "example.com/b" }] }, status: { conditions } }));
	assert.equal(line?.at(-1), "1/2");
});

test("age writes times as kubectl does", () => {
	const after = (seconds: number) => age("2020-05-23T14:00:00Z", new Date(Date.parse("2020-05-23T14:00:00Z") + seconds * 1000).toISOString());
	const [minute, hour, day] = [60, 3600, 86400];
	const cases: [number, string][] = [
		...([
			[-5, "<invalid>"],
			[-1, "0s"],
			[0, "0s"],
			[119, "119s"],
			[120, "2m"],
			[125, "2m5s"],
			[10 * minute, "10m"],
			[179 * minute, "179m"],
		] as [number, string][]),
		...([
			[3 * hour, "3h"],
			[3 * hour + 5 * minute, "3h5m"],
			[8 * hour + minute, "8h"],
			[47 * hour, "47h"],
		] as [number, string][]),
		...([
			[2 * day, "2d"],
			[2 * day + 3 * hour, "2d3h"],
			[8 * day, "8d"],
			[729 * day, "729d"],
		] as [number, string][]),
	];
	for (const [seconds, text] of cases) assert.equal(after(seconds), text, `${seconds} s`);
	assert.equal(age(undefined, "2020-05-23T14:00:00Z"), "<unknown>");
});
