// An upgrade of three hosts in place, from Kubernetes 1.29 to 1.30, beside the same by hand, and for how long the API server is away meanwhile; last with three control planes.
// npm run bench:upgrade [-- ROUNDS]: writes its section of docs/benchmarks.md, default 2 rounds, about 20 minutes. The lab must be down; it is down again afterwards.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../commands/run.ts";
import { ENDPOINT, withControlPlanes } from "../test/e2e/control-planes.ts";
import { lab, type Measured, measure, median, Notes, project, pulumi, spread, writeSection } from "./measure.ts";

export const TITLE = "## An upgrade in place";
const [BEFORE, NEXT] = ["1.29.15", "1.30.14"];
const ONE = "172.16.1.110:6443";
const THREE = "pulumi up, three control planes and a worker";
/** A line a look: seconds, and whether the API server answered. */
const looksAt = (server: string) =>
	`while :; do s=$(cut -d' ' -f1 /proc/uptime); if curl -skf -m 1 -o /dev/null https://${server}/readyz; then echo "$s yes"; else echo "$s no"; fi; sleep 0.2; done`;

/** What runs meanwhile, and the seconds that the API server gave no answer in. */
async function watched(server: string, work: () => Promise<Measured>): Promise<{ measured: Measured; away: number }> {
	const stop = new AbortController();
	let output = "";
	const looking = run(`${project}lab/lab`, ["exec", "--", "bash", "-c", looksAt(server)], {
		cwd: project,
		timeoutSeconds: 1200,
		onStart: (child) => {
			child.stdout?.on("data", (text: string) => {
				output += text;
			});
			stop.signal.addEventListener("abort", () => child.kill());
		},
	}).catch(() => undefined); // it is ended, as it should be
	const measured = await work();
	stop.abort();
	await looking;
	const looks = output
		.trim()
		.split("\n")
		.map((line) => line.split(" ") as [string, string]);
	if (looks.length < 10) throw new Error(`the API server was looked at ${looks.length} times only`);
	const away = looks.slice(0, -1).reduce((sum, [at, answer], i) => (answer === "no" ? sum + Number(looks[i + 1]?.[0]) - Number(at) : sum), 0);
	return { measured, away };
}

/** Of `npm run etcd` on the running cluster: a snapshot, and the way back to it until the API server is ready again. */
async function etcdSeconds(): Promise<string> {
	const etcd = (...args: string[]) => measure(`${project}lab/lab`, ["exec", "--", "npm", "run", "-s", "etcd", "--", ...args]);
	const taken = await etcd("snapshot", "lab");
	const [name] = /^\d{8}T\d{6}Z-\d+/m.exec(taken.output) ?? [];
	if (name === undefined) throw new Error(`no snapshot's name in: ${taken.output}`);
	const restored = await etcd("restore", "lab", name, "--yes");
	console.log(`snapshot ${taken.seconds.toFixed(1)} s, restore ${restored.seconds.toFixed(1)} s`);
	return `${taken.seconds.toFixed(1)} s, and the way back to it ${restored.seconds.toFixed(1)} s`;
}

export async function upgradeSection(rounds: number): Promise<string> {
	const notes = new Notes("upgrade, ");
	const away: Record<string, number[]> = {};
	const folder = await mkdtemp(join(tmpdir(), "kubeadm-lab-bench-"));
	const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
	const settings = (version: string, kind = "one") => ["--config-file", join(folder, `${kind}-${version}.yaml`)];
	for (const [kind, hosts] of [
		["one", text],
		["three", withControlPlanes(text, 3, true)],
	] as const)
		for (const version of [BEFORE, NEXT])
			await writeFile(
				join(folder, `${kind}-${version}.yaml`),
				hosts.replace("encryptionsalt:", `  kubeadm-lab:kubernetesVersion: ${version}\nencryptionsalt:`),
			);
	const upgrade = async (name: string, server: string, work: () => Promise<Measured>) => {
		const seen = await watched(server, work);
		notes.note(name, seen.measured);
		away[name] = [...(away[name] ?? []), seen.away];
		console.log(`upgrade, ${name}: API server away ${seen.away.toFixed(1)} s`);
	};
	await lab("up", "--era", "upgrade");
	for (let round = 1; round <= rounds; round++) {
		await lab("reset");
		await measure("bash", ["bench/by-hand.sh", "up", "plain"]);
		await upgrade("by hand", ONE, () => measure("bash", ["bench/by-hand.sh", "upgrade", "plain"]));
		await lab("reset");
		await pulumi("up", "lab", settings(BEFORE));
		await upgrade("pulumi up", ONE, () => pulumi("up", "lab", settings(NEXT)));
	}
	const snapshots = await etcdSeconds();
	await lab("down");
	await lab("up", "--era", "upgrade", "--workers", "3");
	await pulumi("up", "lab", settings(BEFORE, "three"));
	await upgrade(THREE, `${ENDPOINT}:8443`, () => pulumi("up", "lab", settings(NEXT, "three")));
	await lab("down");
	await rm(folder, { recursive: true });
	const row = (name: string) => `| ${name} | ${spread(notes.secondsOf(name))} | ${spread(away[name] ?? [])} | ${median(notes.memoryOf(name)).toFixed(0)} |`;
	return `${TITLE}

On ${new Date().toISOString().slice(0, 10)}. Kubernetes ${BEFORE} to ${NEXT} on three lab hosts, ${rounds} round${rounds > 1 ? "s" : ""} interleaved. By hand is the same in a script (\`bench/by-hand.sh upgrade\`): snapshot of etcd, \`kubeadm upgrade apply\`, the kubelet, then worker after worker: drain, \`kubeadm upgrade node\`, the kubelet, uncordon; last the Pod anew. It looks at nothing first, keeps nothing, and can't go on where it broke off.
The API server away: asked five times a second for \`/readyz\`, from outside; with three control planes under their one address, each request with a second for its answer.

| | seconds | API server away, s | MiB |
|---|---|---|---|
${row("by hand")}
${row("pulumi up")}
${row(THREE)}

Ratio: ${notes.ratio("pulumi up", "by hand")}, aim at most 1.0.

A snapshot of that cluster's etcd by \`npm run etcd\` took ${snapshots}.

What it was made of, of 176 s in a run on 2026-11-28: 12 s until all hosts have packages and images, 91 s \`kubeadm upgrade apply\` (50 of it until the old API server has ended and the new one is seen, 15 each for controller-manager and scheduler), 18 s the control plane's kubelet and ten quiet seconds of the API server, 37 s the first worker's drain, most of it until its kubelet asks the API server again, and 12 s the second worker and the Pod. Since 2026-11-29 a worker's kubelet is started anew before its drain, and the quiet seconds are two where etcd and the API server have come as other containers: 22 s less.
`;
}

if (process.argv[1] === import.meta.filename) {
	const section = await upgradeSection(Number(process.argv[2] ?? 2));
	writeSection(TITLE, section);
	console.log(section);
}
