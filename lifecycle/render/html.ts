// The story as one page that needs nothing else: no network, no script. Light or dark as the reader's system; printable.
import type { Entry } from "../entry.ts";
import type { Word } from "../judge.ts";
import type { PodStory, Story } from "../story.ts";
import type { Verdict } from "../verdicts.ts";
import { escaped, svgOf } from "./svg.ts";
import { clockLines, momentsOf } from "./text.ts";
import { DRAWING, theme } from "./theme.ts";

const STYLE = [
	theme(":root"),
	"*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}",
	"main{max-width:1180px;margin:0 auto;padding:24px 28px 60px}h1{font-size:26px;margin:.2em 0 0}h2{font-size:19px;margin:2em 0 .5em}h3{font-size:15px;margin:1.3em 0 .3em}",
	"p{margin:.4em 0;max-width:75ch}.soft{color:var(--soft)}a{color:inherit;text-underline-offset:2px}nav a{margin-right:1.2em}",
	"pre{background:var(--band);border:1px solid var(--line);border-radius:6px;padding:10px 14px;overflow-x:auto;font:12.5px/1.45 ui-monospace,monospace;margin:.3em 0}",
	".two{display:grid;grid-template-columns:3fr 2fr;gap:0 20px}.two>*{min-width:0}.scroll{overflow-x:auto}",
	"table{border-collapse:collapse;width:100%;font-size:13.5px}th{text-align:left;font-weight:600;color:var(--soft)}td,th{padding:5px 10px 5px 0;vertical-align:top;border-bottom:1px solid var(--line)}",
	".entries{font-size:12.5px}.entries td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tr:target{background:var(--cut);outline:2px solid var(--soft)}",
	".word{font-weight:700;white-space:nowrap}.pass{color:var(--good)}.fail{color:var(--bad)}.not-guaranteed{color:var(--open)}.not-observed{color:var(--none);font-weight:600}",
	".count{display:inline-block;margin-right:1.4em}.problem{border-left:4px solid var(--open);padding-left:12px}",
	"details>summary{cursor:pointer;color:var(--soft);margin:.4em 0}svg.life{max-width:100%;height:auto;display:block}",
	DRAWING,
	"@media(max-width:900px){.two{display:block}.scroll svg.life{max-width:none}}",
	"@media print{main{max-width:none;padding:0}h2{break-after:avoid}tr,svg{break-inside:avoid}nav{display:none}pre{white-space:pre-wrap}body{font-size:12px}}",
].join("\n");
const cssOf = (word: Word): string => word.toLowerCase().replace(" ", "-");

