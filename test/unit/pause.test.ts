// The rows that step `pause` prints, and the Pods that it is for.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Cluster } from "../../cluster/cluster.ts";
import { pauseRows, pauseTable } from "../../lifecycle/verdicts/pause.ts";
import { PAUSE_PODS, pausePod } from "../../workloads/pause-pod.ts";
import { PauseProof } from "../../workloads/pause-proof.ts";
import { runProgram } from "./program-graph.ts";
import { settings } from "./settings.ts";

const fixture = (name: string) => readFileSync(join(import.meta.dirname, `../fixtures/lifecycle/${name}.tsv`), "utf8");
const text = fixture("pause");
const WHAT = [
	"namespace net",
	"namespace ipc",
	"namespace uts",
	"namespace pid",
	"namespace mnt",
	"localhost",
	"volume",
	"host name",
	"SysV queues",
	"shared memory",
	"process 1",
	"sees the other's process",
	"IP when a container restarts",
	"IP when pause dies",
];

for (const [runtime, name, uts, says] of [
	["containerd", "pause", "namespace uts", "pause and both containers have one"],
	["Docker", "pause-docker", "namespace uts, Docker", "Docker gives each its own, with pause's host name in it"],
] as const)
	test(`what the lab showed with ${runtime} passes row by row, for both Pods`, () => {
		const rows = pauseRows(fixture(name));
		for (const pod of PAUSE_PODS)
			assert.deepEqual(
				rows.filter((row) => row.pod === pod).map(({ what }) => what),
				WHAT.map((what) => (what === "namespace uts" ? uts : what)),
			);
		assert.deepEqual(
			rows.filter(({ verdict }) => verdict === "FAIL"),
			[],
		);
		assert.equal(rows.find(({ what }) => what === uts)?.says, says);
	});
test("each row fails where its values say otherwise", () => {
	const failing = (row: string) => pauseRows(row)[0]?.verdict;
	for (const row of [
		"pause-private\tnamespace net\t1\t1\t2",
		"pause-private\tnamespace uts\t1\t2\t3",
		"pause-private\tnamespace uts, Docker\t1\t1\t1",
		"pause-private\tnamespace uts, Docker\t1\t2\t2",
		"pause-private\thost name\tother\tpause-private\tpause-private",
		"pause-private\tnamespace pid\t1\t2\t2",
		"pause-shared\tnamespace pid\t1\t2\t2",
		"pause-private\tnamespace mnt\t1\t2\t2",
		"pause-private\tlocalhost\t-\t-\tfailed: refused",
		"pause-private\tvolume\t-\tfailed: x\tfailed: x",
		"pause-private\tSysV queues\t-\t1\t0",
		"pause-shared\tprocess 1\tpause\thttpd\tsleep",
		"pause-private\tprocess 1\tpause\tpause\tpause",
		"pause-private\tsees the other's process\t-\t1\t1",
		"pause-private\tIP when a container restarts\t10.244.1.2\t10.244.1.3\t-",
		"pause-private\tIP when pause dies\t10.244.1.2\t10.244.1.2\t-",
		"pause-private\tsomething new\t1\t1\t1",
	])
		assert.equal(failing(row), "FAIL", row);
	assert.throws(() => pauseRows("hello"), { message: 'expected five fields in a row of step pause, found "hello"' });
});
test("the table lines its columns up and ends with what each row should say", () => {
	const [header = "", first = ""] = pauseTable(pauseRows(text)).split("\n");
	assert.equal(header.indexOf("what"), first.indexOf("namespace net"));
	assert.match(first, /^PASS {2}pause-private +namespace net +(\d+) +\1 +\1 +pause and both containers have one$/);
});
test("both Pods run on one worker, one with a shared process namespace, and are looked at when new", async () => {
	const { cluster: clusterSettings } = settings();
	const { graph } = await runProgram(() => {
		const cluster = new Cluster("lab", clusterSettings);
		return new PauseProof("pause", { cluster, image: "b", podSeconds: 60, recorders: [] });
	});
	const specs = PAUSE_PODS.map((name) => graph.named(`pause-${name}`).inputs.spec);
	assert.deepEqual(
		specs.map(({ nodeName, shareProcessNamespace }) => [nodeName, shareProcessNamespace]),
		[
			["k8s-node01", false],
			["k8s-node01", true],
		],
	);
	const look = graph.named("pause-look");
	assert.deepEqual(
		[look.type, look.inputs.host, look.inputs.undo],
		["host:index:Step", "k8s-node01", false],
		"another SSH key is no reason to look again, which ends containers",
	);
	assert.ok(!JSON.stringify(look.inputs).includes("172.16.1.111"), "nothing of the connection is among its inputs");
	for (const name of PAUSE_PODS) assert.ok(graph.before("pause-look").has(`pause-${name}`));
	assert.deepEqual(pausePod("pause-shared", "b").metadata.labels, { lifecycle: "pause" });
});
