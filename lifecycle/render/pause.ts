// Renders what the pause container holds together, as a part of the page.
import type { PauseRow } from "../verdicts/pause.ts";
import { joined, type Markup, markup } from "./markup.ts";

export function pausePart(rows: PauseRow[]): Markup {
	const cells = rows.map(({ verdict, pod, what, pause, one, two, says }) => {
		const values = [pause, one, two].map((value) => markup`<td>${value === "-" ? markup`<span class="soft">–</span>` : value}</td>`);
		return markup`<tr><td class="word ${verdict.toLowerCase()}">${verdict}</td><td>${pod}</td><td>${what}</td>${values}<td class="soft">${says}</td></tr>`;
	});
	return markup`<section id="pause"><h2>The pause container</h2>
<p>What a Pod's containers share, looked at from inside them and from their host. pause-shared has shareProcessNamespace. The last two rows of each are before and after: first a container was ended, then pause itself.</p>
<div class="scroll"><table><tr><th></th><th>Pod</th><th>what</th><th>pause, or before</th><th>container one, or after</th><th>container two</th><th>as it should be</th></tr>
${joined(cells)}</table></div></section>`;
}
