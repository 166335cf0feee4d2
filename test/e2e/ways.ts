// The ways in which a Pod can end, each made to happen on a running cluster of the lab, as tests: did preStop run, on the host and in the recording?
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { excerpt } from "../../lifecycle/recording/excerpt.ts";
import { type PodStory, storyOf } from "../../lifecycle/render/story.ts";
import { hasRun as saysItRan, WAYS, type Way } from "../prestop.ts";
import { controlPlane, kubectl, messageFile, onHost, project, pulumiArgs, read, succeed, workers } from "./lab.ts";

export interface Here {
	stack: "lab" | "seed";
	/** The API of evictions: policy/v1 came with 1.22. */
	evictions: "policy/v1" | "policy/v1beta1";
	/** A flag of kubectl drain: --delete-emptydir-data came with 1.20. */
	emptyDirs: "--delete-emptydir-data" | "--delete-local-data";
	/** Prints the ids of the containers that run: of those called main, or of all. */
	containers: { main: string; all: string };
	/** Whether a deletion by force, with a grace period of 0 s, runs preStop. */
	forced: "yes" | "no";
	/** A folder for what is fetched. */
	folder: () => string;
	/** What becomes of a Pod's recording. */
	keep: (way: Way, recording: string, story: PodStory) => void;
}
const [first = "", second = ""] = workers;
const FILE = "/data/volumes/under/preStop";
const kube = (command: string) =>
	onHost(controlPlane, `kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /tmp/kubectl ${command}`, { timeoutSeconds: 180 });
const create = (input: string, options = "-f -") => onHost(controlPlane, `kubectl --kubeconfig /etc/kubernetes/admin.conf create ${options}`, { input });
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A Pod that writes its name when its preStop hook runs. */
const manifest = (name: string, node: string) =>
	JSON.stringify({
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name, namespace: "default" },
		spec: {
			nodeName: node,
			hostNetwork: true,
			terminationGracePeriodSeconds: 10,
			tolerations: [{ operator: "Exists" }],
			volumes: [{ name: "file", hostPath: { path: "/data/volumes/under", type: "DirectoryOrCreate" } }],
			containers: [
				{
					name: "main",
					image: "registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24",
					command: ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"],
					lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", `echo ${name} >>/under/preStop`] } } },
					volumeMounts: [{ name: "file", mountPath: "/under" }],
				},
			],
		},
	});
async function start(name: string, node: string): Promise<void> {
	const made = await create(manifest(name, node));
	assert.equal(made.code, 0, made.output);
	const isReady = await kube(`wait --for=condition=Ready pod/${name} --timeout=120s`);
	assert.equal(isReady.code, 0, `${isReady.output}\n${(await kube(`describe pod ${name}`)).output}`);
}
const hasRun = async (name: string, node: string): Promise<boolean> => (await onHost(node, `grep -qx ${name} ${FILE}`)).code === 0;
/** Asks until the host answers with what the command succeeds at. */
async function until(host: string, command: string, seconds: number): Promise<void> {
	for (const end = Date.now() + seconds * 1000; Date.now() < end; await wait(300)) if ((await onHost(host, command)).code === 0) return;
	throw new Error(`${host}: ${command} did not succeed within ${seconds} s`);
}
/** The node boots, its kubelet starts the Pod's container again, and its recorder goes on. */
async function booted(node: string, pod: string): Promise<void> {
	const isAgain = `kubectl --kubeconfig /etc/kubernetes/admin.conf get pod ${pod} -o jsonpath='{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}'`;
	await until(controlPlane, `[[ "$(${isAgain})" == "1 true" ]]`, 120);
	await until(node, "systemctl is-active kubeadm-lab-recorder", 10);
}

/** The recorder came back with the node. */
function goesOn({ history, verdicts }: PodStory): void {
	assert.equal(history.containers[0]?.runs.length, 2, "the container's second start is not in the recording");
	for (const { word, because } of verdicts) assert.notEqual(word, "FAIL", because);
}

