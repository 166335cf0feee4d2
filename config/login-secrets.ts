// The secrets of a login: the SSH private key, from the secret sshPrivateKey or from a file, and sudo's password.
import * as pulumi from "@pulumi/pulumi";
import { attempt } from "./host-keys.ts";
import { readKeyFile } from "./keys.ts";
import { normalPrivateKey, oneLine } from "./private-key-form.ts";
import type { Report } from "./problems.ts";
import type { Identity } from "./reach.ts";
import type { Values } from "./read.ts";

/**
 * The key in its normal form, without its passphrase; undefined where an agent has it, or a problem was reported. The text itself is never part of a problem.
 * `identity`: what takes the place of both settings.
 */
export function readPrivateKey(config: pulumi.Config, { top }: Values, identity: Identity | undefined, stack: string, report: Report): string | undefined {
	if (identity && "problem" in identity) {
		report("sshConfig", identity.problem);
		return undefined;
	}
	const { sshPrivateKey: text = "", sshPrivateKeyPassphrase: passphrase = "" } = top;
	const file = identity?.file ?? top.sshPrivateKeyFile ?? "";
	const command = `pulumi config set -s ${stack} --secret sshPrivateKey < ~/.ssh/id_ed25519`;
	if (top.sshAgent && text === "" && file === "") return undefined;
	if (top.sshAgent) report("sshAgent", "set together with a private key. Remove one of them.");
	if (text === "" && file === "") {
		report("sshPrivateKey", `not set. Run: ${command}, or set sshPrivateKeyFile or sshAgent.`);
		return undefined;
	}
	if (text !== "" && file !== "") report("sshPrivateKeyFile", "set together with sshPrivateKey. Remove one of them.");
	if (text !== "" && !isSecretSetting(`${config.name}:sshPrivateKey`))
		report("sshPrivateKey", `stored in clear text. Make a new key pair, then run: ${command}`);
	if (passphrase !== "" && !isSecretSetting(`${config.name}:sshPrivateKeyPassphrase`))
		report(
			"sshPrivateKeyPassphrase",
			`stored in clear text. Give the key another (ssh-keygen -p -f <file>), then run: pulumi config set -s ${stack} --secret sshPrivateKeyPassphrase`,
		);
	const path = identity ? `sshConfig: IdentityFile ${file}` : text === "" ? "sshPrivateKeyFile" : "sshPrivateKey";
	return attempt(() => normalPrivateKey(text === "" ? readKeyFile(file) : text, oneLine(passphrase)), path, report);
}

/** What sudo asks for, or undefined: there is none, or a problem was reported. The text itself is never part of a problem. */
export function readSudoPassword(config: pulumi.Config, { top }: Values, stack: string, report: Report): string | undefined {
	const password = oneLine(top.sudoPassword ?? "");
	if (password === "") return undefined;
	const command = `pulumi config set -s ${stack} --secret sudoPassword`;
	if (!isSecretSetting(`${config.name}:sudoPassword`)) report("sudoPassword", `stored in clear text. Choose another on the hosts, then run: ${command}`);
	if (/[\n\0]/.test(password)) report("sudoPassword", `found several lines, and sudo reads one. Run: ${command}`);
	return password;
}

/** The SDK knows, but leaves the function out of its types (runtime/config.ts in @pulumi/pulumi 3.270.0). */
function isSecretSetting(fullKey: string): boolean {
	const runtime = pulumi.runtime as unknown as { isConfigSecret: (key: string) => boolean };
	return runtime.isConfigSecret(fullKey);
}
