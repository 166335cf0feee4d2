// The timeline: one clock for all hosts, and an order that no clock can spoil.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { historiesIn } from "../../lifecycle/history/history.ts";
import { type Entry, span } from "../../lifecycle/recording/entry.ts";
import { type Line, type Recording, readRecording, STREAMS, type Stream } from "../../lifecycle/recording/recording.ts";
import { preciseTime } from "../../lifecycle/recording/runtime.ts";
import { timelineOf } from "../../lifecycle/recording/timeline.ts";
import { between, order } from "../../lifecycle/verdicts/order.ts";
import { judge } from "../../lifecycle/verdicts/verdicts.ts";
import { keptRecording } from "../prestop.ts";
import { fixture } from "./lifecycle-fixture.ts";

const whole = readRecording(fixture("destroyed"));
const node = historiesIn(timelineOf(whole))[0]?.node;
const base = 1_795_545_101_000;

const stream = fc.constantFrom(...STREAMS);
const dataOf: Partial<Record<Stream, (n: number) => unknown>> = {
	clock: (n) => ({ reference: "a", offsetMs: n, errorMs: 20 }),
	events: (n) => ({
		type: "ADDED",
		object: { involvedObject: { kind: "Pod", uid: `u${n % 3}` }, reason: "Pulled", message: `m${n}`, lastTimestamp: "2026-11-24T18:31:41Z" },
	}),
	pods: (n) => ({
		type: n % 5 === 0 ? "DELETED" : "MODIFIED",
		object: { metadata: { uid: `u${n % 3}`, name: "p" }, spec: { containers: [] }, status: { phase: n % 2 ? "Running" : "Pending" } },
	}),
};
const lines: fc.Arbitrary<Line[]> = fc
	.array(fc.record({ step: fc.integer({ min: 0, max: 30 }), host: fc.constantFrom("a", "b"), from: stream }), { maxLength: 60 })
	.map((drafts) => {
		const clock = new Map<string, number>();
		return drafts.map(({ step, host, from }, index) => {
			const at = (clock.get(`${host} ${from}`) ?? base) + step;
			clock.set(`${host} ${from}`, at);
			return { number: index + 1, at, host, from, data: dataOf[from]?.(index) ?? `line ${index}` };
		});
	});
const recordingWith = (found: Line[]): Recording => ({ name: "a.jsonl", headers: [], lines: found, lost: [], problems: [] });

