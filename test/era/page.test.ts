// The page of May 2020, done again: Kubernetes 1.18.3 with Docker on three hosts of the lab, there and back. Run by test/era/run, which writes docs/seed.md of it.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { unexplained } from "../bare/stays.ts";
import { withoutAges } from "../describe.ts";
import { assertProposed, assertRepaired } from "../e2e/cluster/drift.ts";
import { hosts, lab, noteWhatRuns, project, pulumiArgs, read, succeed } from "../e2e/lab.ts";
import { differences, snapshot } from "../e2e/snapshot.ts";
import { rounds } from "./drift.ts";
import { type Command, commandsIn, compared, DIFFERS, MAY_DIFFER } from "./page.ts";

const cli = `${project}lab/lab`;
const pulumi = async (command: string, ...args: string[]) => (await succeed(cli, pulumiArgs(command, "seed", ...args))).output;
/** As root on the control plane; this kubectl keeps a cache in its home. */
const kubectl = (command: string) => read("k8s-master", `HOME=/tmp/kubectl KUBECONFIG=/etc/kubernetes/admin.conf ${command}`);
/** The node of the demo's Pod. */
const landedOn = async (): Promise<string> =>
	JSON.parse((await succeed(cli, ["exec", "--", "pulumi", "stack", "output", "location", "--json", "-s", "seed"])).stdout).node;
const STATIC_PODS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/** Of each static Pod the id of the container that runs. */
const containers = async () =>
	new Map(
		(await read("k8s-master", "docker ps --format '{{.Names}} {{.ID}}'"))
			.trim()
			.split("\n")
			.map((line) => line.split(/[_ ]/))
			.filter(([, name]) => name !== "POD")
			.map((parts) => [parts[1] ?? "", parts.at(-1) ?? ""]),
	);
const message = "cat /data/volumes/nginx/log/message";

