// The gallery and the proof of the pause container on Kubernetes 1.18 with Docker: every Pod that this release can have keeps what it promises.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, describe, test } from "node:test";
import { SCENARIO_NAMES, type ScenarioName } from "../../config/settings.ts";
import { type Story, storyOf } from "../../lifecycle/render/story.ts";
import { SCENARIOS, type Scenario } from "../../workloads/scenarios.ts";
import { lab, project, pulumiArgs, read, succeed } from "../e2e/lab.ts";
import { assertPauseTable, assertScenario } from "../gallery-claims.ts";

const cli = `${project}lab/lab`;
const MINOR = 18;
/** Somebody's Docker, from a repository of their own, with a configuration of its own. */
const THEIRS = '{"log-level": "warn"}';
const repositories = ["docker-ce", "centos"].map((id) => `--repofrompath=theirs-${id},http://172.16.1.1:8080/${id}/`).join(" ");
const INSTALLED = `yum -q -y --disablerepo='*' ${repositories} --enablerepo='theirs-*' --nogpgcheck install docker-ce && mkdir -p /etc/docker && echo '${THEIRS}' >/etc/docker/daemon.json && systemctl enable -q --now docker`;
const SEEN =
	"rpm -q docker-ce; cat /etc/docker/daemon.json; systemctl is-active docker; systemctl is-enabled docker; docker info --format '{{.CgroupDriver}}'; ls /sys/class/net";
/** What is otherwise than the gallery says, which was made with 1.29 and containerd. */
const HERE: Partial<Record<ScenarioName, { why: string; other: Scenario["expected"]; claims?: boolean }>> = {
	"poststart-hangs": { why: "deleted while postStart runs, a Pod is never Ready", other: { "ready-after-poststart": "NOT OBSERVED" } },
	"force-delete": { why: "a kubelet of 1.18 runs no preStop where the deletion gives 0 s", other: { "grace-includes-prestop": "NOT OBSERVED" } },
	"no-shell-http": {
		why: "the kubelet's requests don't say whose they are, so no server's log tells them from others",
		other: { "hooks-at-least-once": "NOT OBSERVED" },
		claims: false,
	},
};

describe("the gallery of May 2020", { concurrency: false }, () => {
	let folder = "";
	let story: Story | undefined;
	let theirs = "";
	before(async () => {
		folder = await mkdtemp(`${tmpdir()}/gallery-`);
		await lab("up", "--era", "2020");
		await lab("reset");
		await read("k8s-node02", INSTALLED);
		theirs = await read("k8s-node02", SEEN);
		assert.match(theirs, /docker0/);
	});
	after(async () => {
		await rm(folder, { recursive: true });
		await lab("reset");
	});

	test("up makes those that this release can have, and says of the others which one they need; destroy ends them", async () => {
		const file = `${folder}/Pulumi.seed.yaml`;
		const text = await readFile(`${project}Pulumi.seed.yaml`, "utf8");
		await writeFile(
			file,
			text.replace("encryptionsalt:", `  kubeadm-lab:gallery: ${JSON.stringify(SCENARIO_NAMES)}\n  kubeadm-lab:pauseProof: "true"\nencryptionsalt:`),
		);
		const pulumi = (command: string, ...args: string[]) => succeed(cli, pulumiArgs(command, "seed", "--config-file", file, ...args), { timeoutSeconds: 600 });
		await pulumi("up", "--parallel", "4");
		const output = async (name: string) => JSON.parse((await succeed(cli, ["exec", "--", "pulumi", "stack", "output", name, "--json", "-s", "seed"])).stdout);
		assertPauseTable(await output("pause"));
		for (const [name, line] of Object.entries((await output("gallery")) as Record<string, string>)) {
			const { fromMinor } = SCENARIOS[name as keyof typeof SCENARIOS];
			if (fromMinor > MINOR) assert.match(line, new RegExp(`^needs Kubernetes 1\\.${fromMinor}`));
			else assert.doesNotMatch(line, /^needs Kubernetes/);
		}
		await pulumi("destroy");
		await succeed(cli, ["exec", "--", "npm", "run", "lifecycle", "--", "fetch", "seed", "--to", `${folder}/recording.jsonl`]);
		story = storyOf(await readFile(`${folder}/recording.jsonl`, "utf8"));
		assert.deepEqual(story.problems, []);
	});
	test("a Docker that was there before is afterwards as it was: package, configuration, bridge, running and at boot", async () => {
		assert.equal(await read("k8s-node02", SEEN), theirs);
	});
	for (const name of SCENARIO_NAMES.filter((one) => SCENARIOS[one].fromMinor <= MINOR))
		test(`${name}: ${SCENARIOS[name].shows}${HERE[name] ? `; here ${HERE[name].why}` : ""}`, () => {
			const pod = story?.pods.find(({ history }) => history.name === name);
			assert.ok(pod, "not in the recording");
			assertScenario(name, pod, HERE[name]);
		});
});
