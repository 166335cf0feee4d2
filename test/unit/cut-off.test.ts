// What the SDK prints once the engine has failed: texts of @pulumi/pulumi 3.270.0 with the CLI 3.274.1, 27 November 2026.
import assert from "node:assert/strict";
import { test } from "node:test";
import { passOverCutOffCalls, worthPrinting } from "../../cut-off.ts";

const undelivered = (message: string, severity: string) =>
	`failed to deliver log message. \nerror: Error: Channel has been shut down \noriginal message: ${message}\n message severity: ${severity}`;
const STACK =
	"\n    at callErrorFromStatus (/p/node_modules/@grpc/grpc-js/src/call.ts:84:17)\nfor call at\n    at ServiceClientImpl.registerResourceOutputs (/p/make-client.ts:189:15)";

test("a call that the engine's end cut off is not told, in any of the words that the engine has for it", () => {
	for (const reason of [
		"resource monitor shut down while sending resource outputs",
		"resource monitor shut down while waiting on output step's done channel",
		"No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:33221",
	])
		assert.equal(worthPrinting(undelivered(`Error: 14 UNAVAILABLE: ${reason}${STACK}`, "error")), undefined);
	assert.equal(worthPrinting(undelivered("Error: 1 CANCELLED: Cancelled", "error")), undefined);
});
test("what somebody else has to say is told, without the SDK's words around it", () => {
	assert.equal(worthPrinting(undelivered("the Pod's life\n  +0.482 s  pause\n", "info")), "the Pod's life\n  +0.482 s  pause");
	assert.equal(worthPrinting(undelivered("TypeError: x is undefined\n    at y.ts:1", "error")), "TypeError: x is undefined\n    at y.ts:1");
});
test("any other text stays as it is", () => {
	for (const text of ["", "error: 14 UNAVAILABLE: of something else", "failed to deliver log message. \nerror: Error: something new"])
		assert.equal(worthPrinting(text), text);
});
test("console.error leaves out what is not worth printing, and nothing else", (t) => {
	const { error } = console;
	const printed: unknown[][] = [];
	t.after(() => {
		console.error = error;
	});
	console.error = (...args: unknown[]) => void printed.push(args);
	passOverCutOffCalls();
	console.error(undelivered("Error: 14 UNAVAILABLE: x", "error"));
	console.error(undelivered("hello", "info"));
	console.error("%s and", "more");
	assert.deepEqual(printed, [["hello"], ["%s and", "more"]]);
});
