// Draws a Pod's history as SVG: a row for the Pod, its sandbox and each container, hooks and signals on top.

import type { PodHistory } from "../history/pod-history.ts";
import type { Entry } from "../recording/entry.ts";
import { type Axis, axisOf, CUT_WIDTH } from "./axis.ts";
import { Lanes, textWidth } from "./lanes.ts";
import { joined, type Markup, markup, trusted } from "./markup.ts";
import { offset } from "./offset.ts";
import { type Bar, isNews, type Mark, type Row, rowsOf } from "./rows.ts";
import { DRAWING, theme } from "./theme.ts";

const [WIDTH, LEFT, RIGHT, TOP] = [1120, 132, 28, 34];
const [BAR_HEIGHT, INNER_HEIGHT, LANE_HEIGHT, ROW_PADDING] = [20, 10, 15, 9];

export interface InPage {
	/** Where an entry is shown in full, such as `#e12`. */
	href: (entry: Entry) => string;
	/** In front of ids, where a page has several drawings. */
	prefix: string;
}

/** A file of its own. */
export const svgOf = (history: PodHistory): string => String(drawingOf(history));

/** The drawing; with `title` and `desc` for those who can't see it. Alone it brings its own colours, and has no links. */
export function drawingOf(history: PodHistory, page?: InPage): Markup {
	const rows = rowsOf(history);
	const times = rows.flatMap(({ bars, inner, marks }) => [...bars, ...inner].flatMap(({ from, to }) => [from, to]).concat(marks.map(({ at }) => at)));
	if (times.length === 0)
		return markup`<svg xmlns="http://www.w3.org/2000/svg" class="life" width="${WIDTH}" height="30"><text x="8" y="20">nothing to draw</text></svg>`;
	const axis = axisOf(times, WIDTH - LEFT - RIGHT);
	const start = times.reduce((least, time) => Math.min(least, time));
	const draw = new Drawing(axis, start, page);
	const body = joined(rows.map((row, index) => draw.row(row, index)));
	const height = draw.y + 26;
	const name = `${history.name} on ${history.node || "no Node"}`;
	return markup`<svg xmlns="http://www.w3.org/2000/svg" class="life" role="img" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<title>The life of ${name}</title><desc>${inWords(rows, start)}</desc>
${page ? "" : markup`<style>${trusted(theme("svg") + DRAWING)}</style><rect width="100%" height="100%" style="fill:var(--paper)"/>`}
${draw.background(height)}
${body}
${draw.ticks(height)}
</svg>`;
}
/** The drawing in words: one sentence a bar or mark. */
function inWords(rows: Row[], start: number): string {
	return rows
		.map(({ name, bars, inner, marks }) => {
			const said = [
				...[...bars, ...inner].map((bar) => ({ from: bar.from, text: `${bar.kind} (${bar.label}) ${stretch(bar, start)}` })),
				...marks
					.filter(isNews)
					.map((mark) => ({ from: mark.at, text: `${mark.label} ${mark.entry.meaning === "by" ? "" : "at "}${moment(mark.at, start, mark.entry)}` })),
			];
			return `${name}: ${said
				.sort((a, b) => a.from - b.from)
				.map(({ text }) => text)
				.join("; ")}.`;
		})
		.join(" ");
}
const moment = (at: number, start: number, entry: Entry | undefined): string => `${entry?.meaning === "by" ? "no later than " : ""}${offset(at, start)}`;
const stretch = ({ from, to, isOpen, entries: [begin, end] }: Bar, start: number): string =>
	`from ${moment(from, start, begin)} to ${isOpen ? "the end of the recording" : moment(to, start, end)}`;

