// Measures a recording's story, page and text over growing recordings: seconds and memory. Two shapes: the lab's gallery, one run after
// the other (many Pods), and one Pod whose container is probed again and again (one long history).
// usage: node bench/report.ts SHAPE SIZE   measures one, in a process of its own, and prints its row
import { execFileSync } from "node:child_process";
import { pageOf } from "../lifecycle/render/html.ts";
import { storyOf } from "../lifecycle/render/story.ts";
import { fullText } from "../lifecycle/render/text.ts";
import { fixture, probed } from "../test/unit/lifecycle-fixture.ts";

const APART_MS = 600_000;
/** The gallery's recording, so many times: each run ten minutes after the one before, with ids of its own. */
function gallery(runs: number): string {
	const lines = fixture("gallery").trimEnd().split("\n");
	const isHeader = (line: string) => line.startsWith('{"schema"');
	const body = lines.filter((line) => !isHeader(line) && !/"from":"(file-start|file-end|end|clock)"/.test(line));
	const moved = (line: string, run: number) => {
		const tag = run.toString(16).padStart(6, "0");
		return line
			.replace(/^\{"at":(\d+)/, (_, at) => `{"at":${Number(at) + run * APART_MS}`)
			.replaceAll(/\b[0-9a-f]{6}([0-9a-f]{58})\b/g, (_, rest) => tag + rest)
			.replaceAll(/\b[0-9a-f]{6}([0-9a-f]{2}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/g, (_, rest) => tag + rest)
			.replaceAll(/(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(?=[.Z ])/g, (_, day, between, time) => {
				const at = new Date(Date.parse(`${day}T${time}Z`) + run * APART_MS).toISOString();
				return `${at.slice(0, 10)}${between}${at.slice(11, 19)}`;
			});
	};
	return `${[...lines.filter(isHeader), ...Array.from({ length: runs }, (_, run) => body.map((line) => moved(line, run))).flat()].join("\n")}\n`;
}
const SHAPES = { gallery, probed };

function measureReport(shape: keyof typeof SHAPES, size: number): void {
	const text = SHAPES[shape](size);
	const begin = performance.now();
	const story = storyOf(text);
	const told = performance.now();
	const page = pageOf(story);
	const drawn = performance.now();
	fullText(story);
	const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(2);
	const cells = [
		shape,
		story.timeline.entries.length,
		story.pods.length,
		(text.length / 1e6).toFixed(1),
		seconds(begin, told),
		seconds(told, drawn),
		seconds(drawn, performance.now()),
		(page.length / 1e6).toFixed(1),
		Math.round(process.resourceUsage().maxRSS / 1024),
	];
	console.log(`| ${cells.join(" | ")} |`);
}

/** Throws where one of them fails. */
export function reportSection(): string {
	const sizes = [
		["gallery", [1, 14, 70, 140]],
		["probed", [333, 3333, 33_333, 333_333]],
	] as const;
	const rows = sizes.flatMap(([name, counts]) =>
		counts.map((count) => execFileSync(process.execPath, [import.meta.filename, name, String(count)], { encoding: "utf8" })),
	);
	return `## What a report takes

The gallery's recording many times over, and one Pod that is probed again and again. Aim: 100,000 entries, and no faster growth than theirs.

| shape | entries | Pods | MB | story s | page s | text s | page MB | most MiB |
|---|---|---|---|---|---|---|---|---|
${rows.join("").trimEnd()}
`;
}

if (process.argv[1] === import.meta.filename) {
	const [, , shape, size] = process.argv;
	if (!shape || !Object.hasOwn(SHAPES, shape) || !(Number(size) > 0)) throw new Error(`usage: node bench/report.ts ${Object.keys(SHAPES).join("|")} SIZE`);
	measureReport(shape as keyof typeof SHAPES, Number(size));
}
