// How far a run over many hosts is: what is told, when, and of how many hosts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress } from "../../provider/progress.ts";

/** A run on a clock of its own, with the seconds that each piece of work takes. */
function played(hosts: number) {
	const lines: string[] = [];
	let ms = 0;
	const progress = new Progress(
		hosts,
		(line) => lines.push(line),
		() => ms,
	);
	const work = (verb: "apply" | "undo", step: string, seconds: number) =>
		progress.during(verb, step, async () => {
			ms += seconds * 1000;
		});
	return { lines, progress, work };
}

test("a first up tells every ten seconds on how many hosts a step is done, and what the rest takes at that rate", async () => {
	const { lines, work } = played(20);
	for (let i = 0; i < 20; i++) await work("apply", "packages", 3);
	assert.deepEqual(lines, [
		"packages done on 4 of 20 hosts, about 48 s more for it",
		"packages done on 8 of 20 hosts, about 36 s more for it",
		"packages done on 12 of 20 hosts, about 24 s more for it",
		"packages done on 16 of 20 hosts, about 12 s more for it",
		"packages done on 20 of 20 hosts",
	]);
});
test("hosts on which there is nothing to do are not counted", async () => {
	const { lines, progress, work } = played(200);
	for (let i = 0; i < 180; i++) progress.compared("packages", false);
	for (let i = 0; i < 20; i++) progress.compared("packages", true);
	for (let i = 0; i < 4; i++) await work("apply", "packages", 3);
	assert.deepEqual(lines, ["packages done on 4 of 20 hosts, about 48 s more for it"]);
});
test("a destroy counts all hosts; an up that gives some back can't know how many", async () => {
	const all = played(20);
	await all.work("undo", "leave", 10);
	assert.deepEqual(all.lines, ["leave undone on 1 of 20 hosts, about 190 s more for it"]);
	const some = played(20);
	some.progress.compared("leave", false);
	await some.work("undo", "leave", 10);
	assert.deepEqual(some.lines, ["leave undone on 1 hosts"]);
});
test("what fails is not done; of few hosts, and before ten seconds, nothing is told", async () => {
	const { lines, progress, work } = played(9);
	await assert.rejects(
		progress.during("apply", "packages", () => Promise.reject(new Error("full"))),
		/full/,
	);
	await work("apply", "packages", 9);
	assert.deepEqual(lines, []);
	await work("apply", "packages", 1);
	assert.deepEqual(lines, ["packages done on 2 of 9 hosts, about 35 s more for it"]);
	const few = played(8);
	await few.work("apply", "packages", 60);
	assert.deepEqual(few.lines, []);
});
test("of what goes side by side the rest takes as long as the hosts that are left need beside each other", async () => {
	const lines: string[] = [];
	let ms = 0;
	const progress = new Progress(
		9,
		(line) => lines.push(line),
		() => ms,
	);
	const ends: (() => void)[] = [];
	const all = Array.from({ length: 9 }, () => progress.during("apply", "packages", () => new Promise<void>((resolve) => ends.push(resolve))));
	ms = 13_000;
	ends[0]?.();
	await all[0];
	assert.deepEqual(lines, ["packages done on 1 of 9 hosts, about 12 s more for it"]);
	for (const end of ends) end();
	await Promise.all(all);
});
test("a step that only one host has is not counted among the others", async () => {
	const { lines, work } = played(9);
	await work("apply", "kubeconfig", 20);
	assert.deepEqual(lines, []);
});
