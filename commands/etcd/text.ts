// What `npm run etcd` prints of snapshots. Pure.

const megabytes = (bytes: string): string => `${(Number(bytes) / 1e6).toFixed(1)} MB`;
const HEADS = ["NAME", "TAKEN", "REVISION", "KEYS", "SIZE", "HASH", "BY", "ETCD"];

/** A table of the lines that a host prints: name, taken, revision, keys, size, hash, by, etcd. */
export function tableOf(printed: string): string[] {
	const rows = printed
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => line.split("\t"))
		.map(([name = "", taken = "", revision = "", keys = "", size = "", ...rest]) => [name, taken, revision, keys, megabytes(size), ...rest]);
	if (rows.length === 0) return ["no snapshots. To take one: npm run etcd -- snapshot STACK"];
	const all = [HEADS, ...rows];
	const widths = HEADS.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
	return all.map((row) =>
		row
			.map((text, column) => text.padEnd(widths[column] ?? 0))
			.join("  ")
			.trimEnd(),
	);
}

const MOST_SHOWN = 30;
/** A restore sets the revision to the time in ms (cluster/steps/lib/etcd-restore.sh): over one, the difference is no count. */
const MOST_CHANGES = 1e11;
const changesText = (now: number, revision: number): string =>
	now - revision < MOST_CHANGES
		? `etcd is at revision ${now}: ${now - revision} changes since are lost.`
		: `etcd is at revision ${now}, and was restored since: all changes since the snapshot are lost.`;
/** What a restore takes away, from the lines KEY tab VALUE of the host's look. */
export function lossText(name: string, printed: string): string[] {
	const lines = printed.split("\n").map((line): [string, string] => {
		const tab = line.indexOf("\t");
		return [line.slice(0, tab), line.slice(tab + 1)];
	});
	const value = (key: string) => lines.find(([one]) => one === key)?.[1];
	const [created, unknown] = ["created", "unknown"].map((kind) => lines.flatMap(([key, text]) => (key === kind ? [text] : []))) as [string[], string[]];
	const [revision, now, cutOff] = [value("revision"), value("now"), value("cut off")];
	return [
		...(cutOff === undefined
			? []
			: [cutOff === name ? `A restore of ${name} was cut off: it goes on.` : `A restore of ${cutOff} was cut off: it is taken back first.`]),
		`Snapshot ${name} is of ${value("taken")}, revision ${revision}.`,
		now === "unknown" ? "etcd does not answer, so what is newer than the snapshot is not known." : changesText(Number(now), Number(revision)),
		...(created.length === 0 ? [] : [`Made since, and gone then, with what they hold (${created.length}):`]),
		...created.slice(0, MOST_SHOWN).map((one) => `  ${one}`),
		...(created.length > MOST_SHOWN ? [`  and ${created.length - MOST_SHOWN} more`] : []),
		...(unknown.length === 0 ? [] : [`The API server did not list its ${unknown.join(", ")}: what was made of them since is not known.`]),
		...(created.some((one) => one.startsWith("Node ")) ? ["A Node among them has to join again: pulumi up --replace of its worker-join."] : []),
		"What was changed or deleted since is again as it was. The API server and etcd stop meanwhile; Pods on workers run on.",
	];
}
