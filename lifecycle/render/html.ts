// The story as one page that needs nothing else: no network, no script. Light or dark as the reader's system; printable.
import type { Entry } from "../recording/entry.ts";
import type { Verdict } from "../verdicts/verdicts.ts";
import { escaped } from "./escape.ts";
import { offset } from "./offset.ts";
import { pausePart } from "./pause.ts";
import { repeatsPart } from "./repeats.ts";
import type { PodStory, Story } from "./story.ts";
import { STYLE } from "./style.ts";
import { svgOf } from "./svg.ts";
import { clockLines, momentsOf } from "./text.ts";
import { counted, cssOf, verdictList } from "./verdict-list.ts";

/** @param made When, for the foot of the page. */
export function pageOf(story: Story, { title = "A Pod's life", made = "" }: { title?: string; made?: string } = {}): string {
	const names = [...new Set(story.pods.map(({ history }) => history.name))];
	const heading = names.length === 1 ? `The life of ${names[0]}` : title;
	return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${escaped(heading)}</title><style>${STYLE}</style></head><body><main>
<h1>${escaped(heading)}</h1>
<p class="soft">Recorded while it happened, put on one clock, and judged against what the Kubernetes documentation says.</p>
${story.problems.map((problem) => `<p class="problem">${escaped(problem)}</p>`).join("\n")}
${story.pods.length > 1 ? overview(story.pods) : ""}
${story.repeats.map(repeatsPart).join("\n")}
${story.pods.map((pod, index) => podPart(pod, story.pods.length > 1 ? `p${index + 1}-` : "")).join("\n")}
${story.pause.length > 0 ? pausePart(story.pause) : ""}
<h2>How to read the times</h2>
<p>Every time is on the control plane's clock. <b>at</b>: it happened then, as the container runtime says. <b>by</b> (hollow in the drawing): it had happened by then, which is when
the recorder heard of it, so that it can stand below what it brought about; API times are whole seconds, so the order inside a second is that of arrival or of the runtime, and where neither decides the verdict is NOT OBSERVED.</p>
${clockLines(story)
	.map((line) => `<p>${escaped(line)}</p>`)
	.join("")}
<p class="soft">${story.timeline.elsewhere} further lines of the recording are about other containers of the hosts. Sentences in quotation marks are from the Kubernetes documentation, CC BY 4.0.${made ? ` Made ${escaped(made)}.` : ""}</p>
</main></body></html>
`;
}
/** Of one Pod; a browser has trouble with a table of a hundred thousand rows. */
const ENTRIES_AT_EACH_END = 5000;

function overview(pods: PodStory[]): string {
	const rows = pods.map(
		({ history, verdicts }, index) =>
			`<tr><td><a href="#p${index + 1}-life">${escaped(history.name)}</a></td><td>${escaped(history.node)}</td><td>${counted(verdicts)}</td></tr>`,
	);
	return `<h2>Pods</h2><div class="scroll"><table><tr><th>Pod</th><th>Node</th><th>Verdicts</th></tr>${rows.join("")}</table></div>`;
}

function podPart({ history, verdicts, seed }: PodStory, prefix: string): string {
	const start = history.added?.at ?? history.entries[0]?.at ?? 0;
	const id = (entry: Entry) => `${prefix}e${entry.id}`;
	const svg = svgOf(history, { isAlone: false, href: (entry) => `#${id(entry)}`, prefix });
	const moments = momentsOf(history).map(
		({ at, by, who, what }) =>
			`<tr><td class="soft">${by}</td><td class="soft number">${offset(at, start)}</td><td>${escaped(who)}</td><td>${escaped(what)}</td></tr>`,
	);
	const judged = new Map<number, Verdict[]>();
	for (const verdict of verdicts) {
		for (const { id } of verdict.entries) {
			const own = judged.get(id);
			if (own) own.push(verdict);
			else judged.set(id, [verdict]);
		}
	}
	const drawn = new Set([...svg.matchAll(/ id="(?:p\d+-)?m(\d+)"/g)].map(([, number]) => Number(number)));
	const isShown = ({ id }: Entry, index: number) =>
		index < ENTRIES_AT_EACH_END || index >= history.entries.length - ENTRIES_AT_EACH_END || drawn.has(id) || judged.has(id);
	const shown = history.entries.filter(isShown);
	const backs = (entry: Entry) => [
		...(drawn.has(entry.id) ? [`<a href="#${prefix}m${entry.id}">drawn</a>`] : []),
		...(judged.get(entry.id) ?? []).map(
			({ guarantee, word }) => `<a class="${cssOf(word)}" href="#${prefix}v-${guarantee.id}">${escaped(guarantee.title)}</a>`,
		),
	];
	return `<section id="${prefix}life">
${prefix ? `<h2>${escaped(history.name)}</h2>` : ""}
<p>${escaped(history.name)} on ${escaped(history.node || "no Node")}, from ${new Date(start).toISOString().replace("T", " ").slice(0, 19)} UTC</p><p>${counted(verdicts)}</p>
<nav><a href="#${prefix}seed">The Pod</a><a href="#${prefix}drawing">What happened</a><a href="#${prefix}verdicts">Verdicts</a><a href="#${prefix}entries">Entries</a></nav>
<h2 id="${prefix}seed">The Pod</h2>
<h3>kubectl get pod -o wide</h3><pre>${escaped(seed.wide)}</pre>
<div class="two"><div><h3>What was asked for</h3><pre class="yaml">${escaped(seed.yaml.trimEnd())}</pre>
<h3>What the hooks wrote, before the deletion</h3><pre>${fileLines(seed.before, seed.earlier) || "(nothing)"}</pre>
<h3>and after the Pod was gone</h3><pre>${fileLines(seed.after, seed.earlier) || "(not read)"}</pre>${seed.earlier > 0 ? `<p class="soft">Grey: written by earlier Pods.</p>` : ""}</div>
<div><h3>kubectl describe pod ${escaped(history.name)}</h3><pre class="long" tabindex="0">${escaped(seed.describe)}</pre></div></div>
<h2 id="${prefix}drawing">What happened</h2>
<div class="beside"><div class="drawing scroll">${svg}</div>
<div class="verdicts-part"><h3 id="${prefix}verdicts">Verdicts</h3>${verdictList(verdicts, { prefix, id })}</div>
<div class="words"><h3>The drawing in words</h3><table class="entries"><tr><th></th><th class="number">since the start</th><th>who</th><th>what</th></tr>${moments.join("\n")}</table></div></div>
<h2 id="${prefix}entries">Entries</h2>
<div class="scroll"><table class="entries"><tr><th class="number">#</th><th class="number">since the start</th><th></th><th>API says</th><th>source</th><th>container</th><th>what</th><th>see</th></tr>
${shown.map((entry) => entryRow(entry, start, id(entry), backs(entry))).join("\n")}</table></div>
${shown.length < history.entries.length ? `<p class="soft">${history.entries.length - shown.length} entries from the middle are in story.json only.</p>` : ""}
</section>`;
}
function fileLines(lines: string[] = [], earlier: number): string {
	return lines.map((line, index) => (index < earlier ? `<span class="soft">${escaped(line)}</span>` : escaped(line))).join("\n");
}
function entryRow({ id, at, meaning, apiSecond, source, container = "", text }: Entry, start: number, anchor: string, backs: string[]): string {
	const api = apiSecond === undefined ? "" : new Date(apiSecond).toISOString().slice(11, 19);
	return `<tr id="${anchor}"><td>${id}</td><td>${offset(at, start)}</td><td class="soft">${meaning}</td><td class="soft">${api}</td><td>${source}</td><td>${escaped(container)}</td><td>${escaped(text)}</td><td>${backs.join(", ")}</td></tr>`;
}
