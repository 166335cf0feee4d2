// A stack of steps with their real scripts on two played hosts whose login does what a person's may, under the real engine.
import assert from "node:assert/strict";
import { join } from "node:path";
import { SAMPLE_HOSTS, sampleSettings } from "../../scripts/verbs.ts";
import { PLAYED, PlayedHosts, STEPS } from "./played-hosts.ts";
import { Project } from "./project.ts";

export const root = join(import.meta.dirname, "../../..");
/** Steps as the program makes them now, and as it made them before: the same names, by cluster/step.ts. */
const PROGRAM = `
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { HostConnections } from ${JSON.stringify(join(root, "cluster/host-provider.ts"))};
import { Command } from "@pulumi/command/remote/command.js";
import { hostState } from ${JSON.stringify(join(root, "cluster/step.ts"))};
import { stepScript, stepText } from ${JSON.stringify(join(root, "cluster/step-text.ts"))};
import { scriptCommand, scriptInput, scriptName } from ${JSON.stringify(join(root, "provider/shell.ts"))};
const { hosts, privateKey, settings, isBefore, older = {}, isNamed, folder } = JSON.parse(readFileSync("settings.json", "utf8"));
const specs = Object.entries<any>(hosts).map(([name, host]) => ({ name, role: "worker" as const, ...host }));
const ssh = { privateKey: pulumi.secret(privateKey), dialErrorLimit: 0, perDialTimeoutSeconds: 10 };
const files = new Map(["scripts", ...Object.keys(settings)].map((step): [string, URL] => [step, pathToFileURL(join(folder, \`\${step}.sh\`))]));
const scripts = [...files].map(([step, file]) => scriptName(step, stepScript(file)));
class Host extends pulumi.ComponentResource {
	constructor(host: any, provider?: HostConnections) {
		super("kubeadm-lab:cluster:Host", host.name);
		const state = (step: string, settings: any, opts: object = {}, flags = {}) =>
			hostState(\`\${host.name}-\${step}\`, { host: host.name, step: files.get(step)!, settings, ...flags }, { parent: this, provider: provider!, ...opts });
		const kept = provider && state("scripts", { SCRIPTS: scripts }, {}, { bringsScripts: true });
		for (const [step, set] of Object.entries<any>(settings)) {
			if (kept) state(step, set, { dependsOn: kept });
			else {
				const connection = { host: host.address, port: host.port, user: host.user, hostKey: host.hostKey, privateKey: ssh.privateKey, dialErrorLimit: 0, perDialTimeout: 10 };
				const stdin = scriptInput(stepText(files.get(step)!, { ...set, ...older[host.name] }));
				const [create, undo] = ["apply", "undo"].map((verb) => scriptCommand("root", verb));
				new Command(\`\${host.name}-\${step}\`, { connection, stdin, create, update: create, delete: undo, addPreviousOutputInEnv: false }, { parent: this });
			}
		}
	}
}
const names = isNamed ? "test-hosts" : "hosts"; // as the version before named it: after the stack
const provider = isBefore ? undefined : new HostConnections(names, { hosts: specs, ssh, steps: [...files.values()] }, isNamed ? {} : { aliases: [{ name: "test-hosts" }] });
for (const spec of specs) new Host(spec, provider);
`;

export interface HostStack {
	played: PlayedHosts;
	project: Project;
	/** What the project's program reads; `isBefore`: the steps as the version before made them. */
	settings: Record<string, unknown>;
}
export const names = ["host1", "host2"];
/** Where a host keeps its scripts. */
export const KEPT = "var/lib/kubeadm-lab/scripts";

/** Two hosts, and a stack of which nothing is up yet. */
export async function startHostStack(): Promise<HostStack> {
	// What a person's login may bring: another language, a greeting from sshd, and profiles that print where nobody asked.
	const login = 'ForceCommand bash -l -c "$SSH_ORIGINAL_COMMAND"\nBanner /etc/os-release';
	const played = await PlayedHosts.start(2, { settings: login, environment: "LC_ALL=de_DE.UTF-8 LANG=de_DE.UTF-8" });
	for (const name of Object.keys(played.hosts))
		for (const file of [".bash_profile", ".bashrc"])
			played.write(name, file, "echo 'Willkommen!'; echo 'Letzter Login: nie' >&2; printf 'file /x\\ta\\tb\\n'\n");
	const project = new Project(PROGRAM, { host: join(root, "provider") });
	await project.init();
	const sample = SAMPLE_HOSTS.find(({ name }) => name === PLAYED);
	assert.ok(sample);
	const settings: Record<string, unknown> = {
		hosts: played.hosts,
		privateKey: played.privateKey,
		folder: join(root, "cluster/steps"),
		settings: Object.fromEntries(STEPS.map((step) => [step, sampleSettings(step, sample)])),
	};
	return { played, project, settings };
}
export async function endHostStack(stack: HostStack | undefined): Promise<void> {
	stack?.project.remove();
	await stack?.played.stop();
}
/** Runs `up` and returns what it printed; no host may be written to but for the scripts that it keeps, if at all, and no unit be told anything. */
export async function upThatTouchesNoHost({ played, project }: HostStack, { bringsScripts = false } = {}): Promise<string> {
	const audit = (name: string) => played.audit(name).filter((line) => !bringsScripts || !line.startsWith(KEPT));
	const was = names.map(audit);
	for (const name of names) played.calls(name);
	const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", "test");
	assert.equal(code, 0, output);
	for (const [i, name] of names.entries()) {
		assert.deepEqual(audit(name), was[i], `${name} was written to`);
		assert.deepEqual(played.calls(name), [], `${name}: something was restarted or installed`);
	}
	return output;
}
