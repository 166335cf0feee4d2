// Each host script with its three verbs on a real host: repeated, undone, and killed half-way.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { stepText } from "../../cluster/step-text.ts";
import { kubectl, lab, onHost, project, read, succeed } from "../e2e/lab.ts";
import { stepFile } from "../scripts/shell-files.ts";
import { SAMPLE_HOSTS, type SampleHost, type SampleStep, sampleSettings, sampleSteps } from "../scripts/verbs.ts";

type Verb = "apply" | "check" | "undo";
const verb = (host: string, text: string, name: Verb) => onHost(host, `bash -s -- ${name}`, { input: text });
const expectCode = async (host: string, { step, text }: SampleStep, name: Verb, code: number): Promise<string> => {
	const result = await verb(host, text, name);
	assert.equal(result.code, code, `${step} ${name} on ${host}:\n${result.output}`);
	return result.stdout;
};

/** An apply whose shell is killed after some seconds: sooner, where it was done by then. What the shell started goes on, as when a connection is lost. */
async function killedApply(host: string, step: SampleStep, seconds: number): Promise<void> {
	for (let delay = seconds; delay > 0.01; delay /= 2) {
		const killed = await onHost(host, `timeout -s KILL ${delay.toFixed(2)} bash -s -- apply`, { input: step.text });
		if (killed.code !== 0) return;
		await expectCode(host, step, "undo", 0);
	}
	assert.fail(`${step.step} could not be killed: it always ended first`);
}

/** The whole life of one step, which is in place at the end. */
function lifeOf(host: string, step: SampleStep, applied: () => Promise<void> = async () => {}): void {
	test(`${step.step} on ${host}: apply, apply, check is 0${step.hasUndo ? ", undo, check is 3, undo; killed half-way, apply, check is 0" : ""}`, async () => {
		if (step.hasUndo) await expectCode(host, step, "check", 3);
		const started = Date.now();
		const applying = expectCode(host, step, "apply", 0);
		await applied();
		const first = await applying;
		const seconds = (Date.now() - started) / 1000;
		const second = await expectCode(host, step, "apply", 0);
		assert.equal(second, first, "a second apply prints the same");
		await expectCode(host, step, "check", 0);
		if (!step.hasUndo) return;
		await expectCode(host, step, "undo", 0);
		await expectCode(host, step, "check", 3);
		await expectCode(host, step, "undo", 0);
		for (const part of [0.3, 0.7]) {
			await killedApply(host, step, seconds * part);
			if (part === 0.3) await expectCode(host, step, "undo", 0);
		}
		await expectCode(host, step, "apply", 0);
		await expectCode(host, step, "check", 0);
	});
}

describe("host scripts", { concurrency: false }, () => {
	const [controlPlane, , worker] = SAMPLE_HOSTS as [SampleHost, SampleHost, SampleHost];
	const steps = (host: SampleHost, ...names: string[]) => sampleSteps(host).filter(({ step }) => names.includes(step));

	before(async () => {
		await lab("up");
		await lab("reset");
	});
	after(async () => {
		await lab("reset");
	});

	for (const step of steps(controlPlane, "preflight", "identity", "packages", "system", "runtime", "images", "init", "recorder"))
		lifeOf(controlPlane.name, step);

	test("the recorder ends at its bound, and its timer removes what nobody fetches, the units with it", async () => {
		const step: SampleStep = {
			step: "recorder",
			hasUndo: true,
			text: stepText(stepFile("recorder"), { ...sampleSettings("recorder", controlPlane), BOUND_SECONDS: 5 }),
		};
		const folder = "/var/log/kubeadm-lab/recording";
		await expectCode(controlPlane.name, step, "apply", 0);
		const active = "systemctl is-active kubeadm-lab-recorder.service kubeadm-lab-recorder.timer";
		assert.equal((await onHost(controlPlane.name, active)).stdout, "active\nactive\n");
		assert.match(await read(controlPlane.name, "systemctl show -p CPUQuotaPerSecUSec kubeadm-lab-recorder"), /=500ms/);
		await read(controlPlane.name, `timeout 30 bash -c 'until [[ -e ${folder}/end.jsonl ]]; do sleep 0.5; done'`);
		assert.equal((await onHost(controlPlane.name, `sleep 1; ${active}`)).stdout, "inactive\nactive\n");
		assert.match(await read(controlPlane.name, `cat ${folder}/end.jsonl`), /"its time was over"/);
		// As the timer does each day: a day too early, and after the week.
		const look = (days: number) => `touch -d '-${days} days' ${folder}/end.jsonl && systemctl start kubeadm-lab-recorder.service; sleep 1`;
		await read(controlPlane.name, `${look(6)}; test -e ${folder}/header.jsonl`);
		await read(controlPlane.name, look(8));
		const left = "ls -d /var/log/kubeadm-lab /etc/systemd/system/kubeadm-lab-* /etc/systemd/system/*.wants/kubeadm-lab-*";
		assert.equal((await onHost(controlPlane.name, left)).stdout, "");
		assert.equal((await onHost(controlPlane.name, active)).stdout, "inactive\ninactive\n");
		await expectCode(controlPlane.name, step, "undo", 0);
	});

	test("a worker is prepared and flannel is applied", async () => {
		for (const step of steps(worker, "identity", "packages", "system", "runtime", "images")) await expectCode(worker.name, step, "apply", 0);
		await succeed(`${project}lab/lab`, ["ssh", controlPlane.name, "kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f -"], {
			input: await readFile(`${project}bench/flannel.yaml`, "utf8"),
		});
	});

	test("join on a worker has the same life with a token that is made for it", async () => {
		const token = (await read(controlPlane.name, "kubeadm token create --ttl 15m 2>/dev/null")).trim();
		const caHash = (await verb(controlPlane.name, steps(controlPlane, "init")[0]?.text ?? "", "apply")).stdout.match(/sha256:\S+/)?.[0] ?? "";
		const step = sampleSteps(worker, { token, caHash }).find((s) => s.step === "join") as SampleStep;
		await expectCode(worker.name, step, "apply", 0);
		await expectCode(worker.name, step, "apply", 0);
		await expectCode(worker.name, step, "check", 0);
		await expectCode(worker.name, step, "undo", 0);
		await expectCode(worker.name, step, "check", 3);
		await expectCode(worker.name, step, "undo", 0);
		await killedApply(worker.name, step, 3);
		await expectCode(worker.name, step, "apply", 0);
		await expectCode(worker.name, step, "check", 0);
		// A join does not wait for flannel, which makes its Node Ready; the kubelet step, tested next, does.
		assert.match(await kubectl("wait --for=condition=Ready --timeout=120s node/k8s-node02"), /condition met/);
	});

	test("kubelet and node have the same life on the hosts that are Nodes by then", async () => {
		for (const host of [controlPlane, worker])
			for (const step of steps(host, "kubelet", "node")) {
				await expectCode(host.name, step, "check", step.step === "kubelet" ? 3 : 0);
				for (const verb of ["apply", "apply", "check"] as const) await expectCode(host.name, step, verb, 0);
			}
	});

	test("everything undone in the opposite order leaves no record on either host", async () => {
		for (const host of [worker, controlPlane]) {
			for (const step of sampleSteps(host).reverse()) if (step.hasUndo) await expectCode(host.name, step, "undo", 0);
			assert.notEqual((await onHost(host.name, "test -e /var/lib/kubeadm-lab")).code, 0, host.name);
		}
	});
});