class Drawing {
	readonly #axis: Axis;
	readonly #start: number;
	readonly #page: InPage | undefined;
	y = TOP;
	readonly #ids = new Set<number>();
	constructor(axis: Axis, start: number, page: InPage | undefined) {
		this.#axis = axis;
		this.#start = start;
		this.#page = page;
	}
	#x(time: number): number {
		return LEFT + this.#axis.x(time);
	}
	#link(entry: Entry | undefined, title: string, body: Markup): Markup {
		const inside = markup`<title>${title}</title>${body}`;
		if (!this.#page || !entry) return markup`<g>${inside}</g>`;
		const id = this.#ids.has(entry.id) ? "" : markup` id="${this.#page.prefix}m${entry.id}"`;
		this.#ids.add(entry.id);
		return markup`<a href="${this.#page.href(entry)}"${id}>${inside}</a>`;
	}

	background(height: number): Markup {
		const cuts = this.#axis.cuts.map(({ from, to, x }) => {
			const left = LEFT + x;
			const zig = `M${left + CUT_WIDTH / 2 - 4} ${TOP - 4} ${Array.from({ length: Math.floor((height - TOP - 24) / 8) }, (_, i) => `l${i % 2 ? -8 : 8} 8`).join(" ")}`;
			return markup`<rect class="cut" x="${left}" y="${TOP - 4}" width="${CUT_WIDTH}" height="${height - TOP - 20}"/><path class="zig" d="${zig}" opacity=".35"/><text class="soft" x="${left + CUT_WIDTH / 2}" y="${TOP - 10}" text-anchor="middle">${short(to - from)} cut</text>`;
		});
		const grid = this.#axis.ticks.map(
			(tick) => markup`<line class="grid" x1="${r(this.#x(tick))}" x2="${r(this.#x(tick))}" y1="${TOP - 4}" y2="${height - 24}"/>`,
		);
		return joined([...grid, ...cuts]);
	}
	ticks(height: number): Markup[] {
		const lanes = new Lanes();
		return this.#axis.ticks.flatMap((tick) => {
			const [x, text] = [this.#x(tick), `+${(tick - this.#start) / 1000} s`];
			return lanes.take(x - textWidth(text) / 2, textWidth(text)) === 0
				? markup`<text class="soft" x="${r(x)}" y="${height - 8}" text-anchor="middle">${text}</text>`
				: [];
		});
	}

	row({ name, note, bars, inner, marks }: Row, index: number): Markup {
		const lanes = new Lanes();
		const labels: Markup[] = [];
		const top = this.y + ROW_PADDING;
		const places = [
			...inner.map((bar) => ({ x: this.#x(bar.from), label: bar.label, css: bar.kind })),
			...marks.map((mark) => ({ x: this.#x(mark.at), label: mark.label, css: `m-${mark.kind}` })),
		].sort((a, b) => a.x - b.x);
		const spots = places.map((place) => {
			const width = textWidth(place.label) + 8;
			const left = Math.min(place.x + 3, WIDTH - width);
			return { ...place, left, lane: lanes.take(left, width) };
		});
		const labelHeight = lanes.count * LANE_HEIGHT;
		const barTop = top + labelHeight;
		for (const { x, left, lane, label, css } of spots) {
			const y = top + (lanes.count - 1 - lane) * LANE_HEIGHT + 11;
			labels.push(
				markup`<line class="lead" x1="${r(x)}" x2="${r(x)}" y1="${y - 8}" y2="${barTop}"/><text class="${css}" x="${r(left)}" y="${y}">${label}</text>`,
			);
		}
		const height = ROW_PADDING * 2 + labelHeight + BAR_HEIGHT;
		this.y += height;
		return joined([
			index % 2 === 0 ? markup`<rect class="band" x="0" y="${top - ROW_PADDING}" width="${WIDTH}" height="${height}" opacity=".6"/>` : "",
			markup`<text class="name" x="8" y="${barTop + 9}">${clipped(name)}</text><text class="soft" x="8" y="${barTop + 22}">${note}</text>`,
			...labels,
			...bars.map((bar) => this.#bar(bar, barTop, BAR_HEIGHT, Math.min(WIDTH, ...places.filter(({ x }) => x > this.#x(bar.from)).map(({ x }) => x - 5)))),
			...inner.map((bar) => this.#bar(bar, barTop + (BAR_HEIGHT - INNER_HEIGHT) / 2, INNER_HEIGHT, 0)),
			...marks.map((mark) => this.#mark(mark, barTop + BAR_HEIGHT / 2)),
		]);
	}
	/** `room`: where its text must end; 0 for no text. */
	#bar(bar: Bar, y: number, height: number, room: number): Markup {
		const { from, to, kind, label, isOpen, entries } = bar;
		const x = this.#x(from);
		const width = Math.max(this.#x(to) - x, 2);
		const text =
			room > 0 && textWidth(label) + 10 < Math.min(width, room - x) ? markup`<text class="bar" x="${r(x + 5)}" y="${y + height - 6}">${label}</text>` : "";
		const body = markup`<rect class="${kind}${isOpen ? " open" : ""}" x="${r(x)}" y="${y}" width="${r(width)}" height="${height}" rx="2"/>${text}`;
		return this.#link(entries[0], `${label}: ${stretch(bar, this.#start)}`, body);
	}
	#mark({ at, kind, label, entry }: Mark, y: number): Markup {
		const x = this.#x(at);
		const shapes: Record<Mark["kind"], string> = {
			ready: `M${r(x)} ${y - 6}l6 6l-6 6l-6 -6z`,
			delete: `M${r(x - 6)} ${y - 6}h12l-6 11z`,
			gone: `M${r(x - 4)} ${y - 6}h8v12h-8z`,
			term: `M${r(x)} ${y - 7}l6 12h-12z`,
			kill: `M${r(x - 6)} ${y - 6}l12 12m0 -12l-12 12`,
			exit: `M${r(x - 1.5)} ${y - 10}h3v20h-3z`,
			failed: `M${r(x - 2)} ${y - 10}h4v20h-4z`,
			line: `M${r(x - 4)} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
		};
		const by = entry.meaning === "by" ? " by" : "";
		const title = `${label}: ${moment(at, this.#start, entry)} (${entry.source})`;
		return this.#link(entry, title, markup`<path class="m-${kind}${by}"${kind === "kill" ? markup` stroke-width="3"` : ""} d="${shapes[kind]}"/>`);
	}
}
const r = (value: number): string => String(Math.round(value * 10) / 10);
const clipped = (name: string): string => (name.length > 17 ? `${name.slice(0, 16)}…` : name);
const short = (ms: number): string =>
	ms < 1000
		? `${Math.round(ms)} ms`
		: ms < 60_000
			? `${(ms / 1000).toFixed(1)} s`
			: ms < 3_600_000
				? `${(ms / 60_000).toFixed(1)} min`
				: `${(ms / 3_600_000).toFixed(1)} h`;
