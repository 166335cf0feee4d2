// What a case of a fault around a run is made of: what it breaks, how long the run takes, and what must be whole after it.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { hosts, lab, messageFile, project, pulumi, pulumiArgs, read, run } from "../e2e/lab.ts";
import { snapshot } from "../e2e/snapshot.ts";
import { type Result, tell } from "./results.ts";
import { areAsBefore, isCluster, isStateEmpty, leftNothing, RUNNING_MESSAGE } from "./whole.ts";

/** The Pod's bound in a case that waits for it to its end; the default is 300 s. */
export const POD_SECONDS = 60;

/** A run that must fail, and how long it took. */
export const fails = async (command: string, ...args: string[]) => {
	const ended = await ends(command, ...args);
	assert.notEqual(ended.code, 0, ended.output);
	return ended;
};
/** A run that may fail, and how long it took. */
export const ends = async (command: string, ...args: string[]) => {
	const from = performance.now();
	const { code, output } = await run(`${project}lab/lab`, pulumiArgs(command, "lab", ...args), { timeoutSeconds: 900 });
	return { code, output, endSeconds: (performance.now() - from) / 1000 };
};

/** The run that makes a case whole. `args`: of its pulumi. `alive`: hosts to be given back; default all. `thenAlso`: what README says is to be done after it. */
type Converges = (endSeconds: number, more?: { args?: string[]; alive?: string[]; thenAlso?: () => Promise<unknown> }) => Promise<void>;

/** In a `describe`, whose lab it brings up and resets after each case. */
export function aroundRun() {
	let folder = "";
	const servers: ChildProcess[] = [];
	const settings = (edit: (text: string) => string): string[] => {
		writeFileSync(join(folder, "Pulumi.lab.yaml"), edit(readFileSync(join(project, "Pulumi.lab.yaml"), "utf8")));
		return ["--config-file", join(folder, "Pulumi.lab.yaml")];
	};
	const bare = new Map<string, Set<string>>();
	/** A cluster to be destroyed, and how its hosts were before. The Pod's bound is not the default's 300 s where a run waits for it to its end. */
	const bringUp = async (edit = (text: string) => text) => {
		for (const host of hosts) bare.set(host, await snapshot(host));
		await pulumi("up", ...settings((text) => edit(text).replace(/^encryptionsalt/m, `  kubeadm-lab:podTimeoutSeconds: ${POD_SECONDS}\nencryptionsalt`)));
	};
	const serve = async (port: number, upstream: number, fault: string): Promise<void> => {
		const file = join(import.meta.dirname, "bad-server.ts");
		const child = spawn(`${project}lab/lab`, ["exec", "--", "node", file, String(port), `http://172.16.1.1:${upstream}`, fault], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		servers.push(child);
		await new Promise((resolve, reject) => {
			child.stdout?.once("data", resolve);
			child.once("exit", () => reject(new Error("the bad server did not start")));
		});
	};
	/**
	 * A case, with a row in the table under `what`: not survived, however far it came, until all of it has passed. `act` gets the run that makes it whole, which is timed, and
	 * after which nothing may be missing or left.
	 */
	const tries = (name: string, what: string, wholeBy: "up" | "destroy", act: (converges: Converges) => Promise<unknown>) =>
		test(name, async () => {
			const result: Result = { verb: wholeBy, what, resource: "", fault: "around it", wholeBy, survived: false };
			const converges: Converges = async (endSeconds, { args = [], alive = hosts, thenAlso = async () => {} } = {}) => {
				result.endSeconds = endSeconds;
				const from = performance.now();
				await pulumi(wholeBy, ...args);
				result.convergeSeconds = (performance.now() - from) / 1000;
				await thenAlso();
				for (const server of servers.splice(0)) server.kill(); // they too were started by `lab exec`
				if (wholeBy === "up") {
					const node = await isCluster(hosts);
					assert.match(await read(node, `cat ${messageFile}`), RUNNING_MESSAGE, `the message file on ${node}`);
				} else {
					await areAsBefore(bare, alive);
					await isStateEmpty();
				}
				await leftNothing();
			};
			try {
				await act(converges);
				assert.notEqual(result.convergeSeconds, undefined, "nothing was made whole");
				result.survived = true;
			} finally {
				tell(result);
			}
		});

	before(async () => {
		folder = mkdtempSync(join(tmpdir(), "faults-"));
		await lab("up");
	});
	afterEach(async () => {
		for (const server of servers.splice(0)) server.kill();
		await lab("reset");
	});
	after(() => {
		rmSync(folder, { recursive: true });
	});

	return { folder: () => folder, settings, bare, bringUp, serve, tries };
}