describe("the page of May 2020", { concurrency: false }, () => {
	const bare = new Map<string, Set<string>>();
	const shown: { command: Command; how: string; printed: string }[] = [];
	let page: Command[] = [];
	let node = "";
	/** Holds what was printed against the page, and keeps both. */
	const holds = (index: number, printed: string, how?: string): void => {
		const command = page[index] as Command;
		shown.push({ command, how: how ?? command.command, printed });
		const { page: wanted, ours } = compared(command, printed);
		assert.deepEqual(ours, wanted, command.command);
	};

	before(async () => {
		page = commandsIn(await readFile(`${project}test/era/page.txt`, "utf8"));
		await lab("up", "--era", "2020");
		await lab("reset");
		for (const host of hosts) bare.set(host, await snapshot(host));
	});
	after(async () => {
		await writeFile(`${project}docs/seed.md`, document(shown));
		await lab("reset");
	});

	test("pulumi up makes the Pod that the page's kubectl apply makes", async () => {
		const output = await pulumi("up");
		assert.match(output, / lifecycle-demo-pod created /);
		node = await landedOn();
		await noteWhatRuns();
		holds(0, output.match(/^ \+ +kubernetes:core\/v1:Pod lifecycle-demo-pod created.*$/m)?.[0] ?? "", "pulumi up");
	});
	test("kubectl get pod -o wide", async () => holds(1, await kubectl("kubectl get pod -o wide")));
	test("kubectl describe pod, with the page's seven events", async () => holds(2, await kubectl("kubectl describe pod lifecycle-demo-pod")));
	test("our own report says what kubectl describe says, in the host's time zone", async () => {
		const { stdout } = await succeed(cli, ["exec", "--", "npm", "run", "-s", "lifecycle", "--", "show", "seed", "--pod", "lifecycle-demo-pod"]);
		const [, ours = ""] = stdout.match(/^--- kubectl describe pod lifecycle-demo-pod\n(.*?)\n\n---/ms) ?? [];
		assert.equal(withoutAges(ours), withoutAges(await kubectl("kubectl describe pod lifecycle-demo-pod")));
	});
	test("the file has two lines on the node", async () => holds(3, await read(node, message)));
	test("a second up changes nothing", async () => assert.match(await pulumi("up"), /67 unchanged/));

	for (const [index, what] of [
		"files, units at boot and certificates that end soon",
		"Docker stopped, and its configuration gone on the control plane",
	].entries())
		test(`changed by hand, ${what}: preview shows just that, and up repairs just that`, async () => {
			const round = rounds(node === "k8s-node01" ? "k8s-node02" : "k8s-node01")[index] ?? [];
			const before = await containers();
			await Promise.all(round.map(({ host, change }) => read(host, change)));
			assertProposed(
				await pulumi("preview", "--refresh=false", "--diff"),
				"seed",
				round,
				round.some(({ what }) => what === "Docker, stopped") ? /-node$/ : undefined,
			);
			await pulumi("up");
			await assertRepaired(round);
			await kubectl("kubectl wait nodes --all --for=condition=Ready --timeout=60s");
			const now = await containers();
			const isAnew = (name: string) => now.get(name) !== before.get(name);
			const restarted = index === 0 ? ["kube-apiserver", "kube-scheduler"] : STATIC_PODS;
			assert.deepEqual(STATIC_PODS.filter(isAnew), restarted);
			const preview = await pulumi("preview", "--refresh=false", "--diff");
			for (const item of round.flatMap(({ shows }) => shows)) assert.doesNotMatch(preview, item);
		});

	test("kubectl delete pod: the preStop hook's line is in the file", async () => {
		holds(4, await kubectl("kubectl delete pod lifecycle-demo-pod"));
		holds(5, await read(node, message));
	});
	test("a Pod that somebody deleted comes back with up, and destroy lets its preStop run too", async () => {
		await pulumi("up");
		node = await landedOn();
		const output = await pulumi("destroy");
		assert.match(output, new RegExp(`message file on ${node}:\\s+Hello initContainers[\\s\\S]*Hello from the preStop handler`));
	});
	for (const host of hosts)
		test(`after destroy ${host} differs from before only by what the README lists: Docker's packages make a group, too`, async () => {
			const found = unexplained(differences(bare.get(host) ?? new Set(), await snapshot(host)));
			assert.deepEqual(
				found.filter((line) => !/ \/etc\/g(roup|shadow)-?( |$)/.test(line)),
				[],
			);
			assert.notDeepEqual(found, [], "the README says that a group stays");
		});
});

function document(shown: { command: Command; how: string; printed: string }[]): string {
	const day = new Date().toISOString().slice(0, 10);
	const block = (text: string) => `\`\`\`\n${text.trimEnd()}\n\`\`\``;
	return `# The page, done again

The page that this demo is from was written in May 2020, with Kubernetes 1.18 and Docker. \`npm run test:era\` does it again with Kubernetes 1.18.3 and Docker on the lab's hosts
(\`lab/lab up --era 2020\`, stack \`seed\`), holds each command's output against the page's, and writes this page. Last run: ${day}. Debian's Docker 20.10 plays 19.03, and flannel 0.25.7
plays 0.12.0; kubelet, kubeadm, kubectl and the control plane are 1.18.3, built from their sources.

What may differ from run to run, and is not compared: ${MAY_DIFFER.map(([what]) => what).join("; ")}.

What differs, and why:

${DIFFERS.map(({ why, ours, page }) => `- ${why} ${[ours && `Here only: \`${ours.source}\``, page && `on the page only: \`${page.source}\``].filter(Boolean).join("; ")}`).join("\n")}

All else is equal, line by line; the page's text has lost its indentation.
${shown.map(({ command, how, printed }) => `\n## ${command.command}\n\nThe page, on ${command.host}:\n\n${block(command.lines.join("\n"))}\n\nThe run${how === command.command ? "" : `, with \`${how}\``}:\n\n${block(printed)}\n`).join("")}`;
}
