// Three control planes behind one address: the certificates and their key on the way from the first to the others, and what more listens.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ENDPOINT, fourHosts, second, third, withControlPlanes, worker } from "../e2e/control-planes.ts";
import { controlPlane, kubectl, lab, project, pulumiArgs, run } from "../e2e/lab.ts";
import type { Needles } from "./needles.ts";
import { EVERYWHERE, external, internal, ON_CONTROL_PLANE, ON_ITS_ADDRESS, openPorts, UDP_EVERYWHERE, udpPorts } from "./ports.ts";
import { filesIn, keptFiles, knownSecrets, secretsOn, setMark } from "./secrets.ts";
import { Watch } from "./watch.ts";

const cli = `${project}lab/lab`;
const HAPROXY_PORT = 8443;

describe("three control planes", { concurrency: false }, () => {
	let needles: Needles;
	let scratch = "";
	let watch: Watch;
	/** Runs pulumi with all that can be logged, into files that are searched afterwards. */
	async function logged(command: string): Promise<void> {
		const words = pulumiArgs(command, "lab", "--config-file", join(scratch, "three.yaml"), "-v=9", "--debug", "--logtostderr");
		const { code, output } = await run(cli, [...words, "--event-log", join(scratch, `${command}.events`)], {
			timeoutSeconds: 900,
			env: { PULUMI_DEBUG_COMMANDS: "true" },
		});
		writeFileSync(join(scratch, `${command}.log`), output);
		assert.equal(code, 0, output.slice(-2000));
	}
	const logs = () => filesIn(scratch, ".").filter((file) => /\.(log|events)$/.test(file));

	before(async () => {
		scratch = mkdtempSync(join(tmpdir(), "kubeadm-lab-leaks-"));
		await lab("down"); // it has two workers, where other tests ran before
		await lab("up", "--workers", "3");
		await lab("reset");
		writeFileSync(join(scratch, "three.yaml"), withControlPlanes(readFileSync(`${project}Pulumi.lab.yaml`, "utf8"), 3, true));
		await setMark(fourHosts);
		watch = new Watch();
		await logged("up");
	});
	after(async () => {
		watch.end();
		await lab("down");
		rmSync(scratch, { recursive: true, force: true });
	});

	test("the keys under which the certificates went to the second and to the third are known", async () => {
		needles = await knownSecrets(fourHosts);
		assert.deepEqual(
			needles.names.filter((name) => name.startsWith("certificate key")),
			["certificate key 0", "certificate key 1"],
		);
	});
	test("nothing of any secret is in what was printed and logged, in the state and its history, in TMPDIR, a command line or an environment", async () => {
		const { text, looks } = watch.end();
		assert.ok(looks > 200, `${looks} looks`);
		writeFileSync(join(scratch, "processes.log"), text);
		const files = [...logs(), ...keptFiles()];
		assert.ok(
			files.some((file) => statSync(file).size > 500_000),
			files.join("\n"),
		);
		assert.deepEqual(await needles.inFiles(files, scratch), {});
	});
	for (const host of fourHosts)
		test(`on ${host} each is where it belongs, and no key of the certificates anywhere`, async () => {
			const { home, wrong } = await secretsOn(host, needles, fourHosts.slice(0, 3));
			assert.deepEqual(wrong, []);
			const own = needles.names.filter((name) => name.endsWith(` on ${host}`)); // the first one's are those too that all control planes have
			assert.ok(own.length > 0 && own.every((name) => home.has(name)), `found where they belong: ${[...home].join(", ")}; expected ${own.join(", ")}`);
			assert.equal(home.has(`key of /etc/kubernetes/pki/ca.key on ${controlPlane}`), host !== worker, "the CA's key is on control planes alone");
		});
	test("the certificates are no longer on the cluster, nor is a join token", async () => {
		assert.equal(await kubectl("-n kube-system get secret kubeadm-certs --ignore-not-found -o name"), "");
		assert.equal(await kubectl("-n kube-system get secrets --field-selector type=bootstrap.kubernetes.io/token -o name"), "");
	});
	for (const [what, address, more] of [
		["the second, seen from the node network", internal(second), [ON_CONTROL_PLANE, ON_ITS_ADDRESS]],
		["the third, seen from the external network", external(third), [ON_CONTROL_PLANE]],
	] as const)
		test(`on ${what}, every port that takes a connection is one of those in docs/security.md`, async () => {
			const expected = [EVERYWHERE, ...more].flatMap((ports) => Object.keys(ports).map(Number));
			assert.deepEqual(
				await openPorts(address),
				expected.sort((a, b) => a - b),
			);
		});
	test("on every host the UDP ports that are heard on more than the host itself are those in docs/security.md", async () => {
		for (const host of fourHosts) assert.deepEqual(await udpPorts(host), Object.keys(UDP_EVERYWHERE).map(Number), host);
	});
	test("haproxy listens on the cluster's address alone, and says nothing of itself", async () => {
		const expected = [HAPROXY_PORT, ...[EVERYWHERE, ON_CONTROL_PLANE].flatMap((ports) => Object.keys(ports).map(Number))];
		const found = await openPorts(ENDPOINT);
		assert.deepEqual(
			found.filter((port) => !expected.includes(port)),
			[],
		);
		assert.ok(found.includes(HAPROXY_PORT), found.join()); // the others are looked for on each host's own address
	});
	test("destroy leaves nothing of them", async () => {
		await logged("destroy");
		assert.deepEqual(await needles.inFiles([...logs(), ...keptFiles()], scratch), {});
		for (const host of fourHosts) {
			const { home, wrong } = await secretsOn(host, needles);
			assert.deepEqual([...home, ...wrong], [], host);
		}
	});
});
