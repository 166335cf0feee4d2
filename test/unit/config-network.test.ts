// IPv4 addresses and ranges: what is read, what is refused, what overlaps.
import assert from "node:assert/strict";
import { BlockList } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { contains, formatAddress, formatCidr, nodesIn, overlap, parseAddress, parseCidr, type Range } from "../../config/network.ts";

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const range = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([number, prefix]): Range => {
	const size = 2 ** (32 - prefix);
	const first = Math.floor(number / size) * size;
	return { first, last: first + size - 1, prefix };
});

test("an address survives being written and read", () => {
	fc.assert(fc.property(address, (number) => assert.equal(parseAddress(formatAddress(number)), number)));
});
test("a range survives being written and read", () => {
	fc.assert(fc.property(range, (some) => assert.deepEqual(parseCidr(formatCidr(some)), some)));
});
test("a range contains what Node's own BlockList says it contains", () => {
	fc.assert(
		fc.property(range, address, (some, number) => {
			const list = new BlockList();
			list.addSubnet(formatAddress(some.first), some.prefix);
			assert.equal(contains(some, number), list.check(formatAddress(number)));
		}),
	);
});
test("two ranges overlap exactly when one contains the other's first address", () => {
	fc.assert(
		fc.property(range, range, (a, b) => {
			assert.equal(overlap(a, b), contains(a, b.first) || contains(b, a.first));
			assert.equal(overlap(a, b), overlap(b, a));
		}),
	);
});
test("text that is no dotted address is none", () => {
	for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "::1", "0x1.2.3.4", "1.2.3.-4"])
		assert.equal(parseAddress(text), undefined, text);
});
test("text that is no range is none, and neither is one with bits behind its prefix", () => {
	for (const text of ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.1/8", "/8"])
		assert.equal(parseCidr(text), undefined, text);
});
test("a Pod range has room for as many Nodes as it has /24s", () => {
	fc.assert(
		fc.property(range, (pods) => {
			const slash24s = (pods.last - pods.first + 1) / 256;
			assert.equal(nodesIn(pods), slash24s < 1 ? 0 : slash24s);
		}),
	);
});
