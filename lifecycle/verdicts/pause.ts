// Judges what the pause container holds together: a verdict for each row that step `pause` printed, and all of them as a table. Pure.
import { type PauseProbe, parsePauseProbe } from "../recording/pause-probe.ts";

export interface PauseRow extends PauseProbe {
	/** In words, and whether it is what the documentation says. */
	verdict: "PASS" | "FAIL";
	says: string;
}
/** @throws where a line is no row. */
export function pauseRows(text: string): PauseRow[] {
	return text
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => {
			const probe = parsePauseProbe(line);
			if (probe === undefined) throw new Error(`expected five fields in a row of step pause, found ${JSON.stringify(line)}`);
			return pauseRow(probe);
		});
}
export function pauseRow(probe: PauseProbe): PauseRow {
	const { isRight, says } = judged(probe);
	return { ...probe, verdict: isRight ? "PASS" : "FAIL", says };
}
function judged({ pod, what, pause, one, two }: PauseProbe): { isRight: boolean; says: string } {
	const isShared = pod === "pause-shared";
	const same = pause === one && one === two;
	const apart = pause !== one && one !== two && two !== pause;
	switch (what) {
		case "namespace net":
		case "namespace ipc":
		case "namespace uts":
			return { isRight: same, says: "pause and both containers have one" };
		case "namespace uts, Docker": // its HostConfig.UTSMode can be the host's or a container's own, not another container's
			return { isRight: apart, says: "Docker gives each its own, with pause's host name in it" };
		case "namespace pid":
			return isShared ? { isRight: same, says: "one, with shareProcessNamespace" } : { isRight: apart, says: "each has its own" };
		case "namespace mnt":
			return { isRight: apart, says: "each has its own: file systems are not shared, volumes are" };
		case "localhost":
			return { isRight: two === "hello from one", says: "two reaches what one serves on 127.0.0.1" };
		case "volume":
		case "host name":
		case "shared memory":
			return {
				isRight: one === two && !one.startsWith("failed") && (pause === "-" || pause === one),
				says: pause === "-" ? "both see the same" : "all have the same",
			};
		case "SysV queues":
			return { isRight: one === two && Number(one) >= 1, says: "a queue made in one is seen in both" };
		case "process 1":
			return isShared
				? { isRight: one === "pause" && two === "pause", says: "pause, for both" }
				: { isRight: one === "httpd" && two === "sleep", says: "each container's own" };
		case "sees the other's process":
			return { isRight: isShared ? Number(one) >= 1 && Number(two) >= 1 : one === "0" && two === "0", says: isShared ? "yes" : "no" };
		case "IP when a container restarts":
			return { isRight: pause === one, says: "stays: pause holds the network" };
		case "IP when pause dies":
			return { isRight: pause !== one, says: "changes: a new sandbox has a new network" };
		default:
			return { isRight: false, says: "unknown row" };
	}
}
/** As a terminal shows it. */
export function pauseTable(rows: PauseRow[]): string {
	const cells = [
		["", "Pod", "what", "pause / before", "one / after", "two", ""],
		...rows.map(({ verdict, pod, what, pause, one, two, says }) => [verdict, pod, what, pause, one, two, says]),
	];
	const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)) + 2);
	return cells
		.map((row) =>
			row
				.map((cell, column) => cell.padEnd(widths[column] ?? 0))
				.join("")
				.trimEnd(),
		)
		.join("\n");
}
