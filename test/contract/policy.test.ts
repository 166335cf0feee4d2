// The policy pack under the real engine: a program that breaks every rule that needs no cluster, and one that keeps them. A hostPath: test/e2e/preview.test.ts.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { scriptText } from "./support/host-plugin.ts";
import { Project } from "./support/project.ts";
import { Sshd } from "./support/sshd.ts";

const root = join(import.meta.dirname, "../..");
const PROGRAM = `
import { readFileSync } from "node:fs";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
const { connection, hasHostKey, isLate, steps, create, outputs } = JSON.parse(readFileSync("settings.json", "utf8"));
class Step extends pulumi.CustomResource {
	declare readonly printed: pulumi.Output<string>;
	constructor(name: string, args: object, provider: pulumi.ProviderResource) { super("host:index:Step", name, { host: "one", printed: undefined, ...args }, { provider }); }
}
const { host: address, port, user, hostKey, privateKey, ...rest } = connection;
const scripts = Object.fromEntries(Object.values<any>(steps).map(({ step, text = "exit 0" }) => [step, text]));
const hosts = JSON.stringify({ one: { address, port, user, hostKey } });
const provider = new (class extends pulumi.ProviderResource {})("host", "hosts", { hosts, privateKey, dialErrorLimit: 0, scripts: JSON.stringify(scripts) });
const made = Object.entries<any>(steps).map(([name, { text, ...args }]) => new Step(name, args, provider));
// Where a host's step is still to come, all of its connection is not known yet.
if (isLate) new command.remote.Command("late", { connection: made[0]!.printed.apply(() => ({ ...rest, host: address, port, user, hostKey, privateKey })) });
new command.remote.Command("command", { connection: { ...rest, host: address, port, user, privateKey, ...(hasHostKey ? { hostKey } : {}) }, create });
export const shown = outputs;
`;
const TOKEN = "abcdef.0123456789abcdef";
const preflightInputs = (set: object) => ({ step: "preflight", settings: { ROLE: "control-plane", KERNEL_OVERRIDE: false, RELEASE_MINOR: 29, ...set } });
const GOOD = {
	hasHostKey: true,
	isLate: true,
	create: "true",
	outputs: "v1.29.15",
	steps: { first: preflightInputs({}), packages: { step: "packages", settings: { PACKAGES: ["kubelet-1.29.15"] } } },
};
const BAD = {
	create: `kubeadm join --token ${TOKEN}`,
	outputs: "-----BEGIN OPENSSH PRIVATE KEY-----",
	steps: {
		first: preflightInputs({ KERNEL_OVERRIDE: true, RELEASE_MINOR: 33 }),
		second: preflightInputs({}),
		packages: { step: "packages", settings: { PACKAGES: ["kubelet"], NOTE: TOKEN } },
	},
};

/** Nothing is wrong with it before it runs. */
const PRINTS = {
	...GOOD,
	create: `echo 0123456789abcdef | sed 's/^/abcdef./'`,
	steps: {
		first: { ...preflightInputs({ RELEASE_MINOR: 32 }), text: scriptText({ apply: "echo kernel=3.10.0-1062.el7.x86_64" }) },
		prints: { step: "prints", text: scriptText({ apply: "printf -- '-----BEGIN %s PRIVATE KEY-----\\n' OPENSSH" }) },
	},
};

let sshd: Sshd;
let project: Project;
const outputs: Record<"good" | "bad" | "prints", string> = { good: "", bad: "", prints: "" };
const codes: number[] = [];
before(async () => {
	sshd = await Sshd.start();
	project = new Project(PROGRAM, { host: join(root, "provider") });
	await project.init();
	for (const [name, settings, ...command] of [
		["good", GOOD, "preview"],
		["bad", BAD, "preview"],
		["prints", PRINTS, "up", "--yes", "--skip-preview"],
	] as const) {
		project.settings({ connection: sshd.connection(), ...settings } as never);
		const { code, output } = await project.pulumi(...command, "--policy-pack", join(root, "policy"), "--stack", "test");
		codes.push(code);
		outputs[name] = output;
	}
});
after(async () => {
	project?.remove();
	await sshd?.remove();
});

test("a program that keeps the rules passes, also where a connection is not known yet, and is said to have been looked at", () => {
	assert.equal(codes[0], 0, outputs.good);
	assert.match(outputs.good, /kubeadm-lab@v0\.1\.0/);
	assert.match(outputs.good, /command:remote:Command late create/);
	assert.doesNotMatch(outputs.good, /\[mandatory\]/);
});
for (const [rule, said] of [
	["host-key", /connection: no hostKey\. Add it: npm run trust/],
	["no-kernel-override", /Kubernetes 1\.33 with allowUnsupportedKernel: /],
	["pinned-versions", /package kubelet: no version\. Write kubelet-<version>/],
	["no-plain-secret", /create holds a join token\. Send it by stdin, as a secret/],
	["no-plain-secret", /settings holds a join token\. Send it by stdin, as a secret/],
	["odd-control-planes", /found 2 control planes, expected an odd number/],
	["no-secret-output", /output shown holds a private key\. Make it pulumi\.secret/],
] as const)
	test(`a program that breaks ${rule} fails, and is told: ${said.source.replaceAll("\\", "")}`, () => {
		assert.notEqual(codes[1], 0);
		assert.match(outputs.bad, new RegExp(`\\[mandatory\\] +${rule} [\\s\\S]*?${said.source}`), outputs.bad);
	});
for (const [rule, said] of [
	["release-goes-with-kernel", /one has Linux 3\.10\.0-1062\.el7\.x86_64, and Kubernetes 1\.32 needs 4\.19/],
	["no-secret-printed", /prints: printed holds a private key/],
	["no-secret-printed", /command: stdout holds a join token/],
] as const)
	test(`an up whose hosts break ${rule} fails, and is told: ${said.source.replaceAll("\\", "")}`, () => {
		assert.notEqual(codes[2], 0);
		assert.match(outputs.prints, new RegExp(`\\[mandatory\\] +${rule} [\\s\\S]*?${said.source}`), outputs.prints);
	});
