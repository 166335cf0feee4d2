// What somebody may change by hand on a prepared host, and what a preview then says. Each is put right by `up` alone.
import assert from "node:assert/strict";
import { onHost } from "../lab.ts";

export interface Drift {
	/** What was changed, for the test's name. */
	what: string;
	/** The host whose state it is. Default: any that is free. */
	host?: string;
	/** Runs as root on the host, or where `on` says. */
	change: string;
	/** Where `change` and `wrong` run: kubectl needs the control plane. Default: the host. */
	on?: string;
	/** Resource whose difference it is: the part of its name after the host's. */
	step: "identity" | "packages" | "system" | "runtime" | "kubelet" | "node";
	/** The items that preview must show: `item: "found" => "wanted"`, as patterns. */
	shows: RegExp[];
	/** Prints nothing once the item is right again. */
	wrong: string;
	/** Units that may be restarted by the repair, and `containers` where some may. Default none. */
	restarts?: string[];
	/** Files that may be written beside those that are shown. Default none. */
	writes?: RegExp;
}

const HASH = '"sha256 [0-9a-f]{12}"';
export const item = (name: string, found: string, wanted: string) => new RegExp(`^ *~ ${name.replaceAll(/[.[\]()]/g, "\\$&")} *: ${found} => ${wanted}$`, "m");
export const file = (path: string, found = HASH) => item(`file ${path}`, found, HASH);

export type DriftOfHost = Drift & { host: string };
/** What a preview proposes to put right, by resource: `item: "found" => "wanted"`. */
export function proposed(output: string): Map<string, string[]> {
	const blocks = output.split(/^ *\[urn=\S+::([\w-]+)\]$/m);
	const found = blocks.flatMap((name, i) => (i % 2 === 0 ? [] : [[name, blocks[i + 1]?.match(/^ *~ .* => .*$/gm) ?? []] as [string, string[]]]));
	return new Map(found.filter(([name, items]) => items.length > 0 && !name.startsWith("kubeadm-lab")));
}
/** A preview proposes just what these changes are to show, each under the step of its host; resources of the names MAY may be shown too. */
export function assertProposed(output: string, stack: string, drifts: DriftOfHost[], may?: RegExp): void {
	const wanted = Map.groupBy(drifts, ({ host, step }) => `${stack}-${host}-${step}`);
	const shown = proposed(output);
	assert.deepEqual([...shown.keys()].filter((name) => wanted.has(name) || !may?.test(name)).sort(), [...wanted.keys()].sort(), output);
	for (const [name, own] of wanted) {
		const items = shown.get(name) ?? [];
		const shows = own.flatMap((drift) => drift.shows);
		assert.equal(items.length, shows.length, items.join("\n"));
		for (const pattern of shows) assert.match(items.join("\n"), pattern);
	}
}
export async function assertRepaired(drifts: DriftOfHost[]): Promise<void> {
	for (const { what, host, on = host, wrong } of drifts) assert.equal((await onHost(on, wrong)).output.trim(), "", what);
}
