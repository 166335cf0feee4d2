// Did preStop run, on Kubernetes 1.18 with Docker? The ways of docs/prestop.md, tried again; writes its second table.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe } from "node:test";
import { withTable } from "../../commands/config-table.ts";
import { lab, project, pulumiArgs, succeed } from "../e2e/lab.ts";
import { waysToEnd } from "../e2e/ways.ts";
import { cellsOf, tableFile, WAYS, type Way } from "../prestop.ts";

const BEGIN = "<!-- test:era: begin; written by test/era/prestop.test.ts -->";
const END = "<!-- test:era: end -->";

describe("did preStop run, in May 2020", { concurrency: false }, () => {
	let folder = "";
	const rows = new Map<Way, string[]>();
	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/prestop-`);
		await lab("up", "--era", "2020");
		await lab("reset");
		await succeed(`${project}lab/lab`, pulumiArgs("up", "seed"));
	});
	after(async () => {
		await rm(folder, { recursive: true });
		await lab("reset");
		const ways = Object.keys(WAYS) as Way[];
		if (!ways.every((way) => rows.has(way))) return; // a table that is not whole would say less than the last one
		const head = ["what ends the Pod", "did preStop run", "preStop ends before SIGTERM", "hooks run at least once"];
		const table = [head, head.map(() => "---"), ...ways.map((way) => rows.get(way) ?? [])].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
		const day = new Date().toISOString().slice(0, 10);
		await writeFile(tableFile, withTable(await readFile(tableFile, "utf8"), `Last run: ${day}.\n\n${table}`, BEGIN, END));
	});
	waysToEnd({
		stack: "seed",
		evictions: "policy/v1beta1",
		emptyDirs: "--delete-local-data",
		containers: { main: "docker ps -q --filter name=^/k8s_main_", all: "docker ps -q" },
		forced: "no",
		folder: () => folder,
		keep: (way, _, story) => rows.set(way, cellsOf(way, story)),
	});
});
