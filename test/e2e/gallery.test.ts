// Every Pod of the gallery lives and ends in the lab; the recording has the verdicts and events that each promises.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { SCENARIO_NAMES, SCENARIOS, type Scenario } from "../../lifecycle/scenarios.ts";
import { type Story, storyOf } from "../../lifecycle/story.ts";
import { hosts, lab, onHost, project, pulumi, succeed } from "./lab.ts";

describe("the gallery", { concurrency: false }, () => {
	let folder = "";
	let story: Story | undefined;
	const refused = new Map<string, string>();
	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/gallery-`);
		await lab("up");
		await lab("reset");
	});
	after(async () => {
		await rm(folder, { recursive: true });
		await lab("reset");
	});

	test("up makes them all, and destroy ends them all", async () => {
		const file = `${folder}/Pulumi.lab.yaml`;
		const text = await readFile(`${project}Pulumi.lab.yaml`, "utf8");
		await writeFile(file, text.replace("encryptionsalt:", `  kubeadm-lab:gallery: ${JSON.stringify(SCENARIO_NAMES)}\nencryptionsalt:`));
		await pulumi("up", "--config-file", file);
		const output = await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "output", "gallery", "--json", "-s", "lab"]);
		const shown = JSON.parse(output.stdout) as Record<string, string>;
		assert.deepEqual(Object.keys(shown).sort(), [...SCENARIO_NAMES].sort());
		for (const [name, line] of Object.entries(shown)) if (line.startsWith("needs Kubernetes")) refused.set(name, line);
		await pulumi("destroy", "--config-file", file);
	});
	test("their recording comes from the hosts, and leaves them", async () => {
		await succeed(`${project}lab/lab`, ["exec", "--", "npm", "run", "lifecycle", "--", "report", "lab", "--to", `${folder}/report`]);
		story = storyOf(await readFile(`${folder}/report/recording.jsonl`, "utf8"));
		assert.deepEqual(story.problems, []);
		for (const host of hosts) assert.notEqual((await onHost(host, "test -e /var/log/kubeadm-lab")).code, 0, `${host}: the recording is left`);
		await assert.rejects(
			succeed(`${project}lab/lab`, ["exec", "--", "npm", "run", "lifecycle", "--", "report", "lab"]),
			/no host gave a recording[\s\S]*fetched before/,
		);
	});
	for (const name of SCENARIO_NAMES)
		test(`${name}: ${SCENARIOS[name].shows}`, () => {
			if (refused.has(name)) {
				assert.match(refused.get(name) ?? "", /^needs Kubernetes 1\.\d+; this cluster has /);
				return;
			}
			const pod = story?.pods.find(({ life }) => life.name === name);
			assert.ok(pod, "not in the recording");
			const scenario: Scenario = SCENARIOS[name];
			for (const { guarantee, word, because } of pod.verdicts) {
				assert.equal(word, scenario.expected[guarantee.id] ?? word, `${guarantee.id}: ${because}`);
				assert.notEqual(word, "FAIL", `${guarantee.id}: ${because}`);
			}
			const reasons = pod.life.entries.filter(({ kind }) => kind === "event").map(({ reason }) => reason);
			for (const reason of scenario.events) assert.ok(reasons.includes(reason), `no event ${reason} among ${reasons.join(", ")}`);
		});
});
