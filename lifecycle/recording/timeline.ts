// Builds a timeline from a recording: one sequence of everything that happened, on one clock.
import { eventEntries, PodFollower } from "./api.ts";
import { type Coverage, coverageIn } from "./coverage.ts";
import type { Draft, Entry, Pod } from "./entry.ts";
import { type PauseProbe, parsePauseProbe } from "./pause-probe.ts";
import type { Header, Line, Recording } from "./recording.ts";
import { logEntry, ownersIn, requestEntry, runtimeEntry } from "./runtime.ts";

/** How far a host's clock is from the control plane's. */
export interface Clock {
	host: string;
	reference: string;
	/** Positive: the host's clock is ahead. */
	offsetMs: number;
	/** The true offset is within so much of it. */
	errorMs: number;
	/** Whether times of this host were moved by the offset: only where it is larger than the error. */
	isUsed: boolean;
}
export interface Wording {
	/** Of Kubernetes, such as 29. */
	minor: number;
	/** Time zone, such as +0800. */
	zone: string;
}
export interface Timeline {
	entries: Entry[];
	/** The last version of each Pod, by uid, in the order in which they appeared. */
	pods: ReadonlyMap<string, Pod>;
	/** The last version of each Pod before its deletion was requested. */
	alive: ReadonlyMap<string, Pod>;
	clocks: Clock[];
	/** How much of the time each host was recorded. */
	coverage: ReadonlyMap<string, Coverage>;
	/** Lines of the recording that are about none of its Pods, such as those of kube-proxy's container. */
	elsewhere: number;
	messageFile: string;
	/** How kubectl on the control plane words what it prints. */
	wording: Wording;
	/** What step pause found, row by row. */
	pause: PauseProbe[];
	problems: string[];
}

/**
 * Order: by time; equal times in the order of the recording, which is that of arrival within each stream.
 * Every line of the recording becomes at least one entry, or is counted in `elsewhere`.
 */
export function timelineOf({ name, headers, lines, lost, problems }: Recording): Timeline {
	const measured = clocksIn(lines);
	const clocks = measured.map(({ clock }) => clock);
	const byHost = Map.groupBy(measured, ({ clock }) => clock.host);
	const onReference = (host: string, at: number, received = at) => {
		const own = byHost.get(host);
		// A boot whose clock was not measured: the one before, or the first.
		const { clock } = own?.findLast(({ from }) => from <= received) ?? own?.[0] ?? {};
		return clock?.isUsed ? at - clock.offsetMs : at;
	};
	const owners = ownersIn(lines);
	const follower = new PodFollower();
	const drafts: Draft[] = [];
	let elsewhere = 0;
	for (const line of lines) {
		const found = draftsOf(line, onReference(line.host, line.at));
		if (found.length === 0) elsewhere++;
		for (const draft of found) drafts.push(draft);
	}
	function draftsOf(line: Line, at: number): Draft[] {
		if (line.from === "pods") return follower.entries(line, at);
		if (line.from === "events") return eventEntries(line, at);
		const parse = { runtime: runtimeEntry, journal: logEntry, request: requestEntry }[line.from as string];
		if (parse) {
			const found = parse(line, owners);
			return found === undefined ? [] : [{ ...found, at: onReference(line.host, found.at, line.at) }];
		}
		return [plainDraft(line, at)];
	}
	drafts.sort((a, b) => a.at - b.at || a.line - b.line);
	// Containers of other namespaces have owners too, but no Pod in the recording.
	const known = drafts.filter(({ uid }) => uid === undefined || follower.pods.has(uid));
	return {
		entries: known.map((draft, index) => Object.assign(draft, { id: index + 1 })),
		pods: follower.pods,
		alive: follower.alive,
		clocks,
		coverage: coverageIn({ lines, lost }, onReference),
		elsewhere: elsewhere + drafts.length - known.length,
		messageFile: headers.find(({ role }) => role === "worker")?.messageFile ?? headers[0]?.messageFile ?? "",
		wording: wordingOf(headers.find(({ role }) => role === "control-plane")),
		pause: lines.filter(({ from }) => from === "pause").flatMap(({ data }) => parsePauseProbe(String(data)) ?? []),
		problems: [...problems, ...backwards(name, lines), ...disagreements(clocks)],
	};
}

function wordingOf(header: Header | undefined): Wording {
	return { minor: Number(header?.kubernetes?.split(".")[1] ?? 29), zone: header?.zone ?? "+0000" }; // what was recorded before it was asked
}

const FILE_KINDS = { "file-start": "line-before", file: "line", "file-end": "line-after" } as const;
function plainDraft({ from, host, number, data }: Line, at: number): Draft {
	const place = { at, meaning: "by" as const, host, line: number };
	if (from === "file" || from === "file-start" || from === "file-end") return { ...place, source: "message file", kind: FILE_KINDS[from], text: String(data) };
	return {
		...place,
		source: "recorder",
		kind: "recorder",
		text: from === "clock" ? `clock: ${JSON.stringify(data)}` : from === "end" ? "the recorder stopped" : String(data),
	};
}

const BOOTED = /^the host was started again/;
/** Each with when its boot began, by the host's own clock; a host measures anew when it was started again. */
function clocksIn(lines: Line[]): { from: number; clock: Clock }[] {
	const boots = lines.filter(({ from, data }) => from === "note" && BOOTED.test(String(data)));
	return lines
		.filter(({ from }) => from === "clock")
		.map(({ host, at, data }) => {
			const { reference, offsetMs, errorMs } = data as { reference: string; offsetMs: number; errorMs: number };
			const from = Math.max(...boots.filter((boot) => boot.host === host && boot.at <= at).map((boot) => boot.at)); // -Infinity without any
			return { from, clock: { host, reference, offsetMs, errorMs, isUsed: Math.abs(offsetMs) > errorMs } };
		});
}
function disagreements(clocks: Clock[]): string[] {
	return clocks
		.filter(({ isUsed }) => isUsed)
		.map(
			({ host, reference, offsetMs, errorMs }) =>
				`clocks disagree: ${host} is ${Math.abs(offsetMs)} ms ${offsetMs > 0 ? "ahead of" : "behind"} ${reference} (to within ${errorMs} ms); its times are moved by that`,
		);
}
/** A line may be stamped before another of its stream and written after it. */
const RACE_MS = 100;
/** Arrivals within one stream of one host only grow, unless somebody set its clock. */
function backwards(name: string, lines: Line[]): string[] {
	const last = new Map<string, number>();
	const found: string[] = [];
	for (const { host, from, at, number } of lines) {
		const key = `${host} ${from}`;
		const before = last.get(key) ?? at;
		if (at < before - RACE_MS)
			found.push(`${name}:${number}: the clock of ${host} went back by ${before - at} ms; order around it is that of the times, not of arrival`);
		last.set(key, at);
	}
	return found;
}
