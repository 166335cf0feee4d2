// The settings that each script gets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allCompared, golden } from "../golden.ts";
import { shellFile } from "../scripts/shell-files.ts";
import { graph, HOSTS, program } from "./program.ts";
import { type Resource, scriptTextOf } from "./program-graph.ts";

allCompared("steps");

/** The step's text without common.sh and the rest, which are the same for all: settings only. */
const assignments = (step: Pick<Resource, "inputs">) => scriptTextOf(step).slice(0, scriptTextOf(step).indexOf('\n: "${STEP:?'));
/** Values in a golden that are no secret of anybody, but differ from run to run, or with each line of a script. */
const stable = (text: string) => text.replaceAll(/[a-z0-9]{6}\.[a-z0-9]{16}/g, "abcdef.0123456789abcdef").replaceAll(/-[0-9a-f]{16}'/g, "-0123456789abcdef'");

test("each script is sent with the settings that were looked at", () => {
	for (const step of graph.steps) golden(`steps/${step.name}.sh`, `${stable(assignments(step))}\n`);
});
test("the runtime step of the seed's era configures Docker", async () => {
	const { graph: old } = await program({
		changes: { kubernetesVersion: "1.18.20", containerRuntime: "docker", registryMirrors: { "docker.io": ["http://192.0.2.1:5000"] } },
	});
	golden("steps/docker-lab-k8s-node01-runtime.sh", `${assignments(old.named("lab-k8s-node01-runtime"))}\n`);
});
/** Another value has a step run again; the script needs none of it. */
const ONLY_COMPARED = ["HOST_INSTALLED"];
test("every setting that a script gets is one that it reads", () => {
	for (const { name, inputs } of graph.steps) {
		const text = scriptTextOf({ inputs });
		const [, step = ""] = text.match(/^readonly STEP='(.*)'/) ?? [];
		const code = text.slice(assignments({ inputs }).length);
		for (const [, setting = ""] of assignments({ inputs }).matchAll(/^readonly ([A-Z_]+)=/gm))
			if (!ONLY_COMPARED.includes(setting)) assert.match(code, new RegExp(`\\$\\{${setting}\\b|\\b${setting}\\b`), `${name}: ${setting}`);
		assert.ok(shellFile(step).isStep, name);
	}
});
test("preflight compares a clock with the first repository server, which the host must reach anyway", async () => {
	const repositories = [
		{ id: "local", baseUrl: "file:///media/", gpgKey: ["file:///key"] },
		{ id: "base", baseUrl: "http://192.0.2.1/7.7.1908/os/$basearch/", gpgKey: ["http://192.0.2.1/key"] },
	];
	const { graph: other } = await program({ changes: { repositories } });
	for (const host of HOSTS)
		assert.match(scriptTextOf(other.named(`lab-${host}-preflight`)), /^readonly TIME_SOURCE='http:\/\/192\.0\.2\.1\/7\.7\.1908\/os\/'$/m);
});
