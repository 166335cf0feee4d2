// Settings for tests: a stack's configuration as Pulumi hands it over, turned into settings by the program's own reader.
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import type { Settings } from "../../config/settings.ts";
import { ConfigError, loadSettings } from "../../config.ts";

const field = (data: Buffer | string) => {
	const length = Buffer.alloc(4);
	length.writeUInt32BE(Buffer.byteLength(data));
	return Buffer.concat([length, Buffer.from(data)]);
};
const publicKey = (fill: number) => Buffer.concat([field("ssh-ed25519"), field(Buffer.alloc(32, fill))]);
/** A made-up public key: no private key belongs to it. */
export const hostKey = (fill = 1): string => `ssh-ed25519 ${publicKey(fill).toString("base64")}`;
/** A made-up public key with a modulus of so many bits; making a real pair of that size takes a second. */
export function rsaHostKey(bits: number): string {
	const modulus = Buffer.alloc(bits / 8 + 1, 0xab).fill(0, 0, 1); // the zero keeps it positive
	return `ssh-rsa ${Buffer.concat([field("ssh-rsa"), field(Buffer.from([1, 0, 1])), field(modulus)]).toString("base64")}`;
}
/** A made-up private key in the form that ssh-keygen writes; opens nothing. */
export function privateKey(cipher = "none"): string {
	const body = Buffer.concat([
		Buffer.from("openssh-key-v1\0"),
		field(cipher),
		field(cipher === "none" ? "none" : "bcrypt"),
		field(cipher === "none" ? "" : Buffer.concat([field(Buffer.alloc(16)), Buffer.from([0, 0, 0, 16])])), // salt and rounds
		Buffer.from([0, 0, 0, 1]),
		field(publicKey(1)),
		field(Buffer.concat([Buffer.alloc(8), publicKey(1), field(Buffer.alloc(64, 1)), field("made up"), Buffer.from([1, 2, 3, 4, 5, 6])])),
	]);
	const begin = (word: string) => `-----${word} OPENSSH PRIVATE KEY-----`;
	return `${begin("BEGIN")}\n${body.toString("base64").replaceAll(/.{70}/g, "$&\n").trimEnd()}\n${begin("END")}\n`;
}

export const hosts = () => [
	{ name: "k8s-master", address: "172.16.1.110", externalAddress: "10.0.0.110", role: "control-plane", hostKey: hostKey() },
	{ name: "k8s-node01", address: "172.16.1.111", externalAddress: "10.0.0.111", role: "worker", hostKey: hostKey() },
	{ name: "k8s-node02", address: "172.16.1.112", externalAddress: "10.0.0.112", role: "worker", hostKey: hostKey() },
];
/** So many of them are control planes. */
export const controlPlanes = (count: number, all = hosts()) => all.map((host, i) => ({ ...host, role: i < count ? "control-plane" : "worker" }));
/** The least that a stack must say. */
export const base = (): Record<string, unknown> => ({
	hosts: hosts(),
	nodeNetwork: "172.16.1.0/24",
	sshPrivateKey: privateKey(),
	repositories: [{ id: "base", baseUrl: "http://192.0.2.1/centos/", gpgKey: ["http://192.0.2.1/key"] }],
});

/** Reads the configuration of a stack that has these values and no others. An undefined value takes a key out. */
export function read(values: Record<string, unknown>, { stack = "dev", secretKeys = ["sshPrivateKey"] } = {}): Settings {
	const texts = Object.entries(values)
		.filter(([, value]) => value !== undefined)
		.map(([key, value]) => [`kubeadm-lab:${key}`, typeof value === "string" ? value : JSON.stringify(value)]);
	pulumi.runtime.setMocks({ newResource: ({ name, inputs }) => ({ id: name, state: inputs }), call: ({ inputs }) => inputs }, "kubeadm-lab", stack);
	pulumi.runtime.setAllConfig(
		Object.fromEntries(texts),
		secretKeys.map((key) => `kubeadm-lab:${key}`),
	);
	return loadSettings(new pulumi.Config("kubeadm-lab"));
}
/** Settings of the base configuration with some values changed. */
export const settings = (changes: Record<string, unknown> = {}): Settings => read({ ...base(), ...changes });

/** The hosts with one of them changed; an undefined value takes a field out. */
export const withHost = (i: number, changes: Record<string, unknown>) => ({ hosts: hosts().map((host, k) => (k === i ? { ...host, ...changes } : host)) });
/** Every problem of a stack with these changes, without the name of its file. */
export function problems(changes: Record<string, unknown>, options: Parameters<typeof read>[1] = {}): string[] {
	try {
		read({ ...base(), ...changes }, options);
	} catch (error) {
		assert.ok(error instanceof ConfigError, String((error as Error).stack));
		const file = `Pulumi.${options.stack ?? "dev"}.yaml: `;
		return error.problems.map((line) => {
			assert.ok(line.startsWith(file), line);
			return line.slice(file.length);
		});
	}
	return [];
}
/** A stack file's configuration, without the namespace of its keys. */
export function stackConfig(text: string): Record<string, unknown> {
	const { config = {} } = parse(text) as { config?: Record<string, unknown> };
	return Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace(/^kubeadm-lab:/, ""), value]));
}
