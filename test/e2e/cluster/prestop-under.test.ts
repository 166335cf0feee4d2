// Did preStop run? Each way in which a Pod can end, made to happen and recorded; docs/prestop.md has the table, and the recordings beside it.
// UPDATE_RECORDINGS=1 writes both anew.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { assertPauseTable } from "../../gallery-claims.ts";
import { recordingFile, rowOf, tableFile, WAYS } from "../../prestop.ts";
import { lab, output, project } from "../lab.ts";
import { waysToEnd } from "../ways.ts";
import { standingCluster } from "./standing.ts";

const isUpdate = process.env.UPDATE_RECORDINGS === "1";
let folder = "";

describe("did preStop run", { concurrency: false }, () => {
	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/prestop-`);
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		await writeFile(`${folder}/Pulumi.lab.yaml`, text.replace("encryptionsalt:", '  kubeadm-lab:pauseProof: "true"\nencryptionsalt:'));
		await standingCluster("--config-file", `${folder}/Pulumi.lab.yaml`);
	});
	after(async () => {
		await rm(folder, { recursive: true });
		await lab("reset");
	});

	// Here because nobody uses this cluster afterwards: containers are ended in this test, and hosts below.
	test("what the pause container holds together: every row passes", async () => assertPauseTable(await output("pause")));
	waysToEnd({
		stack: "lab",
		evictions: "policy/v1",
		emptyDirs: "--delete-emptydir-data",
		containers: { main: "crictl ps --name main -q", all: "crictl ps -q" },
		forced: "yes",
		folder: () => folder,
		keep: (way, recording, story) => {
			const table = readFileSync(tableFile, "utf8"); // at once with the write below: several tests run side by side
			const row = rowOf(way, story);
			if (isUpdate) {
				writeFileSync(recordingFile(way), gzipSync(recording, { level: 9 }));
				writeFileSync(
					tableFile,
					table.replace(new RegExp(`^\\| ${WAYS[way].replaceAll(/[-.*+?^$()|[\]\\]/g, "\\$&")} \\|.*\\[${way}\\].*$`, "m"), () => row),
				);
			} else assert.ok(table.includes(`${row}\n`), `docs/prestop.md lacks: ${row}`);
		},
	});
});
