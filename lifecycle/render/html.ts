// Renders the story as one page that needs nothing else: no network, no script. Light or dark as the reader's system; printable.
import type { Entry } from "../recording/entry.ts";
import type { Verdict } from "../verdicts/verdicts.ts";
import { type Content, joined, type Markup, markup, trusted } from "./markup.ts";
import { offset } from "./offset.ts";
import { pausePart } from "./pause.ts";
import { repeatsPart } from "./repeats.ts";
import type { PodStory, Story } from "./story.ts";
import { STYLE } from "./style.ts";
import { drawingOf } from "./svg.ts";
import { clockLines, momentsOf } from "./text.ts";
import { counted, cssOf, verdictList } from "./verdict-list.ts";

/** @param made When, for the foot of the page. */
export function pageOf(story: Story, { title = "A Pod's life", made = "" }: { title?: string; made?: string } = {}): string {
	const names = [...new Set(story.pods.map(({ history }) => history.name))];
	const heading = names.length === 1 ? `The life of ${names[0]}` : title;
	const page = markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${heading}</title><style>${trusted(STYLE)}</style></head><body><main>
<h1>${heading}</h1>
<p class="soft">Recorded while it happened, put on one clock, and judged against what the Kubernetes documentation says.</p>
${joined(story.problems.map((problem) => markup`<p class="problem">${problem}</p>`))}
${story.pods.length > 1 ? overview(story.pods) : ""}
${joined(story.repeats.map(repeatsPart))}
${joined(story.pods.map((pod, index) => podPart(pod, story.pods.length > 1 ? `p${index + 1}-` : "")))}
${story.pause.length > 0 ? pausePart(story.pause) : ""}
<h2>How to read the times</h2>
<p>Every time is on the control plane's clock. <b>at</b>: it happened then, as the container runtime says. <b>by</b> (hollow in the drawing): it had happened by then, which is when
the recorder heard of it, so that it can stand below what it brought about; API times are whole seconds, so the order inside a second is that of arrival or of the runtime, and where neither decides the verdict is NOT OBSERVED.</p>
${clockLines(story).map((line) => markup`<p>${line}</p>`)}
<p class="soft">${story.timeline.elsewhere} further lines of the recording are about other containers of the hosts. Sentences in quotation marks are from the Kubernetes documentation, CC BY 4.0.${made ? ` Made ${made}.` : ""}</p>
</main></body></html>
`;
	return String(page);
}
/** Of one Pod; a browser has trouble with a table of a hundred thousand rows. */
const ENTRIES_AT_EACH_END = 5000;

function overview(pods: PodStory[]): Markup {
	const rows = pods.map(
		({ history, verdicts }, index) =>
			markup`<tr><td><a href="#p${index + 1}-life">${history.name}</a></td><td>${history.node}</td><td>${counted(verdicts)}</td></tr>`,
	);
	return markup`<h2>Pods</h2><div class="scroll"><table><tr><th>Pod</th><th>Node</th><th>Verdicts</th></tr>${rows}</table></div>`;
}

function podPart({ history, verdicts, seed }: PodStory, prefix: string): Markup {
	const start = history.added?.at ?? history.entries[0]?.at ?? 0;
	const id = (entry: Entry) => `${prefix}e${entry.id}`;
	const drawing = drawingOf(history, { href: (entry) => `#${id(entry)}`, prefix });
	const moments = momentsOf(history).map(
		({ at, by, who, what }) => markup`<tr><td class="soft">${by}</td><td class="soft number">${offset(at, start)}</td><td>${who}</td><td>${what}</td></tr>`,
	);
	const judged = new Map<number, Verdict[]>();
	for (const verdict of verdicts) {
		for (const { id } of verdict.entries) {
			const own = judged.get(id);
			if (own) own.push(verdict);
			else judged.set(id, [verdict]);
		}
	}
	const drawn = new Set([...String(drawing).matchAll(/ id="(?:p\d+-)?m(\d+)"/g)].map(([, number]) => Number(number)));
	const isShown = ({ id }: Entry, index: number) =>
		index < ENTRIES_AT_EACH_END || index >= history.entries.length - ENTRIES_AT_EACH_END || drawn.has(id) || judged.has(id);
	const shown = history.entries.filter(isShown);
	const backs = (entry: Entry) => [
		...(drawn.has(entry.id) ? [markup`<a href="#${prefix}m${entry.id}">drawn</a>`] : []),
		...(judged.get(entry.id) ?? []).map(({ guarantee, word }) => markup`<a class="${cssOf(word)}" href="#${prefix}v-${guarantee.id}">${guarantee.title}</a>`),
	];
	return markup`<section id="${prefix}life">
${prefix ? markup`<h2>${history.name}</h2>` : ""}
<p>${history.name} on ${history.node || "no Node"}, from ${new Date(start).toISOString().replace("T", " ").slice(0, 19)} UTC</p><p>${counted(verdicts)}</p>
<nav><a href="#${prefix}seed">The Pod</a><a href="#${prefix}drawing">What happened</a><a href="#${prefix}verdicts">Verdicts</a><a href="#${prefix}entries">Entries</a></nav>
<h2 id="${prefix}seed">The Pod</h2>
<h3>kubectl get pod -o wide</h3><pre>${seed.wide}</pre>
<div class="two"><div><h3>What was asked for</h3><pre class="yaml">${seed.yaml.trimEnd()}</pre>
<h3>What the hooks wrote, before the deletion</h3><pre>${fileLines(seed.before, seed.earlier, "(nothing)")}</pre>
<h3>and after the Pod was gone</h3><pre>${fileLines(seed.after, seed.earlier, "(not read)")}</pre>${seed.earlier > 0 ? markup`<p class="soft">Grey: written by earlier Pods.</p>` : ""}</div>
<div><h3>kubectl describe pod ${history.name}</h3><pre class="long" tabindex="0">${seed.describe}</pre></div></div>
<h2 id="${prefix}drawing">What happened</h2>
<div class="beside"><div class="drawing scroll">${drawing}</div>
<div class="verdicts-part"><h3 id="${prefix}verdicts">Verdicts</h3>${verdictList(verdicts, { prefix, id })}</div>
<div class="words"><h3>The drawing in words</h3><table class="entries"><tr><th></th><th class="number">since the start</th><th>who</th><th>what</th></tr>${joined(moments)}</table></div></div>
<h2 id="${prefix}entries">Entries</h2>
<div class="scroll"><table class="entries"><tr><th class="number">#</th><th class="number">since the start</th><th></th><th>API says</th><th>source</th><th>container</th><th>what</th><th>see</th></tr>
${joined(shown.map((entry) => entryRow(entry, start, id(entry), backs(entry))))}</table></div>
${shown.length < history.entries.length ? markup`<p class="soft">${history.entries.length - shown.length} entries from the middle are in story.json only.</p>` : ""}
</section>`;
}
/** `none`: said where nothing can be seen. */
function fileLines(lines: string[] = [], earlier: number, none: string): Content {
	if (lines.join("\n") === "") return none;
	return joined(lines.map((line, index) => (index < earlier ? markup`<span class="soft">${line}</span>` : line)));
}
function entryRow({ id, at, meaning, apiSecond, source, container = "", text }: Entry, start: number, anchor: string, backs: Markup[]): Markup {
	const api = apiSecond === undefined ? "" : new Date(apiSecond).toISOString().slice(11, 19);
	return markup`<tr id="${anchor}"><td>${id}</td><td>${offset(at, start)}</td><td class="soft">${meaning}</td><td class="soft">${api}</td><td>${source}</td><td>${container}</td><td>${text}</td><td>${joined(backs, ", ")}</td></tr>`;
}