test("nothing of a recording gets lost: each line is told, or counted as being about something else", () => {
	fc.assert(
		fc.property(lines, (found) => {
			const { entries, elsewhere, pods } = timelineOf(recordingWith(found));
			const told = new Set(entries.map(({ line }) => line));
			for (const { from, number, data } of found) {
				const uid = (data as { object?: { involvedObject?: { uid: string } } }).object?.involvedObject?.uid;
				const isTold = !["runtime", "journal", "request"].includes(from) && (uid === undefined || pods.has(uid));
				assert.equal(told.has(number), isTold, `line ${number} of ${from}`);
			}
			assert.equal(told.size + elsewhere, found.length);
		}),
	);
});
test("the timeline is in order of time, and lines of one stream keep the order in which they came", () => {
	fc.assert(
		fc.property(lines, (found) => {
			const { entries } = timelineOf(recordingWith(found));
			entries.forEach((entry, index) => {
				assert.equal(entry.id, index + 1);
				const next = entries[index + 1];
				if (next) assert.ok(entry.at <= next.at);
			});
			for (const key of new Set(found.map(({ host, from }) => `${host} ${from}`))) {
				const own = new Set(found.filter(({ host, from }) => `${host} ${from}` === key).map(({ number }) => number));
				const order = entries.filter(({ line }) => own.has(line)).map(({ line }) => line);
				assert.deepEqual(
					order,
					order.toSorted((a, b) => a - b),
				);
			}
		}),
	);
});
test("however the streams of the hosts lie among each other in the file, the same is told in the same order, with the same verdicts", () => {
	const streamOf = ({ host, from }: Line) => `${host} ${from}`;
	// Of equal times the file decides.
	const told = (recording: Recording) => {
		const timeline = timelineOf(recording);
		const texts = timeline.entries.map(({ at, host, text }) => ({ at, told: `${at} ${host} ${text}` }));
		return {
			entries: texts.sort((a, b) => a.at - b.at || a.told.localeCompare(b.told)).map((entry) => entry.told),
			isSorted: timeline.entries.every(({ at }, index) => at >= (timeline.entries[index - 1]?.at ?? at)),
			verdicts: historiesIn(timeline).map((history) => judge(history).map(({ word, because }) => `${word} ${because}`)),
		};
	};
	const [count, expected] = [whole.lines.length, told(whole)];
	assert.ok(expected.isSorted);
	fc.assert(
		fc.property(fc.shuffledSubarray(whole.lines, { minLength: count, maxLength: count }), (places) => {
			const streams = Map.groupBy(whole.lines, streamOf);
			const next = new Map([...streams].map(([key, own]) => [key, own.values()]));
			const mixed = places.map((place, index) => ({ ...(next.get(streamOf(place))?.next().value as Line), number: index + 1 }));
			assert.deepEqual(told({ ...whole, lines: mixed }), expected);
		}),
	);
});
test("before and after are said only where the times allow nothing else", () => {
	const entry = fc
		.record({ at: fc.integer({ min: base, max: base + 3000 }), meaning: fc.constantFrom("at" as const, "by" as const), second: fc.boolean() })
		.map(
			({ at, meaning, second }): Entry => ({
				id: 1,
				at,
				meaning,
				source: "recorder" as const,
				host: "a",
				line: 1,
				kind: "recorder" as const,
				text: "",
				...(second && meaning === "by" ? { apiSecond: Math.floor(at / 1000) * 1000 } : {}),
			}),
		);
	fc.assert(
		fc.property(entry, entry, (a, b) => {
			const said = order(a, b);
			assert.equal(order(b, a), said === "before" ? "after" : said === "after" ? "before" : "unknown");
			if (said === "before") assert.ok(span(a).latest < span(b).earliest);
			// Two whole seconds that are the same never say which came first.
			if (a.apiSecond !== undefined && a.apiSecond === b.apiSecond) assert.equal(said, "unknown");
		}),
	);
});
test("a clock that is off by more than the measure's error is taken off that host's times, and named", () => {
	const moved = (offsetMs: number): Recording => ({
		...whole,
		lines: whole.lines.map((line) =>
			line.host !== node ? line : line.from === "clock" ? { ...line, data: { reference: "k8s-master", offsetMs, errorMs: 40 } } : line,
		),
	});
	const of = (recording: Recording) =>
		timelineOf(recording).entries.find(({ kind, container }) => kind === "process-started" && container === "lifecycle-demo")?.at ?? 0;
	assert.equal(of(moved(30)), of(whole));
	assert.equal(of(whole) - of(moved(5000)), 5000);
	assert.deepEqual(timelineOf(moved(5000)).problems, [
		`clocks disagree: ${node} is 5000 ms ahead of k8s-master (to within 40 ms); its times are moved by that`,
	]);
	assert.deepEqual(timelineOf(moved(30)).problems, []);
});
test("each boot of a host has its own clock", () => {
	const rebooted = readRecording(keptRecording("reboot"));
	const host = historiesIn(timelineOf(rebooted))[0]?.node;
	const offsets = [5000, 2];
	const moved = {
		...rebooted,
		lines: rebooted.lines.map((line) =>
			line.host === host && line.from === "clock" ? { ...line, data: { reference: "k8s-master", offsetMs: offsets.shift(), errorMs: 40 } } : line,
		),
	};
	const starts = (recording: Recording) => timelineOf(recording).entries.filter(({ kind, container }) => kind === "process-started" && container !== undefined);
	const after = starts(moved);
	assert.deepEqual(
		starts(rebooted)
			.map(({ at, line }) => at - (after.find((entry) => entry.line === line)?.at ?? 0))
			.map(Math.round),
		[5000, 0],
	);
});
test("a clock that was set back in the middle is named", () => {
	const at = (ms: number, number: number): Line => ({ number, at: ms, host: "a", from: "file", data: "x" });
	assert.deepEqual(timelineOf(recordingWith([at(base, 1), at(base - 5000, 2)])).problems, [
		"a.jsonl:2: the clock of a went back by 5000 ms; order around it is that of the times, not of arrival",
	]);
});
test("the runtime's times keep their fraction of a millisecond", () => {
	assert.equal(preciseTime("2026-11-24 18:21:16.569453746 +0000 UTC"), Date.parse("2026-11-24T18:21:16Z") + 569.453746);
	assert.equal(preciseTime("2026-11-24T18:21:16Z"), Date.parse("2026-11-24T18:21:16Z"));
	assert.ok(Number.isNaN(preciseTime("yesterday")));
	const entry = (at: number) => ({ at }) as Entry;
	assert.equal(between(entry(0), entry(36.4)), "0.036 s");
	assert.equal(between(entry(0), entry(30_040)), "30.0 s");
});
