// The stack files and Pulumi.yaml: they have exactly the keys that the program knows.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { KEYS, type Key, pulumiType } from "../../config/schema.ts";
import { ConfigError } from "../../config.ts";
import { hostKey, privateKey, read, stackConfig } from "./settings.ts";

const root = join(import.meta.dirname, "../..");
const text = (name: string) => readFileSync(join(root, name), "utf8");
interface Declared {
	type?: string;
	items?: { type: string };
	default?: unknown;
	description?: string;
}
const project = parse(text("Pulumi.yaml")) as { name: string; main: string; config: Record<string, Declared> };
const declared = Object.entries(project.config).filter(([key]) => !key.includes(":"));

test("Pulumi.yaml declares exactly the keys that the program knows", () => {
	assert.deepEqual(declared.map(([key]) => key).sort(), Object.keys(KEYS).sort());
});
for (const [key, { type, items, default: value, description }] of declared)
	test(`Pulumi.yaml and the program agree on ${key}`, () => {
		assert.equal(type, pulumiType(key as Key));
		assert.equal(items !== undefined, type === "array");
		assert.deepEqual(value, KEYS[key as Key].parse(undefined));
		assert.match(description ?? "", /^[\s\S]{10,}\.$/, "a description is a sentence");
	});
test("no key is required or secret in Pulumi.yaml: Pulumi would stop there before the program reports all problems", () => {
	for (const [key, declaration] of declared) {
		assert.ok("default" in declaration && declaration.default !== null, key);
		assert.ok(!("secret" in declaration), key);
	}
});

test("every stack's file has only keys of the project, and each is known", () => {
	for (const name of readdirSync(root).filter((file) => /^Pulumi\.\w+\.yaml$/.test(file)))
		for (const key of Object.keys((parse(text(name)) as { config: object }).config))
			assert.ok(key.startsWith("kubeadm-lab:") && Object.hasOwn(KEYS, key.slice(12)), `${name}: ${key}`);
});

test("the dev stack lacks nothing but its host keys and its private key file", () => {
	const folder = mkdtempSync(join(tmpdir(), "stack-files-"));
	writeFileSync(join(folder, "id"), privateKey());
	const config = { ...stackConfig(text("Pulumi.dev.yaml")), sshPrivateKeyFile: join(folder, "id") };
	assert.throws(
		() => read(config, { stack: "dev" }),
		(error) =>
			error instanceof ConfigError &&
			error.message === [0, 1, 2].map((i) => `Pulumi.dev.yaml: hosts[${i}].hostKey: not set. Run: npm run trust -- dev`).join("\n"),
	);
	const hosts = (config as unknown as { hosts: object[] }).hosts.map((host) => ({ ...host, hostKey: hostKey() }));
	const { cluster } = read({ ...config, hosts }, { stack: "dev" });
	assert.deepEqual(
		cluster.hosts.map(({ name, address, externalAddress }) => `${name} ${address} ${externalAddress}`),
		["k8s-master 172.16.1.110 10.0.0.110", "k8s-node01 172.16.1.111 10.0.0.111", "k8s-node02 172.16.1.112 10.0.0.112"],
	);
	assert.ok(cluster.repositories.every((repository) => repository.gpgCheck));
	rmSync(folder, { recursive: true });
});

test("the lab stack is complete once the lab has written its keys", () => {
	const folder = mkdtempSync(join(tmpdir(), "stack-files-"));
	const config = stackConfig(text("Pulumi.lab.yaml"));
	delete process.env.KUBEADM_LAB;
	assert.throws(
		() => read(config, { stack: "lab" }),
		/sshPrivateKeyFile: \$KUBEADM_LAB\/id_ed25519 uses \$KUBEADM_LAB, which is not set\. Export KUBEADM_LAB, or write the path out\./,
	);
	process.env.KUBEADM_LAB = folder;
	writeFileSync(join(folder, "id_ed25519"), privateKey());
	writeFileSync(join(folder, "known_hosts"), ["110", "111", "112"].map((n) => `172.16.1.${n} ${hostKey(Number(n))}\n`).join(""));
	const { cluster } = read(config, { stack: "lab" });
	assert.deepEqual(
		cluster.hosts.map((host) => host.hostKey),
		[hostKey(110), hostKey(111), hostKey(112)],
	);
	assert.deepEqual(cluster.kubeProxy, { conntrackMaxPerCore: 0, conntrackMin: 0 });
	delete process.env.KUBEADM_LAB;
	rmSync(folder, { recursive: true });
});

test("the lab plays the hosts of dev, and says why above every other key", () => {
	const [dev, lab] = ["Pulumi.dev.yaml", "Pulumi.lab.yaml"].map((name) => stackConfig(text(name)));
	assert.deepEqual(lab?.hosts, dev?.hosts);
	assert.equal(lab?.nodeNetwork, dev?.nodeNetwork);
	const lines = text("Pulumi.lab.yaml").split("\n");
	for (const [i, line] of lines.entries())
		if (/^ {2}kubeadm-lab:(?!hosts:|nodeNetwork:)/.test(line)) assert.match(lines[i - 1] ?? "", /^ {2}# \S/, `no reason above: ${line}`);
});

test("the stack files of docs/mirrors-china.md are complete together with dev's hosts, and use no address outside China but flannel's names", () => {
	const dev = stackConfig(text("Pulumi.dev.yaml"));
	const hosts = (dev.hosts as object[]).map((host) => ({ ...host, hostKey: hostKey() }));
	const basics = { hosts, nodeNetwork: dev.nodeNetwork, sshPrivateKey: privateKey() };
	const [mirrors = {}, seed = {}] = [...text("docs/mirrors-china.md").matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => stackConfig(block ?? ""));
	const { cluster } = read({ ...basics, ...mirrors }, { stack: "china" });
	assert.equal(cluster.imageRepository, "registry.aliyuncs.com/google_containers");
	const era = read({ ...basics, ...seed }, { stack: "china" }).cluster;
	for (const { baseUrl } of [...cluster.repositories, ...era.repositories]) assert.match(baseUrl, /^https:\/\/mirrors\.aliyun\.com\//);
	assert.deepEqual([era.release.version, era.runtime.kind, era.flannel.cniPluginImage], ["1.18.20", "docker", ""]);
});