/** The tests, for a cluster with the demo's Pod that nobody uses afterwards. */
export function waysToEnd({ stack, evictions, emptyDirs, containers, forced, folder, keep }: Here): void {
	const cli = `${project}lab/lab`;
	/** The Pod's story as recorded so far. */
	async function recorded(way: Way, pod: string): Promise<PodStory> {
		await wait(500); // what is on its way to the recorder
		const file = `${folder()}/${way}.jsonl`;
		await succeed(cli, ["exec", "--", "npm", "run", "--silent", "lifecycle", "--", "fetch", stack, "--to", file]);
		const text = excerpt(await readFile(file, "utf8"), pod);
		const [story] = storyOf(text).pods;
		assert.ok(story);
		keep(way, text, story);
		return story;
	}
	/** Lets the Pod live, ends it, and finds the same answer on the host and in the recording. */
	function tried(way: Way, node: string, expected: "yes" | "no", end: (pod: string) => Promise<unknown>, then: (story: PodStory) => void = () => {}): void {
		test(`${WAYS[way]}: ${expected}`, async () => {
			const pod = `under-${way}`;
			await start(pod, node);
			await end(pod);
			if (expected === "yes") await until(node, `grep -qx ${pod} ${FILE}`, 20);
			const story = await recorded(way, pod);
			assert.equal(await hasRun(pod, node), expected === "yes", "on the host");
			assert.equal(saysItRan(story), expected === "yes", "in the recording");
			then(story);
		});
	}

	test("pulumi destroy: yes", async () => {
		const { node } = JSON.parse((await succeed(cli, ["exec", "--", "pulumi", "stack", "output", "location", "--json", "-s", stack])).stdout) as {
			node: string;
		};
		// Without a look at the hosts first: a targeted refresh leaves out the command plugin's provider, and fails (docs/drift.md).
		await succeed(cli, pulumiArgs("destroy", stack, "--refresh=false", "--target", "**lifecycle-demo-pod", "--target-dependents"));
		assert.match(await read(node, `cat ${messageFile}`), /Hello from the preStop handler\n$/);
		assert.ok(saysItRan(await recorded("destroy", "lifecycle-demo-pod")));
	});

	describe("with the kubelet there to do it", { concurrency: true }, () => {
		tried("delete", first, "yes", (pod) => kubectl(`delete pod ${pod}`));
		tried("force", first, forced, (pod) => kubectl(`delete pod ${pod} --grace-period=0 --force`));
		tried("evict", first, "yes", async (pod) => {
			const body = JSON.stringify({ apiVersion: evictions, kind: "Eviction", metadata: { name: pod, namespace: "default" } });
			const answer = await create(body, `--raw /api/v1/namespaces/default/pods/${pod}/eviction -f -`);
			assert.equal(answer.code, 0, answer.output);
			await kube(`wait --for=delete pod/${pod} --timeout=60s`);
		});
		tried("drain", second, "yes", () => kubectl(`drain ${second} --ignore-daemonsets --force ${emptyDirs} --timeout=90s`));
	});
	describe("without it", { concurrency: true }, () => {
		describe(first, { concurrency: false }, () => {
			tried("kubelet-stop", first, "no", async () => {
				await read(first, "systemctl stop kubelet");
				await wait(5000);
				assert.match(await read(first, containers.main), /\w/, "the container has ended with the kubelet");
			});
			test("the kubelet starts again, and the Pod is as it was", async () => {
				await read(first, "systemctl start kubelet");
				assert.match((await kube("get pod under-kubelet-stop --no-headers")).stdout, / 1\/1 +Running +0 /);
				await kube("delete pod under-kubelet-stop");
			});
			tried("reset", first, "no", () => read(first, `kubeadm reset --force 2>&1 | tail -n 3; ${containers.all} | wc -l`));
		});
		describe(second, { concurrency: false }, () => {
			const reboots = (pod: string, how: string) => async () => {
				await onHost(second, `${how} </dev/null >/dev/null 2>&1`);
				await booted(second, pod);
			};
			tried("reboot", second, "no", reboots("under-reboot", "systemctl reboot"), goesOn);
			test("the recorder says that the host was started again, and that it was stopped before", async () => {
				const notes = await read(second, "cat /var/log/kubeadm-lab/recording/note.jsonl");
				assert.match(notes, /"the recorder was stopped"[\s\S]*"the host was started again, and the recorder with it/);
				await kube("delete pod under-reboot");
			});
			tried("power-off", second, "no", reboots("under-power-off", "sync; systemctl reboot --force --force"), goesOn);
		});
	});
}
