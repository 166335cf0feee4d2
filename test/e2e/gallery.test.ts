// Every Pod of the gallery lives and ends in the lab; the recording has the verdicts and events that each promises.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { SCENARIO_NAMES } from "../../config/settings.ts";
import { type Story, storyOf } from "../../lifecycle/render/story.ts";
import { SCENARIOS } from "../../workloads/scenarios.ts";
import { assertScenario } from "../gallery-claims.ts";
import { hosts, lab, onHost, project, pulumi, succeed } from "./lab.ts";

describe("the gallery", { concurrency: false }, () => {
	let folder = "";
	let story: Story | undefined;
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
		// The sleep hook is alpha in the lab's 1.29: with its gate every Pod of the gallery can be shown.
		const added = `  kubeadm-lab:gallery: ${JSON.stringify(SCENARIO_NAMES)}\n  kubeadm-lab:featureGates: {PodLifecycleSleepAction: true}\nencryptionsalt:`;
		await writeFile(file, text.replace("encryptionsalt:", added));
		await pulumi("up", "--config-file", file, "--parallel", "4");
		const output = await succeed(`${project}lab/lab`, ["exec", "--", "pulumi", "stack", "output", "gallery", "--json", "-s", "lab"]);
		const shown = JSON.parse(output.stdout) as Record<string, string>;
		assert.deepEqual(Object.keys(shown).sort(), [...SCENARIO_NAMES].sort());
		for (const line of Object.values(shown)) assert.doesNotMatch(line, /^needs Kubernetes/);
		await pulumi("destroy", "--config-file", file);
	});
	test("their recording comes from the hosts, and leaves them", async () => {
		await succeed(`${project}lab/lab`, ["exec", "--", "npm", "run", "lifecycle", "--", "report", "lab", "--to", `${folder}/report`]);
		story = storyOf(await readFile(`${folder}/report/recording.jsonl`, "utf8"));
		assert.deepEqual(story.problems, []);
		for (const host of hosts)
			for (const left of ["/var/log/kubeadm-lab", "/etc/systemd/system/kubeadm-lab-recorder.*", "/etc/systemd/system/*.wants/kubeadm-lab-recorder.*"])
				assert.notEqual((await onHost(host, `ls -d ${left}`)).code, 0, `${host}: ${left} is left`);
		await assert.rejects(
			succeed(`${project}lab/lab`, ["exec", "--", "npm", "run", "lifecycle", "--", "report", "lab"]),
			/no host gave a recording[\s\S]*fetched before/,
		);
	});
	for (const name of SCENARIO_NAMES)
		test(`${name}: ${SCENARIOS[name].shows}`, () => {
			const pod = story?.pods.find(({ history }) => history.name === name);
			assert.ok(pod, "not in the recording");
			assertScenario(name, pod);
		});
});
