// So many at once: who waits, who goes on when, and that one that hangs holds nobody for ever.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Places } from "../../cluster/places.ts";

test("no more than there are places at once; the others go on in their order as places are given back", async () => {
	const places = new Places(2);
	const began: string[] = [];
	const take = (name: string) => places.take(name, 60).then((holders) => began.push([name, ...holders].join(" ")));
	const all = Promise.all(["a", "b", "c", "d"].map(take));
	await sleep(5);
	assert.deepEqual(began, ["a", "b"]);
	places.giveBack("b");
	places.giveBack("b"); // twice is once: a join that fails tells it by two ways
	places.giveBack("nobody");
	await sleep(5);
	assert.deepEqual(began, ["a", "b", "c"]);
	places.giveBack("a");
	await all;
	assert.deepEqual(began, ["a", "b", "c", "d"]);
});
test("where no place is given back within the bound, the next one goes on and is told who had them", async () => {
	const places = new Places(1);
	await places.take("a", 60);
	const first = places.take("b", 0.2);
	const second = places.take("c", 0.4);
	assert.deepEqual(await first, ["a"]);
	places.giveBack("b"); // it had none
	places.giveBack("a");
	assert.deepEqual(await second, []);
});
