// What somebody may change by hand on a prepared host, and what a preview then says. Each is put right by `up` alone.

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
