// Which `pulumi` and which `node` a command of `lab/lab exec` finds, with an official CLI on the machine and without one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

const project = join(import.meta.dirname, "../..");

class Machine {
	readonly folder = mkdtempSync(join(tmpdir(), "lab-environment-"));
	readonly #cache = join(this.folder, "cache");
	readonly official = join(this.folder, "official/bin");
	constructor(t: TestContext) {
		t.after(() => rmSync(this.folder, { recursive: true }));
		mkdirSync(join(this.#cache, "lab"), { recursive: true });
		for (const name of ["kubernetes/kubectl", "pulumi/pulumi", "kubernetes-provider/pulumi-resource-kubernetes"])
			this.#program(join(this.folder, "pieces", name));
		// Enters no network, which needs a lab that is up.
		this.#program(join(this.folder, "tools/nsenter"), 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
	}
	/** With a node beside it, which is no file that this project could use. */
	installOfficial(): void {
		for (const name of ["pulumi", "pulumi-language-nodejs", "node"]) this.#program(join(this.official, name));
	}
	removeOfficial(): void {
		rmSync(this.official, { recursive: true });
	}
	/** What `lab/lab up` prepares, from a shell with these folders on PATH before the usual ones. */
	up(...path: string[]): void {
		const { status, stderr } = this.#lab("environment_files", path);
		assert.equal(status, 0, stderr);
	}
	/** What a command finds. */
	exec(command: string, ...path: string[]): { status: number | null; stdout: string; stderr: string } {
		return this.#lab(`environment_exec bash -c '${command}'`, path);
	}
	#lab(command: string, path: string[]) {
		const shell = `set -euo pipefail
			source lab/common.sh; source lab/environment.sh
			piece() { printf '%s\\n' "\${PIECES}/$1"; }; init() { echo 1; }
			${command}`;
		const env = {
			HOME: this.folder,
			SSH_AUTH_SOCK: "/nowhere/agent",
			KUBEADM_LAB_CACHE: this.#cache,
			PIECES: join(this.folder, "pieces"),
			PATH: [...path, join(this.folder, "tools"), "/usr/bin", "/bin"].join(":"),
		};
		return spawnSync("bash", ["-c", shell], { cwd: project, env, encoding: "utf8" });
	}
	#program(path: string, text = ":"): void {
		mkdirSync(join(path, ".."), { recursive: true });
		writeFileSync(path, `#!/bin/sh\n${text}\n`);
		chmodSync(path, 0o755);
	}
}
const found = ({ status, stdout, stderr }: ReturnType<Machine["exec"]>) => {
	assert.equal(status, 0, stderr);
	return stdout.trim().split("\n");
};

test("without an official CLI a command finds the lab's pulumi and this project's node", (t) => {
	const machine = new Machine(t);
	machine.up();
	assert.deepEqual(found(machine.exec("command -v pulumi node")), [join(machine.folder, "cache/lab/bin/pulumi"), join(project, "node_modules/.bin/node")]);
});
test("an official CLI is used, and the node that lies beside it is not", (t) => {
	const machine = new Machine(t);
	machine.installOfficial();
	machine.up(machine.official);
	assert.deepEqual(found(machine.exec("command -v pulumi node", machine.official)), [
		join(machine.official, "pulumi"),
		join(project, "node_modules/.bin/node"),
	]);
});
test("the official CLI that `up` took is used from every shell, also from one without it on PATH or with another", (t) => {
	const machine = new Machine(t);
	machine.installOfficial();
	machine.up(machine.official);
	assert.deepEqual(found(machine.exec("command -v pulumi")), [join(machine.official, "pulumi")]);
	assert.deepEqual(found(machine.exec("command -v pulumi", join(machine.folder, "pieces/pulumi"))), [join(machine.official, "pulumi")]);
});
test("a lab that was started without an official CLI keeps its own, also in a shell with one on PATH", (t) => {
	const machine = new Machine(t);
	machine.up();
	machine.installOfficial();
	assert.deepEqual(found(machine.exec("command -v pulumi", machine.official)), [join(machine.folder, "cache/lab/bin/pulumi")]);
});
test("an official CLI that is gone since `up` is told, with what to do", (t) => {
	const machine = new Machine(t);
	machine.installOfficial();
	machine.up(machine.official);
	machine.removeOfficial();
	const { status, stderr } = machine.exec("pulumi version");
	assert.equal(status, 1);
	assert.match(
		stderr,
		/official\/bin\/pulumi: not found, and lab\/lab up took this official CLI\. Install it there again; or, with a new lab: lab\/lab down, then/,
	);
});
test("a dead agent's socket is not handed on", (t) => {
	const machine = new Machine(t);
	machine.up();
	assert.deepEqual(found(machine.exec(`echo "\${SSH_AUTH_SOCK-none}"`)), ["none"]);
});
