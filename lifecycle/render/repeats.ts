// Compares the histories of Pods of one name, as text and as a part of the page.
import { seconds } from "../verdicts/order.ts";
import { type Measure, median, type Repeats } from "../verdicts/repeats.ts";
import { columns } from "./columns.ts";
import { joined, type Markup, markup } from "./markup.ts";
import { cssOf, WORDS } from "./verdict-list.ts";

const firsts = ({ first, values }: Measure): string =>
	Object.entries(first ?? {})
		.filter(([, count]) => count > 0)
		.map(([name, count]) => `${name} first: ${count} of ${values.length}`)
		.join(", ");
const numbers = ({ values }: Measure): [string, string, string] => [seconds(values[0] ?? 0), seconds(median(values)), seconds(values.at(-1) ?? 0)];

export function repeatsText({ name, count, guarantees, measures }: Repeats): string {
	const verdicts = guarantees.map(({ guarantee, words }) => [...WORDS.map((word) => String(words[word] ?? "-")), guarantee.title]);
	const times = measures.map((one) => [one.what, one.container, ...numbers(one), firsts(one)]);
	return [
		`${name}: ${count} lives`,
		...columns([["what", "container", "least", "median", "most", ""], ...times], 2),
		"",
		...columns([[...WORDS, "guarantee"], ...verdicts], 2),
	].join("\n");
}

const [WIDTH, HEIGHT, MARGIN] = [300, 22, 8];
/** A point for each history, on a line from zero to the most. */
function strip({ values }: Measure): Markup {
	const [low, high] = [Math.min(values[0] ?? 0, 0), values.at(-1) ?? 0];
	const x = (value: number) => Math.round((MARGIN + ((value - low) / Math.max(high - low, 0.001)) * (WIDTH - 2 * MARGIN)) * 10) / 10;
	const points = values.map((value) => markup`<circle cx="${x(value)}" cy="${HEIGHT / 2}" r="4"><title>${seconds(value)}</title></circle>`);
	return markup`<svg class="strip" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"><title>${values.length} lives, ${seconds(values[0] ?? 0)} to ${seconds(high)}</title><path d="M${x(low)} ${HEIGHT / 2}H${x(high)}M${x(0)} 4v${HEIGHT - 8}"/>${points}</svg>`;
}
export function repeatsPart({ name, count, guarantees, measures }: Repeats): Markup {
	const times = measures.map((one) => {
		const [least, middle, most] = numbers(one);
		return markup`<tr><td>${one.what}<br><span class="soft">${one.container}${one.first ? `; ${firsts(one)}` : ""}</span></td><td>${strip(one)}</td><td class="number">${least}</td><td class="number">${middle}</td><td class="number">${most}</td></tr>`;
	});
	const verdicts = guarantees.map(
		({ guarantee, words }) =>
			markup`<tr><td>${guarantee.title}</td>${WORDS.map((word) => markup`<td class="number ${words[word] ? cssOf(word) : "soft"}">${words[word] ?? "–"}</td>`)}</tr>`,
	);
	return markup`<section class="runs"><h2>${name}: ${count} lives</h2>
<p>One run shows what happened once. Over ${count} lives of a Pod of this name:</p>
<div class="scroll"><table><tr><th>From one to the other</th><th>Each life, from zero</th><th class="number">least</th><th class="number">median</th><th class="number">most</th></tr>${joined(times)}</table></div>
<div class="scroll"><table><tr><th>Guarantee</th>${WORDS.map((word) => markup`<th class="number">${word}</th>`)}</tr>${joined(verdicts)}</table></div></section>`;
}
