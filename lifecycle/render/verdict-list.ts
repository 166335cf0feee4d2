// Renders the verdicts on the page: what was found, on which entries, and the sentence that was tested.
import type { Entry } from "../recording/entry.ts";
import type { Word } from "../verdicts/order.ts";
import type { Verdict } from "../verdicts/verdicts.ts";
import { joined, type Markup, markup } from "./markup.ts";

export const WORDS = ["FAIL", "PASS", "NOT GUARANTEED", "NOT OBSERVED"] as const satisfies Word[];
export const cssOf = (word: Word): string => word.toLowerCase().replace(" ", "-");

export function counted(verdicts: Verdict[]): Markup[] {
	return WORDS.map((word) => ({ word, count: verdicts.filter((verdict) => verdict.word === word).length }))
		.filter(({ count }) => count > 0)
		.map(({ word, count }) => markup`<span class="count word ${cssOf(word)}">${count} ${word}</span>`);
}
/** A verdict may rest on thousands of entries, such as those of a container that starts again and again. */
const MOST_LINKS = 12;

/** Those that say something come first, in the order of the guarantees. */
export function verdictList(verdicts: Verdict[], { prefix, id }: { prefix: string; id: (entry: Entry) => string }): Markup {
	const [decided, open] = [verdicts.filter(({ word }) => word !== "NOT OBSERVED"), verdicts.filter(({ word }) => word === "NOT OBSERVED")];
	const item = ({ word, guarantee, because, entries }: Verdict): Markup => {
		const links = entries.slice(0, MOST_LINKS).map((entry) => markup`<a href="#${id(entry)}">${entry.id}</a>`);
		const rest = entries.length > MOST_LINKS ? ` and ${entries.length - MOST_LINKS} more` : "";
		const from = links.length > 0 ? markup` <span class="soft">${entries.length === 1 ? "Entry" : "Entries"} ${joined(links, ", ")}${rest}.</span>` : "";
		const { title, says, page, url } = guarantee;
		return markup`<li id="${prefix}v-${guarantee.id}" class="${cssOf(word)}"><span class="word">${word}</span><b>${title}</b><p>${because}${from}</p><p class="soft">“${says}” <a href="${url}">${page}</a></p></li>`;
	};
	return markup`<ul class="verdicts">${joined([...decided, ...open].map(item))}</ul>`;
}
