// Recordings from real lab runs (test/fixtures/lifecycle/README.md).
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export function fixture(name: string): string {
	const file = join(import.meta.dirname, `../fixtures/lifecycle/${name}.jsonl`);
	return existsSync(file) ? readFileSync(file, "utf8") : gunzipSync(readFileSync(`${file}.gz`)).toString("utf8");
}
/** Moves the runtime's times of lines that match by some milliseconds. */
export const moved = (text: string, pattern: RegExp, ms: number): string =>
	text
		.split("\n")
		.map((line) =>
			pattern.test(line)
				? line.replaceAll(/(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d\.\d+)/g, (_, day, between, time) => {
						const at = new Date(Date.parse(`${day}T${time.slice(0, 12)}Z`) + ms).toISOString();
						return `${at.slice(0, 10)}${between}${at.slice(11, 23)}${time.slice(12)}`;
					})
				: line,
		)
		.join("\n");
/** Without the lines that match. */
export const without = (text: string, pattern: RegExp): string =>
	text
		.split("\n")
		.filter((line) => !pattern.test(line))
		.join("\n");
/** With lines after the first one that matches. */
export function withAfter(text: string, pattern: RegExp, ...lines: string[]): string {
	const all = text.split("\n");
	return all.toSpliced(all.findIndex((line) => pattern.test(line)) + 1, 0, ...lines).join("\n");
}
/** The demo's recording with so many probes between Ready and the deletion: three lines of the runtime each. */
export function probed(probes: number): string {
	const lines = fixture("destroyed").trimEnd().split("\n");
	const last = lines.findLastIndex((line) => line.includes("/tasks/exec-added"));
	const [first, host, id] = (lines[last] ?? "").match(/"host":"([^"]+)".*\\"container_id\\":\\"(\w+)\\"/) ?? [];
	if (first === undefined) throw new Error("no command in the recording");
	const [start, at] = [lines.find((line) => line.includes("/tasks/exec-added")) ?? "", lines[last] ?? ""].map((line) => Number(line.match(/"at":(\d+)/)?.[1]));
	const probe = (place: number) => {
		const time = (start ?? 0) + 1000 + ((at ?? 0) - (start ?? 0) - 2000) * (place / probes);
		const stamp = new Date(time)
			.toISOString()
			.replace("T", " ")
			.replace("Z", `${String(place % 1_000_000).padStart(6, "0")} +0000 UTC`);
		const exec = `p${place}`;
		const event = (topic: string, more: string) =>
			JSON.stringify({ at: Math.ceil(time), host, from: "runtime", data: `${stamp} k8s.io ${topic} {"container_id":"${id}",${more}}` });
		return [
			event("/tasks/exec-added", `"exec_id":"${exec}"`),
			event("/tasks/exec-started", `"exec_id":"${exec}","pid":${place}`),
			event("/tasks/exit", `"id":"${exec}","pid":${place},"exited_at":"${stamp.slice(0, 29).replace(" ", "T")}Z"`),
		].join("\n");
	};
	return `${[...lines.slice(0, last), ...Array.from({ length: probes }, (_, place) => probe(place)), ...lines.slice(last)].join("\n")}\n`;
}
