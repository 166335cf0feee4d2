// The whole way on three hosts, twice: what the seed's page shows, seen to happen; and the hosts as they were afterwards.
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import { withoutAges } from "../describe.ts";
import { mark, written } from "../e2e/audit.ts";
import { hosts, kubectl, lab, labFolder, location, messageFile, onHost, output, project, pulumi, read, succeed, workers } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { keptFiles, knownSecrets } from "../security/secrets.ts";
import { unexplained } from "./stays.ts";

const twoLines = "Hello initContainers\nHello from the postStart handler\n";
const threeLines = `${twoLines}Hello from the preStop handler\n`;

describe("from bare hosts to the Pod and back", { concurrency: false }, () => {
	const bare = new Map<string, Set<string>>();
	let node = "";
	let upOutput = "";

	before(async () => {
		await lab("up");
		await lab("reset");
		for (const host of hosts) bare.set(host, await snapshot(host));
	});
	after(async () => {
		await lab("reset");
	});

	test("up brings lifecycle-demo-pod to Running on a worker and the message file holds two lines", async () => {
		upOutput = (await pulumi("up")).output;
		node = (await location()).node;
		assert.ok(workers.includes(node), `the Pod is on ${node}, not on a worker`);
		assert.equal(await read(node, `cat ${messageFile}`), twoLines);
		assert.equal(await output("message"), twoLines.trimEnd());
	});

	test("the Pod's line is the one that kubectl get pod -o wide prints", async () => {
		const columns = (text: string) =>
			text
				.trim()
				.split("\n")
				.map((line) => line.split(/ {2,}/));
		const [header, printed] = columns(await kubectl("get pod -o wide"));
		const [ourHeader, ours] = columns(await output("pod"));
		assert.deepEqual(ourHeader, header);
		assert.equal(ours?.[0], "lifecycle-demo-pod");
		// AGE moves on; all else is the same.
		const withoutAge = (cells?: string[]) => cells?.filter((_, i) => header?.[i] !== "AGE");
		assert.deepEqual(withoutAge(ours), withoutAge(printed));
		assert.deepEqual(printed?.slice(1, 4), ["1/1", "Running", "0"]);
	});

	test("the Pod is the seed's field by field", async () => {
		const page = parse(await readFile(`${project}test/bare/seed-pod.yaml`, "utf8"));
		const pod = JSON.parse(await kubectl("get pod lifecycle-demo-pod -o json"));
		const contains = (found: unknown, wanted: unknown, path: string): void => {
			if (Array.isArray(wanted)) for (const [i, item] of wanted.entries()) contains((found as unknown[])[i], item, `${path}[${i}]`);
			else if (wanted !== null && typeof wanted === "object")
				for (const [key, value] of Object.entries(wanted)) contains((found as Record<string, unknown>)?.[key], value, `${path}.${key}`);
			// The API leaves out a false it would assume anyway.
			else assert.equal(found ?? (wanted === false ? false : undefined), wanted, path);
		};
		contains(pod, page, "Pod");
		assert.equal(pod.spec.containers.length, 1);
		assert.equal(pod.spec.initContainers.length, 1);
	});

	test("describe shows what the seed's describe shows", async () => {
		const text = await kubectl("describe pod lifecycle-demo-pod");
		for (const line of [
			/^Node: +k8s-node0[12]\/172\.16\.1\.11[12]$/m,
			/^Labels: +test=lifecycle$/m,
			/State: +Terminated\n +Reason: +Completed\n +Exit Code: +0/,
			/\/var\/log\/nginx\/ from message-log \(rw\)/,
			/Initialized +True/,
			/ContainersReady +True/,
			/Type: +HostPath \(bare host directory volume\)\n +Path: +\/data\/volumes\/nginx\/log\/\n +HostPathType: +DirectoryOrCreate/,
			/^QoS Class: +BestEffort$/m,
			/node\.kubernetes\.io\/not-ready:NoExecute op=Exists for 300s/,
			/Normal +Started .*Started container init-myservice/,
			/Normal +Started .*Started container lifecycle-demo/,
		])
			assert.match(text, line);
	});

	test("the report's first part is what kubectl describe prints of the same Pod, but for ages", async () => {
		const { stdout } = await succeed(`${project}lab/lab`, ["exec", "--", "npm", "run", "-s", "lifecycle", "--", "show", "lab", "--pod", "lifecycle-demo-pod"]);
		const [, ours = ""] = stdout.match(/^--- kubectl describe pod lifecycle-demo-pod\n(.*?)\n\n---/ms) ?? [];
		assert.equal(withoutAges(ours), withoutAges(await kubectl("describe pod lifecycle-demo-pod")));
	});

	test("everything that Kubernetes binds is on the internal network although the default route is on the other card", async () => {
		const nodes = JSON.parse(await kubectl("get nodes -o json")).items as {
			metadata: { name: string; annotations: Record<string, string> };
			status: { addresses: { type: string; address: string }[] };
		}[];
		assert.equal(nodes.length, hosts.length);
		for (const item of nodes) {
			const expected = `172.16.1.${110 + hosts.indexOf(item.metadata.name)}`;
			assert.equal(item.status.addresses.find((a) => a.type === "InternalIP")?.address, expected);
			assert.equal(item.metadata.annotations["flannel.alpha.coreos.com/public-ip"], expected);
		}
		assert.match(await kubectl("cluster-info"), /https:\/\/172\.16\.1\.110:6443/);
	});

	test("Pods reach each other across hosts and resolve cluster names", async () => {
		const address = JSON.parse(await kubectl("get pod lifecycle-demo-pod -o json")).status.podIP as string;
		const other = hosts.find((host) => host !== node) ?? "";
		await read(other, `curl -fsS -o /dev/null --max-time 10 http://${address}/`);
		await kubectl("-n kube-system rollout status deployment/coredns --timeout=90s");
		const busybox = "registry.cn-beijing.aliyuncs.com/google_registry/busybox:1.24";
		// Read from the log: what `kubectl run -i` prints of a Pod that ends before it is attached to can be lost.
		await kubectl(`run resolver --image=${busybox} --restart=Never -- nslookup kubernetes.default.svc.cluster.local`);
		try {
			await kubectl("wait pod/resolver --for=jsonpath={.status.phase}=Succeeded --timeout=60s");
			assert.match(await kubectl("logs resolver"), /10\.96\.0\.1\b/);
		} finally {
			await kubectl("delete pod resolver --grace-period=1");
		}
	});

	test("no private key, token or kubeconfig is readable in the state, its backups and history, in a log, or in what up printed", async () => {
		const scratch = await mkdtemp(`${tmpdir()}/secrets-`);
		try {
			await writeFile(`${scratch}/up`, upOutput);
			assert.deepEqual(await (await knownSecrets()).inFiles([...keptFiles(), `${scratch}/up`], scratch), {});
		} finally {
			await rm(scratch, { recursive: true });
		}
		assert.equal(
			(await kubectl("get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o name")).trim(),
			"",
			"bootstrap tokens are left in the cluster",
		);
	});

	test("a second up changes nothing and the hosts' own audit finds nothing written and nothing restarted", async () => {
		const state = new Map<string, Record<string, string>>();
		for (const host of hosts) state.set(host, await mark(host));
		const { output: text } = await pulumi("up");
		assert.match(text, /Resources:\n +\d+ unchanged/);
		assert.doesNotMatch(text, /\d+ (created|updated|deleted|replaced)/);
		for (const host of hosts) {
			assert.deepEqual(await written(host), [], `${host}: written during a no-change up`);
			assert.deepEqual(await mark(host), state.get(host), `${host}: restarted during a no-change up`);
		}
	});

	test("no copy of the admin's kubeconfig is left beside the state", async () => {
		assert.deepEqual(
			(await readdir(`${labFolder}/tmp`)).filter((name) => name.startsWith("kubeconfig")),
			[],
		);
	});

	test("destroy deletes the Pod so that preStop runs, and shows all three lines in its log", async () => {
		const { output: text } = await pulumi("destroy");
		const shown = text.split("\n").map((line) => line.trim());
		for (const line of threeLines.trimEnd().split("\n"))
			assert.ok(
				shown.some((s) => s.includes(line)),
				`the destroy log lacks: ${line}\n${text}`,
			);
		assert.equal(await read(node, `cat ${messageFile}`), threeLines);
		for (const verdict of ["preStop ends before SIGTERM", "hooks run at least once", "what is in a hostPath outlives the Pod"])
			assert.ok(
				shown.some((s) => new RegExp(`^PASS +${verdict}$`).test(s)),
				`the destroy log lacks the verdict: ${verdict}\n${text}`,
			);
	});

	for (const host of hosts)
		test(`after destroy ${host} differs from before only by what the README lists`, async () => {
			const left = differences(bare.get(host) ?? new Set(), await snapshot(host));
			assert.deepEqual(unexplained(left), []);
		});

	test("the same hosts go up and down a second time with one slot of the engine, and the message file goes on", async () => {
		await pulumi("up", "--parallel", "1");
		const second = (await location()).node;
		await pulumi("destroy", "--parallel", "1");
		const written = await read(second, `cat ${messageFile}`);
		assert.ok(written.endsWith(threeLines), written);
		for (const host of hosts) assert.notEqual((await onHost(host, "test -e /var/lib/kubeadm-lab")).code, 0, `${host}: /var/lib/kubeadm-lab is left`);
	});
});