/** @param made When, for the foot of the page. */
export function pageOf(story: Story, { title = "A Pod's life", made = "" }: { title?: string; made?: string } = {}): string {
	const names = story.pods.map(({ life }) => life.name);
	const heading = names.length === 1 ? `The life of ${names[0]}` : title;
	return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${escaped(heading)}</title><style>${STYLE}</style></head><body><main>
<h1>${escaped(heading)}</h1>
<p class="soft">Recorded while it happened, put on one clock, and judged against what the Kubernetes documentation says.</p>
${story.problems.map((problem) => `<p class="problem">${escaped(problem)}</p>`).join("\n")}
${story.pods.length > 1 ? overview(story.pods) : ""}
${story.pods.map((pod, index) => podPart(pod, story.pods.length > 1 ? `p${index + 1}-` : "")).join("\n")}
<h2>How to read the times</h2>
<p>Every time is on the control plane's clock. <b>at</b>: it happened then, as the container runtime says. <b>by</b> (hollow in the drawing): it had happened by then, which is when
the recorder heard of it; API times are whole seconds, so the order inside a second is that of arrival or of the runtime, and where neither decides the verdict is NOT OBSERVED.</p>
${clockLines(story)
	.map((line) => `<p>${escaped(line)}</p>`)
	.join("")}
<p class="soft">${story.timeline.elsewhere} further lines of the recording are about other containers of the hosts.${made ? ` Made ${escaped(made)}.` : ""}</p>
</main></body></html>
`;
}
function overview(pods: PodStory[]): string {
	const rows = pods.map(
		({ life, verdicts }, index) =>
			`<tr><td><a href="#p${index + 1}-life">${escaped(life.name)}</a></td><td>${escaped(life.node)}</td><td>${counts(verdicts)}</td></tr>`,
	);
	return `<h2>Pods</h2><table><tr><th>Pod</th><th>Node</th><th>Verdicts</th></tr>${rows.join("")}</table>`;
}
function counts(verdicts: Verdict[]): string {
	return (["PASS", "FAIL", "NOT GUARANTEED", "NOT OBSERVED"] as const)
		.map((word) => ({ word, count: verdicts.filter((verdict) => verdict.word === word).length }))
		.filter(({ count }) => count > 0)
		.map(({ word, count }) => `<span class="count word ${cssOf(word)}">${count} ${word}</span>`)
		.join("");
}

function podPart({ life, verdicts, seed }: PodStory, prefix: string): string {
	const start = life.added?.at ?? life.entries[0]?.at ?? 0;
	const id = (entry: Entry) => `${prefix}e${entry.id}`;
	const svg = svgOf(life, { isAlone: false, href: (entry) => `#${id(entry)}`, prefix });
	const moments = momentsOf(life).map(
		({ at, who, what }) => `<tr><td class="soft">${offset(at, start)}</td><td>${escaped(who)}</td><td>${escaped(what)}</td></tr>`,
	);
	const judged = new Map<number, Verdict[]>();
	for (const verdict of verdicts) for (const entry of verdict.entries) judged.set(entry.id, [...(judged.get(entry.id) ?? []), verdict]);
	const drawn = new Set([...svg.matchAll(/ id="(?:p\d+-)?m(\d+)"/g)].map(([, number]) => Number(number)));
	const row = (verdict: Verdict) => verdictRow(verdict, prefix, id);
	const backs = (entry: Entry) => [
		...(drawn.has(entry.id) ? [`<a href="#${prefix}m${entry.id}">drawn</a>`] : []),
		...(judged.get(entry.id) ?? []).map(
			({ guarantee, word }) => `<a class="${cssOf(word)}" href="#${prefix}v-${guarantee.id}">${escaped(guarantee.title)}</a>`,
		),
	];
	return `<section id="${prefix}life">
${prefix ? `<h2>${escaped(life.name)}</h2>` : ""}
<p>${escaped(life.name)} on ${escaped(life.node || "no Node")}, from ${new Date(start).toISOString().replace("T", " ").slice(0, 19)} UTC. ${counts(verdicts)}</p>
<nav><a href="#${prefix}seed">The Pod</a><a href="#${prefix}drawing">What happened</a><a href="#${prefix}verdicts">Verdicts</a><a href="#${prefix}entries">Entries</a></nav>
<h2 id="${prefix}seed">The Pod</h2>
<div class="two"><div><h3>What was asked for</h3><pre>${escaped(seed.yaml.trimEnd())}</pre></div>
<div><h3>What the hooks wrote, before the deletion</h3><pre>${fileLines(seed.before, seed.earlier) || "(nothing)"}</pre>
<h3>and after the Pod was gone</h3><pre>${fileLines(seed.after, seed.earlier) || "(not read)"}</pre>${seed.earlier > 0 ? `<p class="soft">Grey: written by earlier Pods.</p>` : ""}</div></div>
<h3>kubectl get pod -o wide</h3><pre>${escaped(seed.wide)}</pre>
<details open><summary>kubectl describe pod ${escaped(life.name)}</summary><pre>${escaped(seed.describe)}</pre></details>
<h2 id="${prefix}drawing">What happened</h2>
<div class="scroll">${svg}</div>
<details><summary>The drawing in words</summary><table class="entries"><tr><th>since the start</th><th>who</th><th>what</th></tr>${moments.join("\n")}</table></details>
<h2 id="${prefix}verdicts">Verdicts</h2>
<table><tr><th>Verdict</th><th>Guarantee, and what the documentation says</th><th>This time</th><th>Entries</th></tr>
${verdicts.map(row).join("\n")}</table>
<h2 id="${prefix}entries">Entries</h2>
<div class="scroll"><table class="entries"><tr><th>#</th><th>since the start</th><th></th><th>API says</th><th>source</th><th>container</th><th>what</th><th>see</th></tr>
${life.entries.map((entry) => entryRow(entry, start, id(entry), backs(entry))).join("\n")}</table></div>
</section>`;
}
function fileLines(lines: string[] = [], earlier: number): string {
	return lines.map((line, index) => (index < earlier ? `<span class="soft">${escaped(line)}</span>` : escaped(line))).join("\n");
}
function verdictRow({ word, guarantee, because, entries }: Verdict, prefix: string, id: (entry: Entry) => string): string {
	const links = entries.map((entry) => `<a href="#${id(entry)}">${entry.id}</a>`).join(", ");
	const { title, says, page, url } = guarantee;
	return `<tr id="${prefix}v-${guarantee.id}"><td class="word ${cssOf(word)}">${word}</td><td><b>${escaped(title)}</b><br><span class="soft">${escaped(says)} (<a href="${url}">${escaped(page)}</a>)</span></td><td>${escaped(because)}</td><td>${links}</td></tr>`;
}
function entryRow({ id, at, meaning, apiSecond, source, container = "", text }: Entry, start: number, anchor: string, backs: string[]): string {
	const api = apiSecond === undefined ? "" : new Date(apiSecond).toISOString().slice(11, 19);
	return `<tr id="${anchor}"><td>${id}</td><td>${offset(at, start)}</td><td class="soft">${meaning}</td><td class="soft">${api}</td><td>${source}</td><td>${escaped(container)}</td><td>${escaped(text)}</td><td>${backs.join(", ")}</td></tr>`;
}
const offset = (at: number, start: number): string => `+${((at - start) / 1000).toFixed(3)} s`.replace("+-", "−");
