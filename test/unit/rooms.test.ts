// The rooms of the house: no import goes another way than the list in docs/design.md says, and no files import each other in a circle.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");
const files = globSync("**/*.ts", { cwd: root, exclude: (path) => /^(node_modules|test)$/.test(path) || path.includes("/node_modules") }).sort();
const importsOf = (file: string): string[] =>
	[...readFileSync(join(root, file), "utf8").matchAll(/(?:(?:from|import)\s*\(?\s*|new URL\()(?:"(\.\.?\/[^"]+)"|`(\.\.?\/[^`]+)`)/g)]
		.map(([, plain, template]) => plain ?? template ?? "")
		.filter((path) => /\.(ts|sh)$/.test(path)) // a step's file that is handed over counts as an import
		.map((path) => posix.join(posix.dirname(file), path));
const imports = new Map(files.map((file) => [file, importsOf(file)]));

/** Rooms as docs/design.md names them, the longest name first. */
const arrows = new Map(
	(/```arrows\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs/design.md"), "utf8"))?.[1] ?? "")
		.trim()
		.split("\n")
		.map((line) => line.split("->").map((part) => part.trim()))
		.map(([from = "", to = ""]): [string, string[]] => [from, to.split(", ")]),
);
const rooms = [...new Set([...arrows].flatMap(([from, to]) => [from, ...to]))].sort((a, b) => b.length - a.length);
const roomOf = (file: string): string => rooms.find((room) => file === room || file.startsWith(`${room}/`)) ?? file;

test("every import goes the way of the list in docs/design.md, and every arrow of the list is used", () => {
	assert.ok(files.length > 100 && arrows.size > 10);
	const used = new Map<string, string>();
	for (const [file, targets] of imports)
		for (const target of targets) if (roomOf(file) !== roomOf(target)) used.set(`${roomOf(file)} -> ${roomOf(target)}`, `${file} imports ${target}`);
	const listed = new Set([...arrows].flatMap(([from, to]) => to.map((one) => `${from} -> ${one}`)));
	assert.deepEqual(
		[...used].filter(([arrow]) => !listed.has(arrow)),
		[],
		"not in the list",
	);
	assert.deepEqual(
		[...listed].filter((arrow) => !used.has(arrow)),
		[],
		"used by nobody",
	);
});
test("no files import each other in a circle, and no rooms do", () => {
	assert.deepEqual(circles(imports), []);
	assert.deepEqual(circles(arrows), []);
});
test("a circle would be found", () => {
	const graph = new Map([
		["a", ["b"]],
		["b", ["c", "d"]],
		["c", ["a"]],
	]);
	assert.deepEqual(circles(graph), ["a -> b -> c -> a"]);
});

function circles(graph: Map<string, string[]>): string[] {
	const found: string[] = [];
	const done = new Set<string>();
	const visit = (node: string, path: string[]) => {
		if (path.includes(node)) found.push([...path.slice(path.indexOf(node)), node].join(" -> "));
		if (done.has(node)) return;
		done.add(node);
		for (const next of graph.get(node) ?? []) visit(next, [...path, node]);
	};
	for (const node of graph.keys()) visit(node, []);
	return found;
}
