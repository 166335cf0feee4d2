// The policy pack under the real engine: a program that breaks every rule that needs no cluster, and one that keeps them. A hostPath: test/e2e/preview.test.ts.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Project } from "./support/project.ts";

const root = join(import.meta.dirname, "../..");
const PROGRAM = `
import { readFileSync } from "node:fs";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
const { hostKey, steps, create, outputs } = JSON.parse(readFileSync("settings.json", "utf8"));
class Step extends pulumi.CustomResource {
	constructor(name: string, args: object, provider: pulumi.ProviderResource) { super("host:index:Step", name, { host: "one", text: "exit 0", ...args }, { provider }); }
}
const hosts = JSON.stringify({ one: { address: "127.0.0.1", port: 1, user: "root", hostKey: "ssh-ed25519 AAAA" } }); // nobody listens there: a preview warns and goes on
const provider = new (class extends pulumi.ProviderResource {})("host", "hosts", { hosts, privateKey: "none", dialErrorLimit: 0 });
for (const [name, args] of Object.entries<object>(steps)) new Step(name, args, provider);
new command.remote.Command("command", { connection: { host: "127.0.0.1", user: "root", ...(hostKey ? { hostKey } : {}) }, create });
export const shown = outputs;
`;
const TOKEN = "abcdef.0123456789abcdef";
const preflight = (set: object) => ({ step: "preflight", settings: { ROLE: "control-plane", KERNEL_OVERRIDE: false, RELEASE_MINOR: 29, ...set } });
const GOOD = {
	...{ hostKey: "ssh-ed25519 AAAA", create: "true", outputs: "v1.29.15" },
	steps: { first: preflight({}), packages: { step: "packages", settings: { PACKAGES: ["kubelet-1.29.15"] } } },
};
const BAD = {
	...{ create: `kubeadm join --token ${TOKEN}`, outputs: "-----BEGIN OPENSSH PRIVATE KEY-----" },
	steps: {
		first: preflight({ KERNEL_OVERRIDE: true, RELEASE_MINOR: 33 }),
		second: preflight({}),
		packages: { step: "packages", settings: { PACKAGES: ["kubelet"], NOTE: TOKEN } },
	},
};

let project: Project;
const outputs: Record<"good" | "bad", string> = { good: "", bad: "" };
const codes: number[] = [];
before(async () => {
	project = new Project(PROGRAM, { host: join(root, "provider") });
	await project.init();
	for (const [name, settings] of [
		["good", GOOD],
		["bad", BAD],
	] as const) {
		project.settings(settings as never);
		const { code, output } = await project.pulumi("preview", "--policy-pack", join(root, "policy"), "--stack", "test");
		codes.push(code);
		outputs[name] = output;
	}
});
after(() => project?.remove());

test("a program that keeps the rules passes, and is said to have been looked at", () => {
	assert.equal(codes[0], 0, outputs.good);
	assert.match(outputs.good, /kubeadm-lab@v0\.1\.0/);
	assert.doesNotMatch(outputs.good, /\[mandatory\]/);
});
for (const [rule, said] of [
	["host-key", /connection: no hostKey\. Add it: npm run trust/],
	["release-goes-with-kernel", /Kubernetes 1\.33 with allowUnsupportedKernel: /],
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
