// One cluster for the files of this folder: each leaves it as it found it, for the next one. Each can be run alone, too.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { kubectl, lab, labFolder, pulumi } from "../lab.ts";

/** There while a cluster of the lab's own settings stands and nothing has been done to it since. */
const mark = `${labFolder}/standing`;

/** A cluster, with `options` for the `pulumi up` that makes it or, where one stands already, changes its settings. */
export async function standingCluster(...options: string[]): Promise<void> {
	await lab("up");
	if (!existsSync(mark)) await lab("reset");
	rmSync(mark, { force: true });
	await pulumi("up", ...options);
	await kubectl("wait pods --all -A --for=condition=Ready --timeout=120s"); // CoreDNS comes after the end of up
}
/** The last test of a file. */
export function leavesItStanding(): void {
	test("after all that, up with the lab's own settings makes the cluster what it was", async () => {
		await pulumi("up");
		await pulumi("preview", "--expect-no-changes", "--diff");
		writeFileSync(mark, "");
	});
}
